//! What time it is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use tokio::sync::watch;

/// Tells the time: the system's, or in tests the one that a [`ClockDriver`] says. Clones tell the same time.
///
/// It says when things are, not how long they last: sleeping and deadlines are tokio's, whose clock cannot jump.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Driven(watch::Receiver<Timestamp>),
}

/// Sets the time that a driven [`Clock`] tells.
#[derive(Debug)]
pub struct ClockDriver(watch::Sender<Timestamp>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until its driver moves it. It keeps the last time when the driver is gone.
    #[must_use]
    pub fn driven(start: Timestamp) -> (Self, ClockDriver) {
        let (driver, clock) = watch::channel(start);
        (Self(Source::Driven(clock)), ClockDriver(driver))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place that reads the clock"
            )]
            Source::System => Timestamp::now(),
            Source::Driven(clock) => *clock.borrow(),
        }
    }
}

impl ClockDriver {
    /// Moves the clock forward; it stops at the last representable time.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.0
            .send_modify(|now| *now = now.checked_add(by).unwrap_or(Timestamp::MAX));
    }

    /// Sets the clock, also back, as an administrator may.
    pub fn set(&self, now: Timestamp) {
        self.0.send_replace(now);
    }
}

/// TLS asks this clock whether a certificate is valid.
impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let since_epoch = self.now().duration_since(Timestamp::UNIX_EPOCH);
        Duration::try_from(since_epoch)
            .ok()
            .map(UnixTime::since_unix_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driven_clock_moves_only_when_driven() {
        let start: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
        let (clock, driver) = Clock::driven(start);
        let copy = clock.clone();
        assert_eq!(clock.now(), start);
        driver.advance(Duration::from_secs(90));
        assert_eq!(copy.now().to_string(), "2026-11-20T00:01:30Z");
        driver.set(start);
        assert_eq!(copy.now(), start);
        driver.advance(Duration::MAX);
        drop(driver);
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[test]
    fn the_system_clock_does_not_stand_in_another_century() {
        let now = Clock::system().now();
        assert!(now > "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap());
    }

    #[test]
    fn tls_gets_no_time_from_before_the_epoch() {
        let (clock, driver) = Clock::driven(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.current_time().map(|time| time.as_secs()), Some(0));
        driver.set(Timestamp::from_second(-1).unwrap());
        assert!(clock.current_time().is_none());
    }
}
