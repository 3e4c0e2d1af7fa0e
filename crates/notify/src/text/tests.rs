use lockstep_model::Value;
use proptest::prelude::*;

use super::*;
use crate::samples::{at, entry, notice, problem};

#[test]
fn a_subject_says_how_bad_it_is_and_where() {
    let of = |kind| {
        subject(&notice(vec![entry(
            kind,
            "web1",
            "disk_usage:/",
            Level::CRITICAL,
        )]))
    };
    assert_eq!(subject(&problem()), "[critical] web1 disk_usage:/ 96.0 %");
    assert_eq!(of(NoticeKind::Recovered), "[recovered] web1 disk_usage:/");
    assert_eq!(
        of(NoticeKind::Reminder),
        "[critical] web1 disk_usage:/ 96.0 % (reminder)"
    );
    assert_eq!(
        of(NoticeKind::Acknowledged),
        "[acknowledged] web1 disk_usage:/ 96.0 %"
    );
    let two = |kind| {
        let entry = entry(kind, "web1", "cpu_load", Level::SICK);
        notice(vec![entry.clone(), entry])
    };
    assert_eq!(
        subject(&two(NoticeKind::Problem)),
        "[2 problems] web1 cpu_load and more"
    );
    assert_eq!(
        subject(&two(NoticeKind::Recovered)),
        "[2 recovered] web1 cpu_load and more"
    );
    let mut storm = two(NoticeKind::Problem);
    storm.more = 10;
    storm.cause = Some("switch1 is silent".into());
    assert_eq!(subject(&storm), "[12 problems] switch1 is silent");
    assert_eq!(subject(&notice(Vec::new())), "[test] this way works");
}

#[test]
fn the_text_lists_everything() {
    let mut notice = problem();
    notice.more = 3;
    notice.entries[0].note = "second reminder".into();
    let mut over = entry(NoticeKind::Recovered, "web2", "cpu_load", Level::FINE);
    over.told = Level::SICK;
    over.ended = Some(at(7200));
    over.changes.clear();
    notice.entries.push(over);
    assert_eq!(
        plain(&notice),
        "[critical] web1 disk_usage:/: 96.0 %\n  \
           why: >= 95%\n  \
           since 2026-09-21 14:13:20 UTC: 5 minutes\n  \
           changed just before: lockstep 1.4.1 → 1.4.2, 3 minutes earlier\n  \
           second reminder\n\
         \n\
         [recovered] web2 cpu_load: 96.0 %\n  \
           why: >= 95%\n  \
           it was sick\n  \
           from 2026-09-21 14:13:20 UTC to 2026-09-21 16:13:20 UTC: 2 hours\n\
         \n\
         and 3 more\n\
         \n\
         To ann, by the route on-call.\n\
         https://lockstep.example.org:7443\n"
    );
}

#[test]
fn a_value_cannot_pretend_to_be_more_than_a_value() {
    let mut notice = problem();
    notice.entries[0].value =
        Value::Text("x\r\nBcc: all@example.org\r\n\r\n\u{2028}\u{202e}y".into());
    assert_eq!(
        subject(&notice),
        "[critical] web1 disk_usage:/ x Bcc: all@example.org y"
    );
}

proptest! {
    #[test]
    fn a_line_is_one_line(text in "\\PC{0,80}|[\\s\\S]{0,80}", max in 3_usize..120) {
        let line = line(&text, max);
        prop_assert!(line.len() <= max, "{} of {max}", line.len());
        prop_assert!(!line.chars().any(char::is_control));
        prop_assert!(!line.starts_with(' ') && !line.ends_with(' '));
    }
}
