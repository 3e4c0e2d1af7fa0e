//! Drawings as SVG, made on the server: no script is needed to see them.
//!
//! * [`line()`] draws an item's history, [`curve()`] the progress of a rollout; both have axes, markers and values under the
//!   pointer.
//! * [`spark()`] is a history in a row of a table, [`ribbon()`] the levels of a time, [`strip()`] how many events came when,
//!   [`bars()`] shares of a whole.
//!
//! All of them are functions of their arguments. Numbers that are none, times out of order and empty lists are drawn as
//! well as they can be; what is sent is bounded by each drawing's own limits. Nothing has a `style`: colours and dashes come
//! from `assets/chart.css`, which takes them from the properties of the page, so that light and dark come by themselves. Each
//! sign has a shape besides its colour (WCAG 1.4.1), and each drawing says in words what it shows (WCAG 1.1.1).
//!
//! Moments are shown in UTC. Texts and columns that stand for a moment carry it in `data-at` (RFC 3339), so that the script
//! can show the reader's own time: `.chart [data-at]`. Texts of an axis say in `data-form` which part of it they show.

mod bars;
mod columns;
mod curve;
mod glyph;
mod hits;
mod line;
mod marker;
pub mod number;
mod path;
mod plot;
mod ribbon;
mod scale;
mod spark;
mod strip;
pub mod time;

pub use bars::{Bar, bars};
pub use curve::{Curve, Simulated, Step, WaveBorder, curve};
pub use line::{Line, Overlay, Threshold, line};
pub use marker::{Marker, MarkerKind};
pub use plot::Size;
pub use ribbon::{Ribbon, Segment, ribbon};
pub use scale::Scale;
pub use spark::{slots, spark};
pub use strip::{Cell, Strip, density, strip};

#[cfg(test)]
mod testing {
    use jiff::{SignedDuration, Timestamp};
    use lockstep_model::{Bucket, ItemName, Series};

    /// So many minutes after a noon.
    pub(super) fn minute(minute: i64) -> Timestamp {
        let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        noon + SignedDuration::from_mins(minute)
    }

    /// Ten samples about a mean.
    pub(super) fn bucket(at: i64, mean: f64) -> Bucket {
        Bucket {
            at: minute(at),
            count: 10,
            mean,
            min: mean - 0.5,
            max: mean + 0.5,
        }
    }

    /// A series of so many minutes.
    pub(super) fn series(minutes: i64, buckets: &[Bucket]) -> Series {
        Series {
            item: ItemName::parse("cpu_load").unwrap(),
            unit: String::new(),
            from: minute(0),
            to: minute(minutes),
            bucket_ms: 60_000,
            buckets: buckets.to_vec(),
        }
    }
}
