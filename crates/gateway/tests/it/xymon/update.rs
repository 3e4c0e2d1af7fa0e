//! Updates of Debian's client from our server.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use lockstep_gateway::xymon::message::Message;
use lockstep_gateway::xymon::server::Bounds;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::world::{Client, LONG, Server, Setup, copy_programs, say, write};

const ID: &str = "xymon-client-2.0.0";

/// A release of the client with one file more.
fn release(dir: &std::path::Path, server: &Server) {
    fs::create_dir_all(dir.join("bin")).unwrap();
    copy_programs(&dir.join("bin"));
    write(&dir.join("etc/new.cfg"), "new\n");
    server.desk.publish("xymon-client", "2.0.0", dir, 1);
}

#[tokio::test]
async fn a_client_reports_takes_its_version_and_reports_that() {
    let server = Setup::default().start().await;
    let tree = tempfile::tempdir().unwrap();
    release(tree.path(), &server);
    server.desk.want("www.example.org", "xymon-client", "2.0.0");
    let client = Client::new(server.address);
    // A home whose configuration lies elsewhere, as Debian's does.
    fs::rename(client.at("etc"), client.at("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", client.at("etc")).unwrap();

    let (code, text) = client.round().await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(client.read("etc/clientversion.cfg"), ID);
    assert_eq!(client.read("etc/new.cfg"), "new\n");
    assert!(client.at("etc").is_symlink(), "the link is still one");
    assert_eq!(client.leftovers(), Vec::<String>::new());
    assert_eq!(server.desk.told(), ["www.example.org xymon-client -"]);
    let sent = server.say("clientlog www.example.org").await;
    let message = Message::parse(sent.as_bytes());
    assert!(message.sections().count() >= 15, "{sent}");
    let section = client.read("tmp/logfetch.www.example.org.cfg");
    assert_eq!(
        section,
        format!("log:/var/log/messages:10240\nclientversion:{ID}\n")
    );

    // No more downloads: the second round must not need one.
    server.desk.places.store(0, Ordering::Release);
    let (code, text) = client.round().await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(
        server.desk.told(),
        [
            "www.example.org xymon-client -",
            "www.example.org xymon-client 2.0.0"
        ]
    );
    let heard = server.desk.heard.lock().unwrap();
    let (_, said, declared) = &heard[0];
    assert!(declared, "hosts.cfg has it");
    let items: Vec<&str> = said.samples.iter().map(|it| it.item.as_str()).collect();
    assert!(items.contains(&"cpu_load"), "{items:?}");
    assert_eq!(
        said.facts.platform.as_ref().map(|it| it.as_str()),
        Some("linux-x86_64")
    );
}

#[tokio::test]
async fn packages_of_the_installation_are_served_as_they_are_now() {
    let server = Setup::default().start().await;
    let client = Client::new(server.address);
    let package = server.home.path().join("download/sub/new.tar");
    fs::create_dir(package.parent().unwrap()).unwrap();
    for content in ["first", "second"] {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("bin")).unwrap();
        copy_programs(&tree.path().join("bin"));
        write(&tree.path().join("etc/news"), content);
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(&package).arg("-C").arg(tree.path());
        let packed = tar.args(["bin", "etc"]).status().await.unwrap();
        assert!(packed.success());
        let command = client.at("bin/clientupdate");
        assert!(command.exists());
        let (code, text) = client
            .run("bin/clientupdate", &["--update=sub/new", "--reexec"])
            .await;
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(client.read("etc/news"), content, "no old bytes are kept");
        assert_eq!(client.read("etc/clientversion.cfg"), "sub/new");
        assert_eq!(client.leftovers(), Vec::<String>::new());
        assert_eq!(server.say("flush filecache").await, "");
    }
    for nothing in [
        "download no.tar",
        "download ../etc/hosts.cfg",
        "download sub",
    ] {
        assert_eq!(server.say(nothing).await, "", "{nothing}");
    }
}

#[tokio::test]
async fn a_client_that_cannot_use_a_version_is_a_failure() {
    let server = Setup::default().start().await;
    let tree = tempfile::tempdir().unwrap();
    release(tree.path(), &server);
    server.desk.want("www.example.org", "xymon-client", "2.0.0");
    let report = "client www,example,org.linux linux\n[clientversion]\n1.0\n";
    let other = "client www,example,org.linux linux\n[clientversion]\nxymon-client-2.0.0\n";
    server.say(report).await;
    let archive = say(server.address, b"download xymon-client-2.0.0.tar").await;
    assert!(archive.len() > 100_000, "{}", archive.len());
    assert!(
        say(server.address, b"download xymon-client-9.0.0.tar")
            .await
            .is_empty()
    );
    assert!(
        say(server.address, b"download other-2.0.0.tar")
            .await
            .is_empty()
    );
    server.say(report).await;
    assert!(server.desk.failures.lock().unwrap().is_empty());
    for _ in 0..3 {
        server.say(report).await;
    }
    let failures = server.desk.failures.lock().unwrap().clone();
    assert_eq!(
        failures,
        [format!(
            "www.example.org xymon-client 2.0.0: it fetched {ID} and reported 1.0 twice since"
        )]
    );
    server.say(other).await;
    server.say(report).await;
    assert_eq!(server.desk.failures.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_it_and_a_silent_sender_nothing() {
    let idle = Duration::from_millis(400);
    let bounds = Bounds {
        idle,
        ..Bounds::default()
    };
    let setup = Setup {
        bounds,
        ..Setup::default()
    };
    let server = setup.start().await;
    let tree = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..12_u32 << 20).map(|at| (at % 251) as u8).collect();
    fs::write(tree.path().join("large"), &content).unwrap();
    server.desk.publish("xymon-client", "2.0.0", tree.path(), 1);

    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let asked = b"size:31\ndownload xymon-client-2.0.0.tar";
    assert_eq!(asked.len(), 31 + 8);
    stream.write_all(asked).await.unwrap();
    let begun = Instant::now();
    let mut archive = Vec::new();
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let read = timeout(LONG, stream.read(&mut chunk))
            .await
            .unwrap()
            .unwrap();
        if read == 0 {
            break;
        }
        archive.extend_from_slice(&chunk[..read]);
        // It takes its time, as a line of some megabits would.
        sleep(Duration::from_millis(8)).await;
    }
    assert!(
        begun.elapsed() > 2 * idle,
        "too fast to show anything: {:?}",
        begun.elapsed()
    );
    assert_eq!(archive.len(), 512 + content.len() + 1_024);
    assert!(archive[512..512 + content.len()] == content[..]);

    let mut silent = socket_of(&server).await;
    silent.write_all(b"ping").await.unwrap();
    let mut answer = Vec::new();
    let closed = timeout(LONG, silent.read_to_end(&mut answer)).await;
    assert!(closed.is_ok() && answer.is_empty(), "{answer:?}");
}

async fn socket_of(server: &Server) -> tokio::net::TcpStream {
    tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap()
}
