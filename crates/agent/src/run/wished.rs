//! The run that restarts the machine because an operator [wishes](super::wish) it.
//!
//! It goes by the state machine of all runs, with the scripts of `system` and without `apply`. What it must never do is
//! decided in `lockstep_plan::run`; here the host's own files are read: whether it permits a restart, and whether one is
//! wished still.

use jiff::Timestamp;
use lockstep_host::{Layout, machine};
use lockstep_model::{PackageName, RunKind, RunReason, RunRecord, WishVerb};
use lockstep_plan::run::{Job, RunJournal, Step};

use super::config::{By, UpgradeConfig};
use super::engine::{Backend, Engine};
use super::journals::Journals;
use super::package::Attempt;
use super::start::Begin;
use super::system::SystemUpgrade;
use super::wish::{WishBook, WishPermits, cut};
use crate::config::AgentConfig;
use crate::{Error, words};

/// Why the machine is not restarted for wishes, if it is not. A container is not: nobody could tell by its boot id that it was
/// restarted, so it might be restarted again and again.
pub(crate) fn refuses(layout: &Layout, permits: &WishPermits) -> Option<String> {
    let is_container = || {
        machine::is_container(layout).then(|| {
            "this is a container, whose boot id is its host's: nobody could say whether it was restarted"
                .into()
        })
    };
    permits.refuses(WishVerb::Reboot).or_else(is_container)
}

/// What the host permits now. A file that cannot be read permits nothing.
pub(super) fn permitted(layout: &Layout) -> Result<(), RunReason> {
    let refused = match AgentConfig::load(&layout.config()) {
        Ok(config) => refuses(layout, &config.wishes),
        Err(error) => Some(words(&error)),
    };
    refused.map_or(Ok(()), |why| Err(RunReason::NotPermitted { why }))
}

/// Why a restart that has done nothing to the host yet is given up: the wish was taken back, or is not permitted any more.
pub(super) fn unwanted(layout: &Layout, journal: &RunJournal, now: Timestamp) -> Option<RunReason> {
    let wish = journal.job.wish.as_ref()?;
    // What follows from its end is the run's own to say.
    if journal.begun || wish.is_over(now) {
        return None;
    }
    let is_told_begun = match journal.step {
        Step::Spread { .. } | Step::Idle | Step::Lock { .. } | Step::Hold { .. } => false,
        Step::Pre => true,
        _ => return None,
    };
    if let Err(reason) = permitted(layout) {
        return Some(reason);
    }
    // The server tells no more of what has begun. What cannot be read now says nothing.
    let told = WishBook::read(layout).ok()?.reboot_number();
    (!is_told_begun && told != Some(wish.number)).then_some(RunReason::WishTakenBack)
}

impl Engine {
    /// The restart of the machine that an operator wishes. None if no such run is meant, or the wish was obeyed before.
    ///
    /// # Errors
    /// [`Error::Refused`] if this host does not permit it.
    pub fn reboot(begin: Begin<'_>, config: UpgradeConfig) -> Result<Option<Self>, Error> {
        let layout = begin.layout;
        let package = PackageName::reboot();
        let under_way = Journals::new(layout).read(&package)?;
        let under_way = under_way.filter(|journal| !journal.is_over());
        let told = WishBook::read(layout)?.reboot;
        let (wish, by) = match (under_way, told) {
            (Some(journal), _) => (journal.job.wish, journal.job.by),
            (None, None) => return Ok(None),
            (None, Some(told)) => {
                permitted(layout).map_err(|reason| Error::Refused(reason.to_string()))?;
                let now = begin.clock.now();
                let boot_id = machine::boot_id_below(layout)?;
                if told.here.is_over(now) || told.here.boot_id != boot_id {
                    return Ok(None);
                }
                let mut by = format!("{}: {}", told.wish.by, told.wish.why);
                cut(&mut by, RunRecord::LONGEST_BY);
                (Some(told.here), by)
            }
        };
        let job = Job {
            kind: RunKind::Reboot,
            package,
            from: None,
            to: None,
            by,
            lock: config.lock.clone(),
            holds: false,
            order: None,
            wish,
            rules: config.limits.rules(&config.verify),
        };
        let verify = config.verify.clone();
        // No package manager has a say in it.
        let config = UpgradeConfig {
            by: By::Scripts,
            ..config
        };
        let backend = || {
            let system = SystemUpgrade::new(layout, config)?;
            Ok(Backend::System(Box::new(system)))
        };
        // An operator who asks for it means now, or as soon as the host and the lock allow it; hours are for schedules.
        Self::enter_with(&begin, job, verify, None, Attempt::Now, backend)
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test's file need not be durable"
)]
pub(super) mod tests {
    use lockstep_model::RunId;
    use lockstep_plan::run::{Rules, Wished};

    use super::*;

    /// The journal of a run for this wish.
    pub(in crate::run) fn journal(wish: Wished, step: Step) -> RunJournal {
        let job = Job {
            kind: RunKind::Reboot,
            package: PackageName::reboot(),
            from: None,
            to: None,
            by: "ann".into(),
            lock: None,
            holds: false,
            order: None,
            wish: Some(wish.clone()),
            rules: Rules::default(),
        };
        RunJournal {
            step,
            ..RunJournal::begin(RunId::new(wish.from, [1; 10]), job, wish.from)
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_permits_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        assert!(permitted(&layout).is_err());
        let config = layout.config();
        std::fs::create_dir_all(config.parent().unwrap()).unwrap();
        std::fs::write(&config, "[wishes]\nreboot = true\n").unwrap();
        assert_eq!(permitted(&layout), Ok(()));
        // A restart of a container cannot be seen.
        let mark = dir.path().join(".dockerenv");
        std::fs::write(&mark, "").unwrap();
        let refused = permitted(&layout).unwrap_err().to_string();
        assert!(refused.starts_with("this is a container"), "{refused}");
        std::fs::remove_file(&mark).unwrap();
        assert_eq!(permitted(&layout), Ok(()));
        std::fs::write(&config, "[wishes]\nreboot = true\nfly = true\n").unwrap();
        assert!(permitted(&layout).is_err());
    }
}
