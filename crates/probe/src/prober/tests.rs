use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use lockstep_model::api::Report;
use lockstep_model::{
    Glob, HostName, Interval, ItemName, LevelNames, Retention, Setting, Value, WatchedHost,
    WorkItem,
};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::kernel::number;
use crate::probe::{Found, Look};

/// Probes that behave as their names say, and a list of when they were asked.
#[derive(Debug, Clone, Default)]
struct Stage {
    asked: Arc<Mutex<Vec<(String, Instant)>>>,
    under_way: Arc<AtomicUsize>,
    most_under_way: Arc<AtomicUsize>,
    /// How many probes were looked for.
    found: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Actor {
    name: String,
    looks: AtomicUsize,
    stage: Stage,
}

/// Counts the looks that are under way, also when they are given up.
struct OnStage(Stage);

impl OnStage {
    fn enter(stage: &Stage) -> Self {
        let now = stage.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        stage.most_under_way.fetch_max(now, Ordering::SeqCst);
        Self(stage.clone())
    }
}

impl Drop for OnStage {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Probe for Actor {
    fn look(self: Arc<Self>, _: Timestamp) -> Look {
        let looks = self.looks.fetch_add(1, Ordering::SeqCst) + 1;
        let entry = (self.name.clone(), Instant::now());
        self.stage.asked.lock().unwrap().push(entry);
        let (role, object) = self.name.split_once(':').unwrap();
        let found = |name: String| {
            let value = number(f64::from(u32::try_from(looks).unwrap()), "");
            Found::new(ItemName::parse(&name).unwrap(), Ok(value))
        };
        let one = vec![found(self.name.clone())];
        match role {
            "panic" => panic!("on purpose"),
            "star" if object == "*" => Box::pin(std::future::ready(
                ["star:a", "star:b"].map(|name| found(name.into())).into(),
            )),
            "flood" => {
                let items = 0..object.parse::<usize>().unwrap();
                let flood = items.map(|n| found(format!("flood:{n:04}"))).collect();
                Box::pin(std::future::ready(flood))
            }
            "hang" => Box::pin(async move {
                let _on_stage = OnStage::enter(&self.stage);
                std::future::pending().await
            }),
            // The first look answers.
            "dies" if looks > 1 => Box::pin(std::future::pending()),
            _ => Box::pin(std::future::ready(one)),
        }
    }

    fn is_cheap(&self) -> bool {
        self.name.starts_with("cheap:")
    }
}

struct World {
    stage: Stage,
    prober: Prober,
    batches: mpsc::Receiver<Vec<Sample>>,
    start: Instant,
}

fn world(work: Work) -> World {
    let stage = Stage::default();
    let actors = stage.clone();
    let find = move |order: &Order| {
        let name = order.name.as_str().to_owned();
        actors.found.fetch_add(1, Ordering::SeqCst);
        if name.starts_with("permitted") && !order.permits.arguments {
            return Err("it is not permitted".into());
        }
        if name.starts_with("nothing") {
            return Err("there is no probe nothing".into());
        }
        let actor: Arc<dyn Probe> = Arc::new(Actor {
            name,
            looks: AtomicUsize::new(0),
            stage: actors.clone(),
        });
        Ok(actor)
    };
    let (clock, _) = Clock::driven(Timestamp::UNIX_EPOCH);
    let config = Config::of_this_machine(Vec::new());
    let (prober, batches) = Prober::with_probes(config, work, clock, Arc::new(find));
    World {
        stage,
        prober,
        batches,
        start: Instant::now(),
    }
}

fn item(name: &str) -> WorkItem {
    WorkItem::named(Glob::parse(name).unwrap())
}

fn work<const N: usize>(items: [WorkItem; N]) -> Work {
    Work {
        levels: LevelNames::default(),
        sample: Interval::from_secs(60),
        report: Interval::from_secs(300),
        items: items.into(),
        watched: Vec::new(),
        history: Retention::default(),
        packages: Vec::new(),
    }
}

impl World {
    async fn batch(&mut self) -> Vec<Sample> {
        let long = Duration::from_secs(86_400);
        let batch = timeout(long, self.batches.recv()).await;
        batch.expect("no batch came for a day").expect("it ended")
    }

    /// Takes batches until `seconds` have passed, and keeps the newest value of each item.
    async fn values(&mut self, seconds: u64) -> HashMap<String, Value> {
        let mut values = HashMap::new();
        let end = Instant::now() + Duration::from_secs(seconds);
        while let Ok(batch) = tokio::time::timeout_at(end, self.batches.recv()).await {
            for sample in batch.expect("it ended") {
                values.insert(sample.item.to_string(), sample.value);
            }
        }
        values
    }

    /// When a probe was asked, in seconds since the start.
    fn asked(&self, name: &str) -> Vec<f64> {
        let asked = self.stage.asked.lock().unwrap();
        let of_name = asked.iter().filter(|(asked, _)| asked == name);
        of_name
            .map(|(_, at)| at.duration_since(self.start).as_secs_f64())
            .collect()
    }
}

fn names(batch: &[Sample]) -> Vec<&str> {
    batch.iter().map(|sample| sample.item.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn cheap_items_of_one_interval_come_together() {
    let half = WorkItem {
        every: Some(Interval::from_secs(30)),
        ..item("cheap:c")
    };
    let mut world = world(work([item("cheap:a"), item("cheap:b"), half]));
    for second in [0, 30, 60, 90, 120] {
        let batch = world.batch().await;
        let all = ["cheap:a", "cheap:b", "cheap:c"];
        let expected = if second % 60 == 0 { &all } else { &all[2..] };
        assert_eq!(names(&batch), expected, "second {second}");
        assert_eq!(world.start.elapsed().as_secs(), second);
    }
}

#[tokio::test(start_paused = true)]
async fn other_items_have_a_time_of_their_own_and_keep_it() {
    let items = ["web:a", "web:b", "web:c"].map(item);
    let mut world = world(work(items));
    world.values(300).await;
    let mut firsts = Vec::new();
    for name in ["web:a", "web:b", "web:c"] {
        let asked = world.asked(name);
        assert_eq!(asked.len(), 5, "{asked:?}");
        assert!(asked[0] <= 10.1, "{asked:?}");
        for two in asked.windows(2) {
            assert!((59.9..60.1).contains(&(two[1] - two[0])), "{asked:?}");
        }
        firsts.push(asked[0]);
    }
    firsts.dedup();
    assert_eq!(firsts.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_delays_no_other() {
    let mut world = world(work([item("hang:x"), item("cheap:a"), item("dies:y")]));
    let first = world.values(55).await;
    assert_eq!(first["cheap:a"], number(1.0, ""));
    assert_eq!(first["dies:y"], number(1.0, ""));
    assert_eq!(first["hang:x"], Value::None("no answer within 10s".into()));
    let second = world.values(60).await;
    assert_eq!(second["dies:y"], Value::None("no answer within 10s".into()));
    assert_eq!(world.asked("cheap:a"), [0.0, 60.0]);
    assert_eq!(world.asked("hang:x").len(), 2);
    assert!(world.stage.under_way.load(Ordering::SeqCst) <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_harms_only_itself() {
    let mut world = world(work([item("panic:x"), item("cheap:a")]));
    let values = world.values(90).await;
    assert_eq!(values["cheap:a"], number(2.0, ""));
    let why = "the probe failed, which is a bug of the agent: on purpose";
    assert_eq!(values["panic:x"], Value::None(why.into()));
    assert_eq!(world.asked("panic:x").len(), 2, "it is asked again");
}

#[tokio::test(start_paused = true)]
async fn entries_that_did_not_change_keep_what_they_remember() {
    let mut world = world(work([item("cheap:a"), item("cheap:b"), item("web:c")]));
    world.values(150).await;
    let other_options = WorkItem {
        options: [("x".to_owned(), Setting::Flag(true))].into(),
        ..item("cheap:b")
    };
    let other_time = WorkItem {
        every: Some(Interval::from_secs(20)),
        ..item("web:c")
    };
    world.prober.follow(work([
        item("new:d"),
        item("cheap:a"),
        other_options,
        other_time,
    ]));
    let values = world.values(35).await;
    assert_eq!(values["cheap:a"], number(4.0, ""));
    assert_eq!(values["cheap:b"], number(2.0, ""), "now and at 180");
    assert_eq!(values["new:d"], number(1.0, ""));
    assert!(world.asked("web:c").len() >= 4);
    world.prober.follow(work([item("cheap:a")]));
    let values = world.values(120).await;
    assert_eq!(values.len(), 1);
    assert_eq!(values["cheap:a"], number(6.0, ""));
}

#[tokio::test(start_paused = true)]
async fn what_is_permitted_later_is_done_from_then_on() {
    let mut world = world(work([item("permitted:x")]));
    let values = world.values(59).await;
    let why = Value::None("it is not permitted".into());
    assert_eq!(values["permitted:x"], why);
    let permits = Permits {
        arguments: true,
        ..Permits::default()
    };
    world.prober.permit(permits, Secrets::default());
    let values = world.values(60).await;
    assert_eq!(values["permitted:x"], number(1.0, ""));
}

#[tokio::test(start_paused = true)]
async fn entries_that_make_no_sense_say_so_in_their_own_time() {
    let mut world = world(work([
        item("nothing:x"),
        item("cheap:a"),
        item("*"),
        item("cheap*"),
        item(&"n".repeat(250)),
    ]));
    let batch = world.batch().await;
    assert_eq!(names(&batch), ["cheap:a", "nothing:x"]);
    let why = "there is no probe nothing";
    assert_eq!(batch[1].value, Value::None(why.into()));
    assert_eq!(names(&world.batch().await), ["cheap:a", "nothing:x"]);
}

#[tokio::test(start_paused = true)]
async fn the_more_particular_entry_looks_at_its_item_itself() {
    let own = WorkItem {
        every: Some(Interval::from_secs(10)),
        ..item("star:a")
    };
    let mut world = world(work([item("star:*"), own, item("*")]));
    let values = world.values(115).await;
    assert_eq!(values["star:b"], number(2.0, ""));
    let Value::Number { value, .. } = values["star:a"] else {
        panic!("{values:?}");
    };
    assert!(value > 9.0, "{value}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_items_is_dammed() {
    let mut world = world(work([
        item("flood:2000"),
        item("cheap:a"),
        item("web:late"),
    ]));
    let values = world.values(100).await;
    assert_eq!(values.len(), Report::MOST_ITEMS);
    assert_eq!(values["items_dropped"], number(1503.0, ""));
    assert_eq!(values["cheap:a"], number(2.0, ""));
    assert_eq!(values["web:late"], number(2.0, ""));
    assert_eq!(values["flood:0000"], number(2.0, ""));
    world.prober.follow(work([item("cheap:a")]));
    let values = world.values(100).await;
    assert_eq!(values["items_dropped"], number(0.0, ""));
    assert!(!world.values(100).await.contains_key("items_dropped"));
}

#[tokio::test(start_paused = true)]
async fn too_many_entries_are_counted_too() {
    let mut many = work([]);
    many.items = (0..600).map(|n| item(&format!("cheap:{n:03}"))).collect();
    let mut world = world(many);
    let values = world.values(30).await;
    assert_eq!(values.len(), Report::MOST_ITEMS);
    assert_eq!(values["items_dropped"], number(101.0, ""));
}

#[tokio::test(start_paused = true)]
async fn for_a_slow_reader_the_newest_samples_wait() {
    let mut world = world(work([item("cheap:a"), item("flood:30")]));
    sleep(Duration::from_secs(3600 + 30)).await;
    let first = world.batch().await;
    assert_eq!(first[0].value, number(1.0, ""));
    let second = world.batch().await;
    assert_eq!(second.len(), 31);
    assert_eq!(second[0].value, number(61.0, ""));
    assert!(
        timeout(Duration::from_secs(10), world.batches.recv())
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn items_of_watched_hosts_carry_their_host() {
    let ups = HostName::parse("ups1").unwrap();
    let mut document = work([item("cheap:a")]);
    document.watched.push(WatchedHost {
        host: ups.clone(),
        address: "192.0.2.1".into(),
        items: vec![item("cheap:a")],
        snmp: None,
    });
    let mut world = world(document);
    let batch = world.batch().await;
    let hosts: Vec<_> = batch.iter().map(|sample| sample.host.clone()).collect();
    assert_eq!(hosts, [None, Some(ups)]);
}

#[tokio::test(start_paused = true)]
async fn in_a_hurry_cheap_items_come_often_and_others_oftener() {
    let rare = WorkItem {
        every: Some(Interval::from_secs(3600)),
        ..item("web:rare")
    };
    let mut world = world(work([item("cheap:a"), item("web:b"), rare]));
    world.values(30).await;
    world.prober.hurry(Some(Duration::from_secs(2)));
    world.values(60).await;
    assert!((30..=32).contains(&world.asked("cheap:a").len()));
    assert!((10..=12).contains(&world.asked("web:b").len()));
    assert_eq!(world.asked("web:rare").len(), 1);
    world.prober.hurry(None);
    let before = world.asked("cheap:a").len();
    world.values(600).await;
    let after = world.asked("cheap:a").len() - before;
    assert!((10..=11).contains(&after), "{after}");
}

#[tokio::test(start_paused = true)]
async fn everything_can_be_asked_for_at_once() {
    let mut world = world(work([item("cheap:a"), item("web:b"), item("hang:c")]));
    world.values(30).await;
    let samples = world.prober.now().await;
    let mut found = names(&samples);
    found.sort_unstable();
    assert_eq!(found, ["cheap:a", "hang:c", "web:b"]);
    let passed = world.start.elapsed().as_secs_f64();
    assert!((40.0..41.0).contains(&passed), "{passed}");
    assert_eq!(world.batch().await.len(), 2, "it comes in batches as well");
}

#[tokio::test(start_paused = true)]
async fn not_all_probes_are_asked_at_the_same_time() {
    let mut many = work([]);
    many.items = (0..40).map(|n| item(&format!("hang:{n}"))).collect();
    many.items.push(item("cheap:a"));
    let mut world = world(many);
    let values = world.values(59).await;
    assert_eq!(values.len(), 41);
    assert_eq!(world.stage.most_under_way.load(Ordering::SeqCst), 16);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_prober_or_its_reader() {
    let World {
        prober,
        mut batches,
        stage,
        ..
    } = world(work([item("hang:a"), item("cheap:b")]));
    batches.recv().await.unwrap();
    sleep(Duration::from_secs(10)).await;
    drop(prober);
    while batches.recv().await.is_some() {}
    assert_eq!(stage.under_way.load(Ordering::SeqCst), 0);

    let other = world(work([item("cheap:b")]));
    drop(other.batches);
    assert!(other.prober.now().await.is_empty());
}

#[tokio::test]
async fn this_machine_can_be_watched() {
    let names = ["cpu_load", "disk_usage:*", "agent_memory", "no_such_probe"];
    let config = Config::of_this_machine(vec![std::process::id()]);
    let clock = Clock::system();
    let (prober, _batches) = Prober::start(config, work(names.map(item)), clock);
    let samples = prober.now().await;
    for name in ["cpu_load", "disk_usage:/", "agent_memory"] {
        let sample = samples.iter().find(|sample| sample.item.as_str() == name);
        assert!(
            matches!(sample.unwrap().value, Value::Number { value, .. } if value >= 0.0),
            "{sample:?}"
        );
    }
    let why = samples
        .iter()
        .find(|sample| sample.item.as_str() == "no_such_probe");
    assert!(matches!(&why.unwrap().value, Value::None(why) if why.contains("no_such_probe")));
}

/// Run with `--release -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn what_a_round_costs() {
    let names = [
        "agent_memory",
        "cpu_busy",
        "cpu_iowait",
        "cpu_load",
        "cpu_steal",
        "disk_await:*",
        "disk_busy:*",
        "disk_free:*",
        "disk_read:*",
        "disk_usage:*",
        "disk_write:*",
        "inode_usage:*",
        "memory_available",
        "network_errors:*",
        "network_in:*",
        "network_out:*",
        "oom_kills",
        "pressure_cpu_some",
        "pressure_io_full",
        "pressure_io_some",
        "pressure_memory_full",
        "pressure_memory_some",
        "processes",
        "swap_used",
        "uptime",
        "users",
    ];
    let config = Config::of_this_machine(vec![std::process::id()]);
    let clock = Clock::system();
    let round = async |names: &[&str]| {
        let mut document = work([]);
        document.items = names.iter().map(|name| item(name)).collect();
        let (prober, mut batches) = Prober::start(config.clone(), document, clock.clone());
        tokio::spawn(async move { while batches.recv().await.is_some() {} });
        let count = prober.now().await.len();
        let (rounds, start, worked) = (300, Instant::now(), processor_ms());
        for _ in 0..rounds {
            prober.now().await;
        }
        let worked = (processor_ms() - worked) * 1000 / u64::from(rounds);
        let passed = start.elapsed() / rounds;
        format!("{count} items: {worked} µs of a processor, {passed:?} passed")
    };
    println!("{}", round(&names).await);
    for name in names.into_iter().chain(["listening:22", "process:sshd"]) {
        println!("{name}, {}", round(&[name]).await);
    }
}

/// Time that this process has spent on processors, kernel's time for it included.
fn processor_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    ticks * 10
}

async fn live(prober: &Prober, name: &str) -> Looked {
    let item = ItemName::parse(name).unwrap();
    prober.live().look(None, item).await
}

fn value(looked: &Looked) -> f64 {
    match looked {
        Looked::Sample(Sample {
            value: Value::Number { value, .. },
            ..
        }) => *value,
        other => panic!("a sample was expected, not {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_cheap_item_is_looked_at_once_a_second_whoever_asks() {
    let mut world = world(work([item("cheap:*"), item("cheap:a")]));
    world.batch().await;
    let before = Instant::now();
    for second in 0..3 {
        let (one, other) = tokio::join!(
            live(&world.prober, "cheap:a"),
            live(&world.prober, "cheap:a")
        );
        assert_eq!(one, other);
        // Its own probe counts from one.
        assert_eq!(value(&one), f64::from(second + 1));
        assert_eq!(before.elapsed().as_secs(), u64::try_from(second).unwrap());
    }
    // The schedule goes on as if nobody had asked: its second look is the second one, and no batch came between.
    let batch = world.batch().await;
    assert_eq!(world.start.elapsed().as_secs(), 60);
    assert_eq!(
        batch
            .iter()
            .find(|it| it.item.as_str() == "cheap:a")
            .unwrap()
            .value,
        number(2.0, "")
    );
    assert_eq!(live(&world.prober, "cheap:none").await, Looked::Nothing);
    // Whoever comes back after a while begins anew.
    sleep(Duration::from_secs(40)).await;
    assert_eq!(value(&live(&world.prober, "cheap:a").await), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_asks_others_is_not_asked_more_often() {
    let mut world = world(work([item("web:a"), item("hang:b")]));
    world.values(30).await;
    let asked = world.asked("web:a").len();
    let looked = live(&world.prober, "web:a").await;
    assert_eq!(looked, Looked::Newest);
    assert_eq!(world.asked("web:a").len(), asked);
    // One that is under way is waited for, and not asked a second time.
    world.values(60).await;
    while world.stage.under_way.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(100)).await;
    }
    let hung = world.asked("hang:b").len();
    let Looked::Sample(sample) = live(&world.prober, "hang:b").await else {
        panic!("the end of the look was expected");
    };
    assert!(matches!(sample.value, Value::None(_)), "{sample:?}");
    assert_eq!(world.asked("hang:b").len(), hung);
}

#[tokio::test(start_paused = true)]
async fn items_that_are_watched_live_are_bounded() {
    let items: Vec<_> = (0..30).map(|n| item(&format!("cheap:{n}"))).collect();
    let mut all = work([]);
    all.items = items;
    let mut world = world(all);
    world.batch().await;
    for n in 0..30 {
        let looked = live(&world.prober, &format!("cheap:{n}")).await;
        assert_eq!(
            matches!(looked, Looked::Sample(_)),
            n < 16,
            "{n}: {looked:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_without_a_probe_is_not_made_anew_at_each_question() {
    let mut world = world(work([item("nothing:x")]));
    world.batch().await;
    for _ in 0..5 {
        assert_eq!(live(&world.prober, "nothing:x").await, Looked::Newest);
    }
    assert_eq!(world.stage.found.load(Ordering::SeqCst), 1);
}
