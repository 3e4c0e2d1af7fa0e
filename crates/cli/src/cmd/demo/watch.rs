//! Looking at the fleet through the operator API, as the command line does.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use lockstep_model::api::operator::{HostView, RolloutView, RunView};
use lockstep_model::{Outcome, RolloutState, RunReason, WaveState};
use tokio::time::{Instant, sleep};

use super::facts::Facts;
use crate::operator::Operator;

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
}

/// How often is looked.
const LOOK: Duration = Duration::from_millis(150);

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
        Ok(View {
            hosts,
            rollouts,
            runs,
        })
    }

    /// Watches until a condition holds, which is then a fact; after `patience` its contrary is.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        patience: Duration,
        holds: impl Fn(&View) -> bool,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let view = self.view().await?;
            self.tell(&view);
            if holds(&view) {
                self.facts.saw(what);
                return Ok(());
            }
            if began.elapsed() > patience {
                self.facts.check(false, what);
                bail!("waited {} s in vain: {what}", patience.as_secs());
            }
            sleep(LOOK).await;
        }
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
            run.record.to.to_string() == version
                && run.record.outcome == Some(Outcome::RolledBack)
                && run.record.reason.as_ref().is_some_and(&expected)
        };
        self.until(what, patience, |view| view.runs.iter().any(rolled_back))
            .await
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
                format!("{} → {}: {how}{why}", run.host, record.to),
            );
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
