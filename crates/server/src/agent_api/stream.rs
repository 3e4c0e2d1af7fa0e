//! The stream of hints: server-sent events that say "report now", or ask the host something.
//!
//! A stream ends with the server, with its host's removal, and when the certificate that it was opened with is found revoked or
//! over at one of the regular looks (another server may have removed the host). Losing a stream loses only time.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use lockstep_model::HostName;
use lockstep_net::tls::PeerCertificate;
use lockstep_trust::identity::PeerIdentity;

use crate::app::{App, Caller};
use crate::hints::{Ear, Heard};
use crate::web::Refusal;

/// Streams of one host: its worker's, a candidate's beside it, and what a cut connection left behind.
const STREAMS_PER_HOST: u32 = 4;
/// A comment is sent this often, so that a cut is noticed on both sides.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The open streams by host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<HostName, u32>>>,
}

/// One open stream; it is counted until this is dropped.
#[derive(Debug)]
struct OpenStream {
    streams: Streams,
    host: HostName,
}

impl Streams {
    /// How many streams are open.
    pub(crate) fn count(&self) -> u64 {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().map(|count| u64::from(*count)).sum()
    }

    /// How many hosts hold one open.
    fn hosts(&self) -> u64 {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.len() as u64
    }

    /// True if the host holds a stream open on this server.
    pub(crate) fn holds(&self, host: &HostName) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.contains_key(host)
    }

    fn open(&self, host: &HostName) -> Result<OpenStream, Refusal> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(host.clone()).or_default();
        if *count >= STREAMS_PER_HOST {
            return Err(Refusal::busy(
                format!("{host} has {count} streams open, and needs no more"),
                KEEP_ALIVE * 2,
            ));
        }
        *count += 1;
        Ok(OpenStream {
            streams: self.clone(),
            host: host.clone(),
        })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self
            .streams
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.host);
            }
        }
    }
}

/// `GET /agent/v1/stream`.
pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    Extension(Caller(host)): Extension<Caller>,
    Extension(certificate): Extension<PeerCertificate>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let peer = PeerIdentity::from_der(&certificate.0)
        .map_err(|error| Refusal::not_authenticated(error.to_string()))?;
    let open = app.streams.open(&host)?;
    let listener = Listener {
        ear: app.hints.listen(&host),
        serial: peer.serial,
        app,
        open,
    };
    let events = futures_util::stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Listener {
    app: Arc<App>,
    open: OpenStream,
    /// Of the certificate that the stream was opened with.
    serial: String,
    ear: Ear,
}

impl Listener {
    /// The next event for this host; none when the stream is to end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let streams = &self.app.streams;
            let heard = tokio::select! {
                () = self.app.stop.cancelled() => return None,
                heard = self.ear.next(|| streams.hosts()) => heard,
            };
            match heard {
                Heard::Report => return Some(Event::default().event("report").data("{}")),
                Heard::Question(query) => {
                    if let Ok(data) = serde_json::to_string(&*query) {
                        return Some(Event::default().event("query").data(data));
                    }
                }
                Heard::Look if self.is_known().await => {}
                Heard::Look | Heard::End => return None,
            }
        }
    }

    /// True while the door would let the host in.
    async fn is_known(&self) -> bool {
        let holder = self
            .app
            .store
            .certificate_holder(&self.serial, self.app.now());
        match holder.await {
            Ok(holder) => holder.as_ref() == Some(&self.open.host),
            Err(error) => {
                tracing::warn!(%error, "cannot look up the certificate of a stream; it stays open");
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_few_streams_and_an_ended_one_makes_room() {
        let streams = Streams::default();
        let (web1, web2) = (
            HostName::parse("web1").unwrap(),
            HostName::parse("web2").unwrap(),
        );
        let mut open: Vec<_> = (0..STREAMS_PER_HOST)
            .map(|_| streams.open(&web1).unwrap())
            .collect();
        assert!(streams.open(&web1).is_err());
        assert!(streams.open(&web2).is_ok());
        open.pop();
        assert!(streams.open(&web1).is_ok());
        drop(open);
        assert!(streams.open.lock().unwrap().is_empty());
    }
}
