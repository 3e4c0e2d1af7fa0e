//! What a person's word makes of a run that has stopped.

use jiff::Timestamp;
use lockstep_model::{Outcome, Phase, RunCommand, RunReason, RunVerb};

use super::{RunJournal, Step};

/// What a person's word makes of a run that has stopped. A command that was obeyed before, or is about another run or one
/// that has not stopped, changes nothing.
#[must_use]
pub fn command(journal: &RunJournal, command: &RunCommand, now: Timestamp) -> RunJournal {
    if command.run != journal.id || command.number <= journal.commanded {
        return journal.clone();
    }
    let obeyed = command_by_hand(journal, command.verb, &command.by, &command.why, now);
    match journal.has_stopped() {
        true => RunJournal {
            commanded: command.number,
            ..obeyed
        },
        false => obeyed,
    }
}

/// The same of a person on the host itself. It has no number, so that the next command of the server is not taken for one
/// that was obeyed before.
#[must_use]
pub fn command_by_hand(
    journal: &RunJournal,
    verb: RunVerb,
    by: &str,
    why: &str,
    now: Timestamp,
) -> RunJournal {
    let Step::Stopped {
        phase,
        reason,
        boot_id,
    } = &journal.step
    else {
        return journal.clone();
    };
    match verb {
        RunVerb::Retry => {
            let step = match *phase {
                // It is the way back that failed: to look at the health of what was left would prove the wrong version.
                Phase::Verify if journal.is_bundle() => Step::Return {
                    reason: reason.clone(),
                },
                phase => entry(phase, boot_id.as_ref()),
            };
            journal.at(journal.held_for(step), now)
        }
        RunVerb::Skip => {
            let (by, why) = (by.to_owned(), why.to_owned());
            journal.release(Outcome::Failed, Some(RunReason::Skipped { by, why }), now)
        }
    }
}

/// The step by which a phase that failed is entered again.
fn entry(phase: Phase, boot_id: Option<&String>) -> Step {
    match phase {
        Phase::Apply => Step::Apply,
        Phase::Reboot => match boot_id {
            Some(boot_id) => Step::Rebooting {
                boot_id: boot_id.clone(),
                ordered_at: None,
            },
            None => Step::NeedsReboot,
        },
        Phase::Post => Step::Post,
        Phase::Verify => Step::Verify { well_since: None },
        _ => Step::Pre,
    }
}
