//! The real updaters, which run scripts under a lock: where they live in a test, and how they are called.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};

/// The directories that both updaters know.
const STAGES: [&str; 5] = [
    "needs_update",
    "pre_update",
    "update",
    "needs_reboot",
    "post_update",
];

/// A host's home of an updater: its scripts, its state, and `trace`, to which the scripts write their names.
pub(crate) struct Home(TempDir);

impl Home {
    /// With one script in each stage: there are updates, all goes well, and no restart is needed.
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for stage in STAGES {
            std::fs::create_dir(home.path(&format!("{stage}.d"))).unwrap();
            home.script(
                stage,
                if stage == "needs_update" {
                    "exit 1"
                } else {
                    ""
                },
            );
        }
        home.program("reboot", "");
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.0.path()
    }

    /// What the script of a stage does behind writing its name.
    pub(crate) fn script(&self, stage: &str, does: &str) {
        self.program(&format!("{stage}.d/10-{stage}"), does);
    }

    fn program(&self, name: &str, does: &str) {
        let (path, trace) = (self.path(name), self.path("trace"));
        let says = name.rsplit('/').next().unwrap();
        let text = format!("#!/bin/sh\necho {says} >> {}\n{does}\n", trace.display());
        // Under another name first: what is being written cannot be executed.
        let new = self.path("new");
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(&new, &path).unwrap();
    }

    /// Which scripts ran since this was asked last, by their stages.
    pub(crate) fn trace(&self) -> String {
        let trace = std::fs::read_to_string(self.path("trace")).unwrap_or_default();
        let _ = std::fs::remove_file(self.path("trace"));
        let stages: Vec<&str> = trace
            .lines()
            .map(|line| line.trim_start_matches("10-"))
            .collect();
        stages.join(" ")
    }

    /// The word in the state file.
    pub(crate) fn state(&self) -> Option<String> {
        let state = std::fs::read_to_string(self.path("state")).ok()?;
        Some(state.trim_end().to_owned())
    }

    pub(crate) fn set_state(&self, word: &str) {
        std::fs::write(self.path("state"), format!("{word}\n")).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until the log has a text.
    pub(crate) async fn logged(&self, text: &str) {
        for _ in 0..600 {
            if self.log().contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{text:?} did not come into the log:\n{}", self.log());
    }
}

/// The Python that has the updaters: that of scripts/parts, or the one that is first in the path.
pub(crate) fn python() -> PathBuf {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python/bin/python3");
    if parts.exists() {
        parts
    } else {
        "python3".into()
    }
}

/// How fast time goes for a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    AsItGoes,
    /// A minute is a second.
    Fast,
}

/// Starts the module of an updater as its own script does.
pub(crate) fn start(module: &str, time: Time, arguments: &[&str]) -> Child {
    let text = format!("from {module} import main; main()");
    let mut command = match time {
        Time::AsItGoes => Command::new(python()),
        Time::Fast => {
            let mut command = Command::new("faketime");
            command.args(["-f", "+0 x60"]).arg(python());
            command
        }
    };
    command
        .arg("-c")
        .arg(text)
        .args(arguments)
        .env_remove("REQUESTS_CA_BUNDLE")
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let started = command.spawn();
    started.expect("these tests need python3 and faketime; scripts/parts installs them")
}

/// The end of a process, which must come soon.
pub(crate) async fn ended(child: Child) -> Output {
    let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await;
    let output = output.expect("the updater does not end").unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let missing = "the updaters are not installed; scripts/parts does it";
    assert!(
        !stderr.contains("ModuleNotFoundError"),
        "{missing}: {stderr}"
    );
    output
}
