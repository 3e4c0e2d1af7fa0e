//! Which edition of each topic a board shows: two boards with the same edition of a topic look alike in it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::api::operator::ProblemView;
use lockstep_model::{LockName, LockState, Rollout};
use lockstep_pages::Topic;
use lockstep_pages::hosts::HostLine;
use lockstep_store::{ChannelRow, EventFilter};

use crate::app::App;
use crate::services::situation::Situation;
use crate::web::Refusal;

/// A number for each topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Editions(BTreeMap<Topic, u64>);

/// What a board shows.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) hosts: &'a [Arc<HostLine>],
    pub(super) problems: &'a [ProblemView],
    pub(super) rollouts: &'a [Rollout],
    pub(super) situation: &'a Situation,
    pub(super) locks: &'a [(LockName, LockState)],
    pub(super) channels: &'a [ChannelRow],
}

impl Editions {
    pub(super) async fn of(app: &App, seen: &Seen<'_>, now: Timestamp) -> Result<Self, Refusal> {
        let Seen {
            hosts,
            problems,
            rollouts,
            situation,
            locks,
            channels,
        } = seen;
        let lines = number(|hash| {
            for line in *hosts {
                let view = &line.view;
                view.name.as_str().hash(hash);
                (view.last_seen, view.level.rank(), line.silent).hash(hash);
                (
                    line.unhandled,
                    line.in_run,
                    &line.quiet,
                    &line.hushed,
                    &line.waves,
                )
                    .hash(hash);
            }
        });
        let runs = app.recent_runs.read(app, now).await?;
        let runs = number(|hash| format!("{runs:?}").hash(hash));
        let newest = app.store.events(&EventFilter::default(), 1).await?;
        // Of what the board holds and no newer: pages draw it from there. A window of the fleet file is made anew each minute.
        let silences = number(|hash| {
            for silence in &situation.silences {
                match silence.id.starts_with("fleet:") {
                    true => silence.id.hash(hash),
                    false => format!("{silence:?}").hash(hash),
                }
            }
            format!("{:?}", situation.acks).hash(hash);
        });
        let releases = (app.store.targets_version().await?, channels);
        let suspects = app.store.suspects().await?;
        let rollouts = number(|hash| {
            format!("{rollouts:?}").hash(hash);
            app.curves.edition().hash(hash);
            // Hosts stand in the lanes of what moves.
            if rollouts.iter().any(|it| !it.state.is_over()) {
                (lines, runs).hash(hash);
            }
        });
        // What a person did and took back between two boards leaves both alike, and a page that was drawn in between not.
        let deed = app.store.audit(1).await?;
        let deed = number(|hash| format!("{deed:?}").hash(hash));
        Ok(Self(BTreeMap::from([
            (
                Topic::Problems,
                number(|hash| format!("{deed}{problems:?}").hash(hash)),
            ),
            (Topic::Hosts, lines),
            (
                Topic::Events,
                number(|hash| newest.first().map(|it| &it.id).hash(hash)),
            ),
            (Topic::Rollouts, number(|hash| (deed, rollouts).hash(hash))),
            (Topic::Runs, number(|hash| (deed, runs).hash(hash))),
            (
                Topic::Locks,
                number(|hash| format!("{deed}{locks:?}").hash(hash)),
            ),
            (
                Topic::Releases,
                number(|hash| format!("{deed}{releases:?}{suspects:?}").hash(hash)),
            ),
            (Topic::Silences, number(|hash| (deed, silences).hash(hash))),
        ])))
    }

    /// As pages and the stream say it: `problems:1f hosts:0 …`.
    pub(crate) fn words(&self) -> String {
        self.words_of(&Topic::ALL)
    }

    /// As [`Editions::words`], of these topics.
    pub(crate) fn words_of(&self, topics: &[Topic]) -> String {
        let mut words = String::new();
        for (topic, edition) in self.0.iter().filter(|(topic, _)| topics.contains(topic)) {
            let space = if words.is_empty() { "" } else { " " };
            // Writing to a string does not fail.
            let _ = write!(words, "{space}{}:{edition:x}", topic.as_str());
        }
        words
    }
}

fn number(feed: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    feed(&mut hasher);
    hasher.finish()
}
