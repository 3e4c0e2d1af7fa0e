//! A server, a publisher and hosts, as real processes in one temporary directory.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::candidate::Candidate;

/// How long anything may take before the test gives up; a loaded machine must not fail it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The agents' pace: a probation of two seconds instead of two minutes.
pub(crate) const AGENT: &str = r#"[report]
every = "1s"
sample = "500ms"
[update]
retry = "1s"
[probation]
window = "2s"
silence = "3s"
check_in = "3s"
worse_for = "1s"
witness_every = "1s"
patience = "30s"
gates = ["agent_memory"]
"#;

/// The server's pace.
const SERVER: &str = r#"names = ["127.0.0.1"]
report = "1s"
decide = "200ms"
[rollout]
canaries = 1
bake = "200ms"
"#;

/// Everything.
pub(crate) struct World {
    dir: TempDir,
    server: Option<Child>,
    pub(crate) agents_port: u16,
}

impl World {
    /// A server that runs, with a publisher's keys and version 1.0.0 published (not promoted).
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// The same with more lines at the head of `server.toml`.
    pub(crate) fn start_with(more: &str) -> Self {
        let world = Self::bare(more);
        world.must(&["keys", "init", "keys"]);
        world.publish("1.0.0", Candidate::Good);
        world
    }

    /// A server that runs, and no publisher.
    pub(crate) fn bare(more: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("lockstep-it-")
            .tempdir()
            .unwrap();
        let (agents_port, operators_port) = (free_port(), free_port());
        let listen = format!(
            "[listen]\nagents = \"127.0.0.1:{agents_port}\"\noperators = \"127.0.0.1:{operators_port}\"\n"
        );
        std::fs::write(
            dir.path().join("server.toml"),
            format!("{more}\n{SERVER}{listen}"),
        )
        .unwrap();
        std::fs::write(dir.path().join("passphrase"), "a passphrase for tests\n").unwrap();
        let mut world = Self {
            dir,
            server: None,
            agents_port,
        };
        world.start_server();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn start_server(&mut self) {
        let log = append(&self.path("server.log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command
            .args([
                "server",
                "run",
                "--config",
                "server.toml",
                "--data",
                "server",
            ])
            .current_dir(self.dir.path());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.server = Some(command.spawn().unwrap());
        eventually("the server answers", || {
            self.run(&["server", "status"]).status.success()
        });
    }

    /// Kills the server as a power cut would.
    pub(crate) fn kill_server(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Runs a command.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command.env("LOCKSTEP_OPERATOR", self.path("server/operator.toml"));
        command.env("LOCKSTEP_PASSPHRASE_FILE", self.path("passphrase"));
        command.output().unwrap()
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn must(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success(),
            "lockstep {}: {}\n{stdout}{stderr}",
            args.join(" "),
            output.status
        );
        stdout.into_owned()
    }

    /// Runs a command that prints JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.must(args)).unwrap()
    }

    /// Builds, signs and uploads a version.
    pub(crate) fn publish(&self, version: &str, candidate: Candidate) {
        let tree = format!("trees/{version}");
        candidate.lay_out(&self.path(&tree));
        let bundle = bundle(version);
        self.must(&[
            "release",
            "build",
            &tree,
            "--package",
            "lockstep",
            "--version",
            version,
            "-o",
            &bundle,
        ]);
        self.must(&[
            "release",
            "publish",
            &bundle,
            "--keys",
            "keys",
            "--no-deltas",
        ]);
    }

    /// Has a fleet file taken over.
    pub(crate) fn fleet(&self, text: &str) {
        std::fs::write(self.path("server/fleet.toml"), text).unwrap();
        self.must(&["fleet", "reload"]);
    }

    /// Builds a package of others from a tree, for every platform, publishes and promotes it.
    pub(crate) fn promote_tree(&self, package: &str, version: &str, tree: &str) {
        let bundle = format!("{tree}.tar.zst");
        let of = ["--package", package, "--version", version];
        let build = ["release", "build", tree, "-o", &bundle, "--platform", "any"];
        self.must(&[&build[..], &of[..]].concat());
        self.must(&["release", "publish", &bundle, "--keys", "keys"]);
        self.must(&["release", "promote", package, version, "--to", "stable"]);
    }

    /// Points the channel at a version.
    pub(crate) fn promote(&self, version: &str) {
        self.must(&["release", "promote", "lockstep", version, "--to", "stable"]);
    }

    /// Provisions, enrols and starts a host at version 1.0.0, and waits for its report.
    pub(crate) fn host(&self, name: &str) -> Host {
        let mut host = self.provision(name);
        host.start();
        eventually("the host reports 1.0.0", || {
            self.reported_version(name).as_deref() == Some("1.0.0")
        });
        host
    }

    /// Provisions and enrols a host, without starting its agent.
    pub(crate) fn provision(&self, name: &str) -> Host {
        let root = self.path(name);
        let root_text = root.display().to_string();
        self.must(&[
            "agent",
            "install",
            "--bundle",
            &bundle("1.0.0"),
            "--prefix",
            &root_text,
        ]);
        std::fs::write(root.join("etc/lockstep/agent.toml"), AGENT).unwrap();
        self.enroll(name);
        Host {
            name: name.into(),
            root,
            agent: None,
            environment: Vec::new(),
            log: self.path(&format!("{name}.log")),
        }
    }

    /// Enrols (or enrols anew) a host that was provisioned.
    pub(crate) fn enroll(&self, name: &str) {
        let token = self.json(&["token", "create", "--host", name, "--json"]);
        let file = format!("{name}.token");
        std::fs::write(self.path(&file), token["token"].as_str().unwrap()).unwrap();
        let (url, root) = (self.agents_url(), self.path(name).display().to_string());
        self.must(&[
            "agent",
            "enroll",
            &url,
            "--token-file",
            &file,
            "--name",
            name,
            "--root",
            &root,
        ]);
    }

    pub(crate) fn agents_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.agents_port)
    }

    /// The version that the server believes the host to run, once it is proven there.
    pub(crate) fn reported_version(&self, host: &str) -> Option<String> {
        let output = self.run(&["host", "show", host, "--json"]);
        let view: Value = serde_json::from_slice(&output.stdout).ok()?;
        let proven = view["proven"].as_bool().unwrap_or(false);
        view["version"]
            .as_str()
            .filter(|_| proven)
            .map(String::from)
    }

    /// The newest record of the host's run to a version.
    pub(crate) fn run_to(&self, host: &str, version: &str) -> Option<Value> {
        let runs = self.json(&["run", "list", "--host", host, "--json"]);
        runs.as_array()?
            .iter()
            .find(|run| run["to"] == version)
            .cloned()
    }

    /// Waits until the host's run to a version is over, and returns its record.
    pub(crate) fn finished_run(&self, host: &str, version: &str) -> Value {
        let mut found = Value::Null;
        eventually(&format!("the run of {host} to {version} is over"), || {
            found = self.run_to(host, version).unwrap_or_default();
            !found["outcome"].is_null()
        });
        found
    }

    /// The state of the rollout of a version.
    pub(crate) fn rollout_state(&self, version: &str) -> String {
        let rollouts = self.json(&["rollout", "list", "--json"]);
        let rollout = rollouts
            .as_array()
            .unwrap()
            .iter()
            .find(|rollout| rollout["version"] == version);
        rollout.map_or("none".into(), |rollout| {
            rollout["state"].as_str().unwrap().into()
        })
    }

    /// Waits for a state of a rollout.
    pub(crate) fn rollout_becomes(&self, version: &str, state: &str) {
        eventually(&format!("the rollout of {version} is {state}"), || {
            self.rollout_state(version) == state
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill_server();
        if std::thread::panicking() {
            let kept = self.dir.path().to_owned();
            self.dir.disable_cleanup(true);
            eprintln!("everything is kept in {}", kept.display());
        }
    }
}

/// A host with its agent.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) root: PathBuf,
    agent: Option<Child>,
    environment: Vec<(String, String)>,
    log: PathBuf,
}

impl Host {
    /// Sets an environment variable for the next starts.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.into(), value.into()));
    }

    /// Forgets all environment variables.
    pub(crate) fn unset_all(&mut self) {
        self.environment.clear();
    }

    /// Starts the agent from `current`, as a service manager would.
    pub(crate) fn start(&mut self) {
        let log = append(&self.log);
        let mut command = Command::new(self.root.join("opt/lockstep/current/bin/lockstep"));
        command.args(["agent", "run", "--root"]).arg(&self.root);
        command.envs(self.environment.iter().cloned());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.agent = Some(command.spawn().unwrap());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.agent.as_ref().unwrap().id()
    }

    /// Waits until the supervisor has ended by itself, or was killed; the worker ends with it.
    pub(crate) fn wait_dead(&mut self) {
        let agent = self.agent.as_mut().unwrap();
        let began = Instant::now();
        while agent.try_wait().unwrap().is_none() {
            assert!(
                began.elapsed() < PATIENCE,
                "the agent of {} still lives",
                self.name
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        self.agent = None;
    }

    /// True if the supervisor has ended by itself, or was killed by a fault.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.agent
            .as_mut()
            .is_none_or(|agent| agent.try_wait().unwrap().is_some())
    }

    /// Kills the whole agent.
    pub(crate) fn kill(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            agent.wait().unwrap();
        }
    }

    /// A command of the agent on this host.
    pub(crate) fn agent(&self, world: &World, args: &[&str]) -> Output {
        let root = self.root.display().to_string();
        let args: Vec<&str> = ["agent"]
            .into_iter()
            .chain(args.iter().copied())
            .chain(["--root", &root])
            .collect();
        world.run(&args)
    }

    /// The agent's status, when it answers.
    pub(crate) fn status(&self, world: &World) -> Option<Value> {
        serde_json::from_slice(&self.agent(world, &["status", "--json"]).stdout).ok()
    }

    /// The version that `current` names on disk; its slot must be complete.
    pub(crate) fn current(&self) -> String {
        let current = self.root.join("opt/lockstep/current");
        let target = std::fs::read_link(&current).expect("current is a link");
        assert!(
            current.join("bundle.toml").is_file(),
            "{} has no manifest",
            target.display()
        );
        assert!(
            current.join("bin/lockstep").is_file(),
            "{} has no program",
            target.display()
        );
        assert!(
            current.join("slot.json").is_file(),
            "{} is not complete",
            target.display()
        );
        target.file_name().unwrap().to_str().unwrap().into()
    }

    /// The journal.
    pub(crate) fn journal(&self) -> Value {
        let text = std::fs::read(self.root.join("var/lib/lockstep/run.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Puts another address in the place of the server's.
    pub(crate) fn connect_to(&self, url: &str) {
        let path = self.root.join("etc/lockstep/agent.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let other = text.lines().map(|line| {
            if line.starts_with("servers") {
                format!("servers = [{url:?}]\n")
            } else {
                format!("{line}\n")
            }
        });
        std::fs::write(path, other.collect::<String>()).unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- the end of {}'s log", self.name);
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
        }
    }
}

/// Waits for a condition. One that is dear to look at, because a program is started for it, is looked at less often:
/// those who look shall not take the machine from those who are waited for.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    loop {
        let looked_at = Instant::now();
        if holds() {
            return;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "waited {} s in vain: {what}",
            PATIENCE.as_secs()
        );
        let pause = (3 * looked_at.elapsed()).min(MOST_SELDOM);
        std::thread::sleep(pause.max(Duration::from_millis(50)));
    }
}

/// However dear a look is, it is taken this often.
const MOST_SELDOM: Duration = Duration::from_millis(150);

pub(crate) fn bundle(version: &str) -> String {
    format!("lockstep-{version}.tar.zst")
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn append(path: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
}
