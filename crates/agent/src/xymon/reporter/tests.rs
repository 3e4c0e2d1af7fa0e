//! Against Debian's Xymon server, as `scripts/parts` unpacks it.

#![expect(
    clippy::disallowed_methods,
    reason = "a server that others wrote is started and stopped, and not run to its end"
)]

use std::fs::{create_dir, write};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use lockstep_gateway::xymon::client::Recipient;
use lockstep_model::{Interval, ItemName, Level, Value};
use tempfile::TempDir;

use super::super::update::tests::package;
use super::*;

/// How long anything may take before the test fails.
const LONG: Duration = Duration::from_secs(30);

fn part(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/parts/xymon/usr/lib/xymon");
    let path = root.join(name);
    let missing = path.display();
    assert!(path.exists(), "{missing} is missing: run scripts/parts");
    path
}

/// Debian's server in a directory of its own.
struct Theirs {
    address: Recipient,
    process: Child,
    home: TempDir,
}

impl Theirs {
    async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for directory in ["etc", "download", "tmp"] {
            create_dir(at(directory)).unwrap();
        }
        write(at("etc/hosts.cfg"), "127.0.0.1 www.example.org\n").unwrap();
        write(at("etc/analysis.cfg"), "").unwrap();
        let local = "[web]\nlog:/var/log/x:10\nclientversion:new\n";
        write(at("etc/client-local.cfg"), local).unwrap();
        write(at("download/new.tar"), package()).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = command("server/bin/xymond", home.path())
            .arg(format!("--listen={address}"))
            .args(["--no-daemon", "--ghosts=log"])
            .arg(format!("--pidfile={}", at("pid").display()))
            .arg(format!("--log={}", at("tmp/log").display()))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let theirs = Self {
            address: Recipient::parse(&address.to_string()).unwrap(),
            process,
            home,
        };
        let begun = Instant::now();
        while theirs.say("ping").await.is_empty() {
            assert!(begun.elapsed() < LONG, "xymond does not answer");
        }
        theirs
    }

    async fn say(&self, message: &str) -> String {
        let answer = ask(&self.address, message.as_bytes(), &Limits::REPORT).await;
        String::from_utf8(answer.unwrap_or_default()).unwrap()
    }

    /// Lets Debian's own reader of client messages judge one.
    fn judge(&self, message: &[u8]) {
        let mut reader = command("server/bin/xymond_client", self.home.path())
            .arg("--local")
            .arg(format!(
                "--config={}",
                self.home.path().join("etc/analysis.cfg").display()
            ))
            .env("XYMSRV", self.address.host())
            .env("XYMONDPORT", self.address.port().to_string())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = reader.stdin.take().unwrap();
        let head = b"@@client#1|1|127.0.0.1|www.example.org|linux\n";
        for part in [head.as_slice(), message, b"@@\n"] {
            input.write_all(part).unwrap();
        }
        drop(input);
        assert!(reader.wait().unwrap().success());
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        // Asked to end, it gives its shared memory back.
        let pid = self.process.id().to_string();
        let asked = Command::new("kill").arg(pid).status();
        if asked.is_ok_and(|status| status.success()) {
            let _ = self.process.wait();
        }
    }
}

fn command(program: &str, home: &Path) -> Command {
    let mut command = Command::new(part(program));
    command
        .env("XYMONHOME", home)
        .env("XYMONTMP", home.join("tmp"))
        .env("XYMONSERVERLOGS", home.join("tmp"))
        .env("HOSTSCFG", home.join("etc/hosts.cfg"))
        .env("MACHINE", "localhost")
        .env("MACHINEDOTS", "localhost")
        .env("XYMONSERVERHOSTNAME", "localhost")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn state(item: &str, value: f64, unit: &str) -> ItemState {
    let unit = unit.into();
    ItemState {
        item: ItemName::parse(item).unwrap(),
        value: Value::Number { value, unit },
        level: Level::FINE,
        since: Timestamp::UNIX_EPOCH,
        why: String::new(),
        no_data: false,
        flapping: false,
        pending: None,
    }
}

fn visitor(server: &Recipient, root: &Path, update: bool) -> Visitor {
    Visitor {
        config: XymonReport {
            server: server.clone(),
            host: None,
            class: Some("web".into()),
            interval: Interval::from_secs(300),
            home: Some(root.join("client")),
            update,
        },
        about: About {
            host: HostName::parse("www.example.org").unwrap(),
            version: Version::parse("0.1.0").unwrap(),
            layout: Layout::below(root.join("agent")),
            clock: Clock::system(),
        },
        answer: Vec::new(),
        refused: None,
    }
}

#[tokio::test]
async fn debians_server_hears_understands_and_updates_us() {
    let theirs = Theirs::start().await;
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("client/etc")).unwrap();
    let version = root.path().join("client/etc/clientversion.cfg");
    write(&version, "old\n").unwrap();
    let states = [
        state("disk_usage:/", 97.0, "%"),
        state("disk_usage:/srv", 10.0, "%"),
        state("inode_usage:/", 3.0, "%"),
        state("memory_available", 3.0, "%"),
    ];
    let reported = async || {
        theirs
            .say("clientlog www.example.org section=clientversion")
            .await
    };

    // Without the operator's word nothing is taken.
    let mut careful = visitor(&theirs.address, root.path(), false);
    careful.visit(&states).await.unwrap();
    assert!(reported().await.contains("[clientversion]\nold\n"));
    assert_eq!(std::fs::read(&version).unwrap(), b"old\n");

    let mut bold = visitor(&theirs.address, root.path(), true);
    bold.visit(&states).await.unwrap();
    assert_eq!(std::fs::read(&version).unwrap(), b"new");
    assert!(root.path().join("client/bin/xymonclient.sh").exists());
    bold.visit(&states).await.unwrap();
    assert!(reported().await.contains("[clientversion]\nnew\n"));

    // A server that does not know the host says nothing, so what it said last counts; a new visitor has heard nothing.
    write(&version, "older").unwrap();
    let mut ghost = visitor(&theirs.address, root.path(), true);
    ghost.config.host = Some("ghost.example.org".into());
    ghost.visit(&states).await.unwrap();
    assert_eq!(std::fs::read(&version).unwrap(), b"older");
    bold.config.host = ghost.config.host;
    bold.visit(&states).await.unwrap();
    assert_eq!(std::fs::read(&version).unwrap(), b"new");

    // And its own reader finds in our words what it knows from its own clients.
    let message = theirs.say("clientlog www.example.org").await;
    let (_, body) = message.split_once("[date]").unwrap();
    theirs.judge(format!("client www,example,org.linux web\n[date]{body}").as_bytes());
    let begun = Instant::now();
    let board = loop {
        let board = theirs.say("xymondboard fields=testname,color").await;
        if board.contains("memory|") && board.contains("disk|") && board.contains("cpu|") {
            break board;
        }
        assert!(begun.elapsed() < LONG, "{board}");
    };
    assert!(board.contains("disk|red"), "{board}");
    assert!(!board.contains("inode|red"), "{board}");
    let memory = theirs.say("xymondlog www.example.org.memory").await;
    let actual = memory.lines().find(|line| line.contains("Actual")).unwrap();
    assert!(
        actual.trim_end().ends_with("96%") || actual.trim_end().ends_with("97%"),
        "{memory}"
    );
}
