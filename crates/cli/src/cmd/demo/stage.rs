//! The demo's processes: one server, N agents, and the commands in between.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use lockstep_host::Layout;
use lockstep_host::exec::Exec;
use lockstep_host::fs::{self, Mode};
use lockstep_host::process::{Output, Process, Spawn};
use lockstep_host::slots::Slots;
use lockstep_model::ItemState;
use lockstep_model::api::operator::CreatedToken;
use lockstep_server::OperatorFile;
use tokio::time::{Instant, sleep};

use super::releases::text;
use crate::operator::{Operator, OperatorArgs};
use crate::{env, out};

/// Everything that runs.
pub(crate) struct Stage {
    dir: PathBuf,
    program: PathBuf,
    server: Option<Process>,
    hosts: Vec<Host>,
    /// Runs that were begun beside the agents.
    runs: Vec<Process>,
}

struct Host {
    layout: Layout,
    agent: Process,
}

/// The server's pace for the demo: a day's work in seconds. Ports are any free ones, on loopback.
const SERVER: &str = r#"names = ["127.0.0.1"]
report = "1s"
decide = "250ms"
[listen]
agents = "127.0.0.1:0"
operators = "127.0.0.1:0"
[rollout]
canaries = 1
bake = "1s"
"#;

/// The agents' pace for the demo.
const AGENT: &str = r#"[report]
every = "1s"
sample = "1s"
[update]
retry = "2s"
[probation]
window = "3s"
silence = "10s"
check_in = "10s"
worse_for = "1s"
witness_every = "2s"
patience = "40s"
gates = ["agent_memory"]
"#;

/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(60);
/// How long the server may take until it answers.
const START: Duration = Duration::from_secs(20);
/// How long each process has to end.
const END: Duration = Duration::from_secs(5);

impl Stage {
    /// An empty stage in an empty directory.
    pub(crate) fn new(dir: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("failed to find the running program")?;
        // The keys of a demo protect nothing; a real passphrase is asked for on the terminal.
        fs::write_durable(
            &dir.join("passphrase"),
            b"a passphrase for a demo\n",
            Mode::Private,
        )?;
        fs::create_dir(&dir.join("watched"))?;
        fs::write_durable(&dir.join("server.toml"), SERVER.as_bytes(), Mode::Public)?;
        Ok(Self {
            dir: dir.into(),
            program,
            server: None,
            hosts: Vec::new(),
            runs: Vec::new(),
        })
    }

    /// A path on the stage.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The directory whose files the hosts let their server ask for, without symbolic links in its path.
    pub(crate) fn watched_dir(&self) -> anyhow::Result<PathBuf> {
        let dir = self.path("watched");
        dir.canonicalize()
            .with_context(|| format!("failed to find {}", dir.display()))
    }

    /// Starts the server and waits until it answers.
    pub(crate) async fn start_server(&mut self) -> anyhow::Result<()> {
        let (config, data) = (text(&self.path("server.toml")), text(&self.path("server")));
        let args = ["server", "run", "--config", &config, "--data", &data];
        out::line(format_args!("  $ lockstep {}", args.join(" ")));
        self.server = Some(self.spawn(&args, "server.log")?);
        let began = Instant::now();
        loop {
            let answer = async { self.operator()?.get::<serde_json::Value>("status").await };
            match answer.await {
                Ok(_) => return Ok(()),
                Err(error) if began.elapsed() > START => {
                    return Err(error.context(format!(
                        "the server does not answer; see {}",
                        text(&self.path("server.log"))
                    )));
                }
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// A connection as the operator that the server made at its first start.
    pub(crate) fn operator(&self) -> anyhow::Result<Operator> {
        Operator::open(&OperatorArgs {
            operator: Some(self.operator_file()),
            server: None,
        })
    }

    fn operator_file(&self) -> PathBuf {
        self.path("server/operator.toml")
    }

    /// Builds a bundle from a tree.
    pub(crate) async fn build(
        &mut self,
        tree: &str,
        version: &str,
        bundle: &Path,
    ) -> anyhow::Result<()> {
        let (tree, bundle) = (text(&self.path(tree)), text(bundle));
        let args = [
            "release",
            "build",
            &tree,
            "--package",
            "lockstep",
            "--version",
            version,
            "-o",
            &bundle,
        ];
        self.command(&args).await?;
        Ok(())
    }

    /// Signs and uploads a bundle.
    pub(crate) async fn publish(&mut self, bundle: &Path) -> anyhow::Result<()> {
        let (bundle, keys) = (text(bundle), text(&self.path("keys")));
        self.command(&[
            "release",
            "publish",
            &bundle,
            "--keys",
            &keys,
            "--no-deltas",
        ])
        .await?;
        Ok(())
    }

    /// Provisions a host, enrols it, and starts its agent.
    pub(crate) async fn start_host(&mut self, number: usize, bundle: &Path) -> anyhow::Result<()> {
        let name = format!("host{number}");
        let root = text(&self.path(&name));
        let layout = Layout::below(&root);
        self.quiet(&[
            "agent",
            "install",
            "--bundle",
            &text(bundle),
            "--prefix",
            &root,
        ])
        .await?;
        let files = toml::Value::from(vec![text(&self.watched_dir()?)]);
        let config = format!("{AGENT}[probes]\nfiles = {files}\n");
        fs::write_durable(&layout.config(), config.as_bytes(), Mode::Public)?;
        let token = self.quiet(&["token", "create", "--json"]).await?;
        let token: CreatedToken =
            serde_json::from_str(&token).context("the token is not understood")?;
        let file = text(&self.path(&format!("{name}.token")));
        fs::write_durable(Path::new(&file), token.token.as_bytes(), Mode::Private)?;
        let url = token
            .command
            .split(' ')
            .find(|word| word.starts_with("https://"));
        let url = url.context("the enrolment command names no server")?;
        let args = [
            "agent",
            "enroll",
            url,
            "--token-file",
            &file,
            "--name",
            &name,
            "--root",
            &root,
        ];
        if number == 1 {
            self.command(&args).await?;
        } else {
            self.quiet(&args).await?;
        }
        let agent = self.spawn(&["agent", "run", "--root", &root], &format!("{name}.log"))?;
        self.hosts.push(Host { layout, agent });
        Ok(())
    }

    /// Runs a command as an operator would, shows it, and returns what it printed.
    pub(crate) async fn command(&mut self, args: &[&str]) -> anyhow::Result<String> {
        out::line(format_args!("  $ lockstep {}", args.join(" ")));
        self.quiet(args).await
    }

    /// Begins a command that may take long, and shows it.
    pub(crate) fn start(&mut self, args: &[&str]) -> anyhow::Result<()> {
        out::line(format_args!("  $ lockstep {} &", args.join(" ")));
        let spawn = Spawn::new(&self.program)
            .args(args)
            .output(Output::File(self.log("runs.log")?));
        self.runs.push(Process::spawn(spawn)?);
        Ok(())
    }

    async fn quiet(&self, args: &[&str]) -> anyhow::Result<String> {
        let exec = Exec::new(&self.program, COMMAND)
            .args(args)
            .env(env::OPERATOR, self.operator_file())
            .env(env::PASSPHRASE_FILE, self.path("passphrase"))
            .cwd(&self.dir);
        let finished = exec.run().await?;
        ensure!(
            finished.succeeded(),
            "lockstep {}: {}: {}",
            args.join(" "),
            finished.how(),
            finished.output.trim()
        );
        Ok(finished.output)
    }

    /// The process ids of all supervisors, each asked through its own socket; an agent that has ended is an error.
    pub(crate) async fn supervisors(&self) -> anyhow::Result<Vec<u32>> {
        let mut pids = Vec::new();
        for host in &self.hosts {
            let status = self.status(host).await?;
            let pid = status["supervisor"]["pid"]
                .as_u64()
                .context("the agent names no process")?;
            if pid != u64::from(host.agent.pid()) {
                bail!(
                    "the agent of {} is process {pid}, it was started as {}",
                    host.layout.root().display(),
                    host.agent.pid()
                );
            }
            pids.push(host.agent.pid());
        }
        Ok(pids)
    }

    /// How many hosts there are.
    pub(crate) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// The items that a host watches, as it says through its own socket. The first host is number 1.
    pub(crate) async fn items(&self, number: usize) -> anyhow::Result<Vec<ItemState>> {
        let host = number
            .checked_sub(1)
            .and_then(|index| self.hosts.get(index));
        let mut status = self.status(host.context("there is no such host")?).await?;
        let items = status["worker"]["items"].take();
        serde_json::from_value(items).context("the items of a host are not understood")
    }

    async fn status(&self, host: &Host) -> anyhow::Result<serde_json::Value> {
        let root = text(host.layout.root());
        let status = self
            .quiet(&["agent", "status", "--json", "--root", &root])
            .await?;
        Ok(serde_json::from_str(&status)?)
    }

    /// What `current` names on each host's disk.
    pub(crate) fn current_versions(&self) -> anyhow::Result<Vec<String>> {
        let current = |host: &Host| {
            let slot = Slots::new(host.layout.clone())
                .current()?
                .context("a host has no current version")?;
            Ok(slot.version().to_string())
        };
        self.hosts.iter().map(current).collect()
    }

    /// Tells how to look around.
    pub(crate) fn invite(&self, temporary: bool, history: &str) {
        out::line("");
        if let Some((address, password)) = self.pages() {
            out::line(format_args!("The fleet goes on. See it at {address}"));
            out::line(format_args!(
                "  Sign in as admin with {password} (the demo's own authority signed its certificate)"
            ));
        }
        out::line("In another terminal:");
        out::line(format_args!(
            "  export {}={}",
            env::OPERATOR,
            text(&self.operator_file())
        ));
        out::line("  lockstep host list");
        out::line("  lockstep rollout show 3");
        out::line("  lockstep run list");
        out::line("  lockstep event list");
        out::line(format_args!("  {history}"));
        out::line(format_args!(
            "  lockstep agent status --root {}",
            text(&self.path("host1"))
        ));
        let end = if temporary {
            " and removes everything"
        } else {
            ""
        };
        out::line(format_args!("Ctrl-C ends it{end}."));
    }

    /// Where the pages are, and the first password. It is shown because it is worth nothing after the demo.
    fn pages(&self) -> Option<(String, String)> {
        let file = std::fs::read_to_string(self.operator_file()).ok()?;
        let address = OperatorFile::parse(&file).ok()?.server;
        let password = std::fs::read_to_string(self.path("server/admin.password")).ok()?;
        Some((address, password.trim().to_owned()))
    }

    /// Ends every process: agents first, so that they end in order.
    pub(crate) async fn end(mut self) {
        let agents = self.hosts.drain(..).map(|host| host.agent);
        for mut process in self.runs.drain(..).chain(agents).chain(self.server.take()) {
            if let Err(error) = process.terminate(END).await {
                out::note(format_args!(
                    "process {} could not be ended: {error}",
                    process.pid()
                ));
            }
        }
    }

    fn log(&self, name: &str) -> anyhow::Result<File> {
        let mut options = OpenOptions::new();
        Ok(options.create(true).append(true).open(self.path(name))?)
    }

    fn spawn(&self, args: &[&str], log: &str) -> anyhow::Result<Process> {
        let log = self.log(log)?;
        let parent = std::process::id().to_string();
        // A demo that is killed takes its fleet along.
        let spawn = Spawn::new(&self.program)
            .args(args)
            .args(["--parent", &parent])
            .output(Output::File(log));
        Ok(Process::spawn(spawn)?)
    }
}
