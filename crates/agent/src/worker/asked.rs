//! What operators wish of this host, from the answers to reports.
//!
//! A restart of the machine is a run, and a process of its own. A restart of the agent is this worker's end in good order:
//! that it was obeyed is on the disk before the worker ends.

use lockstep_model::{HostWish, PackageName, WishSeen};
use tokio::time::Instant;
use tracing::{error, info};

use super::runs::Due;
use super::{HINT_PAUSE, Worker};
use crate::run::{Here, hinders_reboot, refuses_reboot};
use crate::words;

impl Worker {
    /// Takes in what is wished. What is not wished any more is not obeyed from now on; what is wished anew, when it is
    /// written down.
    pub(super) fn take_wishes(&mut self, wishes: &[HostWish]) {
        if self.on_trial {
            // The version in force obeys, not one that may be left.
            return;
        }
        let (here, server) = (self.clock.now(), self.order_time());
        let before = self.wishes.book().reboot_number();
        if !self.wishes.take(&self.layout, wishes, here, server) {
            return;
        }
        let number = self.wishes.book().reboot_number();
        if number != before {
            info!(number, "what is wished of this machine has changed");
            self.runs.forget(&PackageName::reboot());
            self.look_at_runs();
        }
        // Whoever wishes shall see what becomes of it.
        self.next_report = soon(self.next_report, self.last_report, Instant::now());
    }

    /// Ends this worker, if that is wished. A candidate that is about to be tried is not kept from it.
    pub(super) fn restart_if_wished(&mut self) {
        let is_offered = self
            .run
            .as_ref()
            .is_some_and(|run| !run.is_over() && !run.step.is_the_workers());
        if self.on_trial || is_offered {
            return;
        }
        let now = self.clock.now();
        let permits = &self.config.wishes;
        match self.wishes.uses_up_restart(&self.layout, permits, now) {
            Ok(true) => {
                info!("an operator wishes this agent to be started again");
                self.ends_for_restart = true;
            }
            Ok(false) => {}
            Err(error) => error!(
                error = words(&error),
                "that the agent is restarted could not be written down, so it is not"
            ),
        }
    }

    /// The run that restarts the machine, if it is to be begun now.
    pub(super) fn reboot_due(&self) -> Option<Due> {
        if self.may_be_taken_back() {
            return None;
        }
        let keeps = self.keeps_from_reboot()?;
        let here = self.here(&keeps);
        let book = self.wishes.book();
        let begins = book.begins_reboot(&here, self.clock.now());
        begins.then(|| Due {
            package: PackageName::reboot(),
            args: ["agent", "reboot-run"].map(String::from).into(),
        })
    }

    /// True while a run could not know that its wish was taken back: before the server has said anything since this start,
    /// and as long as what it has said is not on the disk, or what is there cannot be read.
    pub(super) fn may_be_taken_back(&self) -> bool {
        self.reported_at.is_none() || !self.wishes.is_on_disk()
    }

    /// Where the wishes stand, for reports.
    pub(super) fn wishes_seen(&self) -> Vec<WishSeen> {
        let keeps = self.keeps_from_reboot().unwrap_or_default();
        let here = self.here(&keeps);
        let permits = &self.config.wishes;
        let book = self.wishes.book();
        book.seen(permits, &here, self.clock.now())
    }

    /// What keeps this host from restarting; none if nobody wishes it. It is read from files.
    fn keeps_from_reboot(&self) -> Option<Keeps> {
        self.wishes.book().reboot_number()?;
        let unwritten = (!self.wishes.is_on_disk()).then(|| {
            "what is wished of this host could not be written to its disk; tried again".into()
        });
        Some(Keeps {
            refused: refuses_reboot(&self.layout, &self.config.wishes),
            hindered: unwritten.or_else(|| hinders_reboot(&self.layout)),
        })
    }

    fn here<'a>(&'a self, keeps: &'a Keeps) -> Here<'a> {
        let package = PackageName::reboot();
        let mut journals = self.runs.journals().iter();
        Here {
            refused: keeps.refused.as_deref(),
            hindered: keeps.hindered.as_deref(),
            boot_id: &self.boot_id,
            last: journals.find(|journal| journal.job.package == package),
        }
    }
}

/// What keeps a host from restarting for a wish.
#[derive(Debug, Default)]
struct Keeps {
    /// Its own files permit none.
    refused: Option<String>,
    /// They do, but none could be begun.
    hindered: Option<String>,
}

/// When a host reports that has news, or was told of some: soon, and not without a pause. A server that has news without
/// end must not make its hosts report, and write, without end.
pub(super) fn soon(planned: Instant, last: Instant, now: Instant) -> Instant {
    planned.min(now.max(last + HINT_PAUSE))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn news_without_end_make_no_reports_without_end() {
        let last = Instant::now();
        let after = |millis| last + Duration::from_millis(millis);
        let planned = after(300_000);
        // The answer came at once: the next report waits.
        assert_eq!(soon(planned, last, after(3)), last + HINT_PAUSE);
        // It does not wait for more than that.
        assert_eq!(soon(planned, last, after(60_000)), after(60_000));
        // What was planned sooner stays.
        assert_eq!(soon(after(100), last, after(3)), after(100));
    }
}
