//! A full disk keeps a host on the version that works, and nothing has to be repaired when there is space again.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::candidate::Candidate;
use crate::world::{World, eventually};

/// A mount namespace of its own with a small disk in it; it goes with the process that holds it.
struct SmallDisk {
    holder: Child,
}

impl SmallDisk {
    fn mount(at: &Path, bytes: u64) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let script = format!(
            "mount -t tmpfs -o size={bytes} small {} && echo ready && exec sleep 600",
            at.display()
        );
        // An ordinary user needs a user namespace for it, root does not.
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "sh", "-c", &script]);
        let mut holder = unshare
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("util-linux has unshare");
        let mut line = String::new();
        let stdout = holder.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        assert_eq!(
            line.trim(),
            "ready",
            "no mount namespace is to be had here, which this test needs"
        );
        Self { holder }
    }

    /// A command that runs where the disk is.
    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        let target = self.holder.id().to_string();
        command
            .args(["--preserve-credentials", "-U", "-m", "-t", &target, program])
            .args(args)
            .stdin(Stdio::null());
        command
    }

    fn must(&self, program: &str, args: &[&str]) {
        let output = self.command(program, args).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {output:?}");
    }
}

/// An agent that does not outlive its test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn a_full_disk_postpones_the_update_until_there_is_space() {
    let world = World::start();
    world.publish("2.0.0", Candidate::Large(3_000_000));
    let root = world.path("small");
    let root_text = root.display().to_string();
    // Enough for an agent and for the margin that an update must leave, with 20 MB to fill.
    let disk = SmallDisk::mount(&root, 100 << 20);
    let program = env!("CARGO_BIN_EXE_lockstep");
    let bundle = world
        .path(&crate::world::bundle("1.0.0"))
        .display()
        .to_string();
    disk.must(
        program,
        &[
            "agent", "install", "--bundle", &bundle, "--prefix", &root_text,
        ],
    );
    let config = world.path("agent.toml").display().to_string();
    std::fs::write(&config, crate::world::AGENT).unwrap();
    disk.must(
        "cp",
        &[&config, &format!("{root_text}/etc/lockstep/agent.toml")],
    );
    let token = world.json(&["token", "create", "--json"]);
    let token_file = world.path("token").display().to_string();
    std::fs::write(&token_file, token["token"].as_str().unwrap()).unwrap();
    let url = world.agents_url();
    disk.must(
        program,
        &[
            "agent",
            "enroll",
            &url,
            "--token-file",
            &token_file,
            "--name",
            "small",
            "--root",
            &root_text,
        ],
    );
    let filler = format!("{root_text}/filler");
    disk.must(
        "dd",
        &[
            "if=/dev/zero",
            &format!("of={filler}"),
            "bs=1M",
            "count=90",
            "status=none",
        ],
    );

    let log = std::fs::File::create(world.path("small.log")).unwrap();
    let mut agent = disk.command(program, &["agent", "run", "--root", &root_text]);
    let agent = agent.stdout(log.try_clone().unwrap()).stderr(log).spawn();
    let _agent = Agent(agent.unwrap());
    eventually("the host reports", || {
        world.reported_version("small").as_deref() == Some("1.0.0")
    });
    world.promote("2.0.0");
    let status = || {
        let output = disk
            .command(
                program,
                &["agent", "status", "--json", "--root", &root_text],
            )
            .output()
            .unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default()
    };
    eventually("the host says that space is missing", || {
        status()["worker"]["waits"]
            .as_str()
            .is_some_and(|waits| waits.contains("bytes are needed"))
    });
    // Now not even a byte is left: journal, memory and outbox cannot be written either.
    let _ = disk
        .command(
            "dd",
            &[
                "if=/dev/zero",
                &format!("of={filler}.2"),
                "bs=4k",
                "status=none",
            ],
        )
        .output()
        .unwrap();
    let last_seen = || world.json(&["host", "show", "small", "--json"])["last_seen"].clone();
    let before = last_seen();
    eventually("the host still reports", || last_seen() != before);
    assert_eq!(world.reported_version("small").as_deref(), Some("1.0.0"));
    disk.must("rm", &[&filler, &format!("{filler}.2")]);
    assert_eq!(
        world.finished_run("small", "2.0.0")["outcome"],
        "done",
        "it recovers by itself"
    );
}
