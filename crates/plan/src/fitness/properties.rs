//! What holds whatever the items do: values that jump, fail, stay away and come late, agents that are restarted in
//! between, work documents that change.

use std::collections::BTreeMap;

use lockstep_model::{
    EventKind, Fitness, Hold, HostName, Interval, ItemName, Lacks, Level, Sample, Value, Verdict,
    Work,
};
use proptest::prelude::*;

use super::tests::{at, entry, fitness, item, number, sample, work};
use super::*;

const SOSO: Level = Level::SOSO;
const SICK: Level = Level::SICK;
const CRITICAL: Level = Level::CRITICAL;

/// A proper ladder of rules over numbers from 0 to 100: worse levels at higher numbers, each with or without a time
/// to enter it, a value and a time to leave it. Times are whole minutes, as long as the samples are apart.
fn ladder() -> impl Strategy<Value = Fitness> {
    ladder_with(Just(60))
}

/// The same with times that are no multiple of the sampling interval.
fn uneven_ladder() -> impl Strategy<Value = Fitness> {
    ladder_with(prop_oneof![Just(30_u64), Just(60), Just(63), 1_u64..70])
}

/// Times are multiples of so many seconds.
fn ladder_with(unit: impl Strategy<Value = u64>) -> impl Strategy<Value = Fitness> {
    let step = (
        0_u32..30,
        0_u32..20,
        0_u64..4,
        0_u64..8,
        any::<bool>(),
        unit,
    );
    let mean = prop_oneof![3 => Just(None), 1 => (2_u64..9).prop_map(Some)];
    (proptest::collection::vec(step, 1..4), mean).prop_map(|(steps, mean)| {
        let mut limit = 20;
        let rules = steps
            .iter()
            .zip([SOSO, SICK, CRITICAL])
            .map(|(step, level)| {
                let (further, band, hold, after, in_samples, unit) = step;
                limit += further;
                let mut text = format!(">= {limit}");
                match (hold, in_samples) {
                    (0, _) => {}
                    (hold, true) => text.push_str(&format!(" for {hold}")),
                    (hold, false) => text.push_str(&format!(" for {}s", hold * unit)),
                }
                if *band > 0 {
                    text.push_str(&format!(" clear {}", limit.saturating_sub(*band)));
                }
                if *after > 0 {
                    text.push_str(&format!(" after {}s", after * unit));
                }
                (level, text)
            });
        let rules: Vec<(Level, String)> = rules.collect();
        let fitness =
            Fitness::of(rules.iter().map(|(level, text)| (*level, text.as_str()))).unwrap();
        match mean {
            None => fitness,
            Some(minutes) => fitness.mean_of(Interval::from_secs(minutes * 60)),
        }
    })
}

/// Numbers from 0 to 120, some of them missing.
fn numbers(most: usize) -> impl Strategy<Value = Vec<Option<u32>>> {
    let number = prop_oneof![4 => (0_u32..120).prop_map(Some), 1 => Just(None)];
    proptest::collection::vec(number, 1..most)
}

fn value(number: Option<u32>) -> Value {
    match number {
        Some(number) => self::number(f64::from(number), ""),
        None => Value::None("it hangs".into()),
    }
}

fn book_of(fitness: &Fitness) -> ItemBook {
    let mut book = ItemBook::new();
    book.follow(&work(vec![entry("x", Some(fitness.clone()))]));
    book
}

/// Takes one sample of the only item.
fn take(book: &mut ItemBook, minute: i64, number: Option<u32>) -> Vec<Happened> {
    book.take(&[sample("x", minute * 60, value(number))], at(minute * 60))
}

/// The same by the millisecond.
fn take_at(book: &mut ItemBook, ms: i64, number: Option<u32>) -> Vec<Happened> {
    let now = at(0) + jiff::SignedDuration::from_millis(ms);
    let mut sample = sample("x", 0, value(number));
    sample.at = now;
    book.take(&[sample], now)
}

/// By how many milliseconds samples come late, or early: seldom as much as a tenth of a minute.
fn lateness(count: usize) -> impl Strategy<Value = Vec<i64>> {
    let late = prop_oneof![2 => -50_i64..=50, 1 => -6_000_i64..=6_000];
    proptest::collection::vec(late, count)
}

/// How many samples a minute apart that is.
fn samples_in(lacks: Lacks) -> u64 {
    match lacks {
        Lacks::Samples(samples) => samples.into(),
        Lacks::Time(time) => {
            let seconds = time.duration().as_secs();
            assert_eq!(
                time,
                Interval::from_secs(seconds / 60 * 60),
                "there is a sample each minute"
            );
            seconds / 60
        }
    }
}

fn judged(book: &ItemBook) -> Level {
    book.judged(&item("x")).unwrap()
}

proptest! {
    #[test]
    fn a_worse_value_never_gives_a_better_level(
        fitness in ladder(), values in numbers(60), more in proptest::collection::vec(0_u32..40, 60)
    ) {
        let (mut better, mut worse) = (book_of(&fitness), book_of(&fitness));
        for (minute, (number, more)) in (0..).zip(values.into_iter().zip(more)) {
            take(&mut better, minute, number);
            take(&mut worse, minute, number.map(|number| number + more));
            prop_assert!(judged(&better) <= judged(&worse), "minute {minute}");
        }
    }

    #[test]
    fn the_level_of_a_value_that_stays_moves_one_way(
        fitness in ladder(), values in numbers(40), last in 0_u32..120
    ) {
        let fitness = Fitness { mean: None, ..fitness };
        let mut book = book_of(&fitness);
        let mut minute = 0;
        for number in values {
            take(&mut book, minute, number);
            minute += 1;
        }
        let mut levels = Vec::new();
        for _ in 0..40 {
            take(&mut book, minute, Some(last));
            levels.push(judged(&book));
            minute += 1;
        }
        let (up, down) = (levels.is_sorted(), levels.iter().rev().is_sorted());
        prop_assert!(up || down, "{levels:?}");
    }

    /// Whatever jitter there was: from here on the samples stay as they are and come on time.
    #[test]
    fn the_level_that_is_said_to_come_comes_when_it_is_said(
        fitness in uneven_ladder(), values in numbers(40), last in 0_u32..120, late in lateness(41)
    ) {
        let fitness = Fitness { mean: None, ..fitness };
        let mut book = book_of(&fitness);
        let mut ms = 0;
        for (minute, (number, late)) in (0..).zip(values.into_iter().chain([Some(last)]).zip(late)) {
            ms = minute * 60_000 + late;
            take_at(&mut book, ms, number);
        }
        let state = book.states(None).remove(0);
        if let Some(pending) = state.pending {
            let samples = samples_in(pending.lacks);
            prop_assert!(samples > 0 && pending.to != state.level);
            for taken in 1..=samples {
                let level = book.states(None).remove(0).level;
                prop_assert_eq!(level, state.level, "not before its time: {} of {}", taken, samples);
                ms += 60_000;
                take_at(&mut book, ms, Some(last));
            }
            prop_assert_eq!(book.states(None).remove(0).level, pending.to);
        } else if !state.flapping {
            for minute in 1..20 {
                take_at(&mut book, ms + minute * 60_000, Some(last));
                let now = book.states(None).remove(0);
                prop_assert_eq!(now.level, state.level, "not said, and came in {} minutes", minute);
                // What begins to flap keeps its level, and comes to rest at a time that is not foretold.
                if now.flapping {
                    break;
                }
            }
        }
    }

    #[test]
    fn some_milliseconds_change_nothing_of_what_is_said_to_come(
        fitness in ladder(), values in numbers(40), late in proptest::collection::vec(-70_i64..=70, 40)
    ) {
        let fitness = Fitness { mean: None, ..fitness };
        let (mut on_time, mut trembling) = (book_of(&fitness), book_of(&fitness));
        for (minute, (number, late)) in (0..).zip(values.into_iter().flatten().zip(late)) {
            take(&mut on_time, minute, Some(number));
            take_at(&mut trembling, minute * 60_000 + late, Some(number));
            let (one, other) = (on_time.states(None).remove(0), trembling.states(None).remove(0));
            prop_assert_eq!((one.level, one.pending), (other.level, other.pending), "minute {}", minute);
        }
    }

    #[test]
    fn a_value_that_trembles_between_entering_and_leaving_moves_nothing(
        begin in prop_oneof![Just(95), Just(10)], values in proptest::collection::vec(80_u32..90, 1..60)
    ) {
        let mut book = book_of(&fitness(&[(SICK, ">= 90 clear 80")]));
        take(&mut book, 0, Some(begin));
        let level = judged(&book);
        for (minute, number) in (1..).zip(values) {
            prop_assert!(take(&mut book, minute, Some(number)).is_empty());
            prop_assert_eq!(judged(&book), level);
        }
    }

    #[test]
    fn what_was_ill_is_well_again_once(fitness in ladder(), values in numbers(80)) {
        let mut book = book_of(&fitness);
        let mut minute = 0;
        for number in values {
            take(&mut book, minute, number);
            minute += 1;
        }
        let ill = book.worst() > Level::FINE;
        let mut recoveries = 0;
        for _ in 0..60 {
            let happened = take(&mut book, minute, Some(0));
            recoveries += happened
                .iter()
                .filter(|event| event.kind == EventKind::Level && event.to == Level::FINE)
                .count();
            minute += 1;
        }
        let state = book.states(None).remove(0);
        prop_assert!(!state.is_troubled(), "{state:?}");
        prop_assert_eq!(state.why.as_str(), "");
        // A mean may become ill only now, of what has been.
        if fitness.mean.is_none() {
            prop_assert_eq!(recoveries, usize::from(ill));
        }
    }

    #[test]
    fn a_gap_is_no_recovery(fitness in ladder(), values in numbers(80)) {
        let mut book = book_of(&fitness);
        for (minute, number) in (0..).zip(values) {
            let before = book.worst();
            take(&mut book, minute, number);
            prop_assert!(number.is_some() || book.worst() >= before);
        }
    }

    /// Each sample with a value but the first counts a minute, whatever fails between them.
    #[test]
    fn a_time_is_counted_in_time_with_data(
        minutes in 1_u64..6, gaps in proptest::collection::vec(0_usize..4, 8)
    ) {
        let rules = format!("> 10 for {minutes}m");
        let mut book = book_of(&fitness(&[(SICK, &rules)]));
        let mut minute = 0;
        for (count, gap) in (0_u64..).zip(gaps) {
            take(&mut book, minute, Some(20));
            prop_assert_eq!(judged(&book) == SICK, count >= minutes, "value {}", count);
            for _ in 0..gap {
                minute += 1;
                take(&mut book, minute, None);
            }
            minute += 1;
        }
    }

    #[test]
    fn an_ill_item_always_says_why(fitness in ladder(), values in numbers(80)) {
        let mut book = book_of(&fitness);
        for (minute, number) in (0..).zip(values) {
            take(&mut book, minute, number);
            let state = book.states(None).remove(0);
            prop_assert_eq!(state.is_troubled(), !state.why.is_empty(), "{:?}", state);
        }
    }

    #[test]
    fn since_moves_only_with_the_level(fitness in ladder(), values in numbers(60)) {
        let mut book = book_of(&fitness);
        let mut last = None;
        for (minute, number) in (0..).zip(values) {
            take(&mut book, minute, number);
            let state = book.states(None).remove(0);
            match last {
                Some((level, since)) if level == state.level => prop_assert_eq!(since, state.since),
                _ => prop_assert_eq!(state.since, at(minute * 60)),
            }
            last = Some((state.level, state.since));
        }
    }
}

/// What one item does in one round.
#[derive(Debug, Clone)]
enum Does {
    Stays,
    Is(u8, Option<Level>),
    Fails,
    /// It is sampled twice.
    Twice(u8, u8),
}

/// One round of a small world.
#[derive(Debug, Clone)]
struct Round {
    seconds: i64,
    does: Vec<Does>,
    /// Which work document is followed from here on.
    follow: Option<usize>,
}

/// The items of the small world.
const ITEMS: [(&str, bool); 8] = [
    ("disk_usage:/", false),
    ("disk_free:/", false),
    ("cpu_busy", false),
    ("http:https://localhost/", false),
    ("unit:nginx", false),
    ("nagios:raid", false),
    ("temperature:cpu", false),
    ("snmp:1.3.6", true),
];

fn ups() -> HostName {
    HostName::parse("ups1.example.org").unwrap()
}

/// Three work documents: with much in it, with less, and with other functions.
fn works() -> [Work; 3] {
    let mean = fitness(&[
        (SOSO, ">= 20% clear 15%"),
        (SICK, ">= 60% clear 40% after 3m"),
    ])
    .mean_of(Interval::from_secs(300));
    let text = fitness(&[
        (SICK, "not up for 2"),
        (SOSO, "changed after 2m"),
        (CRITICAL, "matches ^d"),
    ]);
    let mut slow = entry(
        "temperature:*",
        Some(fitness(&[(SOSO, ">= 30 for 5m clear 20")])),
    );
    slow.every = Some(Interval::from_secs(120));
    let full = work(vec![
        entry("disk_*", None),
        entry("cpu_busy", Some(mean)),
        entry("http:*", None),
        entry("unit:nginx", Some(text)),
        entry("nagios:raid", None),
        slow,
    ]);
    let mut full = full;
    full.watched.push(lockstep_model::WatchedHost {
        host: ups(),
        address: "192.0.2.1".into(),
        items: vec![entry(
            "snmp:*",
            Some(fitness(&[(SICK, "outside 10:70 for 2")])),
        )],
        snmp: None,
    });
    let less = work(vec![entry("disk_*", None), entry("nagios:raid", None)]);
    let mut other = full.clone();
    let stricter = fitness(&[
        (SOSO, ">= 30% and disk_free < 50GB for 2"),
        (CRITICAL, ">= 70%"),
    ]);
    other.items[0] = entry("disk_usage:/", Some(stricter));
    [full, less, other]
}

fn value_of(index: usize, what: u8) -> Value {
    let percent = f64::from(what) / 2.55;
    match ITEMS[index].0 {
        "unit:nginx" => Value::Text(["up", "down", "starting"][usize::from(what) % 3].into()),
        "disk_free:/" => number(percent * 1e8, "bytes"),
        "http:https://localhost/" => number(percent / 70.0, "s"),
        "nagios:raid" | "snmp:1.3.6" => number(percent, ""),
        "temperature:cpu" => number(percent, "°C"),
        _ => number(percent, "%"),
    }
}

fn samples(round: &Round, second: i64) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (index, does) in round.does.iter().enumerate() {
        let mut push = |second, value, level: Option<Level>| {
            samples.push(Sample {
                host: ITEMS[index].1.then(ups),
                item: item(ITEMS[index].0),
                at: at(second),
                value,
                verdict: level.map(|level| Verdict {
                    level,
                    why: format!("the probe says {level}"),
                }),
            });
        };
        match does {
            Does::Stays => {}
            Does::Is(what, level) => push(second, value_of(index, *what), *level),
            Does::Fails => push(second, Value::None("it hangs".into()), None),
            Does::Twice(first, then) => {
                push(second - 10, value_of(index, *first), None);
                push(second, value_of(index, *then), None);
            }
        }
    }
    samples
}

fn world(most: usize) -> impl Strategy<Value = Vec<Round>> {
    let level = proptest::option::weighted(0.2, proptest::sample::select(Level::ALL.to_vec()));
    let does = prop_oneof![
        1 => Just(Does::Stays),
        6 => (any::<u8>(), level).prop_map(|(what, level)| Does::Is(what, level)),
        // Few values that are often the same, so that levels last.
        6 => prop_oneof![Just(0_u8), Just(252), Just(255)].prop_map(|what| Does::Is(what, None)),
        2 => Just(Does::Fails),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(first, then)| Does::Twice(first, then)),
    ];
    let seconds = prop_oneof![10 => Just(60_i64), 1 => Just(59), 1 => Just(130), 1 => Just(400), 1 => Just(-500)];
    let follow = proptest::option::weighted(0.05, 0_usize..3);
    let round = (
        seconds,
        proptest::collection::vec(does, ITEMS.len()),
        follow,
    )
        .prop_map(|(seconds, does, follow)| Round {
            seconds,
            does,
            follow,
        });
    // What an item does it does for a while: levels and failures last.
    let rounds = (round, 1_usize..5).prop_map(|(round, times)| vec![round; times]);
    proptest::collection::vec(rounds, 1..most / 2).prop_map(|rounds| rounds.concat())
}

/// Lets the world go by; `between` may do to the book what must not matter.
fn live(
    rounds: &[Round],
    mut between: impl FnMut(usize, ItemBook, &Work, jiff::Timestamp) -> ItemBook,
    mut order: impl FnMut(usize, &mut Vec<Sample>),
) -> (Vec<Happened>, ItemBook) {
    let works = works();
    let mut current = &works[0];
    let mut book = ItemBook::new();
    book.follow(current);
    let mut happened = Vec::new();
    let mut second = 100_000;
    for (place, round) in rounds.iter().enumerate() {
        if let Some(next) = round.follow {
            current = &works[next];
            book.follow(current);
        }
        book = between(place, book, current, at(second));
        second += round.seconds;
        let mut samples = samples(round, second);
        order(place, &mut samples);
        happened.extend(book.take(&samples, at(second)));
    }
    (happened, book)
}

fn untouched(rounds: &[Round]) -> (Vec<Happened>, ItemBook) {
    live(rounds, |_, book, _, _| book, |_, _| {})
}

type Key = (Option<HostName>, ItemName);

fn by_item(happened: &[Happened]) -> BTreeMap<Key, Vec<&Happened>> {
    let mut items: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in happened {
        let key = (event.host.clone(), event.item.clone());
        items.entry(key).or_default().push(event);
    }
    items
}

/// A small world is much to live through, so there are fewer of them than usual.
fn fewer() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: (usual.cases / 4).max(1),
        ..usual
    }
}

proptest! {
    #![proptest_config(fewer())]

    #[test]
    fn each_event_begins_where_the_one_before_ended(rounds in world(80)) {
        let (happened, book) = untouched(&rounds);
        for ((host, name), events) in by_item(&happened) {
            let mut level = Level::FINE;
            let (mut is_flapping, mut is_blind) = (false, false);
            for event in events {
                prop_assert_eq!(event.from, level, "{:?}", event);
                prop_assert_eq!(event.to != event.from, event.kind == EventKind::Level, "{:?}", event);
                match event.kind {
                    EventKind::Level if is_flapping => prop_assert!(event.to > event.from, "{:?}", event),
                    EventKind::Level => {}
                    EventKind::Flapping | EventKind::Steady => {
                        prop_assert_eq!(is_flapping, event.kind == EventKind::Steady, "{:?}", event);
                        is_flapping = !is_flapping;
                    }
                    EventKind::NoData | EventKind::Data => {
                        prop_assert_eq!(is_blind, event.kind == EventKind::Data, "{:?}", event);
                        is_blind = !is_blind;
                    }
                }
                level = event.to;
            }
            let states = book.states(host.as_ref());
            match states.iter().find(|state| state.item == name) {
                Some(state) => {
                    prop_assert_eq!(state.level, level);
                    prop_assert_eq!(state.flapping, is_flapping);
                    prop_assert!(state.no_data || !is_blind);
                }
                None => prop_assert_eq!((level, is_flapping, is_blind), (Level::FINE, false, false)),
            }
        }
    }

    #[test]
    fn a_restart_neither_repeats_nor_loses_an_event(rounds in world(50), every in 1_usize..4) {
        let restarted = live(
            &rounds,
            |place, book, work, now| {
                if place % every != 0 {
                    return book;
                }
                let json = serde_json::to_string(&book.snapshot()).unwrap();
                ItemBook::resume(serde_json::from_str(&json).unwrap(), work, now)
            },
            |_, _| {},
        );
        let whole = untouched(&rounds);
        prop_assert_eq!(&restarted.0, &whole.0);
        prop_assert_eq!(restarted.1.snapshot(), whole.1.snapshot());
    }

    #[test]
    fn the_order_of_a_batch_does_not_matter(rounds in world(40), seed in any::<u64>()) {
        let mut seed = seed;
        let shuffled = live(&rounds, |_, book, _, _| book, |_, samples| {
            for last in (1..samples.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let other = usize::try_from(seed >> 33).unwrap() % (last + 1);
                samples.swap(last, other);
            }
        });
        let whole = untouched(&rounds);
        prop_assert_eq!(&shuffled.0, &whole.0);
        prop_assert_eq!(shuffled.1.snapshot(), whole.1.snapshot());
    }

    #[test]
    fn a_batch_can_be_tried_on_a_copy(rounds in world(20)) {
        let tried = live(&rounds, |_, book, _, now| {
            let mut copy = book.clone();
            copy.take(&[sample("cpu_busy", 5, number(99.0, "%"))], now);
            book
        }, |_, _| {});
        prop_assert_eq!(tried.0, untouched(&rounds).0);
    }
}

/// The worlds above are worth something only if things happen in them.
#[test]
fn the_small_world_is_lively() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut kinds: BTreeMap<EventKind, usize> = BTreeMap::new();
    for _ in 0..30 {
        let rounds = world(80).new_tree(&mut runner).unwrap().current();
        for event in untouched(&rounds).0 {
            *kinds.entry(event.kind).or_default() += 1;
        }
    }
    println!("{kinds:?}");
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    assert!(kinds.values().all(|count| *count > 20), "{kinds:?}");
    let ladders = (0..50).map(|_| ladder().new_tree(&mut runner).unwrap().current());
    let holds = ladders
        .flat_map(|fitness| fitness.rules)
        .filter(|rule| rule.when.hold != Hold::Now);
    assert!(holds.count() > 20);
}
