//! Values under the pointer: a transparent column for each stretch of time, with its words. Without a script they are what
//! browsers show of a `title`; the script reads `data-at` and `data-words` of `.hits .hit`.

use jiff::Timestamp;
use maud::{Markup, html};

use super::path::c;
use super::plot::Plot;
use super::time;

/// What is said of a stretch of time.
#[derive(Debug)]
pub(super) struct Hit {
    /// Which moment is named.
    pub(super) at: Timestamp,
    /// From where to where it reaches, in milliseconds of the epoch.
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    pub(super) words: String,
}

/// Draws them. They are hidden from programs that read aloud: the description and the table say the same better.
pub(super) fn draw(plot: &Plot<'_>, hits: impl Iterator<Item = Hit>) -> Markup {
    let height = c(plot.bottom - plot.top);
    html! {
        g class="hits" fill="none" pointer-events="all" aria-hidden="true" {
            @for hit in hits {
                @let (left, right) = (plot.x_of_ms(hit.from_ms), plot.x_of_ms(hit.to_ms));
                rect class="hit" x=(c(left)) y=(c(plot.top)) width=(c((right - left).max(0.5))) height=(height)
                    data-at=(time::stamp(hit.at)) data-words=(hit.words) {
                    title { (time::words(hit.at)) ": " (hit.words) }
                }
            }
        }
    }
}
