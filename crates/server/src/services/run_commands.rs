//! What people say of runs that have stopped.

use jiff::Timestamp;
use lockstep_model::{RunCommand, RunId, RunVerb};

use super::audit;
use crate::app::App;
use crate::web::Refusal;

/// Says what shall become of a run. The host hears it with the answer to its next report, for which it is called at
/// once, or when it asks.
pub(crate) async fn give(
    app: &App,
    id: &RunId,
    verb: RunVerb,
    why: &str,
    by: &str,
    now: Timestamp,
) -> Result<RunCommand, Refusal> {
    let why = why.trim();
    if why.len() > RunCommand::LONGEST_WHY {
        return Err(Refusal::bad_request(format!(
            "why: at most {} bytes are taken, this has {}",
            RunCommand::LONGEST_WHY,
            why.len()
        )));
    }
    if verb == RunVerb::Skip && why.is_empty() {
        return Err(Refusal::bad_request(
            "why: whoever skips a run says why, for those who find the host as it is",
        ));
    }
    let Some(run) = app.store.run(id).await? else {
        return Err(Refusal::not_found(format!("there is no run {id}")));
    };
    // The same word twice is one word: a run that was retried once must not be retried again when it fails again.
    let pending = app.store.run_command(&run.host, id).await?;
    if let Some(pending) = pending.filter(|pending| pending.verb == verb) {
        return Ok(pending);
    }
    let command = app.store.command_run(id, verb, by, why, now).await?;
    let done = match verb {
        RunVerb::Retry => "ordered a retry of",
        RunVerb::Skip => "ordered to skip",
    };
    let reason = match why {
        "" => String::new(),
        why => format!(": {why}"),
    };
    let what = format!(
        "{done} run {id} of {} ({}), command {}{reason}",
        run.host,
        run.record.what(),
        command.number
    );
    audit::note(app, by, &what, now).await;
    app.standing.forget();
    app.hints.report([run.host].into());
    Ok(command)
}
