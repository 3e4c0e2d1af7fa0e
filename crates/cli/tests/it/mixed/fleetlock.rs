//! A client of FleetLock, by hand.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

pub(super) struct FleetLock {
    pub(super) port: u16,
    pub(super) host: &'static str,
    pub(super) group: &'static str,
}

/// What it was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: String,
    pub(super) value: String,
}

impl FleetLock {
    /// Asks whether it may restart: `pre-reboot`.
    pub(super) fn asks(&self) -> Answer {
        self.posts("pre-reboot")
    }

    /// Says that it is up again: `steady-state`.
    pub(super) fn is_up(&self) {
        let answer = self.posts("steady-state");
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn posts(&self, wish: &str) -> Answer {
        let body = json!({ "client_params": { "id": self.host, "group": self.group } }).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = format!(
            "POST /v1/{wish} HTTP/1.1\r\nhost: x\r\nfleet-lock-protocol: true\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            kind: text("kind"),
            value: text("value"),
        }
    }
}
