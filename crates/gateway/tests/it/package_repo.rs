//! `version.txt` and repositories: apt itself below a private root, and a client that shows every byte.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lockstep_gateway::config::PackageRepo;
use lockstep_gateway::package_repo::routes;
use tempfile::TempDir;
use tokio::process::Command;

use crate::desk::Desk;
use crate::web::Web;

fn config() -> PackageRepo {
    toml::from_str("listen = \"127.0.0.1:0\"\npackage = \"driveclient\"").unwrap()
}

fn put(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A release for each of these versions, with a few files in each.
fn small(versions: &[&str]) -> (TempDir, Arc<Desk>) {
    let (dir, desk) = (tempfile::tempdir().unwrap(), Desk::new());
    for (hours, version) in versions.iter().enumerate() {
        let tree = dir.path().join(version);
        put(
            &tree.join("debian/agentrepo.key"),
            &format!("the key of {version}\n"),
        );
        put(
            &tree.join(format!("debian/pool/serveragent_{version}-1_amd64.deb")),
            "0123456789",
        );
        put(&tree.join("redhat/drivesrvr.repo"), "[drivesrvr]\n");
        desk.publish("driveclient", version, &tree, hours as u32);
    }
    (dir, desk)
}

/// What cloudbackup-updater makes of its server: it reads `version.txt`, strips blanks, compares lists of integers, and
/// upgrades if what is installed (the text before the first `-`) is less. An error is a text that it cannot read.
async fn updater(web: &Web, from: &str, installed: &str) -> Result<bool, String> {
    let answer = web.ask(from, "GET /version.txt", "").await;
    if !(200..300).contains(&answer.status) {
        return Err(format!("status {}", answer.status));
    }
    let integers = |text: &str| -> Result<Vec<u64>, String> {
        let parts = text.trim().split('.').map(|it| it.parse());
        let parts: Result<_, _> = parts.collect();
        parts.map_err(|_| "remote version.txt is malformed".into())
    };
    let remote = integers(answer.text())?;
    Ok(integers(installed.split('-').next().unwrap())? < remote)
}

#[tokio::test]
async fn cloudbackup_updater_reads_the_version_that_its_rollout_says() {
    let (_dir, desk) = small(&["1.19.0", "1.20.3", "1.21.0-rc.1"]);
    desk.declare("web1", "127.0.0.2");
    let web = Web::serve(routes(config(), Arc::clone(&desk))).await;
    assert_eq!(
        updater(&web, "127.0.0.9", "1.19").await,
        Err("status 404".into())
    );
    desk.come_to("driveclient", "1.19.0");
    desk.want("web1", "driveclient", "1.20.3");
    for path in [
        "/version.txt",
        "/windows/version.txt",
        "/release/windows/version.txt",
    ] {
        let answer = web.ask("127.0.0.2", &format!("GET {path}"), "").await;
        assert_eq!((answer.status, answer.text()), (200, "1.20.3\n"), "{path}");
        assert_eq!(answer.header("content-type"), "text/plain");
    }
    assert_eq!(updater(&web, "127.0.0.2", "1.19-1").await, Ok(true));
    assert_eq!(updater(&web, "127.0.0.2", "1.20.3-2").await, Ok(false));
    assert_eq!(updater(&web, "127.0.0.2", "1.21").await, Ok(false));
    assert_eq!(updater(&web, "127.0.0.3", "1.19.0").await, Ok(false));
    desk.updates.store(false, Ordering::Release);
    assert_eq!(
        updater(&web, "127.0.0.3", "1.0").await,
        Err("status 403".into())
    );
    desk.updates.store(true, Ordering::Release);
    // A suffix would be "malformed": it is not handed out at all.
    desk.come_to("driveclient", "1.21.0-rc.1");
    let answer = web.ask("127.0.0.4", "GET /version.txt", "").await;
    assert_eq!(answer.status, 404);
    assert!(
        answer.text().contains("1.21.0-rc.1 has a suffix"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn files_of_the_release_and_no_others() {
    let (dir, desk) = small(&["1.20.3"]);
    desk.come_to("driveclient", "1.20.3");
    put(&dir.path().join("secret"), "nobody is to read this");
    let out = dir.path().join("1.20.3/debian/out");
    std::os::unix::fs::symlink("../../secret", out).unwrap();
    let web = Web::serve(routes(config(), Arc::clone(&desk))).await;
    let key = web.get("/debian/agentrepo.key").await;
    assert_eq!((key.status, key.text()), (200, "the key of 1.20.3\n"));
    assert_eq!(key.header("content-type"), "text/plain");
    assert_eq!(key.header("content-length"), "18");
    let modified = key.header("last-modified");
    assert_eq!(modified, "Sun, 01 Nov 2026 00:00:00 GMT");
    for path in [
        "/",
        "/debian",
        "/debian/",
        "/debian/none",
        "/secret",
        "/../secret",
        "/debian/../../secret",
        "/debian/%2e%2e/%2e%2e/secret",
        "/debian/out",
        "/debian/agentrepo.key/x",
        "/%00",
        "/%ff",
    ] {
        let answer = web.get(path).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        assert!(!answer.text().contains("nobody"), "{path}");
    }

    let request = "GET /debian/pool/serveragent_1.20.3-1_amd64.deb";
    let ask = async |more: String| {
        let answer = web.ask("127.0.0.1", request, &more).await;
        (
            answer.status,
            answer.text().to_owned(),
            answer.header("content-range").to_owned(),
        )
    };
    let (whole, none) = ("0123456789", "");
    let etag = key.header("etag");
    for (more, status, body, range) in [
        (String::new(), 200, whole, none),
        (
            format!("If-Modified-Since: {modified}\r\n"),
            304,
            none,
            none,
        ),
        (
            "If-Modified-Since: Sun, 01 Nov 2027 00:00:00 GMT\r\n".into(),
            200,
            whole,
            none,
        ),
        (
            format!("If-None-Match: \"other\", {etag}\r\n"),
            304,
            none,
            none,
        ),
        (
            format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {modified}\r\n"),
            200,
            whole,
            none,
        ),
        ("Range: bytes=4-\r\n".into(), 206, "456789", "bytes 4-9/10"),
        (
            format!("Range: bytes=4-\r\nIf-Range: {modified}\r\n"),
            206,
            "456789",
            "bytes 4-9/10",
        ),
        (
            format!("Range: bytes=4-\r\nIf-Range: {etag}\r\n"),
            206,
            "456789",
            "bytes 4-9/10",
        ),
        (
            "Range: bytes=4-\r\nIf-Range: \"other\"\r\n".into(),
            200,
            whole,
            none,
        ),
        ("Range: bytes=10-\r\n".into(), 200, whole, none),
        ("Range: bytes=4-5,7-8\r\n".into(), 200, whole, none),
    ] {
        let answer = ask(more.clone()).await;
        assert_eq!(answer, (status, body.into(), range.into()), "{more}");
    }
    let head = web
        .ask("127.0.0.1", &request.replace("GET", "HEAD"), "")
        .await;
    assert_eq!(
        (head.status, head.header("content-length"), head.text()),
        (200, "10", "")
    );
    desk.places.store(0, Ordering::Release);
    let answer = web.get("/debian/agentrepo.key").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "17"));
}

#[tokio::test]
async fn an_address_stays_with_the_release_with_which_it_began() {
    let (_dir, desk) = small(&["1.19.0", "1.20.3"]);
    desk.come_to("driveclient", "1.19.0");
    let web = Web::serve(routes(config(), Arc::clone(&desk))).await;
    let reads = async |from| {
        let key = web.ask(from, "GET /debian/agentrepo.key", "").await;
        key.text().to_owned()
    };
    assert_eq!(reads("127.0.0.2").await, "the key of 1.19.0\n");
    desk.come_to("driveclient", "1.20.3");
    assert_eq!(reads("127.0.0.2").await, "the key of 1.19.0\n");
    assert_eq!(updater(&web, "127.0.0.2", "1.19.0").await, Ok(false));
    assert_eq!(reads("127.0.0.3").await, "the key of 1.20.3\n");
    *desk.now.lock().unwrap() += Duration::from_secs(60);
    assert_eq!(reads("127.0.0.2").await, "the key of 1.20.3\n");
}

fn ended(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {said}{complained}",
        output.status
    );
    said
}

async fn shell(dir: &Path, script: &str) -> String {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-euc", script])
        .current_dir(dir)
        .env("LC_ALL", "C");
    shell.env("GNUPGHOME", dir.join("gpg")).stdin(Stdio::null());
    ended(shell.output().await.unwrap())
}

/// A signed apt repository with one version of the package, made by Debian's own tools.
async fn repository(dir: &Path, version: &str) -> PathBuf {
    let tree = dir.join(version);
    let control = format!(
        "Package: driveclient\nVersion: {version}-1\nArchitecture: all\nMaintainer: Test <test@example.org>\n\
         Description: a package for a test\n"
    );
    put(
        &dir.join(format!("build-{version}/DEBIAN/control")),
        &control,
    );
    shell(
        dir,
        &format!(
            "mkdir -p {version}/debian/pool; d={version}/debian; dist=dists/serveragent
            dpkg-deb --root-owner-group -Znone -b build-{version} $d/pool/driveclient_{version}-1_all.deb
            gpg --batch --armor --export > $d/agentrepo.key
            cd $d; mkdir -p $dist/main/binary-amd64; o=APT::FTPArchive::Release
            apt-ftparchive packages pool > $dist/main/binary-amd64/Packages
            apt-ftparchive -o $o::Suite=serveragent -o $o::Components=main -o $o::Architectures=amd64 \
                release $dist > ../../Release
            gpg --batch --clearsign -o $dist/InRelease ../../Release"
        ),
    )
    .await;
    tree
}

#[tokio::test]
async fn apt_reads_the_repository_and_fetches_the_package_of_the_rollout() {
    let dir = tempfile::tempdir().unwrap();
    let (path, desk) = (dir.path(), Desk::new());
    shell(
        path,
        "mkdir -m 700 gpg; gpg --batch --quiet --passphrase '' --quick-generate-key 'Test <t@example.org>' ed25519 sign never",
    )
    .await;
    for (hours, version) in ["1.19.0", "1.20.3"].into_iter().enumerate() {
        let tree = repository(path, version).await;
        desk.publish("driveclient", version, &tree, hours as u32);
    }
    shell(path, "gpgconf --kill all").await;
    desk.come_to("driveclient", "1.19.0");
    // All of this machine's processes come from 127.0.0.1.
    desk.declare("web1", "127.0.0.1");
    desk.want("web1", "driveclient", "1.19.0");
    let web = Web::serve(routes(config(), Arc::clone(&desk))).await;

    let root = path.join("root");
    for dir in [
        "etc/apt/apt.conf.d",
        "etc/apt/preferences.d",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
    ] {
        std::fs::create_dir_all(root.join(dir)).unwrap();
    }
    put(&root.join("var/lib/dpkg/status"), "");
    let key = web.get("/debian/agentrepo.key").await;
    put(&root.join("etc/apt/agentrepo.asc"), key.text());
    // As cloudbackup-updater writes it, but for the key, which apt-key took in its days.
    let key = root.join("etc/apt/agentrepo.asc");
    put(
        &root.join("etc/apt/sources.list.d/driveclient.list"),
        &format!(
            "deb [arch=amd64 signed-by={}] {} serveragent main\n",
            key.display(),
            web.url("/debian/")
        ),
    );
    let apt = async |args: &[&str]| {
        let mut apt = Command::new("apt-get");
        for option in [
            format!("Dir={}", root.display()),
            format!("Dir::State::status={}/var/lib/dpkg/status", root.display()),
            "APT::Architecture=amd64".into(),
            "APT::Sandbox::User=root".into(),
            "APT::Update::Error-Mode=any".into(),
            "Acquire::Languages=none".into(),
            "Acquire::http::Proxy=false".into(),
        ] {
            apt.args(["-o", &option]);
        }
        apt.args(args).stdin(Stdio::null()).env("LC_ALL", "C");
        ended(apt.output().await.unwrap())
    };
    let fetched = |version: &str| {
        let name = format!("var/cache/apt/archives/driveclient_{version}-1_all.deb");
        root.join(name).is_file()
    };
    apt(&["update"]).await;
    apt(&["install", "--download-only", "-y", "driveclient"]).await;
    assert!(fetched("1.19.0") && !fetched("1.20.3"));

    // Nothing is fetched again that is the same.
    assert!(apt(&["update"]).await.contains("Hit:1"));
    desk.want("web1", "driveclient", "1.20.3");
    *desk.now.lock().unwrap() += Duration::from_secs(60);
    apt(&["update"]).await;
    apt(&["install", "--download-only", "-y", "driveclient"]).await;
    assert!(fetched("1.20.3"));
    let told = desk.told();
    assert_eq!(told, ["web1 driveclient 1.19.0", "web1 driveclient 1.20.3"]);
}
