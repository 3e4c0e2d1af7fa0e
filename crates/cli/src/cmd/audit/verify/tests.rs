//! What a person is told of a host's file.

use jiff::Timestamp;
use lockstep_model::{ChainEntry, ChainSubject, HostName};

use super::*;

fn entries(bodies: &[&str]) -> Vec<ChainEntry> {
    let mut entries: Vec<ChainEntry> = Vec::new();
    for (second, body) in (1_000..).zip(bodies) {
        let head = entries.last().map(|entry| entry.link);
        let subject = ChainSubject::Run(HostName::parse("web1").unwrap());
        let at = Timestamp::from_second(second).unwrap();
        entries.push(ChainEntry::after(
            head.as_ref(),
            at,
            subject,
            (*body).into(),
        ));
    }
    entries
}

fn text(entries: &[ChainEntry]) -> String {
    let lines = entries
        .iter()
        .map(|entry| serde_json::to_string(entry).unwrap() + "\n");
    lines.collect()
}

/// Verifies a file of this text, and returns what is printed.
fn verify(text: &str, noted: Option<Noted>) -> Vec<String> {
    verify_all(&[text], noted)
}

fn verify_all(texts: &[&str], noted: Option<Noted>) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let files = texts.iter().enumerate().map(|(index, text)| {
        let path = dir.path().join(format!("records.{index}.jsonl"));
        #[expect(clippy::disallowed_methods, reason = "a test's file may be lost")]
        std::fs::write(&path, text).unwrap();
        path
    });
    let files: Vec<PathBuf> = files.collect();
    let mut walk = Walk::begin(noted);
    let walked = file::walk(&mut walk, &files).unwrap();
    describe(&walk.summary(), walked.err().as_ref(), noted, true)
}

fn note(entry: &ChainEntry) -> Option<Noted> {
    Some(Noted {
        number: entry.link.number,
        hash: entry.link.hash,
    })
}

#[test]
fn a_whole_file_is_told_with_what_to_note_down() {
    let all = entries(&["{}", "{\"a\":\"ü\\n\"}", "{}"]);
    assert_eq!(
        verify(&text(&all), None),
        [
            "the chain is whole: 3 entries, 1 to 3, from 1970-01-01T00:16:40Z to 1970-01-01T00:16:42Z".to_owned(),
            "3 records of runs, 0 deeds".into(),
            "3 records are of a version that this program does not know; their hosts' own chains were not looked at"
                .into(),
            format!("note down: --after 3 --hash {}", all[2].link.hash),
        ]
    );
    assert_eq!(verify("", None), ["the chain is empty"]);
    let nowhere = PathBuf::from("/nowhere/at-all");
    assert!(file::walk(&mut Walk::begin(None), &[nowhere]).is_err());
}

#[test]
fn what_was_changed_cut_off_or_turned_around_is_named() {
    let all = entries(&["one", "two", "three", "four"]);
    let first = |text: &str| verify(text, None)[0].clone();
    assert_eq!(
        first(&text(&all).replace("three", "drei!")),
        "the chain is broken at entry 3: its contents were changed"
    );
    let whole = text(&all);
    assert_eq!(
        first(&whole[..whole.len() - 40]),
        "the chain is broken at entry 4: line 4 is cut off"
    );
    let turned = [&all[0], &all[2], &all[1], &all[3]].map(Clone::clone);
    assert_eq!(
        first(&text(&turned)),
        "the chain is broken at entry 2: an entry is missing"
    );
    let line = first(&format!("{}not an entry\n", text(&all[..2])));
    assert!(
        line.starts_with("the chain is broken at entry 3: line 3 is no entry"),
        "{line}"
    );
    // Before the break it is told how far it was whole.
    let lines = verify(&text(&all).replace("three", "drei!"), None);
    assert!(
        lines[1].starts_with("whole before that: 2 entries, 1 to 2"),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("note down")));
}

#[test]
fn a_file_of_endless_lines_is_not_read_into_memory() {
    let line = verify(&"x".repeat(3 * 1024 * 1024), None)[0].clone();
    assert_eq!(
        line,
        "the chain is broken at entry 1: line 1 is longer than any entry"
    );
}

#[test]
fn what_was_noted_proves_that_the_end_was_not_cut_off_or_written_anew() {
    let all = entries(&["one", "two", "three", "four"]);
    let whole = verify(&text(&all), note(&all[2]));
    assert!(
        whole.contains(&"it contains entry 3 as it was noted".into()),
        "{whole:?}"
    );
    // Nobody sees from the file alone that its end is gone.
    let cut = text(&all[..2]);
    assert!(verify(&cut, None)[0].starts_with("the chain is whole"));
    assert_eq!(
        verify(&cut, note(&all[2]))[0],
        "the chain is broken at entry 3: it is missing, as is everything up to entry 3, which was noted"
    );
    let anew = entries(&["one", "zwei", "three", "four"]);
    assert!(verify(&text(&anew), None)[0].starts_with("the chain is whole"));
    assert_eq!(
        verify(&text(&anew), note(&all[2]))[0],
        "the chain is broken at entry 3: it is not the entry that was noted"
    );
}

#[test]
fn what_was_forgotten_must_lie_before_what_was_noted() {
    let all = entries(&["one", "two", "three", "four"]);
    let rest = text(&all[2..]);
    let lines = verify(&rest, None);
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("nothing proves what was before entry 3")),
        "{lines:?}"
    );
    assert!(verify(&rest, note(&all[1]))[0].starts_with("the chain is whole"));
    assert_eq!(
        verify(&rest, note(&all[0]))[0],
        "the chain is broken at entry 2: everything before entry 3 is missing"
    );
    let other = entries(&["one", "zwei"]);
    assert_eq!(
        verify(&rest, note(&other[1]))[0],
        "the chain is broken at entry 3: it does not follow what was noted"
    );
}

#[test]
fn what_is_remarkable_about_a_host_is_one_line() {
    let host = HostSummary {
        records: 9,
        without_link: 2,
        head: Some(9),
        begun_anew: 1,
        not_received: vec![
            super::super::host_links::Gap { first: 2, last: 2 },
            super::super::host_links::Gap { first: 4, last: 6 },
        ],
    };
    assert_eq!(
        remarks(&host).unwrap(),
        "not received: 2, 4 to 6 of its own entries; it has begun its chain anew once; 2 of 9 records have no place in a \
         chain of its own"
    );
    let well = HostSummary {
        without_link: 0,
        begun_anew: 0,
        not_received: Vec::new(),
        ..host
    };
    assert_eq!(remarks(&well), None);
}

#[test]
fn files_that_follow_each_other_are_one_chain() {
    let all = entries(&["one", "two", "three", "four"]);
    let (older, newer) = (text(&all[..3]), text(&all[3..]));
    assert!(
        verify_all(&[&older, &newer], None)[0].starts_with("the chain is whole: 4 entries, 1 to 4")
    );
    assert_eq!(
        verify_all(&[&newer, &older], None)[0],
        "the chain is broken at entry 5: an entry is missing"
    );
}
