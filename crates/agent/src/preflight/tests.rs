use std::path::Path;

use lockstep_host::Layout;
use lockstep_model::{ChannelName, PackageName};

use super::*;

/// Writes a file as an agent of any version might.
fn put(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's file need not be durable"
    )]
    std::fs::write(path, text).unwrap();
}

/// What the host's state says against a start, after which each file lies where it lay, as it was.
fn refusal(layout: &Layout, file: &Path) -> String {
    let before = std::fs::read(file).unwrap();
    let beside = || std::fs::read_dir(file.parent().unwrap()).unwrap().count();
    let names = beside();
    let refusal = words(&state_of(layout).unwrap_err());
    assert_eq!(std::fs::read(file).unwrap(), before);
    assert_eq!(beside(), names, "nothing is moved aside, or made");
    assert!(refusal.contains(&file.display().to_string()), "{refusal}");
    refusal
}

#[test]
fn a_memory_with_an_unknown_word_is_a_refusal_and_stays_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::below(dir.path());
    assert_eq!(
        state_of(&layout).unwrap(),
        [
            "run: none",
            "runs of packages under way: 0",
            "memory: generation 0, 0 release(s) not tried again"
        ]
    );
    let memory = Memory {
        generation: 7,
        channel: Some(ChannelName::parse("stable").unwrap()),
        ..Memory::default()
    };
    let text = serde_json::to_string(&memory).unwrap();
    put(&layout.memory(), &text);
    assert!(state_of(&layout).unwrap()[2].starts_with("memory: generation 7"));
    // A word of a version to come, in the place of one of today.
    put(
        &layout.memory(),
        &text.replace("\"stable\"", "{\"ring\":3}"),
    );
    let refusal = refusal(&layout, &layout.memory());
    assert!(refusal.contains("a newer version may"), "{refusal}");
}

#[test]
fn a_journal_with_an_unknown_step_is_a_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::below(dir.path());
    put(&layout.journal(), "{\"step\":{\"step\":\"levitate\"}}");
    refusal(&layout, &layout.journal());
}

#[test]
fn a_run_that_is_not_over_must_be_understood_and_one_that_is_over_need_not() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::below(dir.path());
    let file = layout.run_journal(&PackageName::reboot());
    let run = |kind: &str, step: &str, format: u32| {
        format!(
            "{{\"format\":{format},\"id\":\"019b0a5c-2d00-7abc-8def-0123456789ab\",\
             \"job\":{{\"kind\":\"{kind}\",\"package\":\"reboot\",\"by\":\"ann\"}},\
             \"step\":{{\"step\":\"{step}\"}},\
             \"started_at\":\"2026-11-22T10:00:00Z\",\"changed_at\":\"2026-11-22T10:00:00Z\"}}"
        )
    };
    put(&file, &run("reboot", "pre", RunJournal::FORMAT));
    let found = state_of(&layout).unwrap();
    assert_eq!(found[1], "runs of packages under way: 1");
    for unknown in [
        run("levitate", "pre", RunJournal::FORMAT),
        run("reboot", "hover", RunJournal::FORMAT),
        run("reboot", "pre", RunJournal::FORMAT + 1),
        "no journal at all".into(),
    ] {
        put(&file, &unknown);
        let refusal = refusal(&layout, &file);
        assert!(refusal.contains("lockstep run retry"), "{refusal}");
    }
    for over in [
        run("levitate", "over", RunJournal::FORMAT + 1),
        run("levitate", "nothing", RunJournal::FORMAT),
    ] {
        put(&file, &over);
        let found = state_of(&layout).unwrap();
        assert_eq!(found[1], "runs of packages under way: 0");
    }
    // What lies beside the journals is not of them.
    put(&layout.run_log(&PackageName::reboot()), "some output");
    put(&file.with_extension("json.damaged"), "nothing to read");
    assert!(state_of(&layout).is_ok());
}
