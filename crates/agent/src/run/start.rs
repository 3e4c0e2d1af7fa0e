//! How a run is begun, or gone on with.

use std::sync::Arc;

use jiff::Timestamp;
use lockstep_host::Layout;
use lockstep_host::slots::{Slot, Slots};
use lockstep_model::{ContentHash, PackageName, PackageRule, RunId, RunKind, Version};
use lockstep_net::Clock;
use lockstep_net::client::{Belief, Visitor};
use lockstep_plan::run::{self, Job, Rules, RunJournal, Step};
use lockstep_plan::update::{By, Order};
use tokio::sync::watch;
use tracing::info;

use super::bundle::{Books, BundleUpdate, Parts, idle_lock_of};
use super::config::{PackageFile, Span, UpgradeConfig, Verify};
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

/// Where a run of a bundle leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toward {
    /// To what the server wants.
    Wanted,
    /// To the version before the one in force, by a person's word.
    Before,
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
            wish: None,
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
            wish: None,
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

    /// The change of a package of others. None if no such run is meant, or nothing is wanted.
    pub fn bundle(
        begin: Begin<'_>,
        package: PackageName,
        toward: Toward,
    ) -> Result<Option<Self>, Error> {
        let layout = begin.layout;
        let config = AgentConfig::load(&layout.config())?;
        let UpgradeConfig { limits, .. } = UpgradeConfig::load(&layout.update_config(), false)?;
        // What the host says of a package holds for a bundle, too.
        let rule = PackageFile::load(layout, &package)?;
        let probation = &config.probation;
        let verify = Verify {
            well_for: Span(probation.window.duration()),
            within: probation.patience,
            items: probation.gates.clone(),
        };
        let rules = Rules {
            worse_for: probation.worse_for.duration(),
            max_flips: probation.max_flips,
            ..limits.rules(&verify)
        };
        let under_way = Journals::new(layout).read(&package)?;
        let under_way = under_way.filter(|journal| !journal.is_over());
        if let Some(other) = under_way
            .as_ref()
            .filter(|it| it.job.kind != RunKind::Bundle)
        {
            return Err(Error::Refused(format!(
                "run {} of the package {package} of the package manager is under way",
                other.id
            )));
        }
        let active = Slots::new(layout.clone()).active(&package)?;
        let wanted = Books::of(layout, &package).wanted()?;
        let order = match (&under_way, toward) {
            (Some(journal), _) => journal.job.order.clone(),
            (None, Toward::Wanted) => wanted.order,
            (None, Toward::Before) => Some(way_back(layout, &package, active.as_ref())?),
        };
        let Some(order) = order else {
            return Ok(None);
        };
        let is_by_hand = order.by == By::Hand;
        let holds = active.as_ref().and_then(|slot| idle_lock_of(layout, slot));
        let job = Job {
            kind: RunKind::Bundle,
            package: package.clone(),
            from: active.as_ref().map(|slot| slot.version().into()),
            to: Some((&order.version).into()),
            by: begin.by.clone(),
            lock: wanted.lock.or(rule.lock),
            holds: holds.is_some(),
            order: Some(order),
            wish: None,
            rules,
        };
        let hours = rule.hours.filter(|_| !is_by_hand);
        let hours = hours.map(|hours| {
            let text = hours.to_string();
            (hours, text)
        });
        let clients = match Identity::load(layout) {
            Ok(identity) => {
                let version = Version::of_this_program();
                let clients = config.servers.iter();
                let clients = clients.map(|it| identity.client(it, &version, begin.clock));
                clients.collect::<Result<_, _>>()?
            }
            // The way back needs nobody.
            Err(Error::NotEnrolled { .. }) if is_by_hand => Vec::new(),
            Err(error) => return Err(error),
        };
        let attempt = match is_by_hand {
            true => Attempt::Now,
            false => Attempt::Leave,
        };
        let clock = begin.clock;
        let backend = || {
            let bundle = BundleUpdate::new(Parts {
                layout,
                clock,
                package,
                clients,
                config: &config,
                script: limits.script.duration(),
            });
            Ok(Backend::Bundle(Box::new(bundle)))
        };
        Self::enter_with(&begin, job, verify, hours, attempt, backend)
    }

    pub(super) fn enter_with(
        begin: &Begin<'_>,
        job: Job,
        verify: Verify,
        hours: Option<(lockstep_model::Hours, String)>,
        attempt: Attempt,
        backend: impl FnOnce() -> Result<Backend, Error>,
    ) -> Result<Option<Self>, Error> {
        let layout = begin.layout;
        let package = job.package.clone();
        if package == PackageName::reboot() && job.wish.is_none() {
            return Err(Error::Refused(format!(
                "{package} stands for the restart of the machine, and is no package"
            )));
        }
        let owner = own(layout, &package)?;
        let journals = Journals::new(layout);
        let now = begin.clock.now();
        let last = journals.read(&package)?;
        // Looked at while nobody else goes on with such a run: another process may have obeyed it meanwhile.
        let begins_no_other = match (&last, &job.wish) {
            (Some(last), Some(wish)) => last.is_over() && run::is_spent(Some(last), wish.number),
            _ => false,
        };
        if begins_no_other {
            return Ok(None);
        }
        let under_way = last.filter(|journal| !journal.is_over());
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

/// A person's order to the version before the one in force, whose slot is here still.
fn way_back(layout: &Layout, package: &PackageName, active: Option<&Slot>) -> Result<Order, Error> {
    let books = Books::of(layout, package);
    let book = books.book()?;
    let active = active.ok_or_else(|| {
        Error::Refused(format!(
            "there is no package {package} of others on this host"
        ))
    })?;
    let before = book.before.as_ref().filter(|it| *it != active.version());
    let before = before.ok_or_else(|| {
        Error::Refused(format!(
            "there is no version of {package} before {}",
            active.version()
        ))
    })?;
    let slot = Slots::new(layout.clone()).get(package, before)?;
    let slot = slot.ok_or_else(|| {
        Error::Refused(format!(
            "the slot of {package} {before} was removed meanwhile"
        ))
    })?;
    let mut failed = book.memory.skipped.iter();
    let failed = failed.rfind(|it| Some(it.hash) == slot.hash);
    if let Some(failed) = failed {
        return Err(Error::Refused(format!(
            "the version before, {before}, was left itself: {}",
            failed.reason
        )));
    }
    Ok(Order {
        package: package.clone(),
        version: before.clone(),
        target: String::new(),
        hash: slot.hash.unwrap_or(ContentHash::from_digest([0; 32])),
        length: 0,
        generation: books.wanted()?.generation,
        by: By::Hand,
        brought: false,
    })
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
