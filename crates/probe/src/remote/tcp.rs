//! `tcp:HOST:PORT` and `ssh:HOST[:PORT]`: is somebody there, and does he say what he should?

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::address::Peer;
use super::connect::connect;
use super::options::Options;
use super::single::{Answer, Asked, Check, Failure, single};
use super::words::clean;
use crate::probe::{Order, Probe};

/// How much a peer may say before the expected text, in bytes.
const LONGEST_GREETING: usize = 8 * 1024;

pub(super) fn tcp(order: &Order) -> Result<Arc<dyn Probe>, String> {
    let options = Options::of(order, &["send", "expect"])?;
    let check = Tcp {
        peer: Peer::of(order, None)?,
        send: options.text("send")?.unwrap_or_default().to_owned(),
        expect: options.text("expect")?.unwrap_or_default().to_owned(),
    };
    if check.expect.len() > LONGEST_GREETING {
        return Err(format!(
            "the option \"expect\" has more than {LONGEST_GREETING} bytes"
        ));
    }
    single(order, check)
}

pub(super) fn ssh(order: &Order) -> Result<Arc<dyn Probe>, String> {
    Options::of(order, &[])?;
    single(order, Ssh(Peer::of(order, Some(22))?))
}

#[derive(Debug)]
struct Tcp {
    peer: Peer,
    send: String,
    expect: String,
}

impl Check for Tcp {
    async fn ask(&self, asked: Asked) -> Result<Answer, Failure> {
        let (mut stream, took) = connect(&self.peer, asked).await?;
        let connected = Instant::now();
        if !self.send.is_empty() {
            let sent = async {
                let sent = stream.write_all(self.send.as_bytes()).await;
                sent.map_err(|error| error.to_string())
            };
            asked
                .in_time(format!("send to {}", self.peer), sent)
                .await?;
        }
        if self.expect.is_empty() {
            return Ok(Answer::took(took));
        }
        let expect = self.expect.as_bytes();
        let heard = listen(&mut stream, asked, |heard| contains(heard, expect)).await;
        let answer = Answer::took(took + connected.elapsed());
        if contains(&heard, expect) {
            return Ok(answer);
        }
        Ok(answer.but(&format!(
            "{} does not say {:?}, but {}",
            self.peer,
            self.expect,
            quote(&heard)
        )))
    }
}

#[derive(Debug)]
struct Ssh(Peer);

impl Check for Ssh {
    async fn ask(&self, asked: Asked) -> Result<Answer, Failure> {
        let Self(peer) = self;
        let (mut stream, took) = connect(peer, asked).await?;
        let connected = Instant::now();
        let heard = listen(&mut stream, asked, |heard| version(heard).is_some()).await;
        let answer = Answer::took(took + connected.elapsed());
        Ok(match version(&heard) {
            Some(version) => answer.saying(&version),
            None => answer.but(&format!(
                "{peer} is no SSH server: it says {}",
                quote(&heard)
            )),
        })
    }
}

/// The line in which an SSH server says its version; others may come before it (RFC 4253, section 4.2).
fn version(heard: &[u8]) -> Option<String> {
    let lines = heard.split_inclusive(|byte| *byte == b'\n');
    lines
        .filter(|line| line.ends_with(b"\n"))
        .find(|line| line.starts_with(b"SSH-"))
        .map(|line| clean(&String::from_utf8_lossy(line), 255))
}

/// Listens until it is enough, the peer ends, or the time or the patience for words is over.
async fn listen(
    stream: &mut TcpStream,
    asked: Asked,
    is_enough: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut buffer = [0; 1024];
    while heard.len() < LONGEST_GREETING && !is_enough(&heard) {
        // An error is the end of what is said, and what was said decides.
        match timeout_at(asked.deadline, stream.read(&mut buffer)).await {
            Ok(Ok(read @ 1..)) => heard.extend_from_slice(&buffer[..read]),
            _ => break,
        }
    }
    heard
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn quote(heard: &[u8]) -> String {
    if heard.is_empty() {
        return "nothing".into();
    }
    format!("{:?}", clean(&String::from_utf8_lossy(heard), 200))
}

#[cfg(test)]
mod tests;
