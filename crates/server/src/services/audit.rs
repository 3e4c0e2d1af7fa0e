//! The audit trail: who did what.

use jiff::Timestamp;
use lockstep_store::AuditEntry;

use crate::app::App;
use crate::web::Refusal;

/// Entries that are read at once, and how often, by one search.
const AT_ONCE: usize = 1_000;
const ROUNDS: usize = 10;

/// What is noted when the owner of the machine has taken the way back in.
pub(crate) const RESCUED: &str =
    "was given a new password and the role admin on the server's machine";

/// Notes what was done. What was done is done: a note that cannot be kept is shouted into the log and does not
/// undo it.
pub(crate) async fn note(app: &App, who: &str, what: &str, now: Timestamp) {
    tracing::info!(who, what, "audit");
    if let Err(error) = app.store.record_audit(who, what, now).await {
        tracing::error!(%error, who, what, "the audit trail could not be written");
    }
}

/// Which entries are wanted; case does not count.
#[derive(Debug)]
pub(crate) struct Wanted {
    who: String,
    words: String,
}

impl Wanted {
    /// Those whose name has `who` in it, and whose deed has `words`; what is empty fits all.
    pub(crate) fn of(who: &str, words: &str) -> Self {
        Self {
            who: who.trim().to_lowercase(),
            words: words.trim().to_lowercase(),
        }
    }

    fn is_all(&self) -> bool {
        self.who.is_empty() && self.words.is_empty()
    }

    fn fits(&self, entry: &AuditEntry) -> bool {
        self.is_all()
            || entry.who.to_lowercase().contains(&self.who)
                && entry.what.to_lowercase().contains(&self.words)
    }
}

/// The place of an entry in the trail.
pub(crate) type Place = (Timestamp, String);

/// What a search found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The entries, newest first.
    pub(crate) entries: Vec<AuditEntry>,
    /// Behind which entry to go on; none if there is no more.
    pub(crate) next: Option<Place>,
    /// How far was looked, if not to the end: one search reads no more than some thousand entries.
    pub(crate) looked_to: Option<Timestamp>,
}

/// Entries behind `before`, at most `most`.
pub(crate) async fn search(
    app: &App,
    wanted: &Wanted,
    before: Option<Place>,
    most: usize,
) -> Result<Found, Refusal> {
    let at_once = if wanted.is_all() { most + 1 } else { AT_ONCE };
    let mut entries = Vec::new();
    let mut place = before;
    for _ in 0..ROUNDS {
        let behind = place.as_ref().map(|(at, id)| (*at, id.as_str()));
        let read = app.store.audit_before(behind, at_once as u32).await?;
        let is_last = read.len() < at_once;
        place = read.last().map(|last| (last.at, last.id.clone()));
        entries.extend(read.into_iter().filter(|entry| wanted.fits(entry)));
        if entries.len() > most || is_last {
            // One more than is wanted tells that there are more.
            let last = (entries.len() > most).then(|| most.saturating_sub(1));
            let last = last.and_then(|last| entries.get(last));
            let next = last.map(|last| (last.at, last.id.clone()));
            entries.truncate(most);
            return Ok(Found {
                entries,
                next,
                looked_to: None,
            });
        }
    }
    Ok(Found {
        entries,
        looked_to: place.as_ref().map(|(at, _)| *at),
        next: place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whatever_their_case() {
        let entry = AuditEntry {
            id: "1".into(),
            at: Timestamp::UNIX_EPOCH,
            who: "Ann".into(),
            what: "promoted lockstep 1.1.0 to Stable".into(),
        };
        let fits = |who: &str, words: &str| Wanted::of(who, words).fits(&entry);
        assert!(fits("", "") && fits("ann", "") && fits(" AN ", "stable") && fits("", "1.1.0"));
        assert!(!fits("bob", "") && !fits("ann", "halted") && !fits("stable", ""));
    }
}
