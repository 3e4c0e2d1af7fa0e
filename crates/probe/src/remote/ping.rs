//! `ping:HOST` and `ping_loss:HOST`: echoes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::address::{Peer, host};
use super::connect::resolve;
use super::options::Options;
use super::single::{Answer, Asked, Check, Failure, single};
use crate::probe::{Order, Probe};

mod echo;

use echo::Echoes;

pub(super) fn round_trip(order: &Order) -> Result<Arc<dyn Probe>, String> {
    Options::of(order, &[])?;
    single(order, RoundTrip(host(order)?))
}

pub(super) fn loss(order: &Order) -> Result<Arc<dyn Probe>, String> {
    Options::of(order, &[])?;
    single(order, Loss(host(order)?))
}

/// Echoes that are tried before a host counts as not there. One lost packet is nothing to be told of.
const TRIES: u32 = 3;
/// Echoes of which the lost ones are counted.
const COUNTED: u16 = 5;
/// Time between two of them: closer ones would only measure one moment.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the last ones are waited for, at most; what comes later is as good as lost.
const LONGEST_WAY: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct RoundTrip(String);

impl Check for RoundTrip {
    async fn ask(&self, asked: Asked) -> Result<Answer, Failure> {
        let address = address(&self.0, asked).await?;
        let echoes = Echoes::to(address)?;
        let share = asked.deadline.saturating_duration_since(Instant::now()) / TRIES;
        let mut sent = Vec::new();
        let mut why = "no echo in time".to_owned();
        for number in 0..TRIES {
            let until = Instant::now() + share;
            sent.push(Instant::now());
            let echo = async {
                #[expect(clippy::cast_possible_truncation, reason = "three is a small number")]
                echoes.send(number as u16).await?;
                echoes.receive().await
            };
            match timeout_at(until, echo).await {
                Ok(Ok(number)) => {
                    let since = sent.get(usize::from(number)).copied();
                    return Ok(Answer::took(
                        since.map_or(Duration::ZERO, |since| since.elapsed()),
                    ));
                }
                Ok(Err(error)) => {
                    // Such an answer comes at once; another try at once would be none.
                    why = error.to_string();
                    sleep_until(until.min(Instant::now() + PAUSE)).await;
                }
                Err(_) => {}
            }
        }
        Err(Failure::of_theirs(format!("ping {address}: {why}")))
    }
}

#[derive(Debug)]
struct Loss(String);

impl Check for Loss {
    async fn ask(&self, asked: Asked) -> Result<Answer, Failure> {
        let address = address(&self.0, asked).await?;
        let echoes = Echoes::to(address)?;
        let began = Instant::now();
        let left = asked.deadline.saturating_duration_since(began);
        let pause = PAUSE.min(left / u32::from(2 * COUNTED));
        let send = async {
            for number in 0..COUNTED {
                sleep_until(began + pause * u32::from(number)).await;
                // One that cannot even be sent is as lost as any.
                if let Err(error) = echoes.send(number).await {
                    tracing::debug!(%address, %error, "an echo was not sent");
                }
            }
        };
        let mut back = [false; COUNTED as usize];
        let receive = async {
            while back.contains(&false) {
                match echoes.receive().await {
                    Ok(number) => {
                        if let Some(back) = back.get_mut(usize::from(number)) {
                            *back = true;
                        }
                    }
                    Err(error) => {
                        tracing::debug!(%address, %error, "no echo comes");
                        sleep_until(Instant::now() + pause / 4).await;
                    }
                }
            }
        };
        let until = began + pause * u32::from(COUNTED) + LONGEST_WAY.min(left / 2);
        let _ = timeout_at(until.min(asked.deadline), async {
            tokio::join!(send, receive)
        })
        .await;
        let lost = back.iter().filter(|back| !**back).count();
        #[expect(clippy::cast_precision_loss, reason = "five is a small number")]
        Ok(Answer::number(
            lost as f64 * 100.0 / f64::from(COUNTED),
            "%",
        ))
    }
}

async fn address(host: &str, asked: Asked) -> Result<IpAddr, Failure> {
    let peer = Peer {
        host: host.into(),
        port: 0,
    };
    let addresses = resolve(&peer, asked).await?;
    addresses
        .first()
        .map(SocketAddr::ip)
        .ok_or_else(|| Failure::of_theirs(format!("{host} has no address")))
}

#[cfg(test)]
mod tests;
