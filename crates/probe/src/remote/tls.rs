//! `tls:HOST:PORT` and `certificate_expiry:HOST:PORT`: what a server shows, and for how long it is good.

use std::sync::Arc;

use lockstep_net::Clock;
use lockstep_net::client::{Belief, LookError, Shown, look};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::address::Peer;
use super::ca::Trust;
use super::connect::connect;
use super::options::Options;
use super::single::{Answer, Asked, Check, Failure, single};
use crate::probe::{Order, Probe};

pub(super) fn handshake(order: &Order) -> Result<Arc<dyn Probe>, String> {
    let options = Options::of(order, &["ca", "insecure", "name"])?;
    let server = Server::of(order, options)?;
    single(
        order,
        Handshake {
            server,
            trust: Trust::of(order, options)?,
        },
    )
}

pub(super) fn expiry(order: &Order) -> Result<Arc<dyn Probe>, String> {
    let options = Options::of(order, &["name"])?;
    single(
        order,
        Expiry {
            server: Server::of(order, options)?,
            clock: order.clock.clone(),
        },
    )
}

/// A server, and the name that it is asked for.
#[derive(Debug)]
struct Server {
    peer: Peer,
    name: String,
}

impl Server {
    fn of(order: &Order, options: Options<'_>) -> Result<Self, String> {
        let peer = Peer::of(order, Some(443))?;
        let name = options.text("name")?.unwrap_or(&peer.host).to_owned();
        Ok(Self { peer, name })
    }

    async fn shown(&self, belief: &Belief, asked: Asked) -> Result<Shown, Failure> {
        let Self { peer, name } = self;
        let (stream, _) = connect(peer, asked).await?;
        let shown = async {
            look(stream, name, belief)
                .await
                .map_err(|error| match error {
                    LookError::Handshake { source, .. } => {
                        format!("the handshake failed: {source}")
                    }
                    other => other.to_string(),
                })
        };
        asked.in_time(format!("speak TLS with {peer}"), shown).await
    }
}

#[derive(Debug)]
struct Handshake {
    server: Server,
    trust: Trust,
}

impl Check for Handshake {
    async fn ask(&self, asked: Asked) -> Result<Answer, Failure> {
        let belief = self.trust.belief(asked).await?;
        let shown = self.server.shown(&belief, asked).await?;
        Ok(Answer::took(shown.took))
    }
}

#[derive(Debug)]
struct Expiry {
    server: Server,
    clock: Clock,
}

impl Check for Expiry {
    async fn ask(&self, asked: Asked) -> Result<Answer, Failure> {
        // Expired ones and those of nobody's authority are just what is looked for.
        let belief =
            Belief::in_anyone(&self.clock).map_err(|error| Failure::of_ours(error.to_string()))?;
        let shown = self.server.shown(&belief, asked).await?;
        let peer = &self.server.peer;
        let Some(der) = shown.certificates.first() else {
            return Err(Failure::of_theirs(format!("{peer} shows no certificate")));
        };
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| {
            Failure::of_theirs(format!(
                "{peer} shows a certificate that is not understood: {error}"
            ))
        })?;
        let expires = certificate.validity().not_after.timestamp();
        let left = expires.saturating_sub(asked.at.as_second());
        #[expect(clippy::cast_precision_loss, reason = "2^52 seconds are long enough")]
        Ok(Answer::number(left as f64, "s"))
    }
}

#[cfg(test)]
mod tests;
