//! What is watched, and who is told: a fleet file, an item that becomes sick and well again, and the messages.
//!
//! The item is the size of a file, because that can be changed at will. The way to people is a program of the server
//! that writes each message into a file of its own.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lockstep_host::fs::{self, Mode};
use lockstep_model::alert::NoticeKind;
use lockstep_model::api::operator::{DeliveryView, HistoryView};
use lockstep_model::{EventKind, Level, RunId, Series};
use lockstep_net::Clock;
use tokio::time::{Instant, sleep};

use super::facts::Facts;
use super::releases::text;
use super::stage::Stage;
use super::watch::{LOOK, View, Watch};
use crate::plot::{Size, plot};

/// The host whose item it is.
const HOST: &str = "host1";
/// Sizes of the file, in bytes: the fleet file calls it sick from 50 kB.
const SMALL: usize = 8_000;
const LARGE: usize = 64_000;
const SMALL_AGAIN: usize = 20_000;
/// As large as a plot is that a reader takes in between two lines.
const PLOT: Size = Size {
    width: 96,
    height: 12,
};
/// A bucket of the plot, in seconds: each holds a sample or two.
const BUCKET: i64 = 2;

/// Writes a message into the directory that is its argument.
const TELL: &str = r#"#!/bin/sh
printf '%s\n%s\n' "$LOCKSTEP_SUBJECT" "$LOCKSTEP_TEXT" > "$1/$LOCKSTEP_ID"
"#;

/// The item, the file behind it, and where messages arrive.
pub(crate) struct Watched {
    item: String,
    queue: PathBuf,
    messages: PathBuf,
    /// From when on its history is of interest.
    since: Timestamp,
}

impl Watched {
    /// Puts a fleet file in force and waits until every host follows it.
    pub(crate) async fn begin(
        stage: &mut Stage,
        watch: &mut Watch<'_>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let queue = stage.watched_dir()?.join("queue");
        let watched = Self {
            item: format!("file_size:{}", queue.display()),
            queue,
            messages: stage.path("messages"),
            since: Clock::system().now(),
        };
        watched.resize(watch.facts, SMALL)?;
        fs::create_dir(&watched.messages)?;
        let script = stage.path("tell.sh");
        fs::write_durable(&script, TELL.as_bytes(), Mode::Executable)?;
        let program = ["/bin/sh".into(), text(&script), text(&watched.messages)];
        let file = fleet_file(&watched.item, &program);
        fs::write_durable(
            &stage.path("server/fleet.toml"),
            file.as_bytes(),
            Mode::Public,
        )?;
        watch.facts.quote(&file);
        stage
            .command(&["fleet", "check", "server/fleet.toml"])
            .await?;
        stage.command(&["fleet", "reload"]).await?;
        watch.until_followed(stage, patience).await?;
        Ok(watched)
    }

    /// Makes the item sick and well, and sees who is told.
    pub(crate) async fn sick_and_well(
        &self,
        stage: &mut Stage,
        watch: &mut Watch<'_>,
        patience: Duration,
    ) -> anyhow::Result<()> {
        self.resize(watch.facts, LARGE)?;
        watch
            .until("the item is listed as a problem", patience, |view| {
                self.is_sick(view)
            })
            .await?;
        let problems = stage.command(&["problems"]).await?;
        watch.facts.quote(&problems);
        let events = watch.events(HOST, &self.item).await?;
        let became_sick = events.iter().any(|stored| {
            let event = &stored.event;
            let levels = (event.from, event.to);
            event.kind == EventKind::Level && levels == (Level::FINE, Level::SICK)
        });
        watch.facts.check(
            became_sick,
            "the host said so itself, by an event from fine to sick",
        );
        self.until_told(
            watch,
            "the message was delivered",
            NoticeKind::Problem,
            patience,
        )
        .await?;

        self.resize(watch.facts, SMALL_AGAIN)?;
        self.until_told(
            watch,
            "the message that it is over was delivered too",
            NoticeKind::Recovered,
            patience,
        )
        .await
    }

    /// Asks the host for the item's history and draws it.
    pub(crate) async fn draw_history(
        &self,
        watch: &mut Watch<'_>,
        before_update: Timestamp,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        let history = loop {
            let history = self.history(watch).await?;
            // A host whose worker has just been started may not be connected yet.
            if history.from_host || began.elapsed() > patience {
                break history;
            }
            sleep(LOOK).await;
        };
        let series = &history.series;
        watch.facts.quote(&plot(series, PLOT, &TimeZone::UTC));
        let samples: u64 = series.buckets.iter().map(|bucket| bucket.count).sum();
        let what = format!(
            "{HOST} has kept the item's history, through its update too: {samples} samples"
        );
        let kept = history.from_host && spans(series, before_update) && peak(series) == LARGE;
        watch.facts.check(kept, what);
        Ok(())
    }

    /// How a person asks for the same.
    pub(crate) fn history_command(&self) -> String {
        format!("lockstep host history {HOST} {} --view hour", self.item)
    }

    /// A new file takes the place of the old one, so that no sample sees half of it.
    fn resize(&self, facts: &Facts, bytes: usize) -> anyhow::Result<()> {
        fs::write_durable(&self.queue, &vec![b'x'; bytes], Mode::Public)?;
        facts.note(format_args!(
            "{HOST}: {} has {} kB",
            self.queue.display(),
            bytes / 1_000
        ));
        Ok(())
    }

    fn is_sick(&self, view: &View) -> bool {
        view.problems.iter().any(|problem| {
            let trouble = &problem.trouble;
            trouble.host.as_str() == HOST
                && trouble.item.as_str() == self.item
                && trouble.level == Level::SICK
        })
    }

    /// Waits until a message about the item was delivered, and shows its text.
    async fn until_told(
        &self,
        watch: &mut Watch<'_>,
        what: &str,
        kind: NoticeKind,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let tells = |delivery: &&DeliveryView| {
            let mut entries = delivery.notice.entries.iter();
            delivery.state == "delivered"
                && entries.any(|it| it.kind == kind && it.item.as_str() == self.item)
        };
        let view = watch
            .until(what, patience, |view| {
                view.deliveries.iter().any(|it| tells(&it))
            })
            .await?;
        if let Some(delivery) = view.deliveries.iter().find(tells) {
            let file = self.messages.join(&delivery.notice.id);
            let message = std::fs::read_to_string(&file)
                .with_context(|| format!("failed to read the message {}", file.display()))?;
            watch.facts.quote(&message);
        }
        Ok(())
    }

    async fn history(&self, watch: &Watch<'_>) -> anyhow::Result<HistoryView> {
        let to = Clock::system().now();
        let seconds = to.duration_since(self.since).as_secs();
        // A whole number of buckets.
        let points = seconds / BUCKET + 1;
        let from = to.checked_sub(SignedDuration::from_secs(points * BUCKET))?;
        watch.history(HOST, &self.item, from, to, points).await
    }
}

/// Watches nothing of the machine itself, whose own troubles would be another story.
fn fleet_file(item: &str, program: &[String]) -> String {
    let item = toml::Value::from(item);
    let program = toml::Value::from(program.to_vec());
    format!(
        r#"[defaults]
sample = "1s"
report = "3s"
items = ["agent_memory", "version_lag"]

[group.mail]
hosts = ["{HOST}"]
items = [{item}]

[fitness.file_size]
sick = ">= 50kB"

[alerts]
wait = "1s"
interval = "1s"
settle = "500ms"

[receiver.file]
exec = {program}

[alert.everything]
to = "file"
when = {{ level = ">= sick" }}
"#
    )
}

/// What was told between two moments of the story.
pub(crate) struct Told {
    before: BTreeSet<String>,
}

impl Told {
    /// Everything that was told up to now is of no interest.
    pub(crate) fn after(view: &View) -> Self {
        let ids = view.deliveries.iter().map(|it| it.id.clone());
        Self {
            before: ids.collect(),
        }
    }

    /// The messages since then, sent or about to be.
    pub(crate) fn since<'v>(&self, view: &'v View) -> Vec<&'v DeliveryView> {
        let is_new = |it: &&DeliveryView| !self.before.contains(&it.id);
        view.deliveries.iter().filter(is_new).collect()
    }
}

/// True if each problem that the messages tell of is said to come from one of the runs.
pub(crate) fn blame(messages: &[&DeliveryView], runs: &[RunId]) -> bool {
    let mut entries = messages.iter().flat_map(|it| &it.notice.entries);
    entries.all(|entry| entry.kind.closes() || entry.run.is_some_and(|run| runs.contains(&run)))
}

fn spans(series: &Series, moment: Timestamp) -> bool {
    let first = series.buckets.first().map(|bucket| bucket.at);
    let last = series.buckets.last().map(|bucket| bucket.at);
    first.is_some_and(|at| at < moment) && last.is_some_and(|at| at > moment)
}

/// The greatest sample, in bytes.
fn peak(series: &Series) -> usize {
    let most = series.buckets.iter().map(|bucket| bucket.max);
    most.fold(0.0, f64::max) as usize
}

#[cfg(test)]
mod tests;
