//! `lockstep agent clientupdate` in the place of Xymon's own: its words, its exit codes, and a kill at any step.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Serves downloads from a list until the test ends, and returns where.
fn server(files: BTreeMap<&'static str, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = String::new();
            let _ = stream.read_to_string(&mut asked);
            let file = asked.strip_prefix("download ").unwrap_or_default();
            let _ = stream.write_all(files.get(file).map_or(&[], Vec::as_slice));
        }
    });
    address
}

/// A package whose files all say which one it is, in the format of POSIX.1-1988.
fn package(word: &str) -> Vec<u8> {
    let mut archive = Vec::new();
    for name in ["bin/one", "bin/xymonclient.sh", "share/two"] {
        let mut header = [0_u8; 512];
        for (at, text) in [
            (0, name),
            (100, "0000644"),
            (124, &format!("{:011o}", word.len())),
            (136, "00000000000"),
            (148, "        "),
            (156, "0"),
            (257, "ustar\x0000"),
        ] {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(word.as_bytes());
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

struct Client {
    root: tempfile::TempDir,
    server: String,
}

impl Client {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let new = package("new");
        let cut = new[..new.len() * 2 / 3].to_vec();
        let files = BTreeMap::from([("new.tar", new), ("cut.tar", cut)]);
        let client = Self {
            root,
            server: server(files),
        };
        for name in ["bin/one", "bin/xymonclient.sh", "share/two", "etc/own"] {
            let path = client.home().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "old").unwrap();
        }
        std::fs::write(client.home().join("etc/clientversion.cfg"), "old\n").unwrap();
        client
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("client")
    }

    fn run(&self, args: &[&str], fault: Option<&str>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command
            .args(["agent", "clientupdate", "--server", &self.server])
            .arg("--root")
            .arg(self.root.path().join("agent"))
            .arg("--home")
            .arg(self.home())
            .args(args)
            .env_remove("LOCKSTEP_ROOT");
        if let Some(fault) = fault {
            command.env("LOCKSTEP_FAULT", fault);
        }
        command.output().unwrap()
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.home().join(name)).unwrap()
    }

    /// Everything is old, or everything is new; says which.
    fn is_new(&self) -> bool {
        let version = self.text("etc/clientversion.cfg");
        let word = version.trim_end();
        for name in ["bin/one", "bin/xymonclient.sh", "share/two"] {
            assert_eq!(self.text(name), word, "{name}");
        }
        assert_eq!(self.text("etc/own"), "old");
        word == "new"
    }
}

fn names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn it_has_the_words_and_codes_of_xymons() {
    let client = Client::new();
    let level = || {
        let said = client.run(&["--level"], None);
        assert_eq!(said.status.code(), Some(0));
        String::from_utf8(said.stdout).unwrap()
    };
    assert_eq!(level(), "old\n");
    let words = |args: &[&str]| {
        let said = client.run(args, None);
        assert_eq!(said.status.code(), Some(1), "{args:?}");
        String::from_utf8(said.stderr).unwrap()
    };
    assert!(words(&[]).contains("No new version string!"));
    assert!(words(&["--update=missing"]).contains("sends nothing for missing.tar"));
    assert!(words(&["--update=../x"]).contains("no version"));
    assert!(words(&["--update=cut"]).contains("stays as it is"));
    assert!(!client.is_new());
    assert_eq!(names(client.root.path()), [".client.lock", "client"]);

    let done = client.run(&["--update=new", "--reexec"], None);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(client.is_new());
    assert_eq!(level(), "new\n");
    let left = names(client.root.path());
    assert_eq!(left, [".client.lock", "client", "client.old"]);
    std::fs::remove_file(client.home().join("etc/clientversion.cfg")).unwrap();
    assert_eq!(level(), "\n");
}

#[test]
fn killed_at_any_step_the_client_is_whole() {
    let mut kills = 0;
    for (point, is_new) in [
        ("xymon.fetch", false),
        ("xymon.fetched", false),
        ("overlay.copied", false),
        ("overlay.unpacked", false),
        ("overlay.journaled", false),
        ("overlay.next", false),
        ("fs.exchange", true),
        ("overlay.exchanged", true),
        ("overlay.put-aside", true),
    ] {
        let client = Client::new();
        let killed = client.run(&["--update=new"], Some(&format!("agent:{point}:1")));
        assert_eq!(killed.status.signal(), Some(9), "{point}: {killed:?}");
        kills += 1;
        assert_eq!(client.is_new(), is_new, "{point}");
        let again = client.run(&["--update=new"], None);
        assert_eq!(again.status.code(), Some(0), "{point}: {again:?}");
        assert!(client.is_new());
        let left = names(client.root.path());
        assert_eq!(left, [".client.lock", "client", "client.old"], "{point}");
    }
    assert_eq!(kills, 9);
}
