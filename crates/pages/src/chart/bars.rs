//! Shares of a whole, as a table with a bar in each row.

use maud::{Markup, html};

use super::number;
use super::path::c;

const WIDTH: f64 = 160.0;
/// Most rows. Those beyond are added up in the last one.
const MOST: usize = 20;

/// One part of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// What it is.
    pub label: String,
    /// How many.
    pub count: u64,
    /// Where they are listed.
    pub href: Option<String>,
}

/// Draws parts of a whole, in the order in which they come. `caption` says what the whole is: `hosts by version`.
#[must_use]
pub fn bars(caption: &str, bars: &[Bar]) -> Markup {
    let total = bars
        .iter()
        .fold(0_u64, |sum, it| sum.saturating_add(it.count));
    // One row of "others" would only hide a name.
    let shown = if bars.len() > MOST + 1 {
        MOST
    } else {
        bars.len()
    };
    let others = bars[shown..]
        .iter()
        .fold(0_u64, |sum, it| sum.saturating_add(it.count));
    html! {
        table class="bars" {
            caption { (caption) }
            @for (index, bar) in bars[..shown].iter().enumerate() {
                @let label = html! {
                    @match &bar.href { Some(href) => a href=(href) { (bar.label) }, None => (bar.label) }
                };
                (row(&label, bar.count, total, index % 4))
            }
            @if shown < bars.len() {
                (row(&html! { (bars.len() - shown) " others" }, others, total, shown % 4))
            }
            @if bars.is_empty() { tr { td { "none" } } }
        }
    }
}

fn row(label: &Markup, count: u64, total: u64, tone: usize) -> Markup {
    let share = if total == 0 {
        0.0
    } else {
        count as f64 / total as f64
    };
    // What is not nothing is seen.
    let width = if count == 0 {
        0.0
    } else {
        (WIDTH * share).max(1.0)
    };
    html! {
        tr {
            th scope="row" { (label) }
            td {
                svg class="chart bar" viewBox={ "0 0 " (WIDTH) " 10" } aria-hidden="true" {
                    rect class="paper" width=(WIDTH) height="10" {}
                    rect class={ "part part-" (tone) } width=(c(width)) height="10" {}
                }
            }
            td class="number" { (count) }
            td class="number" { (number::share(share)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, count: u64) -> Bar {
        Bar {
            label: label.into(),
            count,
            href: None,
        }
    }

    #[test]
    fn parts_have_count_and_share() {
        let drawing = bars(
            "hosts by version",
            &[bar("1.4.2<", 3), bar("1.4.1", 1), bar("none", 0)],
        )
        .into_string();
        assert!(drawing.contains("<th scope=\"row\">1.4.2&lt;</th>"));
        assert!(drawing.contains("class=\"part part-0\" width=\"120\""));
        assert!(
            drawing.contains(">75 %<") && drawing.contains("class=\"part part-2\" width=\"0\"")
        );
    }

    #[test]
    fn many_are_added_up() {
        let many: Vec<Bar> = (0..100)
            .map(|it| bar(&format!("v{it}"), u64::MAX))
            .collect();
        let drawing = bars("x", &many).into_string();
        assert_eq!(drawing.matches("<tr>").count(), 21);
        assert!(drawing.contains("80 others"));
        assert!(bars("x", &[]).into_string().contains("none"));
        let zero = bars("x", &[bar("a", 0)]).into_string();
        assert!(zero.contains(">0 %<"));
    }
}
