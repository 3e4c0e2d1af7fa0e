//! The host's lock: never two holders, also while the holder executes itself anew.

use lockstep_host::Layout;

use super::trials::{self, Trial};

/// Asks for the lock in a process of its own. True if it was held by another.
fn is_held(root: &str) -> bool {
    let mut trial = Trial::start(&["lock", root, "0"], &[]);
    let line = trial.line();
    let held = line.contains("LockHeld");
    assert!(held || line == "locked", "{line}");
    trial.kill();
    held
}

#[test]
fn the_second_is_told_who_the_first_is() {
    let directory = trials::directory();
    let root = directory.path().to_str().unwrap();
    let mut first = Trial::start(&["lock", root, "0"], &[]);
    assert_eq!(first.line(), "locked");
    let second = trials::run(&["lock", root, "0"], &[]);
    assert!(!second.succeeded());
    let pid = first.child.id();
    assert!(
        second.output.contains(&format!("pid: Some({pid})")),
        "{}",
        second.output
    );
    first.kill();
}

#[test]
fn a_lock_whose_holder_was_killed_is_free_although_its_pid_is_still_there() {
    let directory = trials::directory();
    let root = directory.path().to_str().unwrap();
    let mut first = Trial::start(&["lock", root, "0"], &[]);
    assert_eq!(first.line(), "locked");
    let pid = first.child.id().to_string();
    first.kill();
    let file = Layout::below(root).lock_file();
    assert_eq!(std::fs::read_to_string(file).unwrap().trim(), pid);
    assert!(!is_held(root));
}

#[test]
fn the_lock_is_held_without_a_gap_while_its_holder_executes_itself() {
    let directory = trials::directory();
    let root = directory.path().to_str().unwrap();
    // The trace tells when the holder has the lock for the first time, and how often it went on.
    let trace = directory.path().join("trace");
    let env = [("LOCKSTEP_FAULT_TRACE", trace.to_str().unwrap())];
    let mut holder = Trial::start(&["lock", root, "200"], &env);
    let locked = || {
        std::fs::read_to_string(&trace)
            .unwrap_or_default()
            .matches(" locked ")
            .count()
    };
    while locked() == 0 {
        std::thread::yield_now();
    }
    let mut asked = 0;
    while locked() < 201 {
        assert!(is_held(root), "the lock was free after {asked} questions");
        asked += 1;
    }
    assert_eq!(holder.line(), "locked");
    assert!(asked > 1, "the holder was too fast to be asked in between");
    assert!(is_held(root));
    // Counts were carried through all executions.
    let trace = std::fs::read_to_string(&trace).unwrap();
    assert!(trace.contains("agent locked 201\n"), "{trace}");
    holder.kill();
    assert!(!is_held(root));
}

#[test]
fn a_replaced_file_does_not_make_two_holders_of_one_lock() {
    let directory = trials::directory();
    let root = directory.path().to_str().unwrap();
    let mut first = Trial::start(&["lock", root, "0"], &[]);
    assert_eq!(first.line(), "locked");
    // Somebody removes the file: the next one locks another, and the one after it is refused by that.
    std::fs::remove_file(Layout::below(root).lock_file()).unwrap();
    let mut second = Trial::start(&["lock", root, "0"], &[]);
    assert_eq!(second.line(), "locked");
    assert!(is_held(root));
    first.kill();
    assert!(is_held(root));
    second.kill();
}
