//! Wishes: whom the server tells of one, where it stands, and what an agent says of it.
//!
//! A wish is desired state with a number and an end, no command. The server tells it in each answer until the host says
//! that it has begun; the host obeys each number once. For a restart of the machine all else is [`crate::run`]'s.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{HostWish, Outcome, RunId, RunReason, WishSeen, WishState, WishVerb};

use crate::run::{RunJournal, Step, Wished, is_spent};

/// A machine is not restarted for wishes twice within this time: somebody is to get at it meanwhile, and can forbid more.
const BETWEEN_REBOOTS: SignedDuration = SignedDuration::from_mins(10);

/// Where a wish stands, and what there is to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where.
    pub state: WishState,
    /// The run that does it.
    pub run: Option<RunId>,
    /// For people; may be empty.
    pub words: String,
}

/// Where a wish stands by what the server knows: what it has closed it as itself, if it tells it no more before its end, and
/// what the host said of it last. What the host has begun is begun, whatever was said meanwhile. A word of the host that this
/// version does not know (of a newer agent) closes nothing: it is told, and can be taken back, until its end.
#[must_use]
pub fn standing(
    wish: &HostWish,
    closed: Option<WishState>,
    seen: &[WishSeen],
    now: Timestamp,
) -> Standing {
    let seen = seen
        .iter()
        .find(|it| it.verb == wish.verb && it.number == wish.number);
    let of_the_server = |state| Standing {
        state,
        run: seen.and_then(|it| it.run),
        words: String::new(),
    };
    match (seen, closed) {
        (Some(seen), _) if !seen.state.is_open() && seen.state != WishState::Unknown => {}
        (_, Some(closed)) => return of_the_server(closed),
        _ if now >= wish.until => return of_the_server(WishState::Void),
        _ => {}
    }
    seen.map_or_else(
        || of_the_server(WishState::Unheard),
        |seen| Standing {
            state: match seen.state {
                // It has heard of it.
                WishState::Unknown => WishState::Waits,
                known => known,
            },
            run: seen.run,
            words: seen.words.clone(),
        },
    )
}

/// What an agent knows of a wish that it was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard<'a> {
    /// The wish, by this host's clock.
    pub wish: &'a Wished,
    /// Why the host does not permit it, if it does not.
    pub refused: Option<&'a str>,
    /// What else keeps the host from beginning it, if anything does: a file of its own that is not understood, a full disk.
    pub hindered: Option<&'a str>,
    /// The machine's boot now; empty if it is not known.
    pub boot_id: &'a str,
}

/// True if an agent begins a run for a wish now: it is permitted, in time, of this boot, nothing hinders it, and its number is
/// not used up.
#[must_use]
pub fn begins_reboot(heard: &Heard<'_>, last: Option<&RunJournal>, now: Timestamp) -> bool {
    let is_of_this_boot = heard.wish.boot_id == heard.boot_id;
    heard.refused.is_none()
        && heard.hindered.is_none()
        && is_of_this_boot
        && !heard.wish.is_over(now)
        && last.is_none_or(RunJournal::is_over)
        && !is_fresh(last, now)
        && !is_spent(last, heard.wish.number)
}

/// True if the last run has ended a moment ago, and has done something. A clock that was set back does not make that moment
/// longer.
fn is_fresh(last: Option<&RunJournal>, now: Timestamp) -> bool {
    let since = last.filter(|last| last.begun && last.is_over());
    let since = since.map(|last| now.duration_since(last.changed_at));
    since.is_some_and(|since| since >= SignedDuration::ZERO && since < BETWEEN_REBOOTS)
}

/// What an agent says of restarts of the machine: of the one that it was told of, or else of the last one that it did.
#[must_use]
pub fn seen_reboot(
    heard: Option<&Heard<'_>>,
    last: Option<&RunJournal>,
    now: Timestamp,
) -> Option<WishSeen> {
    let of_run = last.and_then(|last| Some((last, last.job.wish.as_ref()?)));
    let says = |number, state, run, words: String| {
        Some(WishSeen {
            verb: WishVerb::Reboot,
            number,
            state,
            run,
            words,
        })
    };
    if let Some(heard) = heard
        && of_run.is_none_or(|(_, of_run)| of_run.number < heard.wish.number)
    {
        let number = heard.wish.number;
        if !heard.boot_id.is_empty() && heard.boot_id != heard.wish.boot_id {
            let words = "the machine was restarted by another hand".into();
            return says(number, WishState::Done, None, words);
        }
        if heard.wish.is_over(now) {
            return says(number, WishState::Void, None, String::new());
        }
        return match (heard.refused, last.filter(|last| !last.is_over())) {
            (Some(why), _) => says(number, WishState::NotPermitted, None, why.into()),
            (None, Some(last)) => {
                let words = format!("the run of an earlier wish, {}, is under way", last.id);
                says(number, WishState::Waits, None, words)
            }
            (None, None) => {
                let words = match (heard.hindered, is_fresh(last, now)) {
                    (Some(why), _) => why,
                    (None, true) => {
                        "a wished restart of the machine ended less than ten minutes ago"
                    }
                    (None, false) => "it is taken up in a moment",
                };
                says(number, WishState::Waits, None, words.into())
            }
        };
    }
    let (run, wish) = of_run?;
    let (state, words) = of_journal(run, wish, heard, now);
    says(wish.number, state, Some(run.id), words)
}

/// Where the wish of a run stands.
fn of_journal(
    run: &RunJournal,
    wish: &Wished,
    heard: Option<&Heard<'_>>,
    now: Timestamp,
) -> (WishState, String) {
    let why =
        |reason: &Option<RunReason>| reason.as_ref().map(ToString::to_string).unwrap_or_default();
    match &run.step {
        Step::Stopped { phase, reason, .. } => {
            (WishState::Stopped, format!("in phase {phase}: {reason}"))
        }
        Step::Nothing if wish.is_over(now) => (WishState::Void, String::new()),
        Step::Nothing => (WishState::Done, String::new()),
        Step::Over {
            outcome: Outcome::Done,
            reason,
        } => (WishState::Done, why(reason)),
        Step::Over {
            outcome: Outcome::Postponed,
            reason,
        } if run.begun || matches!(reason, Some(RunReason::WishOver { .. })) => {
            (WishState::Void, why(reason))
        }
        Step::Over {
            outcome: Outcome::Postponed,
            reason,
        } => {
            let refused = heard.and_then(|it| it.refused);
            let hindered = heard.and_then(|it| it.hindered);
            match (wish.is_over(now), refused, hindered) {
                (true, _, _) => (WishState::Void, why(reason)),
                (false, Some(refused), _) => (WishState::NotPermitted, refused.to_owned()),
                (false, None, Some(hindered)) => (WishState::Waits, hindered.to_owned()),
                (false, None, None) => (WishState::Waits, why(reason)),
            }
        }
        Step::Over { reason, .. } => (WishState::Failed, why(reason)),
        // Not before it is noted on the disk: the server tells no more of what has begun, and the run still asks.
        _ if run.begun => (WishState::Begun, format!("in phase {}", run.step.phase())),
        _ => {
            let waits = run.waiting.as_ref().map(|waiting| waiting.why.to_string());
            (WishState::Waits, waits.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests;
