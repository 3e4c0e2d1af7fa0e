//! Locks in the words of people.

use jiff::Timestamp;
use lockstep_model::api::operator::{GhostView, LockView};
use lockstep_model::{Ghost, GhostAction, Holder, HostName};

use crate::out;

/// Parses a host's name, or `operator:NAME`.
pub(super) fn parse_holder(text: &str) -> Result<Holder, String> {
    match text.strip_prefix("operator:") {
        Some("") => Err("behind \"operator:\" stands a name".into()),
        Some(name) => Ok(Holder::Operator(name.into())),
        None => HostName::parse(text)
            .map(Holder::Host)
            .map_err(|error| format!("{error}; an operator is written \"operator:NAME\"")),
    }
}

/// A reason that is kept: there is one, and it is not too long.
pub(super) fn parse_why(text: &str) -> Result<String, String> {
    const MOST: usize = 500;
    match text.trim() {
        "" => Err("a reason is needed".into()),
        text if text.len() > MOST => {
            Err(format!("it has {} bytes; {MOST} are allowed", text.len()))
        }
        text => Ok(text.into()),
    }
}

/// `free`, `full`, `disabled` or `needs unmet`: the first thing that keeps the next one from getting a place.
pub(super) fn state(view: &LockView) -> &'static str {
    if why_disabled(view).is_some() {
        "disabled"
    } else if view.taken.len() >= view.places {
        "full"
    } else if !view.unmet.is_empty() {
        "needs unmet"
    } else {
        "free"
    }
}

/// Why the lock gives no places, and who said so.
pub(super) fn why_disabled(view: &LockView) -> Option<String> {
    if let Some(disabled) = &view.lock.state.disabled {
        return Some(format!(
            "{} (by {} at {:.0})",
            disabled.why, disabled.by, disabled.at
        ));
    }
    let why = view.lock.rule.disabled.as_ref()?;
    Some(format!("{why} (by the fleet file)"))
}

/// The commands that are safe for a ghost, ready to be run, each with its purpose. What is not a command line is said in
/// words.
pub(super) fn safe(lock: &str, ghost: &GhostView) -> Vec<String> {
    let free = free_command(lock, &ghost.holder);
    let host = ghost.holder.host().map(ToString::to_string);
    let look = host.as_ref().map_or_else(
        || format!("lockstep lock show {lock}"),
        |host| format!("lockstep host show {host}"),
    );
    let name = host.unwrap_or_else(|| ghost.holder.to_string());
    match (ghost.action, &ghost.ghost) {
        (GhostAction::RetryOrSkip, Ghost::Stopped { run, .. }) => vec![
            format!("lockstep run show {run}"),
            format!("then: lockstep run retry {run}"),
            format!("or:   lockstep run skip {run} --why WHY"),
        ],
        (GhostAction::Free, _) => vec![free],
        (GhostAction::RetryOrSkip, _) => vec![format!("lockstep run list --stopped --host {name}")],
        (GhostAction::Restart, _) => {
            vec![format!(
                "on {name}: systemctl reboot (its run goes on after the restart)"
            )]
        }
        (GhostAction::Mend, _) => vec![format!(
            "lockstep problems --host {name} (its run goes on once it is well)"
        )],
        (GhostAction::FindOut, _) => vec![
            format!("{look} (is the machine off, or only cut off?)"),
            format!("only if it is off: {free}"),
        ],
    }
}

/// The command that takes a lock away from its holder.
pub(super) fn free_command(lock: &str, holder: &Holder) -> String {
    format!(
        "lockstep lock free {lock} --holder {} --why WHY",
        for_a_shell(&holder.written())
    )
}

/// A word as a shell must be given it.
fn for_a_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/+,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Who it is, and whether it is a ghost.
pub(super) fn holder(view: &LockView, holder: &Holder) -> String {
    match ghost_of(view, holder) {
        Some(_) => format!("{holder} (ghost)"),
        None => holder.to_string(),
    }
}

/// What is doubtful about a holder.
pub(super) fn ghost_of<'a>(view: &'a LockView, holder: &Holder) -> Option<&'a GhostView> {
    view.ghosts.iter().find(|ghost| ghost.holder == *holder)
}

/// How long something has gone on.
pub(super) fn lasting(since: Timestamp, now: Timestamp) -> String {
    let ago = out::ago(since, now);
    ago.strip_suffix(" ago").unwrap_or(&ago).into()
}
