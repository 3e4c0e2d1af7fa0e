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

/// The same for the worker, which has read `agent.toml` before: the run will read it again, and obey what it finds.
pub(crate) fn refuses_now(layout: &Layout, permits: &WishPermits) -> Option<String> {
    let of_the_file = || permitted(layout).err().map(|reason| one_line(&reason));
    refuses(layout, permits).or_else(of_the_file)
}

/// Why no run could be begun though restarts are permitted, if none could.
pub(crate) fn hinders(layout: &Layout) -> Option<String> {
    let error = UpgradeConfig::load(&layout.update_config(), false).err()?;
    Some(one_line(&words(&error)))
}

/// What fits into a line of a list: mistakes in files are told with the lines around them.
fn one_line(text: &impl ToString) -> String {
    let text = text.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the host permits now. A file that cannot be read permits nothing.
pub(super) fn permitted(layout: &Layout) -> Result<(), RunReason> {
    let refused = match AgentConfig::load(&layout.config()) {
        Ok(config) => refuses(layout, &config.wishes),
        Err(error) => Some(words(&error)),
    };
    refused.map_or(Ok(()), |why| Err(RunReason::NotPermitted { why }))
}

/// Why a restart is given up before the command: the wish was taken back before anything was done, or is not permitted any
/// more. Right before the command the permit is looked at once more, by whoever gives it.
pub(super) fn unwanted(layout: &Layout, journal: &RunJournal, now: Timestamp) -> Option<RunReason> {
    let wish = journal.job.wish.as_ref()?;
    // What follows from its end is the run's own to say.
    if wish.is_over(now) {
        return None;
    }
    match journal.step {
        // Also after a kill: what was called may be called again.
        Step::Pre => {}
        Step::Spread { .. } | Step::Idle | Step::Lock { .. } | Step::Hold { .. }
            if !journal.begun => {}
        _ => return None,
    }
    if let Err(reason) = permitted(layout) {
        return Some(reason);
    }
    // The server tells no more of what has begun.
    if journal.begun {
        return None;
    }
    // What cannot be read now says nothing.
    let told = WishBook::read(layout).ok()?.reboot_number();
    (told != Some(wish.number)).then_some(RunReason::WishTakenBack)
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

    fn permits(layout: &Layout, text: &str) {
        std::fs::create_dir_all(layout.config().parent().unwrap()).unwrap();
        std::fs::write(layout.config(), text).unwrap();
    }

    #[test]
    fn a_mistake_in_a_file_is_said_in_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        assert_eq!(hinders(&layout), None);
        permits(&layout, "[wishes]\nreboot = true\n");
        std::fs::write(layout.update_config(), "lock = \"os\"\nrebot = []\n").unwrap();
        let why = hinders(&layout).unwrap();
        assert!(
            why.contains("update.toml") && why.contains("rebot"),
            "{why}"
        );
        assert!(!why.contains('\n'), "{why}");
        std::fs::write(layout.update_config(), "lock = \"os\"\n").unwrap();
        assert_eq!(hinders(&layout), None);
        // What the worker read before does not count if the run would read something else.
        let before = WishPermits {
            reboot: true,
            ..WishPermits::default()
        };
        assert_eq!(refuses_now(&layout, &before), None);
        permits(&layout, "[wishes]\nreboot = false\n");
        let why = refuses_now(&layout, &before).unwrap();
        assert!(why.contains("reboot = true in [wishes]"), "{why}");
        permits(&layout, "[wishes]\nreboot = true\n");
        let never = WishPermits::default();
        assert!(refuses_now(&layout, &never).is_some());
    }

    #[test]
    fn a_run_looks_at_the_wish_until_it_has_begun_and_at_the_permit_until_the_command() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let wish = Wished {
            number: 7,
            boot_id: "boot-1".into(),
            from: at(0),
            until: at(60),
        };
        let run = |step, begun| RunJournal {
            begun,
            ..journal(wish.clone(), step)
        };
        let why = |run: &RunJournal, second| unwanted(&layout, run, at(second));
        let post = Box::new(Step::Post);
        let waits = [run(Step::Idle, false), run(Step::Pre, false)];
        let begun = [
            run(Step::Pre, true),
            run(Step::Lock { then: post }, true),
            run(Step::Post, true),
        ];
        // The book has no such wish.
        permits(&layout, "[wishes]\nreboot = true\n");
        for run in &waits {
            assert_eq!(why(run, 1), Some(RunReason::WishTakenBack));
            // What follows from its end is the machine's to say.
            assert_eq!(why(run, 60), None);
        }
        // The server tells no more of what has begun.
        for run in &begun {
            assert_eq!(why(run, 1), None, "{:?}", run.step);
        }
        permits(&layout, "");
        let is_refused = |run| matches!(why(run, 1), Some(RunReason::NotPermitted { .. }));
        assert!(waits.iter().all(is_refused) && is_refused(&begun[0]));
        assert!(!is_refused(&begun[1]) && !is_refused(&begun[2]));
        // A book that cannot be read says nothing.
        permits(&layout, "[wishes]\nreboot = true\n");
        std::fs::create_dir_all(layout.wishes()).unwrap();
        assert_eq!(why(&waits[0], 1), None);
    }
}
