//! How a run is begun, or gone on with.

use std::sync::Arc;

use jiff::Timestamp;
use lockstep_host::Layout;
use lockstep_model::{PackageName, PackageRule, RunId, RunKind};
use lockstep_net::Clock;
use lockstep_net::client::{Belief, Visitor};
use lockstep_plan::run::{Job, Rules, RunJournal, Step};
use tokio::sync::watch;
use tracing::info;

use super::config::{UpgradeConfig, Verify};
use super::engine::{Backend, Engine, own};
use super::journals::Journals;
use super::locks::Locks;
use super::output::Output;
use super::package::{Attempt, PackageUpdate, begun};
use super::records;
use super::system::SystemUpgrade;
use crate::config::AgentConfig;
use crate::{Error, Identity};

/// Which runs are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reentry {
    /// One that is under way is gone on with, and otherwise one is begun.
    Any,
    /// Only one that is under way is gone on with.
    OnlyUnderWay,
    /// Only one that waits for the machine's restart, or is behind it.
    AfterReboot,
}

/// What every run begins with.
#[derive(Debug)]
pub struct Begin<'a> {
    /// Where everything lies.
    pub layout: &'a Layout,
    /// The clock.
    pub clock: &'a Clock,
    /// Who asks for it, in words.
    pub by: String,
    /// Which runs are meant.
    pub reentry: Reentry,
    /// Becomes true when the process shall end.
    pub stop: watch::Receiver<bool>,
    /// Changes when there is news, of a place of a lock perhaps.
    pub news: watch::Receiver<u64>,
}

impl Engine {
    /// The upgrade of the operating system. None if no such run is meant.
    pub fn system(begin: Begin<'_>, config: UpgradeConfig) -> Result<Option<Self>, Error> {
        let hours = config.hours().map_err(Error::Refused)?;
        let hours = hours.zip(config.hours.clone());
        let job = Job {
            kind: RunKind::System,
            package: PackageName::system(),
            from: None,
            to: None,
            by: begin.by.clone(),
            lock: config.lock.clone(),
            holds: false,
            order: None,
            rules: config.limits.rules(&config.verify),
        };
        let verify = config.verify.clone();
        let backend = || {
            let system = SystemUpgrade::new(begin.layout, config)?;
            Ok(Backend::System(Box::new(system)))
        };
        Self::enter_with(&begin, job, verify, hours, Attempt::Spread, backend)
    }

    /// The change of one package. None if no such run is meant.
    pub async fn package(
        begin: Begin<'_>,
        rule: PackageRule,
        attempt: Attempt,
    ) -> Result<Option<Self>, Error> {
        let rule = rule_under_way(begin.layout, rule)?;
        // They are the host's, whatever is changed on it.
        let UpgradeConfig { limits, verify, .. } =
            UpgradeConfig::load(&begin.layout.update_config(), false)?;
        let job = Job {
            kind: RunKind::Package,
            package: rule.name.clone(),
            from: None,
            to: None,
            by: begin.by.clone(),
            lock: rule.lock.clone(),
            holds: rule.idle_lock.is_some(),
            order: None,
            rules: limits.rules(&verify),
        };
        // A person who asks for it now means now.
        let hours = rule.hours.clone().filter(|_| attempt != Attempt::Now);
        let hours = hours.map(|hours| {
            let text = hours.to_string();
            (hours, text)
        });
        let published = match &rule.published {
            Some(_) => Some(Visitor::new(&Belief::as_the_system(begin.clock).await?)?),
            None => None,
        };
        let host = records::host(begin.layout);
        let backend = || {
            let package = PackageUpdate::new(
                begin.layout,
                rule,
                attempt,
                host,
                limits.patience(),
                published,
            )?;
            Ok(Backend::Package(Box::new(package)))
        };
        Self::enter_with(&begin, job, verify, hours, attempt, backend)
    }

    fn enter_with(
        begin: &Begin<'_>,
        job: Job,
        verify: Verify,
        hours: Option<(lockstep_model::Hours, String)>,
        attempt: Attempt,
        backend: impl FnOnce() -> Result<Backend, Error>,
    ) -> Result<Option<Self>, Error> {
        let layout = begin.layout;
        let package = job.package.clone();
        let owner = own(layout, &package)?;
        let journals = Journals::new(layout);
        let now = begin.clock.now();
        let under_way = journals
            .read(&package)?
            .filter(|journal| !journal.is_over());
        let journal = match (under_way, begin.reentry) {
            (Some(journal), Reentry::AfterReboot) if !is_behind_the_change(&journal) => {
                return Ok(None);
            }
            (Some(journal), _) => gone_on_with(journal, job.rules, attempt, now),
            (None, Reentry::Any) => RunJournal::begin(RunId::new(now, crate::random()), job, now),
            (None, _) => return Ok(None),
        };
        let locks = match Identity::load(layout) {
            Ok(identity) => {
                let config = AgentConfig::load(&layout.config())?;
                Some(Arc::new(Locks::new(&config, &identity, begin.clock)?))
            }
            Err(Error::NotEnrolled { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Some(Self {
            layout: layout.clone(),
            clock: begin.clock.clone(),
            output: Output::of(layout, &package),
            journals,
            journal,
            backend: backend()?,
            verify,
            locks,
            idle: None,
            owner: Some(owner),
            at_work: None,
            hours,
            lock_is_confirmed: false,
            leaves: attempt == Attempt::Leave,
            stop: begin.stop.clone(),
            news: begin.news.clone(),
        }))
    }
}

/// What the run that is under way was begun by: whoever goes on with it may know nothing of the service that is to be
/// stopped. The rule itself if there is no such run.
fn rule_under_way(layout: &Layout, rule: PackageRule) -> Result<PackageRule, Error> {
    let journal = Journals::new(layout).read(&rule.name)?;
    match journal.is_some_and(|journal| !journal.is_over()) {
        true => Ok(begun(layout, &rule.name)?.unwrap_or(rule)),
        false => Ok(rule),
    }
}

/// The limits are those of today, so that a mistake in them can be mended; all else is as it was begun.
fn gone_on_with(
    mut journal: RunJournal,
    rules: Rules,
    attempt: Attempt,
    now: Timestamp,
) -> RunJournal {
    info!(run = %journal.id, package = %journal.job.package, phase = %journal.step.phase(), "going on with the run");
    journal.job.rules = rules;
    // A person who calls has perhaps just seen to it that there is nothing to wait for.
    match (attempt, &mut journal.step) {
        (Attempt::Now, Step::Spread { until }) => {
            *until = now;
            journal.waiting = None;
        }
        (Attempt::Now, Step::Idle) => journal.waiting = None,
        _ => {}
    }
    journal
}

/// True from the restart of the machine on.
fn is_behind_the_change(journal: &RunJournal) -> bool {
    let is_behind = |step: &Step| {
        matches!(
            step,
            Step::Rebooting { .. } | Step::Post | Step::Verify { .. } | Step::Release { .. }
        )
    };
    match &journal.step {
        Step::Stopped { boot_id, .. } => boot_id.is_some(),
        Step::Lock { then } => is_behind(then),
        step => is_behind(step),
    }
}
