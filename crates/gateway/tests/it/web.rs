//! A listener in plain HTTP for a gateway's routes, and a client that shows every byte.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::Router;
use lockstep_net::tls::{Door, Limits, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The listener. It ends when this is dropped.
pub(crate) struct Web {
    pub(crate) address: SocketAddr,
    _stop: DropGuard,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By their names in lower-case letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// What came until the end of the connection.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let mut answer = Self::parse_head(std::str::from_utf8(&bytes[..end]).unwrap());
        answer.body = bytes[end + 4..].to_vec();
        answer
    }

    /// An answer without its body.
    pub(crate) fn parse_head(head: &str) -> Self {
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        Self {
            status: status.parse().unwrap(),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
            body: Vec::new(),
        }
    }

    /// The body, which must be JSON and say so.
    pub(crate) fn json(&self) -> serde_json::Value {
        let kind = self.header("content-type");
        assert!(kind.starts_with("application/json"), "{kind}: {self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Web {
    pub(crate) async fn serve(routes: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve(
            listener,
            Door::Plain,
            routes,
            Limits::default(),
            stop.clone(),
        ));
        Self {
            address,
            _stop: stop.drop_guard(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a request from an address of the loopback, as `GET /path`, with more lines of its head, and reads nothing.
    /// Little waits in the buffers below, so that whoever does not read holds the sender up.
    pub(crate) async fn begin(&self, from: &str, request: &str, more: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(32 * 1024).unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        let head = format!("{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{more}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    pub(crate) async fn ask(&self, from: &str, request: &str, more: &str) -> Answer {
        let mut stream = self.begin(from, request, more).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Answer::parse(&bytes)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("127.0.0.1", &format!("GET {path}"), "").await
    }
}
