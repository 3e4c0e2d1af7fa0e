//! A host in a directory, and a package of others whose daemon is a shell script that does what its version says.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::world::{Host, World, eventually};

/// The package.
pub(crate) const PIGEON: &str = "pigeon";

/// What is wrong with a version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pigeon {
    /// Nothing.
    Good,
    /// Its daemon ends soon after its start.
    Dies,
    /// Its daemon cannot be started.
    DoesNotStart,
    /// Its check says no.
    FailsItsCheck,
    /// Its check says yes until it is in force.
    FailsLater,
    /// It names a file that says that it must not be disturbed.
    Shy,
}

impl Pigeon {
    fn script(self, version: &str) -> String {
        let start = match self {
            Self::DoesNotStart => "exit 5",
            _ => ":",
        };
        let daemon = match self {
            Self::Dies => "sleep 0.2; exit 1",
            _ => ":",
        };
        let check = match self {
            Self::FailsItsCheck => "echo 'this version cannot fly'; exit 1",
            Self::FailsLater => {
                "case \"$(readlink \"$root/opt/lockstep/packages/pigeon\")\" in */VERSION) exit 1;; esac"
            }
            _ => ":",
        };
        // One that was killed is nobody's child here, and may stay a zombie for ever.
        let text = r#"#!/bin/sh
root="$LOCKSTEP_ROOT"; pid="$root/pigeon.pid"
say() { echo "$1 VERSION" >> "$root/pigeon.log"; }
runs() {
    [ -s "$pid" ] || return 1
    state="$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$(cat "$pid")/status" 2>/dev/null)"
    [ -n "$state" ] && [ "$state" != Z ]
}
case "$1" in
start)
    runs && exit 0
    say start
    START
    "$0" daemon </dev/null >/dev/null 2>&1 &
    echo $! > "$pid.new"; mv "$pid.new" "$pid" ;;
daemon)
    DAEMON
    while [ -d "$root/opt" ]; do sleep 0.1; done ;;
stop)
    runs || exit 0
    say stop
    kill "$(cat "$pid")"
    while runs; do sleep 0.02; done ;;
status) runs && exit 0; exit 3 ;;
check)
    CHECK ;;
esac
exit 0
"#;
        text.replace("START", start)
            .replace("DAEMON", daemon)
            .replace("CHECK", check)
            .replace("VERSION", version)
    }

    fn manifest(self) -> &'static str {
        match self {
            Self::Shy => "idle_lock = \"/pigeon.busy\"\n",
            _ => "",
        }
    }
}

/// A host with a package of others.
pub(super) struct Stage<'a> {
    pub(super) world: &'a World,
    pub(super) host: Host,
    pub(super) root: PathBuf,
}

/// The pace of a probation that is over soon.
const PROBATION: &str = "[probation]\nwindow = \"600ms\"\nworse_for = \"300ms\"\npatience = \"20s\"\ngates = []\n\
     [update]\nretry = \"500ms\"\n";

impl<'a> Stage<'a> {
    /// A host that is enrolled, and whose agent does not run: orders are given by [`wants`](Self::wants).
    pub(super) fn set(world: &'a World, name: &str) -> Self {
        let host = world.provision(name);
        let root = host.root.clone();
        let stage = Self { world, host, root };
        let servers = stage.agent_toml();
        let servers = servers.lines().find(|line| line.starts_with("servers"));
        let config = format!("{}\n{PROBATION}", servers.unwrap());
        std::fs::write(stage.config(), config).unwrap();
        std::fs::write(
            stage.root.join("etc/lockstep/update.toml"),
            "[limits]\nbusy_again = \"200ms\"\nlock_again = \"200ms\"\n",
        )
        .unwrap();
        stage
    }

    pub(super) fn config(&self) -> PathBuf {
        self.root.join("etc/lockstep/agent.toml")
    }

    fn agent_toml(&self) -> String {
        std::fs::read_to_string(self.config()).unwrap()
    }

    /// Has the server's order be this, as the worker writes it down; the number of the order is given.
    pub(super) fn wants(&self, version: &str, generation: u64) {
        let releases = self.world.json(&["release", "list", "--json"]);
        let release = releases.as_array().unwrap().iter();
        let mut release = release.filter(|it| it["package"] == PIGEON && it["version"] == version);
        let release = release.next().expect("a release that was published");
        self.wanted(json!({
            "package": PIGEON,
            "version": version,
            "target": release["target"],
            "hash": release["hash"],
            "length": release["length"],
            "generation": generation,
            "by": "server",
        }));
    }

    /// The order is taken back.
    pub(super) fn wants_nothing(&self) {
        self.wanted(Value::Null);
    }

    fn wanted(&self, order: Value) {
        let dir = self.root.join("var/lib/lockstep/bundles").join(PIGEON);
        std::fs::create_dir_all(&dir).unwrap();
        let generation = order["generation"].clone();
        let generation = generation.as_u64().unwrap_or_default();
        let wanted = json!({ "generation": generation, "order": order });
        // In one piece, as the worker does.
        let path = dir.join("wanted.json");
        std::fs::write(path.with_extension("new"), wanted.to_string()).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    }

    /// Begins a run, or goes on with one.
    pub(super) fn start(&self, fault: Option<(&str, &str)>) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command
            .args(["agent", "bundle-run", PIGEON])
            .env("LOCKSTEP_ROOT", &self.root)
            .envs(fault)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Run(command.spawn().unwrap())
    }

    /// One run to its end, and what it said.
    pub(super) fn run(&self) -> String {
        self.start(None).says()
    }

    /// Another command of the agent of this host.
    pub(super) fn agent(&self, args: &[&str]) -> std::process::Output {
        self.host.agent(self.world, args)
    }

    /// The version in force; its slot is complete, and its program is its own.
    pub(super) fn active(&self) -> Option<String> {
        let link = self.root.join("opt/lockstep/packages").join(PIGEON);
        let target = std::fs::read_link(&link).ok()?;
        let version = target.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(link.join("slot.json").is_file(), "{target:?} is not whole");
        let script = std::fs::read_to_string(link.join("bin/pigeon")).unwrap();
        assert!(script.contains(&format!("$1 {version}")), "{target:?}");
        Some(version)
    }

    /// What the daemons said, in their order.
    pub(super) fn said(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.root.join("pigeon.log")).unwrap_or_default();
        text.lines().map(String::from).collect()
    }

    pub(super) fn forget_what_was_said(&self) {
        let _ = std::fs::remove_file(self.root.join("pigeon.log"));
    }

    /// The version whose daemon runs now.
    pub(super) fn running(&self) -> Option<String> {
        running(&self.root)
    }

    pub(super) fn journal(&self) -> Value {
        self.state(&format!("runs/{PIGEON}.json"))
    }

    pub(super) fn book(&self) -> Value {
        self.state(&format!("bundles/{PIGEON}/book.json"))
    }

    fn state(&self, name: &str) -> Value {
        let path = self.root.join("var/lib/lockstep").join(name);
        serde_json::from_slice(&std::fs::read(path).unwrap_or_default()).unwrap_or_default()
    }

    /// How the newest run ended: its outcome, and the code of its reason.
    pub(super) fn end(&self) -> (String, String) {
        let step = self.journal()["step"].clone();
        assert_eq!(step["step"], "over", "{step}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&step["outcome"]), text(&step["reason"]["code"]))
    }

    /// Waits until the run waits for something.
    pub(super) fn waits_in(&self, step: &str, for_what: &str) {
        eventually(&format!("the run waits in {step} for {for_what}"), || {
            let journal = self.journal();
            journal["step"]["step"] == step && journal["waiting"]["why"]["wait"] == for_what
        });
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        end_daemon(&self.root);
    }
}

/// The version whose daemon runs now below a root.
pub(crate) fn running(root: &Path) -> Option<String> {
    let pid = std::fs::read_to_string(root.join("pigeon.pid")).ok()?;
    let line = std::fs::read(format!("/proc/{}/cmdline", pid.trim())).ok()?;
    let line = String::from_utf8_lossy(&line).into_owned();
    let slot = line.split("/slots/pigeon/").nth(1)?;
    slot.split('/').next().map(String::from)
}

/// A daemon outlives its run, and must not outlive its test.
pub(crate) fn end_daemon(root: &Path) {
    let pid = std::fs::read_to_string(root.join("pigeon.pid")).unwrap_or_default();
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
    if let (Some(pid), Some(_)) = (pid, running(root)) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// A run's process.
pub(super) struct Run(Child);

impl Run {
    /// Waits for its end, and returns what it said.
    pub(super) fn says(self) -> String {
        let output = self.0.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Waits for its end.
    pub(super) fn ends(mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

/// Builds, signs and uploads a version of the package.
pub(crate) fn publish(world: &World, version: &str, pigeon: Pigeon) {
    publish_with(world, version, pigeon, "");
}

/// The same with more tables in its manifest.
pub(crate) fn publish_with(world: &World, version: &str, pigeon: Pigeon, more: &str) {
    let tree = format!("trees/{PIGEON}-{version}");
    let path = world.path(&tree);
    std::fs::create_dir_all(path.join("bin")).unwrap();
    let program = path.join("bin/pigeon");
    std::fs::write(&program, pigeon.script(version)).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let manifest = format!(
        "[service]\nstart = [\"bin/pigeon\", \"start\"]\nstop = [\"bin/pigeon\", \"stop\"]\n\
         status = [\"bin/pigeon\", \"status\"]\n{}[check]\ncommand = [\"bin/pigeon\", \"check\"]\n{more}",
        pigeon.manifest()
    );
    std::fs::write(path.join("bundle.toml"), manifest).unwrap();
    let bundle = format!("{PIGEON}-{version}.tar.zst");
    world.must(&[
        "release",
        "build",
        &tree,
        "--package",
        PIGEON,
        "--version",
        version,
        "-o",
        &bundle,
    ]);
    world.must(&["release", "publish", &bundle, "--keys", "keys"]);
}

/// Writes a script that a run calls.
pub(super) fn script(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
