//! `/hosts/NAME/items/ITEM/live`: one item as it is now. Without a script it shows one value; with it, it asks again each
//! second while it is looked at, and draws the last two minutes.

use lockstep_model::api::ItemNow;
use lockstep_model::{HostName, ItemName, Value};
use maud::{Markup, html};

use crate::assets;
use crate::frame::Sheet;
use crate::item::value;
use crate::parts::action::{twin, word};
use crate::parts::level::badge;
use crate::parts::{link, time};
use crate::{Frame, Here};

/// What the page shows.
#[derive(Debug)]
pub struct LivePage<'a> {
    /// The host.
    pub host: &'a HostName,
    /// The item.
    pub item: &'a ItemName,
    /// How it is now, or why that is not known.
    pub now: Result<&'a ItemNow, &'a str>,
    /// After how many seconds it may be asked again.
    pub wait: u64,
}

/// The address of an item that is watched live.
#[must_use]
pub fn path(host: &HostName, item: &ItemName) -> String {
    format!("{}/live", link::item_path(host, item))
}

/// The way there, for the item's page.
#[must_use]
pub fn control(host: &HostName, item: &ItemName) -> Markup {
    html! { p .live-way { a href=(path(host, item)) { "Live" } " – its value now, and then each second" } }
}

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, page: &LivePage<'_>) -> String {
    let (host, item) = (page.host, page.item);
    let command = format!("lockstep host watch {host} {}", word(item.as_str()));
    let title = format!("{item} on {host}, live");
    let body = html! {
        p .where {
            (link::host(host)) " · " a href=(link::item_path(host, item)) { (item) ", how it went" }
        }
        (now(frame, page))
        figure .chart {
            svg #live-drawing .drawing viewBox="0 0 720 180" role="img" aria-label="The last two minutes" hidden {
                path .rule d="M0 165H720" {}
                path #live-curve .mean fill="none" d="" {}
                text #live-most x="4" y="14" {}
                text #live-least x="4" y="160" {}
                text x="4" y="178" { "two minutes ago" }
                text x="716" y="178" text-anchor="end" { "now" }
            }
        }
        p { a href=(path(host, item)) { "Ask again" } }
        p .muted {
            "What is seen here is neither kept nor judged for alerts. Items that cost next to nothing are measured anew; \
            others show what their own interval brought last."
        }
        section .twins aria-label="On the command line" {
            h2 { "On the command line" }
            p { (twin(&command)) }
        }
        script type="module" src=(assets::LIVE.path()) {}
    };
    frame.draw(Sheet {
        title: &title,
        here: Here::Items,
        topics: &[],
        body,
    })
}

/// The value; the script takes this part from the page that it fetches, with its figures.
fn now(frame: &Frame<'_>, page: &LivePage<'_>) -> Markup {
    let at = page.now.ok().map(|now| now.at.as_millisecond());
    let figure = match page.now.map(|now| &now.value) {
        Ok(Value::Number { value, .. }) => Some(value),
        _ => None,
    };
    html! {
        section #live-now .how-it-is aria-label="How it is now" data-at=[at] data-figure=[figure] data-wait=(page.wait) {
            @match page.now {
                Ok(now) => {
                    p .value { (badge(now.level, frame.levels)) " " b #live-value { (value(&now.value)) } }
                    p {
                        "Measured " (time::moment(now.at))
                        @if !now.fresh { ", in its own interval; it is not asked for more often" }
                        "."
                    }
                },
                Err(why) => p .warning role="status" { (why) },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Level, Role};

    use super::*;
    use crate::frame::tests::with_frame;

    fn draw(now: Result<&ItemNow, &str>) -> String {
        let host = HostName::parse("web1").unwrap();
        let item = ItemName::parse("disk_usage:/var").unwrap();
        with_frame(Role::Viewer, |frame| {
            page(
                frame,
                &LivePage {
                    host: &host,
                    item: &item,
                    now,
                    wait: 1,
                },
            )
        })
    }

    #[test]
    fn one_value_is_there_without_a_script() {
        let now = ItemNow {
            item: ItemName::parse("disk_usage:/var").unwrap(),
            value: Value::Number {
                value: 82.5,
                unit: "%".into(),
            },
            level: Level::SICK,
            at: "2026-11-22T12:00:00.5Z".parse().unwrap(),
            fresh: false,
        };
        let page = draw(Ok(&now));
        for part in [
            "82.5 %",
            "data-figure=\"82.5\"",
            "data-wait=\"1\"",
            "in its own interval",
            "href=\"/hosts/web1/items/disk_usage%3A%2Fvar/live\"",
            "lockstep host watch web1 disk_usage:/var",
            "/live.js",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }

    #[test]
    fn why_there_is_none_is_said_and_is_no_markup() {
        let page = draw(Err("web1 gives no value: <script>alert(1)</script>"));
        assert!(page.contains("&lt;script&gt;alert") && !page.contains("data-figure"));
    }

    #[test]
    fn the_way_there_escapes_the_item() {
        let host = HostName::parse("web1").unwrap();
        let item = ItemName::parse("http:https://x/?a=\"b").unwrap();
        let way = control(&host, &item).0;
        assert!(
            way.contains("/items/http%3Ahttps%3A%2F%2Fx%2F%3Fa%3D%22b/live"),
            "{way}"
        );
    }
}
