//! The buckets of a history as a table: what the drawing says, for those who do not see it or want the numbers.

use lockstep_model::Series;
use maud::{Markup, html};

use crate::chart::number::Unit;
use crate::parts::time;

/// Rows that are shown; the CSV has all.
const MOST: usize = 400;

/// Draws it, folded.
pub(super) fn table(series: &Series) -> Markup {
    let largest = series
        .buckets
        .iter()
        .map(|it| it.max.abs().max(it.min.abs()));
    let unit = Unit::fitting(&series.unit, largest.fold(0.0, f64::max));
    let hidden = series.buckets.len().saturating_sub(MOST);
    html! {
        @if !series.buckets.is_empty() {
            details .buckets {
                summary { "Table of " (series.buckets.len()) " buckets" }
                table {
                    thead { tr {
                        th scope="col" { "From" } th scope="col" { "Mean" } th scope="col" { "Least" }
                        th scope="col" { "Greatest" } th scope="col" { "Samples" }
                    } }
                    tbody {
                        @for bucket in series.buckets.iter().rev().take(MOST) {
                            tr {
                                td { (time::moment(bucket.at)) }
                                td { (unit.show(bucket.mean)) } td { (unit.show(bucket.min)) } td { (unit.show(bucket.max)) }
                                td { (bucket.count) }
                            }
                        }
                    }
                }
                @if hidden > 0 { p { "The " (hidden) " oldest are left out here; the CSV has all." } }
            }
        }
    }
}
