//! Restarts that operators wish for: one is quick, many in a row are not.
//!
//! They are no deaths, and no version is given up for them. But whoever holds the server can wish for them without end.

use std::time::Duration;

use tokio::time::Instant;

/// A worker that ends by an operator's wish is started again after this time.
const PAUSE: Duration = Duration::from_secs(1);
/// Those that come less than this after the start before are in a row, and wait longer each; but never longer than this.
const ROW: Duration = Duration::from_secs(60);

/// The wished restarts in a row.
#[derive(Debug, Default)]
pub(super) struct Wished {
    /// When the newest of them was to be started again.
    last: Option<Instant>,
    /// How many, without the first.
    row: u32,
}

impl Wished {
    /// When a worker that has ended now, by a wish, is started again: after a second, and after 2, 4, 8 … 60 seconds if
    /// it was started less than a minute ago by a wish before.
    pub(super) fn restart_at(&mut self, now: Instant) -> Instant {
        let is_in_row = self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < ROW);
        self.row = if is_in_row { self.row + 1 } else { 0 };
        let at = now + (PAUSE * (1 << self.row.min(6))).min(ROW);
        self.last = Some(at);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_restart_is_quick_and_many_in_a_row_are_not() {
        let mut wished = Wished::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..8 {
            let at = wished.restart_at(now);
            waits.push((at - now).as_secs());
            // The worker ends a moment after its start, each time.
            now = at + Duration::from_millis(300);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        now += ROW;
        assert_eq!(wished.restart_at(now) - now, PAUSE);
    }
}
