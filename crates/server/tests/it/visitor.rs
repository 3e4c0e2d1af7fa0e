//! Somebody who has signed in to the pages, without a browser: what is sent and what comes back, byte by byte.

use std::sync::Arc;
use std::time::Duration;

use lockstep_model::api::operator::{NewUser, Password, UserView};
use lockstep_model::{Role, UserName};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::World;

pub(crate) const PASSWORD: &str = "a long and secret word";

/// Somebody with a session.
pub(crate) struct Visitor<'a> {
    world: &'a World,
    cookie: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Where the browser is sent to, with a status that says so.
    #[track_caller]
    pub(crate) fn leads_to(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.body);
        self.header("location").unwrap()
    }

    /// The page, with a status that says that it is one.
    #[track_caller]
    pub(crate) fn page(self) -> String {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }
}

impl<'a> Visitor<'a> {
    /// Makes a user with this role, who signs in.
    pub(crate) async fn sign_in(world: &'a World, name: &str, role: Role) -> Self {
        let new = NewUser {
            name: UserName::parse(name).unwrap(),
            role,
            password: Some(Password(PASSWORD.into())),
        };
        let _: UserView = world
            .operator
            .post_json("/api/v1/users", &new)
            .await
            .unwrap();
        let stranger = Visitor {
            world,
            cookie: String::new(),
        };
        let form = [("name", name), ("password", PASSWORD)];
        let answer = stranger.send("/sign-in", &form).await;
        assert_eq!(answer.leads_to(), "/");
        let cookie = answer.header("set-cookie").unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Visitor { world, cookie }
    }

    /// Somebody who has not signed in.
    pub(crate) fn stranger(world: &'a World) -> Self {
        let cookie = String::new();
        Visitor { world, cookie }
    }

    /// Asks for a page.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.exchange(&format!(
            "GET {path} HTTP/1.0\r\nhost: x\r\ncookie: {}\r\n\r\n",
            self.cookie
        ))
        .await
    }

    /// Sends a form as a page of the server would.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get("/rollouts").await.page();
        let csrf = page.split(r#"name="csrf" value=""#).nth(1).unwrap();
        let csrf = csrf.split('"').next().unwrap();
        let fields: Vec<_> = [("csrf", csrf)]
            .into_iter()
            .chain(fields.iter().copied())
            .collect();
        self.send(path, &fields).await
    }

    /// Sends these fields and no others.
    pub(crate) async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", lockstep_pages::parts::link::segment(value)))
            .collect();
        let body = body.join("&");
        self.exchange(&format!(
            "POST {path} HTTP/1.0\r\nhost: x\r\ncookie: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{body}",
            self.cookie,
            body.len()
        ))
        .await
    }

    /// Sends a request as it stands.
    pub(crate) async fn exchange(&self, request: &str) -> Answer {
        let mut stream = self.send_bytes(request).await;
        let mut bytes = Vec::new();
        // A server that ends the connection has sent everything.
        let _ = stream.read_to_end(&mut bytes).await;
        answer(bytes)
    }

    /// Sends a request as it stands, and reads of the answer what comes until these words are in it: it may go on for ever.
    pub(crate) async fn begins(&self, request: &str, words: &str) -> Answer {
        let mut stream = self.send_bytes(request).await;
        let mut bytes = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&bytes).contains(words) {
                let read = stream.read_buf(&mut bytes).await.unwrap();
                assert!(read > 0, "{}", String::from_utf8_lossy(&bytes));
            }
        };
        let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
        read.unwrap_or_else(|_| panic!("{words:?} does not come"));
        answer(bytes)
    }

    async fn send_bytes(&self, request: &str) -> TlsStream<TcpStream> {
        let running = &self.world.running;
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(running.ca_pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clock = Arc::new(self.world.clock.clone());
        let config = rustls::ClientConfig::builder_with_details(provider, clock)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(running.operator_addr).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }
}

fn answer(bytes: Vec<u8>) -> Answer {
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no answer: {text:?}")),
        head: head.into(),
        body: body.into(),
    }
}
