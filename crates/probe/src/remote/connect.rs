//! Connecting by TCP, and finding addresses.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::address::Peer;
use super::single::{Asked, Failure};

/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 4;

/// Connects, and says how long that took, without the search for the address. Each address of the name gets its share
/// of the time that is left, so that one which swallows everything does not hide a good one behind it.
pub(super) async fn connect(peer: &Peer, asked: Asked) -> Result<(TcpStream, Duration), Failure> {
    let addresses = resolve(peer, asked).await?;
    let mut failures = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let began = Instant::now();
        let left = asked.deadline.saturating_duration_since(began);
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
        match timeout_at(began + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, began.elapsed())),
            Ok(Err(error)) => failures.push(format!("{address}: {error}")),
            Err(_) => failures.push(format!("{address}: no answer in time")),
        }
    }
    let why = failures.join("; ");
    Err(Failure::of_theirs(format!("connect to {peer}: {why}")))
}

/// The addresses of a peer, at least one.
pub(super) async fn resolve(peer: &Peer, asked: Asked) -> Result<Vec<SocketAddr>, Failure> {
    let lookup = async {
        let found = tokio::net::lookup_host((peer.host.as_str(), peer.port)).await;
        let found = found.map_err(|error| error.to_string())?;
        let addresses: Vec<_> = found.take(MOST_ADDRESSES).collect();
        if addresses.is_empty() {
            return Err("the name has no address".into());
        }
        Ok(addresses)
    };
    asked
        .in_time(format!("find the address of {}", peer.host), lookup)
        .await
}
