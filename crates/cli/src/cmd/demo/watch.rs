//! Looking at the fleet through the operator API, as the command line does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::bail;
use jiff::Timestamp;
use lockstep_model::api::operator::{
    DeliveryView, HistoryView, HostView, ProblemView, RolloutView, RunView,
};
use lockstep_model::api::{StoredEvent, WorkAnswer};
use lockstep_model::{ItemState, Level, Outcome, RolloutState, RunReason, Value, WaveState};
use tokio::time::{Instant, sleep};

use super::facts::Facts;
use super::stage::Stage;
use crate::operator::{Operator, question};

/// Watches the fleet, tells what changes, and notes facts.
pub(crate) struct Watch<'a> {
    operator: Operator,
    /// What was observed.
    pub(crate) facts: &'a mut Facts,
    told: BTreeMap<String, String>,
    /// For each version: true while no host beyond the canary was seen to move before the canary had proven it.
    canary_alone: BTreeMap<String, bool>,
}

/// The fleet at one moment.
pub(crate) struct View {
    hosts: Vec<HostView>,
    rollouts: Vec<RolloutView>,
    /// All runs.
    pub(crate) runs: Vec<RunView>,
    /// What is not well.
    pub(crate) problems: Vec<ProblemView>,
    /// Who was told.
    pub(crate) deliveries: Vec<DeliveryView>,
}

/// How often is looked.
pub(crate) const LOOK: Duration = Duration::from_millis(150);

/// True for what somebody would be told of, if nothing held it back.
fn is_bad(problem: &ProblemView) -> bool {
    problem.trouble.level >= Level::SICK
}

fn follows(wanted: &WorkAnswer, items: &[ItemState]) -> bool {
    let wanted: BTreeSet<&str> = wanted
        .work
        .items
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    let watched: BTreeSet<&str> = items.iter().map(|it| it.item.as_str()).collect();
    let has_value = |it: &ItemState| !matches!(it.value, Value::None(_));
    watched == wanted && items.iter().all(has_value)
}

impl View {
    /// True if there are so many hosts and every one runs the version, proven, and has reported it.
    pub(crate) fn all_proven(&self, hosts: usize, version: &str) -> bool {
        let proven = |host: &&HostView| {
            host.proven
                && host
                    .version
                    .as_ref()
                    .is_some_and(|have| have.to_string() == version)
        };
        self.hosts.len() == hosts && self.hosts.iter().filter(proven).count() == hosts
    }

    /// True if the rollout of the version is in the state.
    pub(crate) fn rollout_is(&self, version: &str, state: RolloutState) -> bool {
        self.rollout(version)
            .is_some_and(|rollout| rollout.state == state)
    }

    /// True if there is nothing that anybody would be told of.
    pub(crate) fn is_well(&self) -> bool {
        !self.problems.iter().any(is_bad)
    }

    fn rollout(&self, version: &str) -> Option<&RolloutView> {
        self.rollouts
            .iter()
            .find(|rollout| rollout.version.to_string() == version)
    }
}

impl<'a> Watch<'a> {
    /// Begins to watch.
    pub(crate) fn new(operator: Operator, facts: &'a mut Facts) -> Self {
        Self {
            operator,
            facts,
            told: BTreeMap::new(),
            canary_alone: BTreeMap::new(),
        }
    }

    /// The fleet now.
    pub(crate) async fn view(&self) -> anyhow::Result<View> {
        let hosts = self.operator.get("hosts").await?;
        let rollouts = self.operator.get("rollouts").await?;
        let runs = self.operator.get("runs").await?;
        let problems = self.operator.get("problems").await?;
        let deliveries = self.operator.get("deliveries?limit=1000").await?;
        Ok(View {
            hosts,
            rollouts,
            runs,
            problems,
            deliveries,
        })
    }

    /// The newest events of an item.
    pub(crate) async fn events(&self, host: &str, item: &str) -> anyhow::Result<Vec<StoredEvent>> {
        let parts = [("host", Some(host.into())), ("item", Some(item.into()))];
        self.operator.get(&question("events", parts)).await
    }

    /// An item's history.
    pub(crate) async fn history(
        &self,
        host: &str,
        item: &str,
        from: Timestamp,
        to: Timestamp,
        points: i64,
    ) -> anyhow::Result<HistoryView> {
        let parts = [
            ("item", Some(item.into())),
            ("from", Some(from.to_string())),
            ("to", Some(to.to_string())),
            ("points", Some(points.to_string())),
        ];
        let path = question(&format!("hosts/{host}/history"), parts);
        self.operator.get(&path).await
    }

    /// Watches until a condition holds, which is then a fact; after `patience` its contrary is.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        patience: Duration,
        holds: impl Fn(&View) -> bool,
    ) -> anyhow::Result<View> {
        let view = self.wait(what, patience, holds).await?;
        self.facts.saw(what);
        Ok(view)
    }

    /// Watches until a condition holds; that it does not within `patience` is a fact.
    pub(crate) async fn wait(
        &mut self,
        what: &str,
        patience: Duration,
        holds: impl Fn(&View) -> bool,
    ) -> anyhow::Result<View> {
        let began = Instant::now();
        loop {
            let view = self.view().await?;
            self.tell(&view);
            if holds(&view) {
                return Ok(view);
            }
            self.lose_patience(what, began, patience)?;
            sleep(LOOK).await;
        }
    }

    fn lose_patience(
        &mut self,
        what: &str,
        began: Instant,
        patience: Duration,
    ) -> anyhow::Result<()> {
        if began.elapsed() > patience {
            self.facts.check(false, what);
            bail!("waited {} s in vain: {what}", patience.as_secs());
        }
        Ok(())
    }

    /// Watches until every host says itself that it has a value for each item that the fleet file gives it, and that
    /// it looks at no other one.
    pub(crate) async fn until_followed(
        &mut self,
        stage: &Stage,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let what = "every host watches what the fleet file says, and nothing else";
        let began = Instant::now();
        for number in 1..=stage.hosts() {
            let path = format!("hosts/host{number}/work");
            let wanted: WorkAnswer = self.operator.get(&path).await?;
            while !follows(&wanted, &stage.items(number).await?) {
                self.lose_patience(what, began, patience)?;
                sleep(LOOK).await;
            }
        }
        self.facts.saw(what);
        Ok(())
    }

    /// Watches until the run of a bad release is reported as rolled back, for the expected reason.
    pub(crate) async fn until_failed(
        &mut self,
        version: &str,
        what: &str,
        patience: Duration,
        expected: impl Fn(&RunReason) -> bool,
    ) -> anyhow::Result<()> {
        let rolled_back = |run: &RunView| {
            run.record
                .to
                .as_ref()
                .is_some_and(|to| to.as_str() == version)
                && run.record.outcome == Some(Outcome::RolledBack)
                && run.record.reason.as_ref().is_some_and(&expected)
        };
        self.until(what, patience, |view| view.runs.iter().any(rolled_back))
            .await?;
        Ok(())
    }

    /// True if, as long as was watched, the hosts beyond the canary were let go only when it had proven the version.
    pub(crate) fn canary_was_alone(&self, version: &str) -> bool {
        self.canary_alone.get(version).copied().unwrap_or(false)
    }

    /// Tells what has changed since it was looked last.
    fn tell(&mut self, view: &View) {
        for host in &view.hosts {
            let version = host
                .version
                .as_ref()
                .map_or("no version yet".into(), ToString::to_string);
            let probation = if host.proven || host.version.is_none() {
                ""
            } else {
                " on probation"
            };
            self.tell_once(
                format!("host {}", host.name),
                format!("{} runs {version}{probation}", host.name),
            );
        }
        for run in &view.runs {
            let record = &run.record;
            let how = record
                .outcome
                .map_or(record.phase.to_string(), |outcome| outcome.to_string());
            let why = record
                .reason
                .as_ref()
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            self.tell_once(
                format!("run {}", record.id),
                format!("{}: {}: {how}{why}", run.host, record.what()),
            );
        }
        for problem in view.problems.iter().filter(|it| is_bad(it)) {
            let trouble = &problem.trouble;
            let about = format!("{} {}", trouble.host, trouble.item);
            let held = problem
                .silence
                .as_ref()
                .map_or(String::new(), |silence| format!(", not told: {silence}"));
            let words = format!("{about} is {}{held}", trouble.level);
            self.tell_once(format!("problem {about}"), words);
        }
        for delivery in view.deliveries.iter().rev() {
            let notice = &delivery.notice;
            let about = notice.entries.first().map_or(String::new(), |entry| {
                format!("{} {} {}", entry.kind.as_str(), entry.host, entry.item)
            });
            let words = format!(
                "message to {} is {}: {about}",
                notice.receiver, delivery.state
            );
            self.tell_once(format!("message {}", delivery.id), words);
        }
        for rollout in &view.rollouts {
            let words = format!(
                "rollout of {} is {}: {}",
                rollout.version, rollout.state, rollout.why
            );
            self.tell_once(format!("rollout {}", rollout.id), words);
            if let [first, rest @ ..] = rollout.waves.as_slice() {
                let canary_proven = first.state == WaveState::Proven;
                let rest_waits = rest.iter().all(|wave| wave.state == WaveState::Waiting);
                let alone = self
                    .canary_alone
                    .entry(rollout.version.to_string())
                    .or_insert(first.hosts.len() == 1);
                *alone &= canary_proven || rest_waits;
            }
        }
    }

    fn tell_once(&mut self, about: String, words: String) {
        if self.told.get(&about) != Some(&words) {
            self.facts.note(&words);
            self.told.insert(about, words);
        }
    }
}
