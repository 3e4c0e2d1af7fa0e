//! `ntp:HOST`: how far a host's clock is ahead of ours, by the simple protocol (RFC 4330).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_net::Clock;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::address::Peer;
use super::connect::resolve;
use super::options::Options;
use super::single::{Answer, Asked, Check, Failure, single};
use crate::probe::{Order, Probe};

pub(super) fn ntp(order: &Order) -> Result<Arc<dyn Probe>, String> {
    Options::of(order, &[])?;
    single(
        order,
        Ntp {
            peer: Peer::of(order, Some(123))?,
            clock: order.clock.clone(),
        },
    )
}

#[derive(Debug)]
struct Ntp {
    peer: Peer,
    clock: Clock,
}

/// Packets of the network are lost now and then.
const TRIES: u32 = 3;
/// A packet without extensions.
const LENGTH: usize = 48;
/// From the beginning of NTP's first era, 1900, to that of Unix time.
const FROM_1900_TO_1970: i64 = 2_208_988_800;

impl Check for Ntp {
    async fn ask(&self, asked: Asked) -> Result<Answer, Failure> {
        let Self { peer, clock } = self;
        let addresses = resolve(peer, asked).await?;
        let began = Instant::now();
        let share = asked.deadline.saturating_duration_since(began) / TRIES;
        let mut why = "no answer in time".to_owned();
        for n in 0..TRIES {
            let address = addresses[n as usize % addresses.len()];
            let exchange = exchange(address, clock);
            match tokio::time::timeout(share, exchange).await {
                Ok(Ok(Ok(offset))) => return Ok(Answer::number(offset, "s")),
                Ok(Ok(Err(refusal))) => {
                    return Err(Failure::of_theirs(format!("{peer} {refusal}")));
                }
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => {}
            }
        }
        Err(Failure::of_theirs(format!(
            "ask {peer} for the time: {why}"
        )))
    }
}

/// Asks once. The inner error is an answer that tells no time.
async fn exchange(
    address: std::net::SocketAddr,
    clock: &Clock,
) -> std::io::Result<Result<f64, String>> {
    let socket = UdpSocket::bind(match address.is_ipv4() {
        true => "0.0.0.0:0",
        false => "[::]:0",
    })
    .await?;
    // Only packets from there arrive from now on, and refusals too.
    socket.connect(address).await?;
    // Our time is nobody's business, and what nobody can guess proves that the answer is one to this question.
    let cookie = fastrand::u64(1..);
    let mut question = [0; LENGTH];
    question[0] = 4 << 3 | 3;
    question[40..].copy_from_slice(&cookie.to_be_bytes());
    let (sent_at, sent) = (clock.now(), Instant::now());
    socket.send(&question).await?;
    let mut answer = [0; 512];
    loop {
        let length = socket.recv(&mut answer).await?;
        let way = sent.elapsed();
        if length >= LENGTH && answer[24..32] == cookie.to_be_bytes() {
            return Ok(offset(&answer[..LENGTH], sent_at, way));
        }
    }
}

/// How far the server's clock is ahead, in seconds: (t2 - t1 + t3 - t4) / 2.
fn offset(answer: &[u8], sent_at: Timestamp, way: Duration) -> Result<f64, String> {
    let (leap, mode, stratum) = (answer[0] >> 6, answer[0] & 7, answer[1]);
    let received = time(answer, 32);
    let transmitted = time(answer, 40);
    match (mode, stratum) {
        (4, 0) => {
            let code = answer[12..16]
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric());
            let code: String = code.map(|byte| char::from(*byte)).collect();
            return Err(format!("refuses to tell the time ({code})"));
        }
        (4, 1..=15) if leap != 3 => {}
        (4, _) => return Err("does not know the time itself".into()),
        _ => return Err("answers with something else than the time".into()),
    }
    if transmitted == 0 {
        return Err("answers with something else than the time".into());
    }
    // Differences of fixed-point numbers with 32 bits behind the point; they wrap rightly around the era of 2036.
    let sent = ntp_time(sent_at);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a way shorter than 68 years"
    )]
    let way = (way.as_nanos() * (1 << 32) / 1_000_000_000) as u64;
    let there = received.wrapping_sub(sent).cast_signed();
    let back = transmitted
        .wrapping_sub(sent.wrapping_add(way))
        .cast_signed();
    #[expect(clippy::cast_precision_loss, reason = "microseconds are exact enough")]
    Ok((there as f64 + back as f64) / 2.0 / f64::from(1 << 16) / f64::from(1 << 16))
}

fn time(answer: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&answer[at..at + 8]);
    u64::from_be_bytes(bytes)
}

fn ntp_time(at: Timestamp) -> u64 {
    let second = at
        .as_second()
        .saturating_add(FROM_1900_TO_1970)
        .cast_unsigned();
    let fraction = (i64::from(at.subsec_nanosecond()).cast_unsigned() << 32) / 1_000_000_000;
    second << 32 | fraction & u64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
