//! The operator's scripts: which are run, in what order, and how they end.

use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_host::exec::Finished;
use lockstep_host::process::wait_gone;
use lockstep_host::scripts::{self, LONGEST_LOG, Limits, Script, is_later};
use lockstep_host::{Error, Layout};
use tempfile::TempDir;

use super::trials::{self, PATIENCE, Trial, block_on, fifo};

const NOBODY: u32 = 65_534;

const LIMITS: Limits = Limits {
    each: PATIENCE,
    output_cap: 1024 * 1024,
};

/// A directory of scripts that is gone after the test.
fn scripts_dir() -> (TempDir, PathBuf) {
    let directory = trials::directory();
    let layout = Layout::below(directory.path());
    let dir = layout.script_dir(scripts::ScriptDir::Update);
    std::fs::create_dir_all(&dir).unwrap();
    for dir in dir.ancestors().take_while(|dir| *dir != directory.path()) {
        chmod(dir, 0o755);
    }
    (directory, dir)
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Writes a program of the shell.
fn put(dir: &Path, name: &str, body: &str) -> Script {
    put_text(dir, name, &format!("#!/bin/sh\n{body}\n"))
}

fn put_text(dir: &Path, name: &str, text: &str) -> Script {
    let path = dir.join(name);
    trials::put(&path, text);
    chmod(&path, 0o755);
    Script {
        path,
        name: name.into(),
    }
}

fn run(script: &Script) -> Finished {
    block_on(scripts::run(script, &[], &LIMITS, None)).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let (scripts, skipped) = scripts::list(dir).unwrap();
    assert_eq!(skipped, []);
    scripts.into_iter().map(|script| script.name).collect()
}

/// Why the one thing of that name is skipped.
fn why(dir: &Path, name: &str) -> String {
    let (scripts, skipped) = scripts::list(dir).unwrap();
    assert!(
        scripts.iter().all(|script| script.name != name),
        "{name} is run"
    );
    let found = skipped.into_iter().find(|skipped| skipped.name == name);
    found.unwrap().why
}

fn words(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}

#[test]
fn they_run_in_the_byte_order_of_their_names() {
    let (directory, dir) = scripts_dir();
    for name in ["z", "a", "9-z", "2-c", "10-b", "A", "é"] {
        put(&dir, name, "echo ${0##*/}");
    }
    let order = ["10-b", "2-c", "9-z", "A", "a", "z", "é"];
    assert_eq!(names(&dir), order);
    let log = directory.path().join("log");
    for script in scripts::list(&dir).unwrap().0 {
        let finished = block_on(scripts::run(&script, &[], &LIMITS, Some(&log))).unwrap();
        assert!(finished.succeeded());
        assert_eq!(finished.output, format!("{}\n", script.name));
    }
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.lines().collect::<Vec<_>>(), order);
}

#[test]
fn a_directory_that_is_missing_has_none() {
    let (_directory, dir) = scripts_dir();
    assert_eq!(names(&dir), [""; 0]);
    assert_eq!(names(&dir.join("missing")), [""; 0]);
    let file = put(&dir, "file", "true").path;
    assert!(words(&scripts::list(&file).unwrap_err()).contains("Not a directory"));
}

#[test]
fn a_directory_that_is_being_filled_is_refused() {
    let (_directory, dir) = scripts_dir();
    for number in 0..=scripts::MOST_NAMES {
        std::fs::File::create(dir.join(number.to_string())).unwrap();
    }
    let error = scripts::list(&dir).unwrap_err();
    assert!(error.to_string().contains("has 1001 names"), "{error}");
}

#[test]
fn whatever_is_not_a_script_is_skipped_with_the_reason() {
    let (_directory, dir) = scripts_dir();
    let good = put(&dir, "10-good", "true");
    std::fs::create_dir(dir.join("20-dir")).unwrap();
    fifo(&dir.join("30-fifo"));
    for name in [".hidden", "40-x~", "40-x.dpkg-old", "40-x.rpmsave"] {
        put(&dir, name, "true");
    }
    put(&dir, "50-group", "true");
    chmod(&dir.join("50-group"), 0o775);
    put(&dir, "50-all", "true");
    chmod(&dir.join("50-all"), 0o757);
    put(&dir, "60-not-executable", "true");
    chmod(&dir.join("60-not-executable"), 0o655);
    symlink("nowhere", dir.join("70-dangling")).unwrap();
    symlink("80-loop", dir.join("80-loop")).unwrap();

    let (found, skipped) = scripts::list(&dir).unwrap();
    assert_eq!(found, [good]);
    assert_eq!(skipped.len(), 11);
    let says = |name, words: &str| {
        let why = why(&dir, name);
        assert!(why.contains(words), "{name}: {why}");
    };
    says("20-dir", "not a regular file");
    says("30-fifo", "not a regular file");
    says(".hidden", "hidden");
    says("40-x~", "editor");
    says("40-x.dpkg-old", "dpkg");
    says("40-x.rpmsave", "rpm");
    says("50-group", "it can be written by its group (mode 0775)");
    says("50-all", "it can be written by everybody (mode 0757)");
    says(
        "60-not-executable",
        "it is not executable by its owner (mode 0655)",
    );
    says("70-dangling", "nowhere, which does not exist");
    says("80-loop", "too many links");
}

#[test]
fn a_script_of_another_user_is_skipped() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (_directory, dir) = scripts_dir();
    let foreign = put(&dir, "10-foreign", "true");
    chown(&foreign.path, Some(NOBODY), Some(NOBODY)).unwrap();
    assert_eq!(
        why(&dir, "10-foreign"),
        "it belongs to user 65534 and not to root"
    );

    // Nor is a link of another user followed, wherever it leads.
    put(&dir, "20-good", "true");
    symlink("20-good", dir.join("30-link")).unwrap();
    lchown(dir.join("30-link"), Some(NOBODY), None).unwrap();
    assert!(why(&dir, "30-link").ends_with("30-link belongs to user 65534 and not to root"));

    chown(&dir, Some(NOBODY), None).unwrap();
    assert!(why(&dir, "20-good").ends_with("update.d belongs to user 65534 and not to root"));
}

#[test]
fn a_link_is_followed_where_its_target_and_the_way_there_are_safe() {
    let (directory, dir) = scripts_dir();
    let lib = directory.path().join("lib");
    let target = put(&lib, "target", "echo target");
    chmod(&lib, 0o755);
    symlink(&target.path, dir.join("10-absolute")).unwrap();
    symlink("../../../../lib/target", dir.join("20-relative")).unwrap();
    symlink("20-relative", dir.join("30-twice")).unwrap();
    assert_eq!(names(&dir), ["10-absolute", "20-relative", "30-twice"]);
    for script in scripts::list(&dir).unwrap().0 {
        assert_eq!(run(&script).output, "target\n");
    }

    chmod(&lib, 0o1777);
    // Others could put a second name of any program of root's there.
    let reason = why(&dir, "30-twice");
    assert!(
        reason.contains("lib can be written by everybody (mode 1777)"),
        "{reason}"
    );
    chmod(&lib, 0o755);
    chmod(&target.path, 0o777);
    let reason = why(&dir, "20-relative");
    assert!(
        reason.contains("its target ") && reason.contains("lib/target can be written"),
        "{reason}"
    );
}

#[test]
fn nothing_is_run_from_where_others_can_write() {
    let (directory, dir) = scripts_dir();
    let script = put(&dir, "10-x", "true");
    chmod(&dir, 0o775);
    assert!(
        why(&dir, "10-x").ends_with("update.d can be written by its group (mode 0775); chmod go-w")
    );
    // The sticky bit does not help the directory itself.
    chmod(&dir, 0o1777);
    assert!(why(&dir, "10-x").contains("update.d can be written by everybody"));
    chmod(&dir, 0o755);

    // Above it, it does.
    let parent = directory.path().join("etc");
    chmod(&parent, 0o1777);
    assert_eq!(names(&dir), ["10-x"]);
    chmod(&parent, 0o777);
    assert!(why(&dir, "10-x").contains("etc can be written by everybody"));
    let error = block_on(scripts::run(&script, &[], &LIMITS, None)).unwrap_err();
    assert!(matches!(error, Error::Script { .. }), "{error:?}");

    // A way around it through a link is none.
    let around = directory.path().join("around");
    symlink(&dir, &around).unwrap();
    assert!(why(&around, "10-x").contains("etc can be written by everybody"));
    chmod(&parent, 0o755);
    assert_eq!(names(&around), ["10-x"]);
}

#[test]
fn the_environment_is_clean_and_what_was_given() {
    let (_directory, dir) = scripts_dir();
    let script = put(
        &dir,
        "x",
        "tr '\\0' '\\n' < /proc/$$/environ; pwd -P; cat; echo $#",
    );
    let env = [
        ("LOCKSTEP_PHASE".into(), "pre".into()),
        ("LANG".into(), "de_DE".into()),
    ];
    let finished = block_on(scripts::run(&script, &env, &LIMITS, None)).unwrap();
    let mut lines: Vec<&str> = finished.output.lines().collect();
    assert_eq!(lines.split_off(lines.len() - 2), ["/", "0"]);
    lines.sort_unstable();
    assert!(lines[0].starts_with("HOME=/"), "{lines:?}");
    let rest = [
        "LANG=de_DE",
        "LC_ALL=C.UTF-8",
        "LOCKSTEP_PHASE=pre",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    ];
    assert_eq!(lines[1..], rest);
}

#[test]
fn the_whole_group_ends_at_the_limit() {
    let (directory, dir) = scripts_dir();
    let pids = directory.path().join("pids");
    let script = put(
        &dir,
        "x",
        &format!(
            "trap '' TERM INT\n(sleep 600; true) & echo $! >> {0}\nsleep 600 & echo $! >> {0}\necho begun\nwait",
            pids.display()
        ),
    );
    let limits = Limits {
        each: Duration::from_secs(1),
        ..LIMITS
    };
    let finished = block_on(scripts::run(&script, &[], &limits, None)).unwrap();
    assert!(finished.timed_out && !finished.succeeded() && !is_later(&finished));
    assert_eq!(finished.output, "begun\n");
    let pids = std::fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        assert!(block_on(wait_gone(pid.parse().unwrap(), PATIENCE)).unwrap());
    }
}

#[test]
fn later_is_told_apart() {
    let (_directory, dir) = scripts_dir();
    let later = run(&put(&dir, "later", "echo not yet; exit 75"));
    assert!(is_later(&later) && !later.succeeded());
    assert!(!is_later(&run(&put(&dir, "failed", "exit 1"))));
    assert!(!is_later(&run(&put(&dir, "well", "exit 0"))));
    assert!(!is_later(&run(&put(&dir, "killed", "kill -9 $$"))));
}

#[test]
fn ten_thousand_lines_come_in_their_order() {
    let (directory, dir) = scripts_dir();
    let log = directory.path().join("log");
    let body = "i=0; while [ $i -lt 5000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done";
    let finished = block_on(scripts::run(
        &put(&dir, "x", body),
        &[],
        &LIMITS,
        Some(&log),
    ))
    .unwrap();
    let wanted: String = (0..5000).map(|i| format!("out {i}\nerr {i}\n")).collect();
    assert!(finished.succeeded() && finished.cut == 0);
    assert!(finished.output == wanted);
    assert!(std::fs::read_to_string(log).unwrap() == wanted);
}

#[test]
fn a_flood_is_bounded_here_and_in_the_log() {
    let (directory, dir) = scripts_dir();
    let log = directory.path().join("log");
    let script = put(&dir, "x", "yes 12345678 | head -c 18000000; echo end");
    let limits = Limits {
        output_cap: 1000,
        ..LIMITS
    };
    let finished = block_on(scripts::run(&script, &[], &limits, Some(&log))).unwrap();
    assert!(finished.succeeded());
    assert_eq!(finished.output.len(), 1000);
    assert_eq!(finished.cut, 18_000_004 - 1000);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(
        (LONGEST_LOG / 4..=LONGEST_LOG).contains(&(log.len() as u64)),
        "{}",
        log.len()
    );
    assert!(log.starts_with("[earlier output was left out]\n12345678\n"));
    assert!(log.ends_with("12345678\nend\n"));
}

#[test]
fn rubbish_is_output_too() {
    let (directory, dir) = scripts_dir();
    let (log, copy) = (directory.path().join("log"), directory.path().join("copy"));
    let body = format!("head -c 100000 /dev/urandom | tee {}", copy.display());
    let finished = block_on(scripts::run(
        &put(&dir, "x", &body),
        &[],
        &LIMITS,
        Some(&log),
    ))
    .unwrap();
    assert!(finished.succeeded() && finished.output.contains('\u{fffd}'));
    let written = std::fs::read(log).unwrap();
    assert_eq!(written.len(), 100_000);
    assert!(written == std::fs::read(copy).unwrap());
}

#[test]
fn one_that_changed_since_it_was_listed_is_not_run() {
    let (directory, dir) = scripts_dir();
    let witness = directory.path().join("witness");
    let script = put(&dir, "x", &format!("touch {}", witness.display()));
    assert_eq!(
        scripts::list(&dir).unwrap().0,
        std::slice::from_ref(&script)
    );
    let refusal = || {
        let error = block_on(scripts::run(&script, &[], &LIMITS, None)).unwrap_err();
        assert!(matches!(error, Error::Script { .. }), "{error:?}");
        error.to_string()
    };
    chmod(&script.path, 0o777);
    assert!(refusal().contains("written by everybody"));
    std::fs::remove_file(&script.path).unwrap();
    assert!(refusal().contains("does not exist any more"));
    assert!(!witness.exists());
}

#[test]
fn a_text_without_an_interpreter_is_explained() {
    let (_directory, dir) = scripts_dir();
    let script = put_text(&dir, "x", "echo hello\n");
    let error = block_on(scripts::run(&script, &[], &LIMITS, None)).unwrap_err();
    let words = words(&error);
    assert!(
        words.starts_with("cannot start ") && words.contains("begins with #!"),
        "{words}"
    );
    assert!(run(&put_text(&dir, "y", "#!/bin/sh\necho hello\n")).succeeded());
}

/// Starts a script in a process of its own, waits until it has said something, and kills that process.
fn killed_engine(script: &Script, log: &Path) {
    let mut engine = Trial::start(
        &[
            "script",
            script.path.to_str().unwrap(),
            log.to_str().unwrap(),
        ],
        &[],
    );
    while std::fs::read(log).unwrap_or_default().is_empty() {
        assert_eq!(engine.child.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    engine.kill();
}

#[test]
fn what_was_written_outlives_whoever_listened_and_the_script_does_not_run_twice() {
    let (directory, dir) = scripts_dir();
    let log = directory.path().join("log");
    let body = "echo $$; [ -n \"$AGAIN\" ] || { sleep 600 & wait; }";
    let script = put(&dir, "x", body);
    killed_engine(&script, &log);
    let text = std::fs::read_to_string(&log).unwrap();
    let first: u32 = text.trim().parse().unwrap();
    assert!(!block_on(wait_gone(first, Duration::from_millis(10))).unwrap());

    let again = [("AGAIN".into(), "1".into())];
    let finished = block_on(scripts::run(&script, &again, &LIMITS, Some(&log))).unwrap();
    assert!(finished.succeeded());
    assert!(block_on(wait_gone(first, PATIENCE)).unwrap());
    let wanted = format!("{text}{}", finished.output);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), wanted);
    assert!(!block_on(scripts::end_leftover(&log)).unwrap());
    // Nothing but the log is left.
    let left = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 2);
}

#[test]
fn a_leftover_is_ended_and_nobody_else() {
    let (directory, dir) = scripts_dir();
    let log = directory.path().join("log");
    killed_engine(&put(&dir, "x", "echo $$; sleep 600"), &log);
    let pid: u32 = std::fs::read_to_string(&log)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let note = directory.path().join("log.running");
    let noted = std::fs::read_to_string(&note).unwrap();

    // Another process with that pid, another boot, no sense.
    let mut other: serde_json::Value = serde_json::from_str(&noted).unwrap();
    other["started"] = 1.into();
    let mut boot: serde_json::Value = serde_json::from_str(&noted).unwrap();
    boot["boot"] = "other".into();
    for harmless in [
        other.to_string(),
        boot.to_string(),
        "{".into(),
        String::new(),
    ] {
        trials::put(&note, harmless);
        assert!(!block_on(scripts::end_leftover(&log)).unwrap());
        assert!(!note.exists());
    }
    assert!(!block_on(wait_gone(pid, Duration::from_millis(10))).unwrap());

    trials::put(&note, noted);
    assert!(block_on(scripts::end_leftover(&log)).unwrap());
    assert!(block_on(wait_gone(pid, PATIENCE)).unwrap());
}
