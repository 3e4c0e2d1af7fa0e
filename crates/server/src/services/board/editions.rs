//! Which edition of each topic a board shows: two boards with the same edition of a topic look alike in it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::Rollout;
use lockstep_model::api::operator::ProblemView;
use lockstep_pages::Topic;
use lockstep_pages::hosts::HostLine;
use lockstep_store::EventFilter;

use crate::app::App;
use crate::web::Refusal;

/// A number for each topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Editions(BTreeMap<Topic, u64>);

impl Editions {
    pub(super) async fn of(
        app: &App,
        hosts: &[Arc<HostLine>],
        problems: &[ProblemView],
        rollouts: &[Rollout],
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let lines = number(|hash| {
            for line in hosts {
                let view = &line.view;
                view.name.as_str().hash(hash);
                (view.last_seen, view.level.rank(), line.silent).hash(hash);
                line.unhandled.hash(hash);
            }
        });
        let runs = app.recent_runs.read(app, now).await?;
        let runs = number(|hash| format!("{runs:?}").hash(hash));
        let newest = app.store.events(&EventFilter::default(), 1).await?;
        let silences = (app.store.silences(now).await?, app.store.acks().await?);
        let releases = (
            app.store.targets_version().await?,
            app.store.channels().await?,
        );
        let suspects = app.store.suspects().await?;
        let rollouts = number(|hash| {
            format!("{rollouts:?}").hash(hash);
            app.curves.edition().hash(hash);
            // Hosts stand in the lanes of what moves.
            if rollouts.iter().any(|it| !it.state.is_over()) {
                (lines, runs).hash(hash);
            }
        });
        let locks = app.store.locks().await?;
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
            (
                Topic::Silences,
                number(|hash| format!("{deed}{silences:?}").hash(hash)),
            ),
        ])))
    }

    /// As pages and the stream say it: `problems:1f hosts:0 …`.
    pub(crate) fn words(&self) -> String {
        let mut words = String::new();
        for (topic, edition) in &self.0 {
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
