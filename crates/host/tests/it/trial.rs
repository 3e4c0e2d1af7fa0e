//! The program that the tests kill, cut off, restart and execute in place: `host-trial ROLE …`.
//!
//! It does what an agent would do with this crate, one thing for each call, and says on its standard output how far
//! it came, so that a test waits for a line and never for a while.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::fs::{self, Mode};
use lockstep_host::idle_lock::{IdleLock, Tried};
use lockstep_host::lock::{AgentLock, exec_in_place};
use lockstep_host::overlay::{Layer, Overlay};
use lockstep_host::pid_file::PidFile;
use lockstep_host::process::{Process, Spawn, die_with_parent};
use lockstep_host::run_lock::RunLock;
use lockstep_host::scripts::{self, Script};
use lockstep_host::slots::Slots;
use lockstep_host::unpack::{Limits, unpack};
use lockstep_host::{Layout, fault};
use lockstep_model::{PackageName, Release, RunId, Version};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["story", name, root] => story(name, Path::new(root)),
        ["lock", root, executions] => hold_lock(root, executions),
        ["run-lock", root] => hold_run_lock(root),
        ["pid-file", path] => hold_pid_file(path),
        ["contend", dir, own, other, rounds] => contend(Path::new(dir), own, other, rounds),
        ["script", path, log] => run_script(path, log),
        ["supervise", root] => supervise(root),
        ["resume", root, pid] => resume(root, pid),
        ["work", parent] => work(parent),
        ["partners", root] => partners(root),
        ["partner", parent] => partner(parent),
        _ => Err("which role?".into()),
    };
    if let Err(error) = outcome {
        say(&format!("failed: {error:?}"));
        std::process::exit(1);
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    // Whoever should hear it may be gone.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// One change to files, to be cut off at every point; `done` is passed when it is durable.
fn story(name: &str, root: &Path) -> Outcome {
    let layout = Layout::below(root);
    let slots = Slots::new(layout.clone());
    let lockstep = PackageName::lockstep();
    let version = |text: &str| Version::parse(text).expect("a version");
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    match name {
        "write" => fs::write_durable(&root.join("dir/file"), &[b'n'; 100_000], Mode::Private)?,
        "link" => fs::replace_symlink(&root.join("link"), Path::new("new"))?,
        "rename" => fs::rename_durable(&root.join("a/file"), &root.join("b/file"))?,
        "remove" => fs::remove_durable(&root.join("file"))?,
        "remove-tree" => fs::remove_tree(&root.join("tree"))?,
        "sync-tree" => fs::sync_tree(&root.join("tree"))?,
        "unpack" => {
            // Its own name becomes durable by the rename alone.
            let (unpacking, unpacked) = (root.join("unpacking"), root.join("unpacked"));
            if !unpacked.exists() {
                fs::remove_tree(&unpacking)?;
                let limits = Limits {
                    entries: 100,
                    bytes: 1_000_000,
                };
                unpack(File::open(root.join("bundle"))?, &unpacking, limits)?;
                fault::point("unpacked");
            }
            fs::rename_durable(&unpacking, &unpacked)?;
        }
        "install" => {
            let release = std::fs::read(root.join("release.json"))?;
            let release: Release = serde_json::from_slice(&release)?;
            let old = slots.current()?;
            let now = at("2026-01-02T00:00:00Z");
            slots.install(&root.join("bundle"), &release, old.as_ref(), now)?;
        }
        "adopt" => {
            let now = at("2026-01-02T00:00:00Z");
            let slot = slots.adopt_program(&root.join("program"), &version("1.0.0"), now)?;
            fault::point("adopted");
            slots.make_current(&slot)?;
        }
        "make-current" => {
            let slot = slots.get(&lockstep, &version("1.1.0"))?.ok_or("no slot")?;
            slots.make_current(&slot)?;
        }
        "activate" => {
            let package = PackageName::parse("driveclient")?;
            let slot = slots.get(&package, &version("1.1.0"))?.ok_or("no slot")?;
            slots.activate(&slot)?;
        }
        "deactivate" => slots.deactivate(&PackageName::parse("driveclient")?)?,
        "collect" => drop(slots.collect(&lockstep, &[version("0.9.0")])?),
        "idle-hold" => match IdleLock::try_hold(&root.join("cache/lock"), run(1))? {
            Tried::Held(_) => {}
            busy => return Err(format!("{busy:?}").into()),
        },
        "idle-release" => {
            if let Some(lock) = IdleLock::recall(&root.join("cache/lock"), run(1))? {
                lock.release()?;
            }
        }
        "overlay" => {
            let layer = Layer {
                limits: Limits {
                    entries: 100,
                    bytes: 1_000_000,
                },
                programs: &["bin/run"],
                note: ("etc/version", b"new"),
            };
            let overlay = Overlay::begin(&root.join("home"))?;
            overlay.apply(File::open(root.join("archive"))?, layer)?;
        }
        "purge" => slots.purge(&lockstep, &["a/file".into(), "tree/".into()])?,
        _ => return Err("which story?".into()),
    }
    fault::point("done");
    Ok(())
}

/// Takes the lock, executes itself so many times, and then stays.
fn hold_lock(root: &str, executions: &str) -> Outcome {
    let _lock = AgentLock::acquire(&Layout::below(root))?;
    fault::point("locked");
    let left: u32 = executions.parse()?;
    if left > 0 {
        let left = (left - 1).to_string();
        return Err(exec_in_place(&std::env::current_exe()?, ["lock", root, &left]).into());
    }
    say("locked");
    stay()
}

/// Takes the run's lock, starts a child, says its pid, and stays.
fn hold_run_lock(root: &str) -> Outcome {
    let _lock = RunLock::acquire(&Layout::below(root))?;
    runtime()?.block_on(async {
        let child = Process::spawn(Spawn::new("/bin/sleep").args(["600"]))?;
        say(&child.pid().to_string());
        stay()
    })
}

fn hold_pid_file(path: &str) -> Outcome {
    let _file = PidFile::hold(Path::new(path))?;
    say("held");
    stay()
}

/// Tries to hold as many idle locks as there are rounds, each at the same time as another process, and says of each
/// how that ended.
fn contend(dir: &Path, own: &str, other: &str, rounds: &str) -> Outcome {
    let run = run(own.parse()?);
    for round in 0..rounds.parse::<u32>()? {
        File::create(dir.join(format!("ready-{own}-{round}")))?;
        while !dir.join(format!("ready-{other}-{round}")).exists() {
            std::thread::yield_now();
        }
        match IdleLock::try_hold(&dir.join(format!("lock-{round}")), run)? {
            Tried::Held(_) => say("held"),
            Tried::Busy { contents, .. } => say(&contents),
        }
    }
    Ok(())
}

fn run(seed: u8) -> RunId {
    RunId::new(Timestamp::UNIX_EPOCH, [seed; 10])
}

fn run_script(path: &str, log: &str) -> Outcome {
    let (path, name) = (path.into(), "script".to_owned());
    let limits = scripts::Limits {
        each: Duration::from_secs(60),
        output_cap: 1000,
    };
    let script = Script { path, name };
    let finished =
        runtime()?.block_on(scripts::run(&script, &[], &limits, Some(Path::new(log))))?;
    say(&finished.how());
    Ok(())
}

/// Starts a worker, and executes itself anew while the worker stays.
fn supervise(root: &str) -> Outcome {
    let program = std::env::current_exe()?;
    let own = std::process::id().to_string();
    let worker = runtime()?.block_on(async {
        let spawn = Spawn::new(&program).args(["work", &own]);
        Ok::<_, lockstep_host::Error>(Process::spawn(spawn)?.pid())
    })?;
    let error = exec_in_place(&program, ["resume", root, &worker.to_string()]);
    Err(error.into())
}

/// Adopts the worker; a line on `ROOT/orders` ends it.
fn resume(root: &str, pid: &str) -> Outcome {
    runtime()?.block_on(async {
        let mut worker = Process::adopt(pid.parse()?)?;
        say(&format!("adopted {}", worker.pid()));
        let _ = std::fs::read(Path::new(root).join("orders"))?;
        let status = worker.terminate(Duration::from_secs(5)).await?;
        say(&format!("worker: {status}"));
        Ok(())
    })
}

fn work(parent: &str) -> Outcome {
    die_with_parent(parent.parse()?)?;
    say("working");
    stay()
}

/// A supervisor and a worker that die together at the worker's point.
fn partners(root: &str) -> Outcome {
    fault::set_role("supervisor");
    let program = std::env::current_exe()?;
    let own = std::process::id().to_string();
    let _worker = runtime()?.block_on(async {
        let spawn = Spawn::new(&program).args(["partner", &own]);
        Process::spawn(spawn)
    })?;
    let _ = std::fs::read(Path::new(root).join("orders"))?;
    Ok(())
}

fn partner(parent: &str) -> Outcome {
    let parent = parent.parse()?;
    die_with_parent(parent)?;
    fault::set_role("worker");
    fault::set_partner(parent);
    fault::point("old worker stopped");
    say("survived");
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

fn stay() -> ! {
    loop {
        std::thread::park();
    }
}
