//! Mail, to a real mail server: `smtpd.py` of `notify`'s tests.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lockstep_model::{Level, Value};
use lockstep_server::{Mail, MailTls};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use crate::health::state;
use crate::world::World;

struct MailServer {
    child: Child,
    port: u16,
    mails: mpsc::UnboundedReceiver<Json>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "it lives as long as the test, and is killed without any care"
)]
fn spawn() -> Child {
    let crates = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let installed = crates.join("../target/python/bin/python3");
    let python = match installed.exists() {
        true => installed,
        false => "python3".into(),
    };
    Command::new(python)
        .arg(crates.join("notify/tests/it/smtpd.py"))
        .arg("{}")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3")
}

impl MailServer {
    async fn start() -> Self {
        let mut child = spawn();
        let stdout = child.stdout.take().unwrap();
        let (sender, mut mails) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let first: Option<Json> = mails.recv().await;
        let first = first
            .expect("this test needs python3 with the package aiosmtpd; scripts/parts installs it");
        let port = first["port"].as_u64().unwrap().try_into().unwrap();
        Self { child, port, mails }
    }

    fn settings(&self) -> Mail {
        Mail {
            server: "127.0.0.1".into(),
            port: Some(self.port),
            tls: MailTls::None,
            from: "Lockstep <lockstep@example.org>".into(),
            user: None,
            password_file: None,
            ca_file: None,
        }
    }

    /// The headers of the next mail, unfolded, and its text.
    async fn mail(&mut self) -> (Vec<String>, String) {
        let mail = tokio::time::timeout(Duration::from_secs(20), self.mails.recv());
        let mail = mail.await.unwrap().unwrap();
        assert_eq!(mail["to"], json!(["ann@example.org"]));
        let content = mail["content"].as_str().unwrap();
        let (head, body) = content.split_once("\r\n\r\n").unwrap();
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let headers = head.split("\r\n").map(String::from).collect();
        (headers, body.replace("=\r\n", ""))
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn header<'a>(headers: &'a [String], name: &str) -> &'a str {
    let begin = format!("{name}: ");
    let mut found = headers.iter().filter_map(|it| it.strip_prefix(&begin));
    let value = found.next().unwrap();
    assert!(found.next().is_none(), "{name} is there twice");
    value
}

#[tokio::test]
async fn problem_and_recovery_are_one_conversation_whatever_a_host_says() {
    let mut server = MailServer::start().await;
    let settings = server.settings();
    let world = World::with(|config| config.mail = Some(settings)).await;
    let fleet = "[alerts]\nwait = \"10s\"\nsettle = \"1m\"\n[user.ann]\nmail = \"ann@example.org\"\n\
                 [alert.all]\nto = \"ann\"\n";
    world.fleet(fleet).await;
    let web1 = world.enroll("web1").await;
    let evil = "plugin:<script>alert(1)</script>";
    let mut report = web1.report_of("1.0.0", true);
    let mut item = state(&world, evil, Level::CRITICAL);
    item.value =
        Value::Text("x\r\nBcc: all@example.org\r\n\r\n.\r\nQUIT\r\n<b>\u{0}\u{1b}[31m".into());
    item.why = format!(
        "\r\nBcc: all@example.org\r\n<img src=x>{}",
        "ä".repeat(2_000)
    );
    report.items = vec![item];
    web1.send(&report).await.unwrap();
    world.pass(1).await;
    world.pass(10).await;
    let (problem, text) = server.mail().await;
    let subject = header(&problem, "Subject");
    assert!(subject.starts_with("[critical] web1"), "{subject}");
    assert!(
        !problem.iter().any(|it| it.starts_with("Bcc")),
        "{problem:?}"
    );
    for tag in ["<script>", "<img", "<b>"] {
        // The plain form may say it, the other may not.
        let html = text.split("text/html").nth(1).unwrap();
        assert!(!html.contains(tag), "{tag}:\n{html}");
    }

    let mut report = web1.report_of("1.0.0", true);
    report.items = vec![state(&world, evil, Level::FINE)];
    web1.send(&report).await.unwrap();
    world.pass(1).await;
    let world = world.restart().await;
    world.pass(60).await;
    let (recovered, _) = server.mail().await;
    let subject = header(&recovered, "Subject");
    assert!(subject.starts_with("[recovered] web1"), "{subject}");
    assert_eq!(
        header(&recovered, "References"),
        header(&problem, "References")
    );
    assert_ne!(
        header(&recovered, "Message-ID"),
        header(&problem, "Message-ID")
    );
    assert!(server.mails.try_recv().is_err());
    assert!(
        world
            .deliveries()
            .await
            .iter()
            .all(|it| it.state == "delivered")
    );
}
