//! Which section a client gets: our server and Debian's, over the same files.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::world::{LONG, Setup, part, say};

const HOSTS: &str = "0.0.0.0 .default. # \npage p1 One\n10.0.0.1 a1.example.org # CLASS:tagged\n\
    10.0.0.2 a2.example.org\n10.0.0.3 a3.example.org # CLASS:tagged\n10.0.0.4 a4.example.org\n\
    10.0.0.5 db1.example.org\n10.0.0.6 DB2.example.org\n10.0.0.7 web7 # CLIENT:other7\n\
    10.0.0.8 web8\n10.0.0.9 linux\n10.0.0.10 zone\n10.0.0.11 zonex\n10.0.0.12 empty\n\
    10.0.0.13 dotXdot\n10.0.0.14 a14.example.org # \"X:a b\" CLASS:big\n10.0.0.15 cut1\n\
    10.0.0.16 \\\njoined\n10.0.0.17 twice\n0.0.0.0 a15\n0.0.0.0 a16\n0.0.0.0 a17\n10.0.0.18 twice # CLASS:tagged\n";

const LOCAL: &str = "lost before any section\noptional include absent.cfg\n[linux]\nL1\n  indented\n\n# comment\n  # comment too\nL2 # kept\n\
    [class=tagged]\nTAGGED\n[CLASS=%^big$]\nBIG\n[host=^db\\d+\\.]\nDB\n[web*]\nWEB\n[os=sun]\nSUN\n[other7]\nALIAS\n\
    [zone]\nZONE\nclientversion:7\n[host=empty]\n[dot.dot]\nDOT\n[host=^cut[0-9]]\nCUT\n[fancy]\nF\n   [indented head]\nlost\n[a15]\r\nDOS\r\n[a16] \nlost\n[a17]x\nlost\n[host=a(]\nlost\n\
    include more.cfg\n[os=*]\nANY\n";

/// Host, class and system, as a client writes them.
const CASES: [&str; 25] = [
    "a1,example,org.linux linux",
    "a2,example,org.linux",
    "a3,example,org.linux",
    "a4,example,org.linux TAGGED-too",
    "a4,example,org.linux",
    "db1,example,org.linux linux",
    "db2,example,org.linux linux",
    "other7.linux linux",
    "web8.sunos sunos",
    "linux.aix aix",
    "zone.SunOS SunOS",
    "zonex.SunOS SunOS",
    "zonex.hp-ux",
    "empty.linux linux",
    "empty.aix aix",
    "dotxdot.aix",
    "a14,example,org.aix aix",
    "cut1.linux fancy",
    "cut1.aix",
    "joined.linux",
    "twice.linux linux",
    "a15.hp-ux",
    "a16.hp-ux",
    "a17.linux a17",
    "ghost.linux linux",
];

#[tokio::test]
async fn sections_are_the_same_as_those_of_debians_server() {
    for merge in [false, true] {
        let setup = Setup {
            keys: if merge {
                "merge_client_local = true"
            } else {
                ""
            },
            hosts: HOSTS,
            local: LOCAL,
            ..Setup::default()
        };
        let ours = setup.start().await;
        ours.write("etc/more.cfg", "MORE\n[aix]\nAIX\n");
        ours.reload.notify_one();
        // It was not there when the server began: the answer changes when it is read.
        let begun = Instant::now();
        while !ours.say("client joined.aix\n").await.contains("AIX") {
            assert!(begun.elapsed() < LONG, "more.cfg was never read");
        }
        let mut answers = Vec::new();
        for case in CASES {
            let message = format!("client {case}\n[date]\nx\n");
            answers.push((case, ours.say(&message).await));
        }
        for batch in batches(&answers) {
            let theirs = Theirs::start(merge).await;
            for (case, ours) in batch {
                let message = format!("client {case}\n[date]\nx\n");
                let theirs = say(theirs.address, message.as_bytes()).await;
                let theirs = String::from_utf8(theirs).unwrap();
                assert_eq!(*ours, theirs, "{case}, merge {merge}");
            }
        }
        let told = answers.iter().filter(|(_, it)| !it.is_empty()).count();
        assert!(told > 15, "most have a section: {answers:?}");
    }
}

type Answer = (&'static str, String);

/// Each host once in each: the original remembers what it said to a host, whatever class the host has later.
fn batches(answers: &[Answer]) -> Vec<Vec<&Answer>> {
    let host = |it: &Answer| it.0.split('.').next().map(str::to_owned);
    let mut batches: Vec<Vec<&Answer>> = Vec::new();
    for answer in answers {
        let free = |batch: &&mut Vec<&Answer>| batch.iter().all(|it| host(it) != host(answer));
        match batches.iter_mut().find(free) {
            Some(batch) => batch.push(answer),
            None => batches.push(vec![answer]),
        }
    }
    batches
}

/// Debian's server in a directory of its own.
struct Theirs {
    address: SocketAddr,
    process: Child,
    _home: TempDir,
}

impl Theirs {
    async fn start(merge: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for directory in ["etc", "download", "tmp", "log"] {
            fs::create_dir(at(directory)).unwrap();
        }
        fs::write(at("etc/hosts.cfg"), HOSTS).unwrap();
        fs::write(at("etc/client-local.cfg"), LOCAL).unwrap();
        fs::write(at("etc/more.cfg"), "MORE\n[aix]\nAIX\n").unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut command = Command::new(part("server/bin/xymond"));
        command
            .arg(format!("--listen={address}"))
            .args(["--no-daemon", "--ghosts=log"])
            .arg(format!("--pidfile={}", at("pid").display()))
            .arg(format!("--log={}", at("log/log").display()))
            .env("XYMONHOME", home.path())
            .env("XYMONTMP", at("tmp"))
            .env("XYMONSERVERLOGS", at("log"))
            .env("HOSTSCFG", at("etc/hosts.cfg"))
            .env("MACHINE", "localhost")
            .env("MACHINEDOTS", "localhost")
            .env("XYMONSERVERHOSTNAME", "localhost")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if merge {
            command.arg("--merge-clientlocal");
        }
        let process = command.spawn().unwrap();
        let theirs = Self {
            address,
            process,
            _home: home,
        };
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            assert!(begun.elapsed() < LONG, "xymond does not listen");
            sleep(Duration::from_millis(20)).await;
        }
        theirs
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        // Asked to end, it gives its shared memory back.
        if let Some(pid) = self.process.id() {
            let ended = std::process::Command::new("kill")
                .arg(pid.to_string())
                .status();
            assert!(ended.is_ok());
        }
        for _ in 0..200 {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
