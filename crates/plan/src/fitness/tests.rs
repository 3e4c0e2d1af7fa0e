use jiff::Timestamp;
use lockstep_model::{
    EventKind, Fitness, Glob, HostName, Interval, ItemName, ItemState, Lacks, Level, LevelNames,
    Pending, Retention, Sample, Value, Verdict, WatchedHost, Work, WorkItem,
};

use super::defaults::{DEFAULTS, parse};
use super::*;

const FINE: Level = Level::FINE;
const SOSO: Level = Level::SOSO;
const SICK: Level = Level::SICK;
const CRITICAL: Level = Level::CRITICAL;
const DEAD: Level = Level::DEAD;

pub(super) fn item(name: &str) -> ItemName {
    ItemName::parse(name).unwrap()
}

pub(super) fn number(value: f64, unit: &str) -> Value {
    Value::Number {
        value,
        unit: unit.into(),
    }
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(super) fn entry(name: &str, fitness: Option<Fitness>) -> WorkItem {
    WorkItem {
        fitness,
        ..WorkItem::named(Glob::parse(name).unwrap())
    }
}

pub(super) fn work(items: Vec<WorkItem>) -> Work {
    Work {
        levels: LevelNames::default(),
        sample: Interval::from_secs(60),
        report: Interval::from_secs(300),
        items,
        watched: Vec::new(),
        history: Retention::default(),
        packages: Vec::new(),
    }
}

pub(super) fn fitness(rules: &[(Level, &str)]) -> Fitness {
    Fitness::of(rules.iter().copied()).unwrap()
}

pub(super) fn sample(name: &str, second: i64, value: Value) -> Sample {
    Sample {
        host: None,
        item: item(name),
        at: at(second),
        value,
        verdict: None,
    }
}

/// One item, sampled each minute.
struct Watched {
    book: ItemBook,
    name: &'static str,
    minute: i64,
    happened: Vec<Happened>,
}

impl Watched {
    fn by(rules: &[(Level, &str)]) -> Self {
        Self::new("x", Some(fitness(rules)))
    }

    fn new(name: &'static str, fitness: Option<Fitness>) -> Self {
        let mut book = ItemBook::new();
        book.follow(&work(vec![entry(name, fitness)]));
        Self {
            book,
            name,
            minute: 0,
            happened: Vec::new(),
        }
    }

    fn take(&mut self, value: Value, verdict: Option<Verdict>) -> ItemState {
        let mut sample = sample(self.name, self.minute * 60, value);
        sample.verdict = verdict;
        self.happened
            .extend(self.book.take(&[sample], at(self.minute * 60)));
        self.minute += 1;
        self.state()
    }

    fn is(&mut self, number: f64) -> Level {
        self.take(self::number(number, ""), None).level
    }

    /// The level after each of these.
    fn are(&mut self, numbers: &[f64]) -> Vec<Level> {
        numbers.iter().map(|number| self.is(*number)).collect()
    }

    fn says(&mut self, text: &str) -> Level {
        self.take(Value::Text(text.into()), None).level
    }

    fn none(&mut self) -> ItemState {
        self.take(Value::None("it hangs".into()), None)
    }

    /// A minute in which only the others are sampled.
    fn nothing(&mut self) -> Option<ItemState> {
        let now = at(self.minute * 60);
        self.happened.extend(self.book.take(&[], now));
        self.minute += 1;
        self.book.states(None).pop()
    }

    fn state(&self) -> ItemState {
        self.book.states(None).pop().unwrap()
    }

    /// What happened since the last time that this was asked.
    fn told(&mut self) -> Vec<(EventKind, Level, Level)> {
        let happened = std::mem::take(&mut self.happened);
        happened
            .into_iter()
            .map(|event| (event.kind, event.from, event.to))
            .collect()
    }
}

#[test]
fn a_disk_that_fills_up_is_told_after_ten_minutes() {
    let mut watched = Watched::new("disk_forecast:/", None);
    let mut for_minutes = |minutes, hours: f64| {
        let value = || number(hours * 3_600.0, "s");
        let levels: Vec<Level> = (0..minutes)
            .map(|_| watched.take(value(), None).level)
            .collect();
        levels[levels.len() - 1]
    };
    assert_eq!(for_minutes(20, 8_760.0), FINE);
    assert_eq!(for_minutes(5, 10.0), FINE);
    assert_eq!(for_minutes(20, 71.0), SOSO);
    assert_eq!(for_minutes(20, 23.0), SICK);
    assert_eq!(for_minutes(20, 3.9), CRITICAL);
    // Left at another value than entered.
    assert_eq!(for_minutes(30, 23.0), CRITICAL);
    assert_eq!(for_minutes(30, 30.0), SICK);
    assert_eq!(for_minutes(30, 50.0), SOSO);
    assert_eq!(for_minutes(30, 8_760.0), FINE);
}

#[test]
fn all_built_in_sentences_are_understood() {
    for row in DEFAULTS {
        let fitness = parse(row).unwrap_or_else(|error| panic!("{}: {error}", row.probe));
        assert_eq!(default_for(row.probe), Some(&fitness), "{}", row.probe);
        let named = DEFAULTS.iter().filter(|other| other.probe == row.probe);
        assert_eq!(named.count(), 1, "{} is there twice", row.probe);
    }
    assert_eq!(default_for("unheard_of"), None);
}

#[test]
fn the_built_in_functions_judge_as_their_table_says() {
    let table = [
        ("cpu_load", "", vec![(0.99, FINE), (1.0, SOSO), (2.0, SICK)]),
        (
            "memory_available",
            "%",
            vec![(20.1, FINE), (20.0, SOSO), (9.0, SICK), (5.0, CRITICAL)],
        ),
        (
            "disk_usage:/var",
            "%",
            vec![(79.9, FINE), (80.0, SOSO), (90.0, SICK), (98.0, CRITICAL)],
        ),
        ("disk_await:sda", "s", vec![(0.019, FINE), (0.2, CRITICAL)]),
        (
            "cpu_busy",
            "%",
            vec![(69.0, FINE), (70.0, SOSO), (95.0, CRITICAL)],
        ),
        (
            "clock_offset",
            "s",
            vec![(-0.1, FINE), (-0.2, SOSO), (2.0, SICK), (-31.0, CRITICAL)],
        ),
        ("uptime", "s", vec![(599.0, SOSO), (600.0, FINE)]),
        (
            "certificate:/x.pem",
            "s",
            vec![(22.0 * 86_400.0, FINE), (86_400.0, CRITICAL), (-1.0, DEAD)],
        ),
        (
            "reboot_required",
            "s",
            vec![(0.0, FINE), (15.0 * 86_400.0, SICK)],
        ),
        ("pending_updates", "", vec![(0.0, FINE), (500.0, FINE)]),
        ("process:sshd", "", vec![(1.0, FINE), (0.0, SICK)]),
        (
            "agent_memory",
            "bytes",
            vec![(95e6, FINE), (96e6, SOSO), (384e6, CRITICAL)],
        ),
        ("unheard_of", "", vec![(1e300, FINE)]),
    ];
    for (name, unit, cases) in table {
        for (value, expected) in cases {
            let mut watched = Watched::new(name, None);
            for _ in 0..20 {
                watched.take(number(value, unit), None);
            }
            assert_eq!(watched.state().level, expected, "{name} {value}");
        }
    }
}

#[test]
fn a_condition_must_hold_for_its_time() {
    let mut watched = Watched::by(&[(SICK, "> 10 for 3m")]);
    assert_eq!(watched.are(&[11.0, 11.0, 11.0]), [FINE; 3]);
    assert_eq!(watched.is(11.0), SICK);
    assert_eq!(watched.told(), [(EventKind::Level, FINE, SICK)]);
    assert_eq!(watched.is(10.0), FINE);
    assert_eq!(watched.are(&[11.0, 11.0, 9.0, 11.0, 11.0, 11.0]), [FINE; 6]);
    assert_eq!(watched.is(11.0), SICK);
}

#[test]
fn the_level_that_comes_next_is_said_with_what_it_lacks() {
    let time = |minutes: u64| Lacks::Time(Interval::from_secs(minutes * 60));
    let pending = |to, lacks| Some(Pending { to, lacks });
    let mut x = Watched::by(&[(SOSO, "> 5 for 10m after 3m"), (SICK, "> 7 for 3 clear 6")]);
    let next = |x: &mut Watched, number| x.take(self::number(number, ""), None).pending;
    assert_eq!(next(&mut x, 1.0), None);
    assert_eq!(next(&mut x, 6.0), pending(SOSO, time(10)));
    assert_eq!(next(&mut x, 6.0), pending(SOSO, time(9)));
    // Both come, and this one sooner.
    assert_eq!(next(&mut x, 8.0), pending(SICK, Lacks::Samples(2)));
    assert_eq!(next(&mut x, 8.0), pending(SICK, Lacks::Samples(1)));
    assert_eq!(next(&mut x, 8.0), None, "it is sick, and soso with it");
    assert_eq!(next(&mut x, 1.0), pending(FINE, time(3)));
    assert_eq!(next(&mut x, 1.0), pending(FINE, time(2)));
    assert_eq!(x.none().pending, None, "no time passes without a value");
    assert_eq!(next(&mut x, 1.0), pending(FINE, time(1)));
    assert_eq!(next(&mut x, 1.0), None);
    assert_eq!(x.state().level, FINE);
}

#[test]
fn of_two_levels_that_come_at_the_same_sample_the_worse_is_said() {
    let pending = |to, lacks| Some(Pending { to, lacks });
    let mut x = Watched::by(&[(SOSO, "> 5 for 90s"), (SICK, "> 7 for 3")]);
    let next = |x: &mut Watched, number| x.take(self::number(number, ""), None).pending;
    // A condition is looked at when there is a sample: 90 seconds are over at the second one from here.
    let time = Lacks::Time(Interval::from_secs(120));
    assert_eq!(next(&mut x, 6.0), pending(SOSO, time));
    assert_eq!(next(&mut x, 1.0), None);
    assert_eq!(next(&mut x, 8.0), pending(SICK, Lacks::Samples(2)));
    assert_eq!(next(&mut x, 8.0), pending(SICK, Lacks::Samples(1)));
    assert_eq!(next(&mut x, 8.0), None);
    assert_eq!(x.state().level, SICK);
}

#[test]
fn what_a_level_lacks_is_said_in_whole_intervals() {
    let mut book = ItemBook::new();
    let rules = fitness(&[(SICK, "> 7 for 10m")]);
    book.follow(&work(vec![entry("x", Some(rules))]));
    for ms in [0, 60_013, 119_990] {
        let now = at(0) + jiff::SignedDuration::from_millis(ms);
        let mut sample = sample("x", 0, number(8.0, ""));
        sample.at = now;
        book.take(&[sample], now);
    }
    let pending = book.states(None).remove(0).pending.unwrap();
    assert_eq!(pending.lacks.to_string(), "in 8m");
}

#[test]
fn nothing_is_said_to_come_while_there_is_no_mean() {
    let function = fitness(&[(SICK, "> 7 for 10m")]).mean_of(Interval::from_secs(240));
    let mut x = Watched::new("x", Some(function));
    x.are(&[8.0, 8.0, 8.0]);
    assert!(x.state().pending.is_some());
    x.none();
    x.none();
    x.none();
    assert_eq!(x.is(8.0), FINE);
    assert_eq!(x.state().pending, None, "one number is no mean");
    assert_eq!(x.is(8.0), FINE);
    assert!(x.state().pending.is_some());
}

#[test]
fn no_recovery_is_said_to_come_that_begins_flapping() {
    let mut x = Watched::by(&[(SICK, "> 7 after 2m")]);
    let mut announced = false;
    for _ in 0..20 {
        let before = x.are(&[8.0, 1.0, 1.0]);
        assert_eq!(before, [SICK; 3]);
        announced = x.state().pending.is_some();
        if x.is(1.0) == SICK {
            break;
        }
    }
    assert!(x.state().flapping);
    assert!(!announced, "it stays sick, because it flaps");
}

#[test]
fn samples_that_come_a_little_early_are_counted_in_full() {
    let mut book = ItemBook::new();
    book.follow(&work(vec![entry(
        "x",
        Some(fitness(&[(SICK, "> 10 for 3m")])),
    )]));
    for second in [0, 59, 121, 179] {
        book.take(&[sample("x", second, number(11.0, ""))], at(second));
    }
    assert_eq!(book.worst(), SICK, "179 s are three minutes of samples");
}

#[test]
fn a_condition_may_ask_for_samples_in_a_row() {
    let mut watched = Watched::by(&[(SICK, "> 10 for 3")]);
    assert_eq!(watched.are(&[11.0, 11.0, 9.0, 11.0, 11.0]), [FINE; 5]);
    watched.none();
    assert_eq!(watched.is(11.0), SICK);
}

#[test]
fn a_level_is_left_behind_another_value_and_after_a_time() {
    let mut watched = Watched::by(&[(SICK, ">= 90 clear 80 after 2m")]);
    assert_eq!(watched.are(&[90.0, 80.0, 79.0, 79.0]), [SICK; 4]);
    assert_eq!(
        watched.state().why,
        "79.00 is good again, but not for 2m yet"
    );
    assert_eq!(
        watched.are(&[80.0, 79.0, 79.0]),
        [SICK; 3],
        "80 began it anew"
    );
    assert_eq!(watched.are(&[79.0, 89.0]), [FINE; 2]);
}

#[test]
fn who_recovers_half_way_is_at_once_where_that_is() {
    let mut watched = Watched::by(&[
        (SOSO, ">= 70"),
        (SICK, ">= 80 for 10m"),
        (CRITICAL, ">= 90"),
    ]);
    assert_eq!(watched.are(&[95.0, 85.0, 75.0]), [CRITICAL, SICK, SOSO]);
    assert_eq!(watched.are(&[85.0, 85.0]), [SOSO, SOSO]);
}

#[test]
fn a_gap_neither_counts_nor_begins_anew() {
    let mut watched = Watched::by(&[(SICK, "> 10 for 3m")]);
    watched.are(&[11.0, 11.0]);
    watched.none();
    watched.none();
    assert_eq!(watched.is(11.0), FINE);
    assert_eq!(
        watched.is(11.0),
        SICK,
        "four samples, three minutes with data"
    );

    let mut watched = Watched::by(&[(SICK, "> 10 for 3m")]);
    watched.are(&[11.0, 11.0, 11.0]);
    for _ in 0..4 {
        watched.none();
    }
    assert_eq!(
        watched.are(&[11.0; 3]),
        [FINE; 3],
        "five intervals: it begins anew"
    );
    assert_eq!(watched.is(11.0), SICK);
}

#[test]
fn a_gap_is_not_a_recovery() {
    let mut watched = Watched::by(&[(CRITICAL, ">= 98"), (SOSO, ">= 80")]);
    watched.is(99.0);
    watched.told();
    let gap = watched.none();
    assert_eq!((gap.level, gap.since, gap.no_data), (CRITICAL, at(0), true));
    assert_eq!(gap.why, "no value: it hangs");
    assert!(watched.told().is_empty(), "a blip is not told");
    watched.none();
    assert_eq!(watched.none().level, CRITICAL);
    assert_eq!(watched.told(), [(EventKind::NoData, CRITICAL, CRITICAL)]);
    watched.none();
    assert_eq!(watched.is(85.0), SOSO);
    let back = [
        (EventKind::Data, CRITICAL, CRITICAL),
        (EventKind::Level, CRITICAL, SOSO),
    ];
    assert_eq!(watched.told(), back);
    assert!(!watched.state().no_data);
}

#[test]
fn three_samples_without_a_value_are_soso() {
    let mut watched = Watched::new("cpu_load", None);
    let first = watched.none();
    assert_eq!((first.level, first.no_data), (FINE, true));
    assert_eq!(watched.none().level, FINE);
    assert_eq!(watched.none().level, SOSO);
    let told = [
        (EventKind::Level, FINE, SOSO),
        (EventKind::NoData, SOSO, SOSO),
    ];
    assert_eq!(watched.told(), told);
    assert_eq!(watched.is(0.1), FINE);
    let told = [
        (EventKind::Data, SOSO, SOSO),
        (EventKind::Level, SOSO, FINE),
    ];
    assert_eq!(watched.told(), told);
}

#[test]
fn a_function_may_know_what_a_missing_value_is_worth() {
    let mut watched = Watched::by(&[(SOSO, "> 300"), (DEAD, "none for 4")]);
    watched.is(1.0);
    for _ in 0..3 {
        assert_eq!(watched.none().level, FINE);
    }
    assert_eq!(watched.told(), [(EventKind::NoData, FINE, FINE)]);
    let dead = watched.none();
    assert_eq!(dead.level, DEAD);
    assert_eq!(dead.why, "no value (it hangs) for 4 samples in a row");
    assert_eq!(watched.is(1.0), FINE);
}

#[test]
fn what_cannot_be_judged_says_why() {
    for (rules, value, words) in [
        (
            [(SOSO, ">= 80%")],
            number(90.0, "bytes"),
            "no value: its unit is \"bytes\", \"%\" is expected",
        ),
        (
            [(SOSO, ">= 80")],
            number(f64::NAN, ""),
            "no value: the probe found NaN, which is no quantity",
        ),
        (
            [(SOSO, ">= 80")],
            Value::Text("x".into()),
            "no value: the probe found a text, a number is expected",
        ),
        (
            [(SOSO, "is x")],
            number(1.0, ""),
            "no value: the probe found a number, a text is expected",
        ),
        (
            [(SOSO, "matches \"(\"")],
            Value::Text("x".into()),
            "no value: the pattern \"(\" is not understood",
        ),
    ] {
        let mut watched = Watched::by(&rules);
        let state = watched.take(value.clone(), None);
        assert!(
            state.no_data && state.why.starts_with(words),
            "{}",
            state.why
        );
        assert_eq!(state.level, FINE);
        watched.take(value.clone(), None);
        assert_eq!(watched.take(value, None).level, SOSO);
    }
    let mut watched = Watched::by(&[(SOSO, ">= 80")]);
    assert_eq!(watched.take(number(90.0, "°C"), None).level, SOSO);
    assert_eq!(watched.state().why, "90.0 °C is at or above 80.0 °C");
}

#[test]
fn texts_are_compared() {
    let rules = [
        (SOSO, "has degraded"),
        (SICK, "not clean for 3"),
        (CRITICAL, "matches \"fail(ed|ure)\""),
        (DEAD, "is gone"),
    ];
    let mut watched = Watched::by(&rules);
    assert_eq!(watched.says("clean"), FINE);
    assert_eq!(watched.says("degraded, 1 of 2"), SOSO);
    assert_eq!(
        watched.state().why,
        "\"degraded, 1 of 2\" has \"degraded\" in it"
    );
    assert_eq!(watched.says("gone"), DEAD);
    assert_eq!(watched.state().why, "it is \"gone\"");
    assert_eq!(watched.says("a failure"), CRITICAL);
    assert_eq!(watched.says("clean"), FINE);
}

#[test]
fn another_value_than_before_is_noticed_over_a_gap() {
    let mut watched = Watched::by(&[(SOSO, "changed after 1m")]);
    assert_eq!(watched.says("6.1.0"), FINE);
    assert_eq!(watched.says("6.1.0"), FINE);
    watched.none();
    assert_eq!(watched.says("6.1.0"), FINE);
    watched.none();
    assert_eq!(watched.says("6.1.1"), SOSO);
    assert_eq!(watched.says("6.1.1"), SOSO);
    assert_eq!(watched.says("6.1.1"), FINE);
}

#[test]
fn a_mean_is_judged_when_there_is_enough_for_one() {
    let fitness = fitness(&[(SICK, ">= 80")]).mean_of(Interval::from_secs(240));
    let mut watched = Watched::new("x", Some(fitness));
    assert_eq!(watched.are(&[100.0, 60.0]), [FINE, SICK]);
    assert_eq!(
        watched.state().why,
        "80.00 on average over 4m is at or above 80.00"
    );
    assert_eq!(watched.are(&[100.0, 60.0, 60.0]), [SICK, SICK, FINE]);
    assert_eq!(watched.are(&[100.0, 100.0]), [SICK, SICK]);
    assert_eq!(
        watched.state().value,
        number(100.0, ""),
        "the value is the newest one"
    );
}

#[test]
fn a_full_disk_asks_how_much_is_free() {
    let gigabyte = 1e9;
    let full = |free: Option<f64>| {
        let mut book = ItemBook::new();
        book.follow(&work(vec![
            entry("disk_usage:*", None),
            entry("disk_free:*", None),
        ]));
        for minute in 0..5 {
            let mut samples = vec![sample("disk_usage:/", minute * 60, number(99.0, "%"))];
            let free =
                free.map(|free| sample("disk_free:/", minute * 60 + 1, number(free, "bytes")));
            samples.extend(free);
            book.take(&samples, at(minute * 60));
        }
        book.states(None).pop().unwrap()
    };
    assert_eq!(full(Some(50.0 * gigabyte)).level, SICK);
    let state = full(Some(4.0 * gigabyte));
    assert_eq!(
        (state.level, state.why.as_str()),
        (
            CRITICAL,
            "99.0 % is at or above 98.0 % and disk_free is below 5.0 GB for 1m"
        )
    );
    assert_eq!(
        full(None).level,
        CRITICAL,
        "nobody is there who could say no"
    );
}

#[test]
fn a_sibling_of_another_unit_is_told() {
    let mut book = ItemBook::new();
    book.follow(&work(vec![entry("*", None)]));
    let samples = [
        sample("disk_free:/", 0, number(50.0, "%")),
        sample("disk_usage:/", 0, number(99.0, "%")),
    ];
    book.take(&samples, at(0));
    let states = book.states(None);
    assert_eq!(
        states[1].why,
        "no value: disk_free cannot be asked: its unit is \"%\", \"bytes\" is expected"
    );
}

#[test]
fn a_verdict_counts_but_for_a_programs_where_something_else_is_configured() {
    let verdict = |level, why: &str| {
        Some(Verdict {
            level,
            why: why.into(),
        })
    };
    let mut watched = Watched::new("nagios:x", None);
    let state = watched.take(number(1.0, ""), verdict(CRITICAL, "1 of 3 mirrors"));
    assert_eq!(
        (state.level, state.why.as_str()),
        (CRITICAL, "1 of 3 mirrors")
    );
    assert_eq!(watched.none().level, CRITICAL);
    assert_eq!(watched.is(1.0), FINE);

    let lenient = || Some(fitness(&[(SOSO, "> 5")]));
    let mut watched = Watched::new("plugin:x", lenient());
    let state = watched.take(number(1.0, ""), verdict(CRITICAL, "bad"));
    assert_eq!(
        state.level, FINE,
        "the fleet file knows better than a plugin"
    );

    let mut watched = Watched::new("http:https://localhost/", lenient());
    let state = watched.take(number(1.0, ""), verdict(CRITICAL, "status 503"));
    assert_eq!(
        state.level, CRITICAL,
        "a wrong answer is wrong however quick it is"
    );

    let mut watched = Watched::new("http:https://localhost/", None);
    let state = watched.take(number(0.1, "s"), verdict(SICK, "status 503"));
    assert_eq!(
        state.level, SICK,
        "the built-in function looks at the time alone"
    );

    // The probe's words for no answer count as little as the missing value: three in a row.
    let silent = || Value::None("connection refused".into());
    let levels = |mut watched: Watched| {
        [0; 3].map(|_| watched.take(silent(), verdict(CRITICAL, "no answer")).level)
    };
    assert_eq!(
        levels(Watched::new("snmp:1.3.6", None)),
        [FINE, FINE, CRITICAL]
    );
    assert_eq!(levels(Watched::new("tcp:443", None)), [FINE, FINE, DEAD]);
}

#[test]
fn what_goes_back_and_forth_is_said_once() {
    let mut watched = Watched::by(&[(SICK, "> 10"), (CRITICAL, "> 20")]);
    for _ in 0..10 {
        watched.are(&[15.0, 5.0]);
    }
    let state = watched.state();
    assert_eq!((state.level, state.flapping), (SICK, true));
    assert!(
        state.why.starts_with("the level goes back and forth, at "),
        "{}",
        state.why
    );
    let told = watched.told();
    assert_eq!(
        told.iter()
            .filter(|(kind, ..)| *kind == EventKind::Flapping)
            .count(),
        1
    );
    assert_eq!(told.last(), Some(&(EventKind::Flapping, SICK, SICK)));

    assert_eq!(watched.is(25.0), CRITICAL);
    assert_eq!(
        watched.told(),
        [(EventKind::Level, SICK, CRITICAL)],
        "worse is told"
    );
    for _ in 0..30 {
        watched.is(5.0);
    }
    let told = watched.told();
    let rest = [
        (EventKind::Steady, CRITICAL, CRITICAL),
        (EventKind::Level, CRITICAL, FINE),
    ];
    assert_eq!(told, rest);
    assert_eq!(
        (watched.state().flapping, watched.state().why.as_str()),
        (false, "")
    );
}

#[test]
fn an_item_that_nobody_samples_has_no_data() {
    let mut watched = Watched::by(&[(SICK, "> 10"), (DEAD, "none for 3")]);
    watched.is(1.0);
    for _ in 0..4 {
        assert!(!watched.nothing().unwrap().no_data);
    }
    let state = watched.nothing().unwrap();
    assert_eq!(
        (state.level, state.no_data),
        (SOSO, true),
        "nobody looked, so nobody knows that it is dead"
    );
    assert!(state.why.starts_with("no sample since "), "{}", state.why);
    let told = [
        (EventKind::Level, FINE, SOSO),
        (EventKind::NoData, SOSO, SOSO),
    ];
    assert_eq!(watched.told(), told);
    watched.nothing();
    assert!(watched.told().is_empty());
    assert_eq!(watched.none().level, SOSO, "a first failure is no recovery");
    assert_eq!(watched.is(1.0), FINE);
}

#[test]
fn a_machine_that_slept_misses_nothing() {
    let mut book = ItemBook::new();
    let mut slow = entry("slow", None);
    slow.every = Some(Interval::from_secs(600));
    book.follow(&work(vec![slow, entry("x", None)]));
    let both = |second| {
        [
            sample("slow", second, number(1.0, "")),
            sample("x", second, number(1.0, "")),
        ]
    };
    book.take(&both(0), at(0));
    let morning = 8 * 3600;
    for minute in 0..40 {
        let second = morning + minute * 60;
        let happened = book.take(&[sample("x", second, number(1.0, ""))], at(second));
        assert!(happened.is_empty(), "minute {minute}");
    }
    let second = morning + 41 * 60;
    assert_eq!(
        book.take(&[sample("x", second, number(1.0, ""))], at(second))
            .len(),
        2
    );
}

#[test]
fn what_is_not_watched_any_more_is_closed() {
    let mut book = ItemBook::new();
    let rules = Some(fitness(&[(SICK, "> 10")]));
    book.follow(&work(vec![
        entry("x", rules.clone()),
        entry("y", rules.clone()),
    ]));
    let samples = [
        sample("x", 0, number(11.0, "")),
        sample("y", 0, number(1.0, "")),
    ];
    assert_eq!(book.take(&samples, at(0)).len(), 1);
    book.follow(&work(Vec::new()));
    // A last sample was under way.
    let happened = book.take(&samples, at(60));
    assert_eq!(happened.len(), 1, "{happened:?}");
    let closing = &happened[0];
    assert_eq!(
        (closing.kind, closing.from, closing.to),
        (EventKind::Level, SICK, FINE)
    );
    assert_eq!(closing.why.to_string(), "it is not watched any more");
    assert!(book.is_empty());
}

#[test]
fn an_item_that_a_pattern_found_is_forgotten_after_a_day() {
    let mut book = ItemBook::new();
    book.follow(&work(vec![
        entry("disk_usage:*", None),
        entry("cpu_load", None),
    ]));
    let usb = sample("disk_usage:/usb", 0, number(10.0, "%"));
    book.take(&[usb], at(0));
    let mut happened = Vec::new();
    for minute in 1..=25 * 60 {
        let load = sample("cpu_load", minute * 60, number(0.1, ""));
        happened.extend(book.take(&[load], at(minute * 60)));
    }
    let kinds: Vec<_> = happened
        .iter()
        .map(|event| (event.kind, event.to))
        .collect();
    let expected = [
        (EventKind::Level, SOSO),
        (EventKind::NoData, SOSO),
        (EventKind::Data, SOSO),
        (EventKind::Level, FINE),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(book.len(), 1);
}

#[test]
fn another_function_takes_the_level_over() {
    let mut watched = Watched::by(&[(SICK, ">= 90 for 5m clear 80 after 15m")]);
    watched.are(&[95.0; 8]);
    watched.told();
    let stricter = fitness(&[(SICK, ">= 70 for 5m clear 60"), (CRITICAL, ">= 99")]);
    watched.book.follow(&work(vec![entry("x", Some(stricter))]));
    assert_eq!(watched.state().level, SICK);
    assert_eq!(watched.is(75.0), SICK);
    assert!(
        watched.told().is_empty(),
        "it was sick, and is: nothing begins anew"
    );
    let milder = fitness(&[(SICK, ">= 99 after 60m")]);
    watched.book.follow(&work(vec![entry("x", Some(milder))]));
    assert_eq!(watched.none().level, SICK);
    assert_eq!(
        watched.is(75.0),
        FINE,
        "the new function never called it sick"
    );
}

#[test]
fn a_watched_host_has_items_of_its_own() {
    let ups = HostName::parse("ups1.example.org").unwrap();
    let mut ordered = work(vec![entry("x", Some(fitness(&[(SOSO, "> 10")])))]);
    ordered.watched.push(WatchedHost {
        host: ups.clone(),
        address: "192.0.2.1".into(),
        items: vec![entry("x", Some(fitness(&[(DEAD, "> 10")])))],
        snmp: None,
    });
    let mut book = ItemBook::new();
    book.follow(&ordered);
    let own = sample("x", 0, number(11.0, ""));
    let mut other = own.clone();
    other.host = Some(ups.clone());
    let happened = book.take(&[other, own], at(0));
    let levels: Vec<_> = happened
        .iter()
        .map(|event| (event.host.clone(), event.to))
        .collect();
    assert_eq!(levels, [(None, SOSO), (Some(ups.clone()), DEAD)]);
    assert_eq!((book.worst(), book.states(Some(&ups)).len()), (DEAD, 1));
    assert_eq!(book.watched().collect::<Vec<_>>(), [&ups]);
    ordered.watched.clear();
    book.follow(&ordered);
    assert_eq!(book.take(&[], at(60)).len(), 1);
    assert_eq!(book.watched().count(), 0);
}

#[test]
fn two_samples_of_one_item_in_a_batch_are_both_judged() {
    let mut book = ItemBook::new();
    book.follow(&work(vec![entry("x", Some(fitness(&[(SICK, "> 10")])))]));
    let samples = [
        sample("x", 30, number(1.0, "")),
        sample("x", 0, number(11.0, "")),
    ];
    let happened = book.take(&samples, at(30));
    let levels: Vec<_> = happened.iter().map(|event| (event.at, event.to)).collect();
    assert_eq!(levels, [(at(0), SICK), (at(30), FINE)]);
}

#[test]
fn the_book_is_bounded() {
    let mut book = ItemBook::new();
    let many: Vec<_> = (0..ItemBook::MOST + 7)
        .map(|n| sample(&format!("disk_usage:/{n}"), 0, number(99.0, "%")))
        .collect();
    book.take(&many, at(0));
    assert_eq!((book.len(), book.left_out()), (ItemBook::MOST, 7));
    let long = Value::Text("ü".repeat(Value::LONGEST_TEXT));
    book.take(&[sample("disk_usage:/0", 60, long)], at(60));
    let Value::Text(text) = &book.states(None)[0].value else {
        panic!("it was a text");
    };
    assert_eq!(text.len(), Value::LONGEST_TEXT);
}

#[test]
fn a_silent_item_makes_room() {
    let mut book = ItemBook::new();
    book.follow(&work(vec![entry("disk_usage:*", None)]));
    let disks = |numbers: std::ops::Range<usize>, second| -> Vec<_> {
        numbers
            .map(|n| sample(&format!("disk_usage:/{n}"), second, number(50.0, "%")))
            .collect()
    };
    book.take(&disks(0..ItemBook::MOST, 0), at(0));
    for minute in 1..6 {
        book.take(&disks(1..ItemBook::MOST, minute * 60), at(minute * 60));
    }
    book.take(&disks(ItemBook::MOST..ItemBook::MOST + 2, 360), at(360));
    assert_eq!((book.len(), book.left_out()), (ItemBook::MOST, 1));
    assert!(
        book.states(None)
            .iter()
            .all(|state| state.item != item("disk_usage:/0"))
    );
}

#[test]
fn a_clock_that_is_turned_back_harms_nothing() {
    let mut book = ItemBook::new();
    book.follow(&work(vec![entry(
        "x",
        Some(fitness(&[(SICK, "> 10 for 2m")])),
    )]));
    for second in [100_000, 100_060, 60, 120, 180] {
        book.take(&[sample("x", second, number(11.0, ""))], at(second));
    }
    let state = book.states(None).remove(0);
    assert_eq!((state.level, state.no_data), (SICK, false));
}

#[test]
fn a_record_of_another_program_is_not_taken_over() {
    let mut watched = Watched::by(&[(SICK, "> 10")]);
    watched.is(11.0);
    let ordered = work(vec![entry("x", None)]);
    let mut record = watched.book.snapshot();
    assert_eq!(ItemBook::resume(record.clone(), &ordered, at(60)).len(), 1);
    record.format += 1;
    assert!(ItemBook::resume(record, &ordered, at(60)).is_empty());
}
