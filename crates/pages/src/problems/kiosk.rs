//! `/kiosk`: the problems for a wall. Large, and with nothing to click that changes anything.

use maud::html;

use super::{Now, calm, moving, row};
use crate::frame::Sheet;
use crate::{Frame, Here, Topic};

/// Rows that a wall has room for.
const MOST: usize = 25;

/// What the wall shows, and what screens on walls may hear of.
pub const WALL_TOPICS: [Topic; 4] = [Topic::Problems, Topic::Hosts, Topic::Rollouts, Topic::Runs];

/// Draws the page.
#[must_use]
pub fn kiosk(now: &Now<'_>, frame: &Frame<'_>) -> String {
    let body = html! {
        div .kiosk {
            section #unhandled data-live aria-labelledby="unhandled-title" {
                @if now.groups.is_empty() { (calm::draw(now, frame)) }
                @else {
                    h2 #unhandled-title { "Unhandled " (frame.strip.unhandled) }
                    table .problems {
                        caption .unseen { "Problems that nobody is on and nothing explains, worst first" }
                        thead { tr {
                            th scope="col" { "Level" } th scope="col" { "Host" } th scope="col" { "Item" }
                            th scope="col" { "Value" } th scope="col" { "Limit" } th scope="col" { "For" } th scope="col" { "Last hours" }
                            th scope="col" { "Changed before" }
                        } }
                        tbody {
                            @for group in now.groups.iter().take(MOST) {
                                @if let Some(first) = group.problems.first() { tr { (row::cells(now, group, first, frame)) } }
                            }
                        }
                    }
                    @if now.groups.len() > MOST { p { "and " (now.groups.len() - MOST) " more" } }
                }
            }
            (moving::draw(now, frame))
        }
    };
    frame.draw(Sheet {
        title: "Problems now",
        here: Here::Wall,
        topics: &WALL_TOPICS,
        body,
    })
}
