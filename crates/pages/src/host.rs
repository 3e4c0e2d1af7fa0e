//! One host: how it is and why, what it runs and why not something else, what happened, and what can be done.

mod actions;
mod head;
mod items;
mod missing;
pub(crate) mod notes;
mod past;
mod standing;
mod versions;
mod why;
mod wishes;

use std::collections::BTreeMap;

use lockstep_model::api::operator::{Explanation, LockView, ProblemView, RunView, WishView};
use lockstep_model::api::{ProcessesSeen, StoredEvent};
use lockstep_model::{HostName, Interval, ItemName, RunId};
use maud::html;

use crate::frame::{Frame, Here, Sheet, Topic};
use crate::graphs;
use crate::hosts::HostLine;
use crate::item::Said;
use crate::parts::during::During;
use crate::parts::link;
use crate::runs::Verdict;

pub use missing::missing;

/// What is known of a host.
#[derive(Debug, Clone, Copy)]
pub struct HostSheet<'a> {
    /// The host with its items.
    pub line: &'a HostLine,
    /// `uname -r`; empty if it is not known.
    pub kernel: &'a str,
    /// `linux-x86_64` and so on; empty if it is not known.
    pub platform: &'a str,
    /// Where the fleet file says that it is on the network.
    pub address: Option<&'a str>,
    /// The time zone of people's mornings.
    pub zone: &'a str,
    /// How often it reports.
    pub interval: Interval,
    /// What is not well on it, and who is on it.
    pub problems: &'a [ProblemView],
    /// What makes the levels of its items, of most of them: the lines of the fleet file, or what is built in.
    pub rules: &'a BTreeMap<ItemName, Vec<Said>>,
    /// What keeps it from what it is wanted to run, for each package that it follows.
    pub explained: &'a [Explanation],
    /// The numbers of its items on the last day, one for each ten minutes, oldest first.
    pub days: &'a BTreeMap<ItemName, Vec<Option<f64>>>,
    /// Its runs, newest first.
    pub runs: &'a [RunView],
    /// What became of its items by each of them; none where too much has happened since.
    pub verdicts: &'a BTreeMap<RunId, Verdict>,
    /// Its events, newest first.
    pub events: &'a [StoredEvent],
    /// The locks that it holds or waits for.
    pub locks: &'a [LockView],
    /// Who was at work when something went wrong on it last, if that is known.
    pub processes: Option<&'a ProcessesSeen>,
    /// What operators wish of it, the newest wish of each verb.
    pub wishes: &'a [WishView],
    /// The hosts that it watches for others.
    pub watches: &'a [HostName],
    /// What it is told to watch, as JSON; none without a fleet file, or if that is too long for a page.
    pub work: Option<&'a str>,
}

/// `GET /hosts/NAME`.
#[must_use]
pub fn page(frame: &Frame<'_>, sheet: &HostSheet<'_>) -> String {
    let name = &sheet.line.view.name;
    let path = link::host_path(name);
    let body = html! {
        nav .tabs aria-label="Parts of this page" {
            a href="#host-why" { "Why" }
            a href="#host-versions" { "Versions" }
            a href="#host-items" { "Items" }
            a href=(During::of(frame.address).at(&graphs::path(name))) { "Graphs" }
            a href="#host-runs" { "Runs" }
            a href="#host-events" { "Events" }
            a href="#host-locks" { "Locks" }
            a href="#host-actions" { "Actions" }
            a href={ "/api/v1" (path) } { "Raw report (JSON)" }
        }
        section #host-head data-live { (head::draw(frame, sheet)) }
        section #host-why data-live { (why::draw(frame, sheet)) }
        (actions::draw(frame, sheet))
        section #host-versions data-live { (versions::draw(frame, sheet)) }
        section #host-items data-live { (items::draw(frame, sheet)) }
        section #host-runs data-live { (past::runs(frame, sheet)) }
        section #host-events data-live { (past::events(frame, sheet)) }
        section #host-notes data-live { (notes::draw(frame, sheet)) }
        section #host-locks data-live { (standing::locks(frame, sheet)) }
        (standing::work(sheet))
        (wishes::draw(frame, sheet))
        (actions::removal(frame, sheet))
    };
    frame.draw(Sheet {
        title: name.as_str(),
        here: Here::Hosts,
        topics: &[
            Topic::Hosts,
            Topic::Problems,
            Topic::Events,
            Topic::Runs,
            Topic::Locks,
            Topic::Silences,
        ],
        body,
    })
}

#[cfg(test)]
mod tests;
