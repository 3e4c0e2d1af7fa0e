//! The audit trail: who did what.

use jiff::Timestamp;

use crate::app::App;

/// Notes what was done. What was done is done: a note that cannot be kept is shouted into the log and does not
/// undo it.
pub(crate) async fn note(app: &App, who: &str, what: &str, now: Timestamp) {
    tracing::info!(who, what, "audit");
    if let Err(error) = app.store.record_audit(who, what, now).await {
        tracing::error!(%error, who, what, "the audit trail could not be written");
    }
}
