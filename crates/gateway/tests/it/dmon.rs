//! dmon's two ports, asked as `echo COMMAND | nc HOST PORT` asks.

mod client;
mod hostile;
mod reports;
mod server;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lockstep_gateway::config;
use lockstep_gateway::dmon::{self, About};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;

/// A server's port over a fake desk, until it is dropped.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
}

impl Port {
    /// Serves with more lines in `[gateway.dmon]`.
    pub(crate) async fn open(desk: &Arc<Desk>, more: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config: config::Dmon =
            toml::from_str(&format!("listen = \"{address}\"\n{more}")).unwrap();
        let about = About {
            version: "1.2.3".into(),
            hostname: "server1".into(),
            log: "/var/log/lockstep/server.log".into(),
            log_level: "info".into(),
        };
        let stop = CancellationToken::new();
        tokio::spawn(dmon::server::serve(
            listener,
            config,
            Arc::clone(desk),
            about,
            stop.clone(),
        ));
        Self { address, stop }
    }

    /// One line from this machine, and all that comes back.
    pub(crate) async fn ask(&self, line: &str) -> String {
        ask(self.address, "127.0.0.1", format!("{line}\n").as_bytes()).await
    }

    /// The one line of an answer's body, as JSON.
    pub(crate) async fn json(&self, from: &str, line: &str) -> serde_json::Value {
        let answer = ask(self.address, from, format!("{line}\n").as_bytes()).await;
        let lines: Vec<&str> = answer.lines().collect();
        assert_eq!((lines.len(), lines[2]), (3, "COMMAND DONE"), "{answer}");
        serde_json::from_str(lines[1]).unwrap()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Sends bytes from one of this machine's addresses, and reads until the other side closes.
pub(crate) async fn ask(to: SocketAddr, from: &str, bytes: &[u8]) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    let from: IpAddr = from.parse().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    // Who is refused may find the connection closed already.
    let _ = stream.write_all(bytes).await;
    let mut text = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut text))
        .await
        .expect("the other side closes");
    String::from_utf8(text).unwrap()
}

/// A client of dmon, as far as one command goes: it answers each line with itself. Gives its port at an address of this
/// machine.
pub(crate) fn echo_client(address: &str, version: &'static str) -> u16 {
    let listener = std::net::TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = Vec::new();
            let mut byte = [0];
            while stream.read(&mut byte).unwrap_or(0) == 1 && byte[0] != b'\n' {
                line.push(byte[0]);
            }
            let line = String::from_utf8(line).unwrap();
            let name = line.split(' ').next().unwrap_or_default();
            let body = match name {
                "PING" => format!("PONG from Client {version}"),
                _ => format!("{version} was asked: {line}"),
            };
            let _ = stream.write_all(format!("COMMAND {name}\n{body}\nCOMMAND DONE\n").as_bytes());
        }
    });
    port
}
