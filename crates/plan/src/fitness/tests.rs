use super::rules::RULES;
use super::*;
use jiff::Timestamp;
use proptest::prelude::*;

fn item(name: &str) -> ItemName {
    ItemName::parse(name).unwrap()
}

fn number(value: f64, unit: &str) -> Value {
    Value::Number {
        value,
        unit: unit.into(),
    }
}

fn level(name: &str, value: f64, unit: &str) -> Level {
    level_of(&item(name), &number(value, unit)).0
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn the_default_thresholds() {
    let table = [
        (
            "cpu_load",
            "",
            [0.99, 1.0, 2.0],
            [Level::FINE, Level::SOSO, Level::SICK],
        ),
        (
            "memory_available",
            "%",
            [20.1, 20.0, 5.0],
            [Level::FINE, Level::SOSO, Level::CRITICAL],
        ),
        (
            "disk_usage:/var",
            "%",
            [79.9, 90.0, 98.0],
            [Level::FINE, Level::SICK, Level::CRITICAL],
        ),
        (
            "agent_memory",
            "bytes",
            [95e6, 96e6, 384e6],
            [Level::FINE, Level::SOSO, Level::CRITICAL],
        ),
        (
            "uptime",
            "s",
            [0.0, 1.0, 1e9],
            [Level::FINE, Level::FINE, Level::FINE],
        ),
    ];
    for (name, unit, values, levels) in table {
        for (value, expected) in values.into_iter().zip(levels) {
            assert_eq!(level(name, value, unit), expected, "{name} {value}");
        }
    }
}

#[test]
fn the_reason_names_value_and_limit() {
    let disk = item("disk_usage:/");
    let (_, why) = level_of(&disk, &number(91.25, "%"));
    assert_eq!(why, "91.2 % is at or above 90.0 %");
    let (_, why) = level_of(&item("memory_available"), &number(4.0, "%"));
    assert_eq!(why, "4.0 % is at or below 5.0 %");
    let (level, why) = judge(&disk, &number(85.0, "%"), Level::SICK);
    assert_eq!(level, Level::SICK);
    assert_eq!(
        why.to_string(),
        "85.0 % is not yet below 80.0 %, after it had reached 90.0 %"
    );
    assert_eq!(
        level_of(&disk, &number(10.0, "%")),
        (Level::FINE, String::new())
    );
}

#[test]
fn what_cannot_be_judged_is_soso_and_says_why() {
    let disk = item("disk_usage:/");
    let none = Value::None("statfs has not answered for 2 s".into());
    assert_eq!(
        level_of(&disk, &none),
        (
            Level::SOSO,
            "no value: statfs has not answered for 2 s".into()
        )
    );
    assert_eq!(level_of(&item("unheard_of"), &none).0, Level::SOSO);
    for odd in [
        number(f64::NAN, "%"),
        number(f64::INFINITY, "%"),
        number(50.0, "bytes"),
        Value::Text("x".into()),
    ] {
        let (level, why) = level_of(&disk, &odd);
        assert_eq!(level, Level::SOSO, "{odd:?}");
        assert!(why.starts_with("no value: "), "{why}");
    }
    assert_eq!(
        level_of(&item("unheard_of"), &Value::Text("x".into())).0,
        Level::FINE
    );
}

#[test]
fn the_book_remembers_since_when() {
    let mut book = ItemBook::new();
    let mut state = |value: Value, second| {
        let state = book
            .update(vec![(item("disk_usage:/"), value)], at(second))
            .remove(0);
        (state.level, state.since)
    };
    assert_eq!(state(number(95.0, "%"), 1), (Level::SICK, at(1)));
    assert_eq!(state(number(85.0, "%"), 2), (Level::SICK, at(1)));
    assert_eq!(state(number(79.0, "%"), 3), (Level::SOSO, at(3)));
    assert_eq!(state(number(77.0, "%"), 4), (Level::FINE, at(4)));
    assert_eq!(state(Value::None("x".into()), 5), (Level::SOSO, at(5)));
    // It was fine before the gap, so 79 % is fine after it: the gap entered no level that had to be left.
    assert_eq!(state(number(79.0, "%"), 6), (Level::FINE, at(6)));
}

#[test]
fn a_gap_is_not_a_recovery() {
    let mut book = ItemBook::new();
    let disk = || item("disk_usage:/");
    book.update(vec![(disk(), number(99.0, "%"))], at(1));
    let gap = book
        .update(vec![(disk(), Value::None("hangs".into()))], at(2))
        .remove(0);
    assert_eq!(
        (gap.level, gap.since, gap.why.as_str()),
        (Level::CRITICAL, at(1), "no value: hangs")
    );
    let back = book
        .update(vec![(disk(), number(95.0, "%"))], at(3))
        .remove(0);
    assert_eq!((back.level, back.since), (Level::CRITICAL, at(1)));
}

#[test]
fn the_book_is_bounded_and_forgets_what_is_gone() {
    let mut book = ItemBook::new();
    let many =
        (0..2 * ItemBook::MOST).map(|n| (item(&format!("disk_usage:/{n}")), number(99.0, "%")));
    assert_eq!(book.update(many.collect(), at(1)).len(), ItemBook::MOST);
    let one = book.update(vec![(item("disk_usage:/"), number(99.0, "%"))], at(2));
    assert_eq!((one.len(), one[0].since), (1, at(2)));
    let again = book.update(vec![(item("disk_usage:/0"), number(95.0, "%"))], at(3));
    assert_eq!(
        (again[0].level, again[0].since),
        (Level::SICK, at(3)),
        "it was forgotten"
    );
}

#[test]
fn a_restarted_agent_goes_on() {
    let mut book = ItemBook::new();
    let states = book.update(vec![(item("disk_usage:/"), number(99.0, "%"))], at(1));
    let mut resumed = ItemBook::resume(&states);
    let state = resumed
        .update(vec![(item("disk_usage:/"), number(95.0, "%"))], at(9))
        .remove(0);
    assert_eq!((state.level, state.since), (Level::CRITICAL, at(1)));
}

#[test]
fn the_rules_are_in_order() {
    for rule in &RULES {
        for step in rule.steps {
            assert!(
                rule.worse.reaches(step.enter, step.clear),
                "{}: clear is worse than enter",
                rule.probe
            );
        }
        for pair in rule.steps.windows(2) {
            assert!(pair[0].level < pair[1].level, "{}", rule.probe);
            assert!(
                rule.worse.reaches(pair[1].enter, pair[0].enter),
                "{}",
                rule.probe
            );
            assert!(
                rule.worse.reaches(pair[1].clear, pair[0].clear),
                "{}",
                rule.probe
            );
        }
    }
}

/// A rule and values around its thresholds.
fn rule_and_values(count: usize) -> impl Strategy<Value = (&'static Rule, Vec<f64>)> {
    (0..RULES.len()).prop_flat_map(move |index| {
        let rule = &RULES[index];
        let worst = rule
            .steps
            .iter()
            .map(|step| step.enter.max(step.clear))
            .fold(0.0, f64::max);
        let exactly = rule
            .steps
            .iter()
            .flat_map(|step| [step.enter, step.clear])
            .collect::<Vec<_>>();
        let value = prop_oneof![0.0..worst * 1.2, proptest::sample::select(exactly)];
        (Just(rule), proptest::collection::vec(value, count))
    })
}

fn levels() -> impl Strategy<Value = Level> {
    proptest::sample::select(vec![
        Level::FINE,
        Level::SOSO,
        Level::SICK,
        Level::CRITICAL,
        Level::DEAD,
    ])
}

proptest! {
    #[test]
    fn a_worse_value_never_gives_a_better_level((rule, values) in rule_and_values(2), before in levels()) {
        let (mut better, mut worse) = (values[0], values[1]);
        if rule.worse.reaches(better, worse) {
            (better, worse) = (worse, better);
        }
        prop_assert!(weigh(rule, better, before).0 <= weigh(rule, worse, before).0);
    }

    #[test]
    fn a_worse_past_never_gives_a_better_level(
        (rule, values) in rule_and_values(1), one in levels(), other in levels()
    ) {
        let (better, worse) = (one.min(other), one.max(other));
        prop_assert!(weigh(rule, values[0], better).0 <= weigh(rule, values[0], worse).0);
    }

    #[test]
    fn a_value_that_stays_changes_the_level_once_at_most((rule, values) in rule_and_values(1), before in levels()) {
        let first = weigh(rule, values[0], before).0;
        prop_assert_eq!(weigh(rule, values[0], first).0, first);
    }

    #[test]
    fn an_ill_item_always_says_why((rule, values) in rule_and_values(1), before in levels()) {
        let (level, why) = weigh(rule, values[0], before);
        prop_assert_eq!(level == Level::FINE, why.to_string().is_empty());
    }

    #[test]
    fn since_moves_only_with_the_level((rule, values) in rule_and_values(30)) {
        let mut book = ItemBook::new();
        let name = item(rule.probe);
        let mut last: Option<(Level, Timestamp)> = None;
        for (second, value) in (0i64..).zip(values) {
            let state = book.update(vec![(name.clone(), number(value, rule.unit))], at(second)).remove(0);
            match last {
                Some((level, since)) if level == state.level => prop_assert_eq!(since, state.since),
                _ => prop_assert_eq!(state.since, at(second)),
            }
            last = Some((state.level, state.since));
        }
    }
}
