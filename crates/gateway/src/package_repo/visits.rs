//! Who began with which release: a client that reads several files in a row must find those of one repository. apt, for
//! example, reads `InRelease`, then the `Packages` that it names by its hash, then the package that this one names.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// How long an address stays with the release with which it began. It is counted from the first request on, so that
/// a promotion, or a rollout that is halted, reaches every address within this time.
pub(super) const STAYS: Duration = Duration::from_secs(60);
/// Addresses that are remembered; whoever comes beyond that gets what is the newest at each request.
const MOST: usize = 4_096;

/// What addresses began with.
#[derive(Debug)]
pub(super) struct Visits<T> {
    of: Mutex<HashMap<IpAddr, Visit<T>>>,
}

#[derive(Debug)]
struct Visit<T> {
    began_at: Timestamp,
    with: Arc<T>,
}

impl<T> Visit<T> {
    /// A clock that went back ends all visits from the future.
    fn goes_on(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.began_at);
        Duration::try_from(age).is_ok_and(|age| age < STAYS)
    }
}

impl<T> Visits<T> {
    pub(super) fn new() -> Self {
        Self {
            of: Mutex::default(),
        }
    }

    /// What an address began with, if that was a moment ago.
    pub(super) fn of(&self, address: IpAddr, now: Timestamp) -> Option<Arc<T>> {
        let visits = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let visit = visits.get(&address)?;
        visit.goes_on(now).then(|| Arc::clone(&visit.with))
    }

    /// An address begins. If another request of it was faster, both go on with what that one found.
    pub(super) fn begin(&self, address: IpAddr, with: Arc<T>, now: Timestamp) -> Arc<T> {
        let mut visits = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(visit) = visits.get(&address).filter(|it| it.goes_on(now)) {
            return Arc::clone(&visit.with);
        }
        // Those that are over hold the files of releases that nobody reads any more.
        visits.retain(|_, visit| visit.goes_on(now));
        if visits.len() < MOST {
            let visit = Visit {
                began_at: now,
                with: Arc::clone(&with),
            };
            visits.insert(address, visit);
        }
        with
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stays_for_a_while_and_then_goes_on() {
        let visits = Visits::new();
        let (a, b) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(visits.of(a, begin), None);
        assert_eq!(*visits.begin(a, Arc::new(1), begin), 1);
        assert_eq!(
            *visits.begin(a, Arc::new(2), after(30)),
            1,
            "the first one counts"
        );
        assert_eq!(visits.of(a, after(59)), Some(Arc::new(1)));
        assert_eq!(visits.of(b, after(59)), None);
        assert_eq!(visits.of(a, after(60)), None);
        assert_eq!(visits.of(a, begin - Duration::from_secs(1)), None);
        assert_eq!(*visits.begin(b, Arc::new(3), after(61)), 3);
        assert_eq!(
            visits.of.lock().unwrap().len(),
            1,
            "what is over is forgotten"
        );
    }

    #[test]
    fn a_crowd_is_bounded() {
        let visits = Visits::new();
        let now = Timestamp::UNIX_EPOCH;
        for number in 0..=MOST as u32 {
            let address = std::net::Ipv4Addr::from(number).into();
            assert_eq!(*visits.begin(address, Arc::new(number), now), number);
        }
        assert_eq!(visits.of.lock().unwrap().len(), MOST);
    }
}
