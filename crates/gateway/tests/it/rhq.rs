//! RHQ's agent update: wget, and a client that shows every byte.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lockstep_gateway::config::Rhq;
use lockstep_gateway::rhq::{STAMP, properties, routes};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::desk::Desk;
use crate::web::Web;

/// The configuration of a gateway over a directory.
fn config(served: &str) -> Rhq {
    toml::from_str(&format!("listen = \"127.0.0.1:0\"\n{served}")).unwrap()
}

fn from_directory(dir: &Path) -> Rhq {
    config(&format!("directory = {dir:?}"))
}

/// A jar with a stamp, and so many bytes besides.
fn jar(path: &Path, version: &str, build: &str, ballast: usize) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    zip.start_file(STAMP, SimpleFileOptions::default()).unwrap();
    write!(
        zip,
        "#Sun Nov 01 2026\r\nrhq-agent.latest.version={version}\r\nrhq-agent.latest.build-number={build}\r\n"
    )
    .unwrap();
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file("rhq-enterprise-agent.zip", stored).unwrap();
    zip.write_all(&vec![7; ballast]).unwrap();
    zip.finish().unwrap();
}

/// A directory with a jar of so many bytes.
fn directory(ballast: usize) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rhq-enterprise-agent-4.12.0.jar");
    jar(&path, "4.12.0", "bd41cbb", ballast);
    (dir, path)
}

/// The checksum of a file, as coreutils say it.
async fn md5sum(path: &Path) -> String {
    let output = Command::new("md5sum").arg(path).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(30), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const NEVER_CACHED: [(&str, &str); 3] = [
    ("cache-control", "no-cache, no-store"),
    ("expires", "-1"),
    ("pragma", "no-cache"),
];

#[tokio::test]
async fn versions_are_said_in_rhqs_form_and_order() {
    let (dir, path) = directory(10);
    let modified = "2026-11-01T09:00:00Z".parse::<jiff::Timestamp>().unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(modified.into())
        .unwrap();
    let mut config = from_directory(dir.path());
    config.server_version = Some("4.13.0".into());
    config.supported_builds = Some("bd41.*|\\d+".into());
    let web = Web::serve(routes(config, Desk::new())).await;

    let answer = web.get("/agentupdate/version").await;
    let md5 = md5sum(&path).await;
    assert_eq!(
        (answer.status, answer.text()),
        (
            200,
            format!(
                "rhq-server.version=4.13.0\nrhq-server.build-number=bd41cbb\n\
                 rhq-agent.supported.builds=bd41.*|\\\\d+\nrhq-agent.latest.md5={md5}\n\
                 rhq-agent.latest.version=4.12.0\nrhq-agent.latest.build-number=bd41cbb\n"
            )
            .as_str()
        )
    );
    let found = properties::parse(&answer.body).unwrap();
    assert_eq!(found["rhq-agent.supported.builds"], "bd41.*|\\d+");
    assert_eq!(answer.header("content-type"), "text/plain");
    assert_eq!(
        answer.header("last-modified"),
        "Sun, 01 Nov 2026 09:00:00 GMT"
    );
    for path in ["/agentupdate/version", "/agentupdate/download"] {
        let head = web.ask("127.0.0.1", &format!("HEAD {path}"), "").await;
        let whole = web.get(path).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in [
            "content-length",
            "content-disposition",
            "content-type",
            "last-modified",
        ] {
            assert_eq!(head.header(name), whole.header(name), "{path} {name}");
        }
        assert_eq!(whole.header("content-length"), whole.body.len().to_string());
        for (name, value) in NEVER_CACHED {
            assert_eq!((head.header(name), whole.header(name)), (value, value));
        }
    }
    for path in [
        "/agentupdate",
        "/agentupdate/other",
        "/",
        "/agentupdate/version/x",
    ] {
        let answer = web.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.header("expires"), "-1");
    }
}

#[tokio::test]
async fn wget_saves_the_jar_under_its_name_and_the_server_hears_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new();
    for (version, hours) in [("4.12.0", 1), ("4.13.0", 2)] {
        let tree = dir.path().join(version);
        let name = format!("agent/rhq-enterprise-agent-{version}.jar");
        jar(
            &tree.join(name),
            version,
            &format!("build-of-{version}"),
            300_000,
        );
        desk.publish("rhq-agent", version, &tree, hours);
    }
    desk.declare("db1", "127.0.0.2");
    desk.declare("db2", "127.0.0.3");
    let web = Web::serve(routes(config("package = \"rhq-agent\""), Arc::clone(&desk))).await;

    // Nothing was promoted yet: they wait, as they do for a place.
    let answer = web.get("/agentupdate/version").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "30"));

    // Whoever asks is a host of the server from then on, or a rollout would go on without it.
    web.ask("127.0.0.2", "GET /agentupdate/version", "").await;
    let heard: Vec<_> = {
        let heard = desk.heard.lock().unwrap();
        heard.iter().map(|(host, ..)| host.to_string()).collect()
    };
    assert_eq!(heard, ["db1"]);

    // One host was let go to the new version, the other ones were not.
    desk.come_to("rhq-agent", "4.12.0");
    desk.want("db1", "rhq-agent", "4.13.0");
    desk.want("db2", "rhq-agent", "4.12.0");
    for (from, version, modified) in [
        ("127.0.0.2", "4.13.0", "Sun, 01 Nov 2026 02:00:00 GMT"),
        ("127.0.0.3", "4.12.0", "Sun, 01 Nov 2026 01:00:00 GMT"),
        ("127.0.0.4", "4.12.0", "Sun, 01 Nov 2026 01:00:00 GMT"),
    ] {
        let said = web.ask(from, "GET /agentupdate/version", "").await;
        assert_eq!(said.header("last-modified"), modified);
        let said = properties::parse(&said.body).unwrap();
        assert_eq!(said["rhq-agent.latest.version"], version);
        assert_eq!(
            said["rhq-agent.latest.build-number"],
            format!("build-of-{version}")
        );

        let home = tempfile::tempdir().unwrap();
        let status = Command::new("wget")
            .args([
                "--quiet",
                "--no-proxy",
                "--content-disposition",
                "--bind-address",
                from,
            ])
            .arg(web.url("/agentupdate/download"))
            .current_dir(home.path())
            .status()
            .await
            .unwrap();
        assert!(status.success());
        let saved: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
        assert_eq!(saved.len(), 1);
        let saved = home
            .path()
            .join(format!("rhq-enterprise-agent-{version}.jar"));
        assert_eq!(md5sum(&saved).await, said["rhq-agent.latest.md5"]);
    }
    eventually("the server heard of both hosts", async || {
        desk.told().len() == 2
    })
    .await;
    assert_eq!(
        desk.told(),
        ["db1 rhq-agent 4.13.0", "db2 rhq-agent 4.12.0"]
    );
}

#[tokio::test]
async fn so_many_downloads_at_once_and_no_more() {
    let (dir, _) = directory(12_000_000);
    let desk = Desk::new();
    let mut config = from_directory(dir.path());
    config.downloads = 2;
    let web = Web::serve(routes(config, Arc::clone(&desk))).await;
    let slow = async || {
        let mut stream = web
            .begin("127.0.0.1", "GET /agentupdate/download", "")
            .await;
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        stream
    };
    let (one, two) = (slow().await, slow().await);
    let answer = web.get("/agentupdate/download").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "30"));
    // Whoever only asks takes no place.
    assert_eq!(web.get("/agentupdate/version").await.status, 200);
    let head = web.ask("127.0.0.1", "HEAD /agentupdate/download", "").await;
    assert_eq!(head.status, 200);
    drop(one);
    eventually("the place is free again", async || {
        web.get("/agentupdate/download").await.status == 200
    })
    .await;
    // The server's own places count, too.
    desk.places.store(1, Ordering::Release);
    let answer = web.get("/agentupdate/download").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "17"));
    drop(two);
    assert!(desk.told().is_empty(), "a directory is no release");
}

#[tokio::test]
async fn whoever_breaks_off_has_not_got_it() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new();
    jar(&dir.path().join("agent.jar"), "1.0", "1", 12_000_000);
    desk.publish("rhq-agent", "1.0.0", dir.path(), 1);
    desk.come_to("rhq-agent", "1.0.0");
    desk.declare("db1", "127.0.0.2");
    let mut config = config("package = \"rhq-agent\"");
    config.downloads = 1;
    let web = Web::serve(routes(config, Arc::clone(&desk))).await;
    let mut stream = web
        .begin("127.0.0.2", "GET /agentupdate/download", "")
        .await;
    stream.read_exact(&mut [0; 100_000]).await.unwrap();
    drop(stream);
    eventually("the place is free again", async || {
        web.get("/agentupdate/download").await.status == 200
    })
    .await;
    assert!(desk.told().is_empty(), "{:?}", desk.told());
}

#[tokio::test]
async fn switches_and_maintenance() {
    let (dir, path) = directory(10);
    let desk = Desk::new();
    let with = |change: fn(&mut Rhq)| {
        let mut config = from_directory(dir.path());
        change(&mut config);
        config
    };
    for (config, version, why) in [
        (
            with(|it| it.downloads = 0),
            200,
            "Agent Updates Has Been Disabled\n",
        ),
        (
            with(|it| it.enabled = false),
            200,
            "Agent Updates Has Been Disabled\n",
        ),
        (
            with(|it| it.maintenance = true),
            403,
            "Server Is Down For Maintenance\n",
        ),
    ] {
        let web = Web::serve(routes(config, Arc::clone(&desk))).await;
        assert_eq!(web.get("/agentupdate/version").await.status, version);
        let answer = web.get("/agentupdate/download").await;
        assert_eq!((answer.status, answer.text()), (403, why));
    }
    let web = Web::serve(routes(from_directory(dir.path()), Arc::clone(&desk))).await;
    desk.updates.store(false, Ordering::Release);
    assert_eq!(web.get("/agentupdate/version").await.status, 200);
    assert_eq!(web.get("/agentupdate/download").await.status, 403);
    desk.updates.store(true, Ordering::Release);
    assert_eq!(web.get("/agentupdate/download").await.status, 200);

    // Another jar in its place is handed out from the next request on, even if it is an older file.
    let old = std::fs::metadata(&path).unwrap().modified().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(web.get("/agentupdate/version").await.status, 500);
    let other = dir.path().join("rhq-enterprise-agent-4.13.0.jar");
    jar(&other, "4.13.0", "cafe", 10);
    let hour = Duration::from_secs(3600);
    File::options()
        .write(true)
        .open(&other)
        .unwrap()
        .set_modified(old - hour)
        .unwrap();
    let said = properties::parse(&web.get("/agentupdate/version").await.body).unwrap();
    assert_eq!(said["rhq-agent.latest.build-number"], "cafe");
    assert_eq!(said["rhq-agent.latest.md5"], md5sum(&other).await);
    // Nobody knows which one is meant.
    jar(&path, "4.12.0", "bd41cbb", 10);
    assert_eq!(web.get("/agentupdate/download").await.status, 500);
    // A stranger's network is not admitted.
    let mut closed = from_directory(dir.path());
    closed.senders = lockstep_gateway::Senders::parse(["192.0.2.0/24"]).unwrap();
    let web = Web::serve(routes(closed, desk)).await;
    assert_eq!(web.get("/agentupdate/version").await.status, 403);
}
