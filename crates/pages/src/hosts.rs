//! Hosts: the list, and the matrix of hosts and items.
//!
//! Both are drawn from the board, and both show the hosts that an [`Ask`] asks for. All of an ask stands in the address,
//! so that what somebody sees can be sent to another.

pub mod ask;
mod bulk;
mod cells;
mod column;
mod filter;
mod items;
mod lines;
mod list;
mod matrix;
mod rows;
mod said;
mod tally;
mod toolbar;
mod twin;
pub mod value;

use std::collections::BTreeMap;

use lockstep_model::api::operator::HostView;
use lockstep_model::{ItemName, Phase, RolloutId};
use maud::{Markup, html};

use crate::frame::{Frame, Here, Sheet, Topic};
use crate::parts::empty::{command, empty};
use crate::parts::link;

pub(crate) use said::{quiet, sign};

pub use ask::{Ask, By, GroupBy, Shape};
pub use column::Column;
pub use filter::{names_hash, those};
pub use items::Items;
pub use lines::Lines;
pub use said::{Hush, Hushed};

/// One host, as pages of many hosts show it.
#[derive(Debug, Clone)]
pub struct HostLine {
    /// The host; its level is the worst of its items, or the worst there is while it is silent.
    pub view: HostView,
    /// True if it has missed three reports.
    pub silent: bool,
    /// The states of its items, by name.
    pub items: Items,
    /// Its groups, by the fleet file.
    pub groups: Vec<String>,
    /// Its labels, by the fleet file and by its own word.
    pub labels: BTreeMap<String, String>,
    /// The phase of the run that it is in.
    pub in_run: Option<Phase>,
    /// Problems that nobody is on and nothing explains.
    pub unhandled: usize,
    /// In which waves of rollouts it is, from 1: of the newest rollout of each channel.
    pub waves: Vec<(RolloutId, usize)>,
    /// The silence that is in force for the whole host.
    pub quiet: Option<Hushed>,
    /// Why nobody is told of its problems, for those of which nobody is.
    pub hushed: BTreeMap<ItemName, Hush>,
}

impl HostLine {
    /// True if its agent is not in the version that it was told to have. Who still waits for its turn in a rollout was not.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let desired = self.view.desired.as_ref();
        desired.is_some_and(|desired| self.view.version.as_ref() != Some(desired))
    }
}

/// `GET /hosts`: the hosts of the fleet that are asked for. `zone` is the time zone of people's mornings.
#[must_use]
pub fn page(frame: &Frame<'_>, hosts: &Lines, ask: &Ask, zone: &str) -> String {
    let body = if hosts.is_empty() {
        nobody()
    } else {
        let found = those(hosts, ask);
        let count = found.len();
        let with_all = bulk::all(frame, &found, ask, zone);
        html! {
            (hosts.tally().freshness())
            (toolbar::draw(frame, hosts, count, ask))
            @if found.is_empty() {
                (nothing_found(hosts.len(), ask))
            } @else {
                @match ask.shape {
                    Shape::List => (list::draw(frame, found, ask, zone)),
                    Shape::Matrix => (matrix::draw(frame, found, ask, zone)),
                }
                (with_all)
            }
        }
    };
    frame.draw(Sheet {
        title: "Hosts",
        here: Here::Hosts,
        topics: &[Topic::Hosts],
        body,
    })
}

fn nobody() -> Markup {
    empty(
        "No host is enrolled yet.",
        &html! {
            p { "Make a token; what is printed is the command to type on the host:" }
            (command("lockstep token create"))
            p { a href="/admin/enrolment" { "Make one here" } " instead, or see which there are." }
        },
    )
}

fn nothing_found(all: usize, ask: &Ask) -> Markup {
    let bare = ask.bare();
    html! {
        section #hosts-found data-live {
            (empty(
                &format!("None of {} fits.", if all == 1 { "one host".into() } else { format!("{all} hosts") }),
                &html! { p { a href=(bare.address()) { "Show all hosts" } ", or take one of the filters off." } },
            ))
        }
    }
}

/// A link to the list of hosts of a group.
#[must_use]
pub fn group_link(group: &str) -> Markup {
    html! { a .chip href=(link::ask("/hosts", &[("group", Some(group))])) { (group) } }
}

/// A link to the list of hosts with a label.
#[must_use]
pub fn label_link(key: &str, value: &str) -> Markup {
    let pair = format!("{key}={value}");
    html! { a .chip href=(link::ask("/hosts", &[("label", Some(&pair))])) { (pair) } }
}

#[cfg(test)]
pub(crate) mod tests;
