//! `dns:NAME`: does a name server answer, with the right thing, and how fast?

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

use super::address::{Peer, parse_port, split};
use super::connect::resolve;
use super::options::Options;
use super::single::{Answer, Asked, Check, Failure, single};
use super::words::cut;
use crate::probe::{Order, Probe};

mod packet;

use packet::{Kind, Question, Reply};

/// Packets of the network are lost now and then.
const TRIES: u32 = 3;
/// Largest answer by UDP that is taken, in bytes, and what the server is told: larger ones come in pieces, which
/// many networks lose (RFC 9715).
const LARGEST_UDP: u16 = 1400;
/// Largest `resolv.conf` that is read, in bytes.
const LARGEST_CONF: u64 = 64 * 1024;

pub(super) fn dns(order: &Order) -> Result<Arc<dyn Probe>, String> {
    let options = Options::of(order, &["server", "type", "expect"])?;
    let kind: Kind = options.parsed("type")?.unwrap_or(Kind::A);
    let name = order
        .object()
        .filter(|name| !name.is_empty())
        .ok_or("the probe dns looks at a name: write \"dns:NAME\"")?;
    let server = match (options.text("server")?, &order.target) {
        (Some(server), _) => Server::Given(peer(server)?),
        (None, Some(target)) => Server::Given(peer(&target.address)?),
        (None, None) => Server::OfTheSystem,
    };
    single(
        order,
        Dns {
            question: Question::new(name, kind)?,
            server,
            order: order.clone(),
            expect: options.list("expect")?,
        },
    )
}

#[derive(Debug)]
struct Dns {
    question: Question,
    server: Server,
    expect: Vec<String>,
    order: Order,
}

#[derive(Debug)]
enum Server {
    Given(Peer),
    OfTheSystem,
}

impl Check for Dns {
    async fn ask(&self, asked: Asked) -> Result<Answer, Failure> {
        let server = self.server(asked).await?;
        let began = Instant::now();
        let reply = self.reply(server, asked).await?;
        let answer = Answer::took(began.elapsed());
        if let Some(refusal) = reply.refusal() {
            return Ok(answer.but(&format!("{server} answers: {refusal}")));
        }
        let found = cut(&reply.answers.join(", "), 300).into_owned();
        let missing = self.expect.iter().find(|wanted| !reply.has(wanted));
        Ok(match missing {
            Some(wanted) => answer.but(&format!("{wanted:?} is not among the answers: {found}")),
            None if reply.answers.is_empty() => answer.but("there is no such record"),
            None => answer,
        })
    }
}

impl Dns {
    async fn reply(&self, server: SocketAddr, asked: Asked) -> Result<Reply, Failure> {
        let share = asked.deadline.saturating_duration_since(Instant::now()) / TRIES;
        let mut why = "no answer in time".to_owned();
        for _ in 0..TRIES {
            match timeout(share, by_udp(&self.question, server)).await {
                Ok(Ok(reply)) if reply.is_cut => {
                    let reply = async {
                        by_tcp(&self.question, server)
                            .await
                            .map_err(|e| e.to_string())
                    };
                    return asked.in_time(format!("ask {server} by TCP"), reply).await;
                }
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => {}
            }
        }
        Err(Failure::of_theirs(format!(
            "ask {server} for {}: {why}",
            self.question.name
        )))
    }

    async fn server(&self, asked: Asked) -> Result<SocketAddr, Failure> {
        match &self.server {
            Server::Given(peer) => {
                let addresses = resolve(peer, asked).await?;
                addresses
                    .first()
                    .copied()
                    .ok_or_else(|| Failure::of_theirs(format!("{peer} has no address")))
            }
            Server::OfTheSystem => {
                let path = self.order.root.join("etc/resolv.conf");
                let key = "resolv.conf";
                let read = self.order.aside.ask(key, asked.at, move || {
                    use std::io::Read as _;
                    let mut text = String::new();
                    let file = std::fs::File::open(&path).map_err(|error| error.to_string())?;
                    file.take(LARGEST_CONF)
                        .read_to_string(&mut text)
                        .map_err(|error| error.to_string())?;
                    Ok(text)
                });
                let text = read.answer(asked.deadline).await.and_then(|text| text);
                let text = text.map_err(|why| {
                    Failure::of_ours(format!("/etc/resolv.conf cannot be read: {why}"))
                })?;
                first_server(&text)
                    .ok_or_else(|| Failure::of_ours("/etc/resolv.conf names no name server"))
            }
        }
    }
}

/// The first name server of `resolv.conf(5)`.
fn first_server(text: &str) -> Option<SocketAddr> {
    let mut servers = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = (words.next() == Some("nameserver")).then(|| words.next())??;
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, 53))
    });
    servers.next()
}

/// A name server: `ADDRESS[:PORT]`.
fn peer(text: &str) -> Result<Peer, String> {
    let (host, port) = split(text)?;
    Ok(Peer {
        host: host
            .ok_or("the option \"server\" names no host")?
            .to_owned(),
        port: port.map_or(Ok(53), parse_port)?,
    })
}

async fn by_udp(question: &Question, server: SocketAddr) -> std::io::Result<Reply> {
    let socket = UdpSocket::bind(match server.is_ipv4() {
        true => "0.0.0.0:0",
        false => "[::]:0",
    })
    .await?;
    socket.connect(server).await?;
    let id = fastrand::u16(..);
    socket.send(&question.packet(id, Some(LARGEST_UDP))).await?;
    let mut packet = vec![0; 4096];
    loop {
        let length = socket.recv(&mut packet).await?;
        // What does not answer this question is from somebody else, and the right one may still come.
        if let Ok(reply) = Reply::read(&packet[..length], id, question) {
            return Ok(reply);
        }
    }
}

async fn by_tcp(question: &Question, server: SocketAddr) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect(server).await?;
    let id = fastrand::u16(..);
    let packet = question.packet(id, None);
    let length = u16::try_from(packet.len()).map_err(std::io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend(packet);
    stream.write_all(&framed).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Reply::read(&answer, id, question).map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests;
