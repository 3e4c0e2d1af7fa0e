use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Condition {
    Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error} at {}", error.at))
}

#[test]
fn sentences_say_what_they_mean() {
    let condition = parsed(">= 90% for 5m clear 80% after 15m");
    assert_eq!(
        condition.test,
        Test::Compare {
            op: Op::AtLeast,
            limit: Quantity::new(90.0, "%")
        }
    );
    assert_eq!(condition.hold, Hold::Time(Interval::from_secs(300)));
    assert_eq!(condition.clear, Some(Quantity::new(80.0, "%")));
    assert_eq!(condition.after, Some(Interval::from_secs(900)));
    assert_eq!(parsed("none for 3").hold, Hold::Samples(3));
    assert_eq!(
        parsed("none for 3s").hold,
        Hold::Time(Interval::from_secs(3))
    );
    assert_eq!(parsed(">1s").to_string(), "> 1s");
    let condition = parsed(">= 98% and disk_free < 5 GB for 1m");
    assert_eq!(condition.and[0].0, "disk_free");
    assert_eq!(
        condition.to_string(),
        ">= 98% and disk_free < 5000000000bytes for 1m"
    );
    assert_eq!(parsed("is \"on fire\"").test, Test::Is("on fire".into()));
    assert_eq!(parsed("not ok").test, Test::Not("ok".into()));
    assert_eq!(
        parsed(r#"matches "err(or)?\s""#).test,
        Test::Matches(r"err(or)?\s".into())
    );
    assert!(matches!(parsed("outside @10:20").test, Test::Outside(range) if range.inside));
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, at, word) in [
        ("", 0, "a test is expected"),
        ("soon", 0, "a test is expected"),
        (">= lots", 3, "does not begin with a number"),
        (">= 90% fro 5m", 7, "is not understood"),
        (">= 90% for ever", 11, "is not an interval"),
        (">= 80% clear 90%", 0, "never be left"),
        ("< 10% clear 5%", 0, "never be left"),
        (">= 80% clear 70", 0, "different units"),
        ("= 3 clear 2", 0, "clear goes with"),
        ("is \"open", 3, "closing quote"),
        ("outside 20:10", 8, "the smaller number first"),
        ("none for 0", 9, "at least one"),
    ] {
        let error = Condition::parse(text).unwrap_err();
        assert!(error.why.contains(word), "{text}: {error}");
        assert!(error.at.abs_diff(at) <= 1, "{text}: at {}", error.at);
    }
}

fn tests() -> impl Strategy<Value = Test> {
    let text = "[ -~]{0,12}";
    prop_oneof![
        (
            0..OPS.len(),
            -1e6..1e6_f64,
            prop_oneof!["", "%", "s", "bytes"]
        )
            .prop_map(|(op, value, unit)| {
                Test::Compare {
                    op: OPS[op],
                    limit: Quantity::new(value, &unit),
                }
            }),
        (-1e6..0.0_f64, 0.0..1e6_f64, any::<bool>())
            .prop_map(|(from, to, inside)| Test::Outside(Range { from, to, inside })),
        text.prop_map(Test::Is),
        text.prop_map(Test::Not),
        text.prop_map(Test::Has),
        text.prop_map(Test::Matches),
        Just(Test::Changed),
        Just(Test::None),
    ]
}

const OPS: [Op; 6] = [
    Op::Above,
    Op::AtLeast,
    Op::Below,
    Op::AtMost,
    Op::Equal,
    Op::Unequal,
];

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(
        test in tests(),
        and in proptest::collection::vec(("[a-z_]{1,8}", tests()), 0..3),
        hold in prop_oneof![
            Just(Hold::Now),
            (2_u32..9).prop_map(Hold::Samples),
            (1_u64..100_000).prop_map(|s| Hold::Time(Interval::from_secs(s))),
        ],
        after in proptest::option::of((1_u64..100_000).prop_map(Interval::from_secs)),
    ) {
        let condition = Condition { test, and, hold, clear: None, after };
        prop_assert_eq!(Condition::parse(&condition.to_string()), Ok(condition));
    }

    #[test]
    fn nothing_makes_the_parser_panic(text in "\\PC{0,60}") {
        if let Err(error) = Condition::parse(&text) {
            prop_assert!(error.at <= text.len());
        }
    }
}
