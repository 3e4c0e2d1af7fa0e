//! How long pages take: for the footer of each, and for all since the start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;

use crate::app::App;

/// Upper ends of what is counted together, in milliseconds; the last one has no end.
const ENDS: [u64; 16] = [
    1, 2, 3, 5, 7, 10, 20, 30, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000,
];

/// When the answering of a request was begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun(pub(crate) Instant);

/// How long pages took since the start.
#[derive(Debug, Default)]
pub(crate) struct PageTimes {
    counts: [AtomicU64; ENDS.len() + 1],
}

impl PageTimes {
    fn count(&self, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let place = ENDS.partition_point(|end| *end <= ms);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Pages that were made.
    pub(crate) fn pages(&self) -> u64 {
        let counts = self.counts.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Below how many milliseconds this share of pages was made, as far as it is told apart; none before the first page,
    /// and where it was longer than everything that is told apart.
    pub(crate) fn below(&self, share: f64) -> Option<u64> {
        let wanted = (self.pages() as f64 * share).ceil().max(1.0) as u64;
        let mut so_far = 0;
        for (count, end) in self.counts.iter().zip(ENDS) {
            so_far += count.load(Ordering::Relaxed);
            if so_far >= wanted {
                return Some(end);
            }
        }
        None
    }
}

/// Notes when a page was asked for, and counts how long it took.
pub(super) async fn timed(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    request.extensions_mut().insert(Begun(begun));
    let is_page = request.method() == Method::GET;
    let response = next.run(request).await;
    if is_page && response.status().is_success() {
        app.page_times.count(begun.elapsed());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_told_by_the_end_of_what_they_fall_into() {
        let times = PageTimes::default();
        assert_eq!(times.below(0.5), None);
        for _ in 0..98 {
            times.count(Duration::from_micros(4_200));
        }
        times.count(Duration::from_millis(120));
        times.count(Duration::from_secs(60));
        assert_eq!(times.pages(), 100);
        assert_eq!(times.below(0.5), Some(5));
        assert_eq!(times.below(0.99), Some(200));
        assert_eq!(times.below(1.0), None);
    }
}
