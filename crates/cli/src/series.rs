//! An item's history on the screen: a plot for people, numbers for programs.

use std::io::IsTerminal;

use jiff::tz::TimeZone;
use lockstep_model::Series;

use crate::out;
use crate::plot::{Size, plot};

/// Shows it: as a plot on a terminal or where it is asked for, as numbers elsewhere.
pub(crate) fn show(series: &Series, as_plot: bool) {
    if as_plot || std::io::stdout().is_terminal() {
        out::line(plot(series, terminal(), &TimeZone::UTC).trim_end());
    } else {
        numbers(series);
    }
}

/// The size of the terminal; where there is none, that of the oldest ones.
fn terminal() -> Size {
    let known = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let known = known.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    known.map_or(
        Size {
            width: 80,
            height: 20,
        },
        |size| Size {
            width: size.ws_col.into(),
            // Room for the prompt, and no taller than a curve deserves.
            height: usize::from(size.ws_row).saturating_sub(2).min(24),
        },
    )
}

fn numbers(series: &Series) {
    let rows = series.buckets.iter().map(|bucket| {
        vec![
            format!("{:.0}", bucket.at),
            format!("{:.6}", bucket.mean),
            bucket.min.to_string(),
            bucket.max.to_string(),
            bucket.count.to_string(),
        ]
    });
    let empty = format!(
        "{} has no samples from {:.0} to {:.0}",
        series.item, series.from, series.to
    );
    out::table(
        &["time", "mean", "min", "max", "count"],
        rows.collect(),
        &empty,
    );
}
