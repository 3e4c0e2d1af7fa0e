//! What operators wish of this host, from the answers to reports.
//!
//! A restart of the machine is a run, and a process of its own. A restart of the agent is this worker's end in good order:
//! that it was obeyed is on the disk before the worker ends.

use lockstep_model::{HostWish, PackageName, WishSeen};
use tokio::time::Instant;
use tracing::{error, info};

use super::runs::Due;
use super::{HINT_PAUSE, Worker};
use crate::run::{Here, WishBook, refuses_reboot};
use crate::words;

impl Worker {
    /// Reads the book of wishes, unless that is done. A disk that does not give it keeps nothing else from running; but no
    /// wish is obeyed meanwhile, for it may have been obeyed before.
    pub(super) fn read_wishes(&mut self) {
        if self.has_read_wishes {
            return;
        }
        match WishBook::read(&self.layout) {
            Ok(book) => {
                self.wishes = book;
                self.has_read_wishes = true;
            }
            Err(error) => error!(
                error = words(&error),
                "what was wished of this host before cannot be read, so no wish is obeyed until it can"
            ),
        }
    }

    /// Takes in what is wished. What could not be written down is not obeyed: it is told again.
    pub(super) fn take_wishes(&mut self, wishes: &[HostWish]) {
        if self.on_trial {
            // The version in force obeys, not one that may be left.
            return;
        }
        self.read_wishes();
        if !self.has_read_wishes {
            return;
        }
        let (here, server) = (self.clock.now(), self.order_time());
        let told = self.wishes.told(wishes, here, server);
        if told != self.wishes {
            if let Err(error) = told.write(&self.layout) {
                error!(
                    error = words(&error),
                    "what is wished of this host could not be written down"
                );
                return;
            }
            let is_another = told.reboot_number() != self.wishes.reboot_number();
            self.wishes = told;
            if is_another {
                info!(
                    number = self.wishes.reboot_number(),
                    "what is wished of this machine has changed"
                );
                self.runs.forget(&PackageName::reboot());
                self.look_at_runs();
            }
            // Whoever wishes shall see what becomes of it.
            self.next_report = soon(self.next_report, self.last_report, Instant::now());
        }
        self.restart_if_wished();
    }

    /// Ends this worker, if that is wished. A candidate that is about to be tried is not kept from it.
    fn restart_if_wished(&mut self) {
        let is_offered = self
            .run
            .as_ref()
            .is_some_and(|run| !run.is_over() && !run.step.is_the_workers());
        let now = self.clock.now();
        let spent = self.wishes.restarts_agent(&self.config.wishes, now);
        let Some(spent) = spent.filter(|_| !is_offered) else {
            return;
        };
        match spent.write(&self.layout) {
            Ok(()) => {
                info!("an operator wishes this agent to be started again");
                self.wishes = spent;
                self.ends_for_restart = true;
            }
            Err(error) => error!(
                error = words(&error),
                "that the agent is restarted could not be written down, so it is not"
            ),
        }
    }

    /// The run that restarts the machine, if it is to be begun now.
    pub(super) fn reboot_due(&self) -> Option<Due> {
        // Before the server has said anything since this start, nothing is known to be taken back.
        self.reported_at?;
        self.wishes.reboot_number()?;
        let refused = refuses_reboot(&self.layout, &self.config.wishes);
        let here = self.here(refused.as_deref());
        let begins = self.wishes.begins_reboot(&here, self.clock.now());
        begins.then(|| Due {
            package: PackageName::reboot(),
            args: ["agent", "reboot-run"].map(String::from).into(),
        })
    }

    /// Where the wishes stand, for reports.
    pub(super) fn wishes_seen(&self) -> Vec<WishSeen> {
        let refused = refuses_reboot(&self.layout, &self.config.wishes);
        let here = self.here(refused.as_deref());
        let permits = &self.config.wishes;
        self.wishes.seen(permits, &here, self.clock.now())
    }

    fn here<'a>(&'a self, refused: Option<&'a str>) -> Here<'a> {
        let package = PackageName::reboot();
        let mut journals = self.runs.journals().iter();
        Here {
            refused,
            boot_id: &self.boot_id,
            last: journals.find(|journal| journal.job.package == package),
        }
    }
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
