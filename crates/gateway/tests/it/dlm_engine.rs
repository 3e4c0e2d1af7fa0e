//! DLM engine's locks: byte by byte, and with DlmEngineUpdater as it is on PyPI.

use std::sync::Arc;

use lockstep_gateway::config::DlmEngine;
use lockstep_gateway::dlm_engine::{Secrets, routes};
use lockstep_gateway::seams::{Standing, Trouble};
use lockstep_model::HostName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use crate::desk::Desk;
use crate::tls::Secure;
use crate::updater::{Home, Time, ended, python, start};
use crate::web::{Answer, Web};

const SECRETS: &[u8] = b"one hush db1.example.org\nall open *.example.org\nany free\n";

fn gateway(desk: &Arc<Desk>) -> axum::Router {
    let text = "listen = '127.0.0.1:0'\nsecrets = 's'\nlocks = { 'Big Lock' = 'big' }";
    let config: DlmEngine = toml::from_str(text).unwrap();
    routes(config, Secrets::parse(SECRETS).unwrap(), Arc::clone(desk))
}

async fn served() -> (Arc<Desk>, Web) {
    let desk = Desk::new();
    desk.declare("db1.example.org", "127.0.0.2");
    desk.declare("db2.example.org", "127.0.0.3");
    desk.declare("db1.example.com", "127.0.0.4");
    let web = Web::serve(gateway(&desk)).await;
    (desk, web)
}

/// Who asks: from which address, with which secret.
struct Caller<'a>(&'a Web, &'a str, &'a str, &'a str);

impl Caller<'_> {
    async fn ask(&self, method: &str, lock: &str, body: &str) -> Answer {
        let Self(web, from, id, secret) = self;
        let more = format!(
            "x-secret-id: {id}\r\nx-secret: {secret}\r\nContent-Length: {}\r\n",
            body.len()
        );
        let request = format!("{method} /locks/{lock}");
        let mut stream = web.begin(from, &request, &more).await;
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Answer::parse(&bytes)
    }

    /// Status and holder, or status and code.
    async fn said(&self, method: &str, lock: &str, host: &str) -> (u16, String) {
        let body = match method {
            "POST" => format!(r#"{{"acquired_by":"{host}"}}"#),
            _ => String::new(),
        };
        let answer = self.ask(method, lock, &body).await;
        let said = answer.json();
        let word = said.get("acquired_by").or(said.get("error")).unwrap();
        (answer.status, word.as_str().unwrap().to_owned())
    }
}

fn is(status: u16, word: &str) -> (u16, String) {
    (status, word.to_owned())
}

#[tokio::test]
async fn a_lock_is_asked_for_looked_at_and_given_back() {
    let (desk, web) = served().await;
    let one = Caller(&web, "127.0.0.1", "one", "hush");
    let all = Caller(&web, "127.0.0.3", "all", "open");
    assert_eq!(one.said("GET", "db", "").await, is(404, "not-found"));
    assert_eq!(one.said("DELETE", "db", "").await, is(404, "not-found"));
    let mine = is(201, "db1.example.org");
    assert_eq!(one.said("POST", "db", "DB1.example.org").await, mine);
    assert_eq!(one.said("POST", "db", "db1.example.org").await, mine);
    assert_eq!(
        all.said("GET", "d%62", "").await,
        is(200, "db1.example.org")
    );
    assert_eq!(
        all.said("POST", "db", "db2.example.org").await,
        is(409, "held")
    );
    // db2 asks, by its address; db1 holds it, and fits the secret as well.
    assert_eq!(all.said("DELETE", "db", "").await, is(409, "conflict"));
    assert_eq!(
        one.said("DELETE", "db", "").await,
        is(200, "db1.example.org")
    );
    assert_eq!(
        all.said("POST", "db", "db2.example.org").await,
        is(201, "db2.example.org")
    );
    assert_eq!(one.said("DELETE", "db", "").await, is(404, "not-found"));
    assert_eq!(desk.holders("db"), ["db2.example.org"]);

    // From an address of nobody the only holder that fits is meant; with two of them nobody is.
    let anywhere = Caller(&web, "127.0.0.9", "all", "open");
    assert_eq!(
        anywhere.said("DELETE", "db", "").await,
        is(200, "db2.example.org")
    );
    desk.locks
        .lock()
        .unwrap()
        .places
        .insert(Desk::lock_name("big"), 2);
    assert_eq!(
        one.said("POST", "Big%20Lock", "db1.example.org").await,
        mine
    );
    assert_eq!(
        all.said("POST", "Big%20Lock", "db2.example.org").await,
        is(201, "db2.example.org")
    );
    assert_eq!(
        anywhere.said("DELETE", "big", "").await,
        is(409, "conflict")
    );
    assert_eq!(all.said("GET", "big", "").await, is(200, "db2.example.org"));
    assert_eq!(one.said("GET", "big", "").await, is(200, "db1.example.org"));
    assert_eq!(
        all.said("DELETE", "big", "").await,
        is(200, "db2.example.org")
    );
    assert_eq!(desk.holders("big"), ["db1.example.org"]);
}

#[tokio::test]
async fn who_does_not_know_or_may_not_is_refused() {
    let (desk, web) = served().await;
    for (id, secret) in [("one", "open"), ("", ""), ("nobody", "hush")] {
        for method in ["GET", "POST", "DELETE", "PUT"] {
            let caller = Caller(&web, "127.0.0.1", id, secret);
            assert_eq!(
                caller.said(method, "db", "db1.example.org").await,
                is(401, "unauthorized")
            );
        }
    }
    let (one, any) = (
        Caller(&web, "127.0.0.1", "one", "hush"),
        Caller(&web, "127.0.0.1", "any", "free"),
    );
    assert_eq!(
        one.said("POST", "db", "db2.example.org").await,
        is(403, "forbidden")
    );
    assert_eq!(
        any.said("POST", "db", "db9.example.org").await,
        is(403, "forbidden")
    );
    assert_eq!(any.said("POST", "db", "a/b").await, is(400, "bad-request"));
    assert_eq!(
        any.said("POST", "No%20Lock", "db1.example.org").await,
        is(400, "bad-request")
    );
    assert_eq!(
        any.said("POST", "db/more", "db1.example.org").await,
        is(404, "not-found")
    );
    assert_eq!(
        any.said("PUT", "db", "").await,
        is(405, "method-not-allowed")
    );
    let large = any.ask("POST", "db", &" ".repeat(9_000)).await;
    assert_eq!(
        (large.status, &large.json()["error"]),
        (413, &"payload-too-large".into())
    );

    let why = "os 42: its wave is not open yet";
    desk.locks.lock().unwrap().refusal = Some(("not-let-go", why.into()));
    let refused = one
        .ask("POST", "db", r#"{"acquired_by":"db1.example.org"}"#)
        .await;
    assert_eq!(
        (refused.status, &refused.json()["detail"]),
        (412, &why.into())
    );
    desk.locks.lock().unwrap().trouble = Some(Trouble::Off("switched off".into()));
    assert_eq!(
        one.said("GET", "db", "").await,
        is(503, "service-unavailable")
    );
    assert!(desk.done().is_empty());
}

#[tokio::test]
async fn a_place_that_is_only_kept_is_asked_for_again() {
    let desk = served().await.0;
    let text = "listen = '127.0.0.1:0'\nsecrets = 's'\ngreen_within = '10m'";
    let config: DlmEngine = toml::from_str(text).unwrap();
    let secrets = Secrets::parse(SECRETS).unwrap();
    let web = Web::serve(routes(config, secrets, Arc::clone(&desk))).await;
    let one = Caller(&web, "127.0.0.1", "one", "hush");
    let name = HostName::parse("db1.example.org").unwrap();
    desk.locks.lock().unwrap().sick.insert(name);
    let mine = is(201, "db1.example.org");
    assert_eq!(one.said("POST", "db", "db1.example.org").await, mine);
    assert_eq!(
        one.said("DELETE", "db", "").await,
        is(200, "db1.example.org")
    );
    assert_eq!(desk.holders("db"), ["db1.example.org"]);
    // The updater takes 200 with its own name for the lock, and asks no more.
    assert_eq!(one.said("GET", "db", "").await, is(404, "not-found"));
    assert_eq!(one.said("POST", "db", "db1.example.org").await, mine);
    assert_eq!(one.said("GET", "db", "").await, is(200, "db1.example.org"));
}

/// A host with the updater, which calls itself as this machine is called.
struct Host(Home);

impl Host {
    fn new(secure: &Secure, more: &str) -> Self {
        let home = Home::new();
        std::fs::write(home.path("ca.pem"), &secure.ca.pem).unwrap();
        let text = format!(
            "main_api_endpoint={}/\nmain_api_lockname=db\nmain_api_secretid=any\nmain_api_secret=free\n\
             main_api_ca={}\nmain_basedir={}\nmain_log_file={}\n{more}",
            secure.url(),
            home.path("ca.pem").display(),
            home.dir().display(),
            home.path("log").display(),
        );
        std::fs::write(home.path("env"), text).unwrap();
        Self(home)
    }

    fn start(&self) -> Child {
        let env = self.0.path("env").display().to_string();
        start("dlm_engine_updater", Time::AsItGoes, &["--cfg", &env])
    }

    async fn code(&self) -> i32 {
        ended(self.start()).await.status.code().unwrap()
    }
}

async fn own_name() -> HostName {
    let mut command = Command::new(python());
    command.args(["-c", "import socket; print(socket.getfqdn().lower())"]);
    let name = String::from_utf8(command.output().await.unwrap().stdout).unwrap();
    HostName::parse(name.trim()).unwrap()
}

#[tokio::test]
async fn the_real_updater_waits_works_and_gives_the_lock_back() {
    let desk = Desk::new();
    let name = own_name().await;
    for host in [&name, &HostName::parse("db2.example.org").unwrap()] {
        let mut standings = desk.standings.lock().unwrap();
        standings.insert(host.clone(), Standing::Foreign);
    }
    let secure = Secure::serve(gateway(&desk)).await;
    let host = Host::new(
        &secure,
        "main_wait=true\nmain_acquirebackoffbase=0.1\nmain_acquirebackoffmax=0.2\nmain_releasebackoffbase=0.1\n",
    );
    let mut line = secure.connect(None).await;
    let body = r#"{"acquired_by":"db2.example.org"}"#;
    let secret = "x-secret-id: all\r\nx-secret: open\r\n";
    let post = format!("{secret}Content-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(
        line.ask("POST /locks/db", post.trim_end()).await.status,
        201
    );

    let running = host.start();
    host.0.logged("lock not acquired, retrying").await;
    assert_eq!(host.0.trace(), "needs_update");
    assert!(
        host.0
            .log()
            .contains("lock is currently acquired by db2.example.org")
    );
    let mut line = secure.connect(None).await;
    assert_eq!(line.ask("DELETE /locks/db", secret).await.status, 200);
    let end = ended(running).await;
    assert!(end.status.success(), "{}", host.0.log());
    assert_eq!(host.0.trace(), "pre_update update needs_reboot post_update");
    assert_eq!(host.0.state(), None);

    // A failure keeps the lock; the next call finds that it has it, and goes on.
    host.0.script("update", "exit 1");
    assert_eq!(host.code().await, 1);
    assert_eq!(desk.holders("db"), [name.to_string()]);
    assert_eq!(host.0.state().as_deref(), Some("update"));
    host.0.script("update", "");
    host.0.trace();
    assert_eq!(host.code().await, 0);
    assert_eq!(host.0.trace(), "update needs_reboot post_update");
    assert!(desk.holders("db").is_empty());
}
