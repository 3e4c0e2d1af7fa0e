use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use lockstep_host::Layout;

use super::*;

/// How a server treats one who downloads.
enum Manner {
    Answers,
    /// After two thirds.
    Closes,
    Resets,
    Stalls,
    Says(&'static str),
}

/// Serves one download, and returns where.
fn server(manner: Manner, package: Vec<u8>) -> Recipient {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let part = &package[..package.len() * 2 / 3];
        if matches!(manner, Manner::Resets) {
            // What is closed before everything was read is reset.
            stream.read_exact(&mut [0; 4]).unwrap();
            stream.write_all(part).unwrap();
            return;
        }
        let mut asked = String::new();
        stream.read_to_string(&mut asked).unwrap();
        assert_eq!(asked, "download new.tar");
        match manner {
            Manner::Answers => stream.write_all(&package).unwrap(),
            Manner::Closes => stream.write_all(part).unwrap(),
            Manner::Says(text) => stream.write_all(text.as_bytes()).unwrap(),
            Manner::Stalls => {
                stream.write_all(part).unwrap();
                // Until the other side gives up.
                let _ = stream.read(&mut [0]);
                let _ = listener.accept();
            }
            Manner::Resets => {}
        }
    });
    Recipient::parse(&address).unwrap()
}

/// An archive of two files, one of which is long. Its format is that of POSIX.1-1988.
pub(in crate::xymon) fn package() -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, text) in [
        ("bin/xymonclient.sh", "#!/bin/sh\n".to_owned()),
        ("lib/long", "x".repeat(60_000)),
    ] {
        let mut header = [0_u8; 512];
        let mut put =
            |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, name);
        put(100, "0000644");
        put(124, &format!("{:011o}", text.len()));
        put(136, "00000000000");
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(text.as_bytes());
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

const SHORT: Limits = Limits {
    idle: Duration::from_millis(300),
    ..Limits::DOWNLOAD
};

fn home(root: &std::path::Path) -> Home {
    let path = root.join("client");
    fs::write_durable(&path.join("bin/xymonclient.sh"), b"old", Mode::Public).unwrap();
    fs::write_durable(&path.join(VERSION_FILE), b"old\n", Mode::Public).unwrap();
    Home::open(&path, &Layout::below(root.join("agent"))).unwrap()
}

/// Names and contents, for comparison.
fn tree(dir: &std::path::Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_package_that_is_not_whole_changes_nothing_and_the_next_run_succeeds() {
    let root = tempfile::tempdir().unwrap();
    let home = home(root.path());
    let before = tree(home.path());
    for (manner, word) in [
        (Manner::Closes, "cannot unpack"),
        (Manner::Resets, "broke after"),
        (Manner::Stalls, "is silent"),
        (Manner::Says("no such package\n"), "cannot unpack"),
        (Manner::Says(""), "sends nothing for new.tar"),
    ] {
        let server = server(manner, package());
        let error = update(&home, &server, "new", &SHORT).await.unwrap_err();
        assert!(error.to_string().contains(word), "{word}: {error}");
        assert_eq!(tree(home.path()), before, "{word}");
        assert_eq!(home.version().unwrap().as_deref(), Some("old"));
    }
    let server = server(Manner::Answers, package());
    assert_eq!(update(&home, &server, "new", &SHORT).await.unwrap(), 2);
    assert_eq!(home.version().unwrap().as_deref(), Some("new"));
    let program = home.path().join("bin/xymonclient.sh");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&program).unwrap().permissions(),
    );
    assert_eq!(mode & 0o7777, 0o550);
    assert_eq!(std::fs::read(program).unwrap(), b"#!/bin/sh\n");
    let old = home.path().with_file_name("client.old");
    assert_eq!(
        std::fs::read(old.join("bin/xymonclient.sh")).unwrap(),
        b"old"
    );
    let left = std::fs::read_dir(root.path()).unwrap().count();
    assert_eq!(left, 3, "the two directories and the lock");
}

#[tokio::test]
async fn a_version_that_is_no_name_is_not_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let home = home(root.path());
    let nobody = Recipient::parse("127.0.0.1:1").unwrap();
    for version in ["../x", "a b", "", "-x"] {
        let error = update(&home, &nobody, version, &SHORT).await.unwrap_err();
        assert!(
            matches!(error, UpdateError::Version(_)) && error.blames_package(),
            "{error}"
        );
    }
}
