//! A host in a directory whose upgrade is made of scripts that do what a test tells them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::world::{World, eventually};

/// The directories that have a script, and what it is called.
const SCRIPTS: [(&str, &str); 5] = [
    ("needs_update.d", "check"),
    ("pre_update.d", "pre"),
    ("update.d", "apply"),
    ("needs_reboot.d", "reboot"),
    ("post_update.d", "post"),
];

/// All scripts of a run that restarts nothing, in their order.
pub(super) const ALL: [&str; 5] = ["check", "pre", "apply", "reboot", "post"];

/// A host with scripts and a boot id of its own. What a script does besides saying that it was called is in a file that
/// the test writes; the scripts themselves stay as they are.
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) root: PathBuf,
    /// What the test and the scripts say to each other.
    talk: PathBuf,
}

/// One call of a script, or its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) host: String,
    pub(super) verb: String,
    pub(super) script: String,
    pub(super) nanoseconds: i128,
    pub(super) run: String,
}

impl Stage {
    /// Scripts for all phases below a root. All stages of one directory write into one file what they do.
    pub(super) fn set(name: &str, root: &Path, more: &str) -> Self {
        let talk = root.with_extension("talk");
        std::fs::create_dir_all(&talk).unwrap();
        let stage = Self {
            name: name.into(),
            root: root.into(),
            talk,
        };
        stage.boot("boot-1");
        for (dir, script) in SCRIPTS {
            stage.script(dir, script);
        }
        let reboot = stage.root.join("reboot.sh");
        write_program(&reboot, &stage.text("restart"));
        stage.does("check", "exit 1");
        let config = format!(
            "reboot = [{reboot:?}]\n{more}\n[verify]\nfor = \"0s\"\n[limits]\nlock_again = \"200ms\"\n\
             later_again = \"100ms\"\nlater_most = 3\nscript = \"40s\"\n"
        );
        std::fs::write(stage.root.join("etc/lockstep/update.toml"), config).unwrap();
        stage
    }

    /// Changes `update.toml`, which every test begins with the same.
    pub(super) fn configure(&self, from: &str, to: &str) {
        let path = self.root.join("etc/lockstep/update.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    fn script(&self, dir: &str, script: &str) {
        let path = self.path_of(dir, script);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_program(&path, &self.text(script));
    }

    /// Where a script is.
    pub(super) fn path_of(&self, dir: &str, script: &str) -> PathBuf {
        self.root
            .join("etc/lockstep/update")
            .join(dir)
            .join(format!("10-{script}"))
    }

    fn text(&self, script: &str) -> String {
        let order = self.order_file();
        let (order, talk, name) = (order.display(), self.talk.display(), &self.name);
        format!(
            "#!/bin/sh\n\
             say() {{ echo \"{name} $1 {script} $(date +%s%N) $LOCKSTEP_RUN\" >> {order}; }}\n\
             hold() {{\n\
             echo $$ > {talk}/inside.new; mv {talk}/inside.new {talk}/inside\n\
             n=0; while [ ! -e {talk}/go ] && [ $n -lt 2400 ]; do sleep 0.025; n=$((n + 1)); done\n\
             }}\n\
             say begin\n\
             echo \"this is {script}\"\n\
             if [ -e {talk}/{script} ]; then . {talk}/{script}; fi\n\
             say end\n"
        )
    }

    fn order_file(&self) -> PathBuf {
        self.root.with_file_name("order")
    }

    /// From now on the script does this.
    pub(super) fn does(&self, script: &str, what: &str) {
        let beside = self.talk.join(format!("{script}.new"));
        std::fs::write(&beside, format!("{what}\n")).unwrap();
        std::fs::rename(beside, self.talk.join(script)).unwrap();
    }

    /// From now on the script says that it is inside, and stays until it is told to go on.
    pub(super) fn holds(&self, script: &str) {
        let _ = std::fs::remove_file(self.talk.join("inside"));
        let _ = std::fs::remove_file(self.talk.join("go"));
        self.does(script, "hold");
    }

    /// Waits until a script is inside, and returns its process.
    pub(super) fn inside(&self) -> Pid {
        let mut pid = None;
        eventually("a script is inside", || {
            let text = std::fs::read_to_string(self.talk.join("inside")).unwrap_or_default();
            pid = text.trim().parse().ok().and_then(Pid::from_raw);
            pid.is_some()
        });
        pid.unwrap()
    }

    /// Whoever is inside goes on.
    pub(super) fn go(&self) {
        std::fs::write(self.talk.join("go"), "").unwrap();
    }

    /// What scripts of all hosts in this directory did, in their order.
    pub(super) fn lines(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(self.order_file()).unwrap_or_default();
        text.lines()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let [host, verb, script, nanoseconds, run] = words[..] else {
                    panic!("{line:?}");
                };
                Line {
                    host: host.into(),
                    verb: verb.into(),
                    script: script.into(),
                    nanoseconds: nanoseconds.parse().unwrap(),
                    run: run.into(),
                }
            })
            .collect()
    }

    /// Which scripts of this host were called, in their order.
    pub(super) fn called(&self) -> Vec<String> {
        let lines = self.lines().into_iter();
        lines
            .filter(|line| line.host == self.name && line.verb == "begin")
            .map(|line| line.script)
            .collect()
    }

    /// Begins a new page.
    pub(super) fn forget_calls(&self) {
        let _ = std::fs::remove_file(self.order_file());
    }

    /// The machine has this boot id from now on.
    pub(super) fn boot(&self, id: &str) {
        let path = self.root.join("proc/sys/kernel/random/boot_id");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{id}\n")).unwrap();
    }

    /// The journal of the upgrade.
    pub(super) fn journal(&self) -> Value {
        let path = self.root.join("var/lib/lockstep/runs/os.json");
        let text = std::fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// The step of the journal.
    pub(super) fn step(&self) -> String {
        let journal = self.journal();
        journal["step"]["step"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    }

    /// The run of the journal.
    pub(super) fn run(&self) -> String {
        self.journal()["id"].as_str().unwrap().to_owned()
    }

    /// The number of the grant that the journal has.
    pub(super) fn fence(&self) -> Option<u64> {
        self.journal()["lock"]["fence"].as_u64()
    }

    /// Starts `lockstep update` with more arguments.
    pub(super) fn start(&self, more: &[&str]) -> Update {
        self.start_with(more, None)
    }

    /// The same with a variable in its environment.
    pub(super) fn start_with(&self, more: &[&str], variable: Option<(&str, &str)>) -> Update {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command
            .args(["update", "--root"])
            .arg(&self.root)
            .args(more)
            .env_remove("LOCKSTEP_OPERATOR")
            .envs(variable)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Update(Some(command.spawn().unwrap()))
    }

    /// `lockstep update` to its end, which must have this exit code. Returns what it printed, or else what it complained of.
    #[track_caller]
    pub(super) fn update(&self, more: &[&str], code: i32) -> String {
        self.start(more).ends_with(code)
    }
}

/// A `lockstep update` that does not outlive its test.
pub(super) struct Update(Option<Child>);

impl Update {
    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(self.0.as_ref().unwrap())
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.0.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    pub(super) fn ends(mut self) -> ExitStatus {
        let mut child = self.0.take().unwrap();
        child.wait().unwrap()
    }

    /// Kills it as a power cut would.
    pub(super) fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits for its end, which must have this exit code. Returns what it printed, or else what it complained of.
    #[track_caller]
    pub(super) fn ends_with(mut self, code: i32) -> String {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        let words = match output.stdout.is_empty() {
            true => output.stderr,
            false => output.stdout,
        };
        String::from_utf8(words).unwrap()
    }
}

impl Drop for Update {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a command wrote.
pub(super) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// True while there is such a process; one that has ended and was not waited for is none.
pub(super) fn lives(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    let is_dead = stat.map_or(true, |stat| {
        stat.rsplit_once(") ")
            .is_none_or(|(_, rest)| rest.starts_with('Z'))
    });
    !is_dead && test_kill_process(pid).is_ok()
}

/// A file that its owner may run and nobody else may change.
fn write_program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// An enrolled host without an agent, under the lock `os`.
pub(super) fn stage(world: &World, name: &str) -> Stage {
    stage_with(world, name, "lock = \"os\"")
}

/// The same with other lines at the head of `update.toml`.
pub(super) fn stage_with(world: &World, name: &str, head: &str) -> Stage {
    let host = world.provision(name);
    Stage::set(name, &host.root, head)
}

/// A lock as the server has it.
pub(super) fn lock(world: &World, name: &str) -> Value {
    world.json(&["lock", "show", name, "--json"])
}

/// Who stands in one of its lists, `holders` or `waiters`.
pub(super) fn those(view: &Value, list: &str) -> Vec<String> {
    let all = view["state"][list].as_array().unwrap().iter();
    all.map(|it| {
        let who = &it["holder"];
        let who = who.get("host").or(who.get("operator")).unwrap();
        who.as_str().unwrap().to_owned()
    })
    .collect()
}

/// The newest record of a run that the server has.
pub(super) fn record(world: &World, run: &str) -> Value {
    let output = world.run(&["run", "show", run, "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}
