//! Listening for the gateways in plain text: one message for each connection, within bounds.
//!
//! What the listener promises, whatever comes: at most so many connections at once, and of one address no more than a
//! quarter of them; whoever may not connect is closed without a byte; and a handler that does not end when the server
//! stops is cut after a moment. What a message may be, and how long it may take, is the protocol's to say.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long to wait after a failed accept; the usual reason is that the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long open connections may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// Serves until `stop` is cancelled. `admit` says of an address whether it may connect; `serve` answers one connection.
pub async fn serve<A, S, F>(
    name: &'static str,
    listener: TcpListener,
    connections: usize,
    admit: A,
    serve: S,
    stop: CancellationToken,
) where
    A: Fn(IpAddr) -> bool,
    S: Fn(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(connections));
    let crowd = Crowd::new(connections);
    let mut open = JoinSet::new();
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = places.clone().acquire_owned() => match place {
                Ok(place) => place,
                Err(_) => break,
            },
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while let Some(ended) = open.try_join_next() {
            log_failure(name, ended);
        }
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(gateway = name, %error, "a connection could not be accepted");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = sleep(ACCEPT_PAUSE) => continue,
                }
            }
        };
        if !admit(from.ip()) {
            tracing::info!(gateway = name, %from, "refused: it is not among the senders");
            continue;
        }
        let Some(seat) = crowd.seat(from.ip()) else {
            tracing::info!(gateway = name, %from, "refused: it has too many connections");
            continue;
        };
        let visit = serve(stream, from);
        open.spawn(async move {
            visit.await;
            drop((seat, place));
        });
    }
    drop(listener);
    let all = async {
        while let Some(ended) = open.join_next().await {
            log_failure(name, ended);
        }
    };
    if timeout(GRACE, all).await.is_err() {
        open.abort_all();
    }
}

fn log_failure(name: &str, ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(gateway = name, %error, "a connection's task failed");
    }
}

/// How many connections each address has.
#[derive(Debug, Clone)]
struct Crowd {
    most: usize,
    seats: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address.
struct Seat {
    crowd: Crowd,
    address: IpAddr,
}

impl Crowd {
    fn new(connections: usize) -> Self {
        Self {
            most: connections.div_ceil(4).max(1),
            seats: Arc::default(),
        }
    }

    fn seat(&self, address: IpAddr) -> Option<Seat> {
        let address = address.to_canonical();
        // All processes of this machine, tests and proxies among them, come from one address.
        let most = if address.is_loopback() {
            usize::MAX
        } else {
            self.most
        };
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = seats.entry(address).or_insert(0);
        if *taken >= most {
            return None;
        }
        *taken += 1;
        Some(Seat {
            crowd: self.clone(),
            address,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self
            .crowd
            .seats
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = seats.get_mut(&self.address) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn who_may_not_connect_is_closed_and_others_are_served_until_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let admitted = Arc::new(Mutex::new(false));
        let asked = Arc::clone(&admitted);
        let serving = tokio::spawn(serve(
            "test",
            listener,
            2,
            move |_| *asked.lock().unwrap(),
            |mut stream, _| async move {
                let _ = stream.write_all(b"hello").await;
            },
            stop.clone(),
        ));
        let hear = async || {
            let mut text = String::new();
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.read_to_string(&mut text).await;
            text
        };
        assert_eq!(hear().await, "");
        *admitted.lock().unwrap() = true;
        for _ in 0..5 {
            assert_eq!(hear().await, "hello");
        }
        stop.cancel();
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[test]
    fn one_address_has_a_quarter_of_the_places() {
        let crowd = Crowd::new(8);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let first = crowd.seat(address);
        let _second = crowd.seat(address).unwrap();
        assert!(first.is_some() && crowd.seat(address).is_none());
        assert!(crowd.seat("192.0.2.2".parse().unwrap()).is_some());
        drop(first);
        assert!(crowd.seat(address).is_some());
    }
}
