//! Daemons that nobody else starts with the machine: those of packages that name programs instead of a unit.
//!
//! The worker starts them, once in each boot, if they ran before it. Whether they did is what it has seen itself, from time
//! to time, or what the last run found. So a daemon that somebody has stopped by hand stays as it is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lockstep_host::pid_file::PidFile;
use lockstep_host::service::ServiceState;
use lockstep_host::slots::{Slot, Slots};
use lockstep_host::{Layout, machine};
use lockstep_model::{PackageName, Version};
use lockstep_plan::run::RunJournal;
use serde::{Deserialize, Serialize};
use tracing::{debug, info, warn};

use super::book::Books;
use super::daemon::{Daemon, state_words};
use crate::run::engine::own;
use crate::run::package_lock;
use crate::state::{read, write};
use crate::{Error, words};

/// Most packages that are looked at.
const MOST: usize = 64;

/// What is remembered of them, in `var/lib/lockstep/daemons.json`. The worker alone writes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Daemons {
    /// The boot in which they were started.
    #[serde(default)]
    boot_id: String,
    /// What was seen of each package.
    #[serde(default)]
    seen: BTreeMap<PackageName, Seen>,
}

/// What was seen of a daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Seen {
    version: Version,
    runs: bool,
    /// At the last look it stood still, though it had run. It may be that the machine is being stopped.
    #[serde(default)]
    stands_still: bool,
}

/// A daemon that may have to be started. Until that is done no run of its package begins.
#[derive(Debug)]
pub(crate) struct Asleep {
    package: PackageName,
    daemon: Daemon,
    _lock: PidFile,
}

impl Asleep {
    /// Starts it, if it does not run.
    pub(crate) async fn wake(self) {
        let (package, service) = (&self.package, self.daemon.name());
        match self.daemon.state().await {
            Ok(ServiceState::Active) => return,
            Ok(_) => {}
            Err(error) => {
                warn!(%package, service, error = words(&error), "left as it is after the restart of the machine");
                return;
            }
        }
        match self.daemon.start().await {
            Ok(()) => info!(%package, service, "started after the restart of the machine"),
            Err(error) => {
                warn!(%package, service, error = words(&error), "could not be started after the restart of the machine");
            }
        }
    }
}

impl Daemons {
    /// What is remembered.
    pub(crate) fn load(layout: &Layout) -> Result<Self, Error> {
        Ok(read(&path(layout))?.unwrap_or_default())
    }

    /// True if they were started in this boot.
    pub(crate) fn is_awake(&self, layout: &Layout) -> Result<bool, Error> {
        Ok(self.boot_id == machine::boot_id_below(layout)?)
    }

    /// What may have to be started, as its package's slot and journal are now. A run that has begun to change its package
    /// looks after the daemon itself.
    pub(crate) fn asleep(
        &self,
        layout: &Layout,
        journals: &[RunJournal],
    ) -> Result<Vec<Asleep>, Error> {
        let slots = Slots::new(layout.clone()).all_active()?;
        Ok(self.asleep_of(layout, &slots, journals))
    }

    fn asleep_of(&self, layout: &Layout, slots: &[Slot], journals: &[RunJournal]) -> Vec<Asleep> {
        let mut asleep = Vec::new();
        for (slot, daemon) in proven(layout, slots) {
            let package = slot.package();
            let changes = |it: &RunJournal| it.job.package == *package && !it.is_over() && it.begun;
            if !self.ran(layout, slot) || journals.iter().any(changes) {
                continue;
            }
            match own(layout, package) {
                Ok(lock) => asleep.push(Asleep {
                    package: package.clone(),
                    daemon,
                    _lock: lock,
                }),
                Err(error) => {
                    info!(%package, error = words(&error), "not started with the machine, a run is at it");
                }
            }
        }
        asleep
    }

    /// Did it run when it was seen last?
    fn ran(&self, layout: &Layout, slot: &Slot) -> bool {
        let seen = self.seen.get(slot.package());
        if let Some(seen) = seen.filter(|seen| seen.version == *slot.version()) {
            return seen.runs;
        }
        let book = Books::of(layout, slot.package()).book();
        book.is_ok_and(|book| book.ran == Some(true))
    }

    /// All were started that had to be.
    pub(crate) fn are_awake(mut self, layout: &Layout) -> Result<(), Error> {
        self.boot_id = machine::boot_id_below(layout)?;
        write(&path(layout), &self)
    }

    /// Looks which of them run, and remembers it.
    pub(crate) async fn look(self, layout: &Layout) -> Result<(), Error> {
        let slots = Slots::new(layout.clone()).all_active()?;
        let seen = self.clone().look_at(layout, &slots).await;
        match seen == self {
            true => Ok(()),
            false => write(&path(layout), &seen),
        }
    }

    async fn look_at(mut self, layout: &Layout, slots: &[Slot]) -> Self {
        let mut seen = BTreeMap::new();
        for (slot, daemon) in proven(layout, slots) {
            let package = slot.package();
            let known = self.seen.remove(package);
            let known = known.filter(|it| it.version == *slot.version());
            let is_changed = PidFile::is_held(&package_lock(layout, package));
            let state = match is_changed {
                true => None,
                false => daemon.state().await.ok(),
            };
            let next = match state {
                Some(ServiceState::Active) => Some((true, false)),
                // Seen once it may be the end of the machine, or of a run; seen twice somebody has stopped it.
                Some(ServiceState::Inactive) => match &known {
                    Some(known) if !known.stands_still => Some((known.runs, true)),
                    Some(_) => Some((false, true)),
                    None => Some((self.ran(layout, slot), true)),
                },
                // One that has failed was stopped by nobody.
                Some(state) => {
                    debug!(%package, state = state_words(state), "its daemon does not run");
                    None
                }
                None => None,
            };
            let next = next.map(|(runs, stands_still)| Seen {
                version: slot.version().clone(),
                runs,
                stands_still,
            });
            if let Some(seen_now) = next.or(known) {
                seen.insert(package.clone(), seen_now);
            }
        }
        Self { seen, ..self }
    }
}

/// Slots with programs for their daemon, whose version has proven itself.
fn proven<'a>(layout: &'a Layout, slots: &'a [Slot]) -> impl Iterator<Item = (&'a Slot, Daemon)> {
    slots.iter().take(MOST).filter_map(|slot| {
        let daemon = Daemon::of(layout, slot).ok().flatten();
        let daemon = daemon.filter(|it| matches!(it, Daemon::Commands(_)))?;
        let book = Books::of(layout, slot.package()).book().ok()?;
        let is_proven = book.proven.as_ref() == Some(slot.version());
        is_proven.then_some((slot, daemon))
    })
}

fn path(layout: &Layout) -> PathBuf {
    layout.state_dir().join("daemons.json")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lockstep_host::fs::{self, Mode};
    use lockstep_model::BundleManifest;

    use super::super::book::Book;
    use super::*;

    /// A daemon that is a file: it runs while that is there.
    fn slot(layout: &Layout) -> Slot {
        let dir = layout.slots_dir().join("pigeon/1.0.0");
        fs::create_dir(&dir).unwrap();
        let program = dir.join("pigeon");
        let text = "#!/bin/sh\ncd \"$LOCKSTEP_ROOT\"\ncase $1 in\n\
             status) [ -e runs ] || exit \"$(cat state)\";;\nstart) : > runs;;\nstop) rm -f runs;;\nesac\n";
        fs::write_durable(&program, text.as_bytes(), Mode::Executable).unwrap();
        let manifest = "package = \"pigeon\"\nversion = \"1.0.0\"\nplatform = \"any\"\n[service]\n\
             start = [\"pigeon\", \"start\"]\nstop = [\"pigeon\", \"stop\"]\nstatus = [\"pigeon\", \"status\"]\n";
        Slot {
            dir,
            manifest: BundleManifest::parse(manifest).unwrap(),
            hash: None,
            content: None,
            installed_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// A host, with a package whose daemon ran when its version was proven.
    struct Stage {
        root: tempfile::TempDir,
        layout: Layout,
        slots: Vec<Slot>,
    }

    impl Stage {
        fn set() -> Self {
            let root = tempfile::tempdir().unwrap();
            let layout = Layout::below(root.path());
            let slots = vec![slot(&layout)];
            let stage = Self {
                root,
                layout,
                slots,
            };
            stage.writes("state", "3");
            stage.knows(Some("1.0.0"), Some(true));
            stage
        }

        fn writes(&self, name: &str, text: &str) {
            fs::write_durable(&self.root.path().join(name), text.as_bytes(), Mode::Public).unwrap();
        }

        fn knows(&self, proven: Option<&str>, ran: Option<bool>) {
            let book = Book {
                proven: proven.map(|it| Version::parse(it).unwrap()),
                ran,
                ..Book::default()
            };
            let books = Books::of(&self.layout, self.slots[0].package());
            books.write_book(&book).unwrap();
        }

        fn runs(&self) -> bool {
            self.root.path().join("runs").exists()
        }

        /// Whether it runs after a boot. Then it is ended.
        async fn boots(&self, daemons: &Daemons) -> bool {
            for asleep in daemons.asleep_of(&self.layout, &self.slots, &[]) {
                asleep.wake().await;
            }
            let runs = self.runs();
            let _ = std::fs::remove_file(self.root.path().join("runs"));
            runs
        }
    }

    #[tokio::test]
    async fn what_ran_before_the_boot_is_started_and_what_was_stopped_by_hand_is_not() {
        let stage = Stage::set();
        let looks = async |daemons: Daemons| daemons.look_at(&stage.layout, &stage.slots).await;
        // By what the last run says, as long as nothing was seen.
        assert!(stage.boots(&Daemons::default()).await);
        stage.knows(Some("1.0.0"), Some(false));
        assert!(!stage.boots(&Daemons::default()).await);
        stage.writes("runs", "");
        let daemons = looks(Daemons::default()).await;
        assert!(stage.boots(&daemons).await, "somebody has started it since");
        // One look at one that stands still says nothing yet; two do.
        let daemons = looks(daemons).await;
        assert!(stage.boots(&daemons).await);
        let daemons = looks(daemons).await;
        assert!(!stage.boots(&daemons).await);
        // A daemon that died was stopped by nobody.
        stage.writes("runs", "");
        let mut daemons = looks(daemons).await;
        std::fs::remove_file(stage.root.path().join("runs")).unwrap();
        stage.writes("state", "1");
        for _ in 0..3 {
            daemons = looks(daemons).await;
        }
        assert!(stage.boots(&daemons).await);
        // A version on probation is its run's.
        stage.knows(None, Some(true));
        assert!(!stage.boots(&daemons).await);
    }

    #[tokio::test]
    async fn a_run_that_is_at_it_is_left_alone_and_each_boot_counts_once() {
        let stage = Stage::set();
        let daemons = Daemons::default();
        let held = own(&stage.layout, stage.slots[0].package()).unwrap();
        assert!(!stage.boots(&daemons).await);
        drop(held);
        let asleep = daemons.asleep_of(&stage.layout, &stage.slots, &[]);
        let lock = package_lock(&stage.layout, stage.slots[0].package());
        assert!(PidFile::is_held(&lock), "no run begins meanwhile");
        drop(asleep);
        stage.writes("proc/sys/kernel/random/boot_id", "one");
        assert!(!daemons.is_awake(&stage.layout).unwrap());
        daemons.are_awake(&stage.layout).unwrap();
        let daemons = Daemons::load(&stage.layout).unwrap();
        assert!(daemons.is_awake(&stage.layout).unwrap());
        stage.writes("proc/sys/kernel/random/boot_id", "two");
        assert!(!daemons.is_awake(&stage.layout).unwrap());
    }
}
