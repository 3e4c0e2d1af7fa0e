//! The power is cut at every write, sync, rename and step of a whole self-update.
//!
//! First a host is updated with a trace of all the points that its two processes pass. Then, for each of them, a host
//! of its own is updated whose agent is killed at that very point, once as `kill -9` would do it and once as a power
//! cut would, which also takes back what was not yet durable. What is on disk then must be a version that ran before,
//! complete, or the new one, proven; and the agent that is started again must end on the new version by itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::candidate::Candidate;
use crate::world::{Host, PATIENCE, World, eventually};

/// Hosts that are updated, cut and started again at the same time; they wait more than they work.
const AT_ONCE: usize = 8;

/// The agents' pace: as quick as a probation can be. No item has a say: how eight hosts at once find their machine is no
/// matter of what a cut leaves behind, and would end some of the updates.
const QUICK: &str = r#"[report]
every = "300ms"
sample = "200ms"
[update]
retry = "300ms"
[probation]
window = "300ms"
silence = "20s"
check_in = "20s"
worse_for = "1s"
witness_every = "1s"
patience = "60s"
gates = []
"#;

fn quick_host(world: &World, name: &str) -> Host {
    let host = world.provision(name);
    let config = host.root.join("etc/lockstep/agent.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let servers = text
        .lines()
        .find(|line| line.starts_with("servers"))
        .unwrap();
    std::fs::write(&config, format!("{servers}\n{QUICK}")).unwrap();
    host
}

fn is_done(host: &Host) -> bool {
    let journal = host.journal();
    journal["step"]["step"] == "over"
        && journal["step"]["outcome"] == "done"
        && host.current() == "2.0.0"
}

/// The points that an update passes, each with the number of its passage.
fn passages(world: &World) -> BTreeSet<(String, String, u32)> {
    let trace = world.path("points.txt");
    let mut host = quick_host(world, "trace");
    host.start();
    eventually("the host reports", || {
        world.reported_version("trace").as_deref() == Some("1.0.0")
    });
    host.kill();
    // From here on the update alone is traced, from the order to the first report as a proven version.
    host.set("LOCKSTEP_FAULT_TRACE", trace.to_str().unwrap());
    world.promote("2.0.0");
    host.start();
    eventually("the update is done", || is_done(&host));
    eventually("it is reported", || {
        world.reported_version("trace").as_deref() == Some("2.0.0")
    });
    world.rollout_becomes("2.0.0", "done");
    host.kill();
    parse(&trace)
}

fn parse(trace: &Path) -> BTreeSet<(String, String, u32)> {
    let text = std::fs::read_to_string(trace).unwrap();
    let passages = text.lines().map(|line| {
        let (rest, nth) = line.rsplit_once(' ').unwrap();
        let (role, name) = rest.split_once(' ').unwrap();
        (role.to_owned(), name.to_owned(), nth.parse().unwrap())
    });
    passages.collect()
}

/// Updates a host whose agent is cut at one point; says what was wrong.
fn cut(world: &World, name: &str, fault: &str) -> Result<bool, String> {
    let mut host = quick_host(world, name);
    host.set("LOCKSTEP_FAULT", fault);
    host.start();
    let began = Instant::now();
    // The point may lie behind the end of a run that took another way, so that nothing is cut.
    let was_cut = loop {
        if host.has_ended() {
            break true;
        }
        if is_done(&host) && began.elapsed().as_secs() >= 3 {
            break false;
        }
        if began.elapsed() > PATIENCE {
            return Err(format!(
                "neither cut nor done; journal {}\n{}",
                host.journal(),
                host.log()
            ));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    host.kill();
    let current = host.current();
    let step = host.journal()["step"]["step"]
        .as_str()
        .unwrap_or("none")
        .to_owned();
    let proven = matches!(step.as_str(), "commit" | "over");
    if current != "1.0.0" && !(current == "2.0.0" && proven) {
        return Err(format!("current is {current} in step {step}"));
    }
    host.unset_all();
    host.start();
    let began = Instant::now();
    while !is_done(&host) {
        if began.elapsed() > PATIENCE {
            return Err(format!(
                "it did not recover; journal {}\n{}",
                host.journal(),
                host.log()
            ));
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    host.kill();
    // The directory is done with; hundreds of them would fill a small disk.
    std::fs::remove_dir_all(&host.root).map_err(|error| error.to_string())?;
    Ok(was_cut)
}

#[test]
fn an_update_survives_a_cut_at_every_point() {
    let world = World::start();
    world.publish("2.0.0", Candidate::Good);
    let passages = passages(&world);
    let roles: BTreeSet<&str> = passages.iter().map(|(role, ..)| role.as_str()).collect();
    assert_eq!(
        roles,
        BTreeSet::from(["candidate", "supervisor", "worker"]),
        "all processes were traced"
    );
    for needed in [
        "journaled",
        "commit",
        "committed",
        "candidate started",
        "transferred",
        "unpacked",
        "offered",
    ] {
        assert!(
            passages.iter().any(|(_, name, _)| name == needed),
            "the update did not pass {needed:?}"
        );
    }
    let faults: Vec<String> = passages
        .iter()
        .flat_map(|(role, name, nth)| {
            [
                format!("{role}:{name}:{nth}"),
                format!("{role}:{name}:{nth}:powercut"),
            ]
        })
        .collect();
    let (next, cuts, wrong) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        Mutex::new(Vec::new()),
    );
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(fault) = faults.get(number) else {
                        return;
                    };
                    match cut(&world, &format!("cut{number}"), fault) {
                        Ok(true) => {
                            cuts.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(false) => {}
                        Err(why) => wrong.lock().unwrap().push(format!("{fault}: {why}")),
                    }
                }
            });
        }
    });
    let (wrong, cuts) = (wrong.into_inner().unwrap(), cuts.into_inner());
    assert!(
        wrong.is_empty(),
        "{} of {} cuts did harm:\n{}",
        wrong.len(),
        faults.len(),
        wrong.join("\n")
    );
    println!(
        "{} points, {} cuts, {cuts} of them fell",
        passages.len(),
        faults.len()
    );
    // Passages of periodic work (reports, samples) come in another number each time; the update's own do not.
    assert!(
        cuts * 10 >= faults.len() * 9,
        "only {cuts} of {} cuts fell: the test does not test what it says",
        faults.len()
    );
}
