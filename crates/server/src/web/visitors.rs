//! Who failed to say who he is, and how often: a small bounded memory, so that secrets cannot be tried out.
//!
//! Secrets have 256 bits and cannot be guessed; this keeps the noise of trying away from the database and the
//! log. It forgets at a restart.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Extensions;
use jiff::Timestamp;
use lockstep_net::tls::PeerAddr;

/// Failures that an address may have in one [`WINDOW`].
const ALLOWED: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered. When there are more, those whose window is over go, and then everybody starts anew.
const REMEMBERED: usize = 10_000;

/// Failed visits by address.
#[derive(Debug, Default)]
pub(crate) struct FailedVisits {
    seen: Mutex<HashMap<IpAddr, (Timestamp, u32)>>,
}

impl FailedVisits {
    /// How long this visitor must wait before he may try again; none if he may try now.
    pub(crate) fn must_wait(&self, address: IpAddr, now: Timestamp) -> Option<Duration> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, failures) = *seen.get(&household(address))?;
        let passed = passed(since, now);
        (failures >= ALLOWED && passed < WINDOW).then(|| WINDOW - passed)
    }

    /// Remembers a failure.
    pub(crate) fn failed(&self, address: IpAddr, now: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.retain(|_, (since, _)| passed(*since, now) < WINDOW);
        }
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        let entry = seen.entry(household(address)).or_insert((now, 0));
        if passed(entry.0, now) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }
}

/// A clock that was set back counts as one that stands still.
fn passed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// Where a request comes from; each that came over a listener knows.
pub(crate) fn peer_ip(of: &Extensions) -> IpAddr {
    let peer = of.get::<PeerAddr>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}

/// In IPv6 one visitor has a whole /64 (RFC 6177), so its addresses count as one.
pub(crate) fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn after_many_failures_a_visitor_waits_until_the_window_is_over() {
        let visits = FailedVisits::default();
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for _ in 0..ALLOWED {
            assert_eq!(visits.must_wait(one, at(100)), None);
            visits.failed(one, at(100));
        }
        assert_eq!(
            visits.must_wait(one, at(110)),
            Some(Duration::from_secs(50))
        );
        assert_eq!(visits.must_wait(other, at(110)), None);
        assert_eq!(visits.must_wait(one, at(160)), None);
        visits.failed(one, at(160));
        assert_eq!(visits.must_wait(one, at(161)), None);
    }

    #[test]
    fn one_ipv6_network_is_one_visitor() {
        let visits = FailedVisits::default();
        for host in 0..ALLOWED {
            visits.failed(format!("2001:db8::{host:x}").parse().unwrap(), at(0));
        }
        assert!(
            visits
                .must_wait("2001:db8::ffff".parse().unwrap(), at(1))
                .is_some()
        );
        assert!(
            visits
                .must_wait("2001:db8:0:1::1".parse().unwrap(), at(1))
                .is_none()
        );
    }

    #[test]
    fn the_memory_is_bounded() {
        let visits = FailedVisits::default();
        for host in 0..3 * REMEMBERED as u32 {
            visits.failed(IpAddr::V4(host.into()), at(0));
        }
        assert!(visits.seen.lock().unwrap().len() <= REMEMBERED);
    }
}
