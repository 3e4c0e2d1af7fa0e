//! The silences that runs have by themselves: a run in progress explains that its host is silent or was restarted.
//!
//! `plan::alert::lease` says which ones there should be; here they are stored, prolonged and ended.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::HostName;
use lockstep_model::alert::Silence;
use lockstep_plan::alert::lease;

use super::situation::Situation;
use crate::app::App;

/// A lease is written again when it would end so much later: not each second for each run.
const WORTH_WRITING: SignedDuration = SignedDuration::from_secs(60);
/// Who ends them.
const OWNER: &str = "lockstep";

/// Brings the leases in the store, and among the silences of the situation, to what they should be.
pub(crate) async fn keep(
    app: &App,
    situation: &mut Situation,
    now: Timestamp,
) -> Result<(), lockstep_store::Error> {
    let mut wanted = lease::leases(&situation.runs, |host| dependents(app, host), now);
    let there = |id: &str| situation.silences.iter().find(|it| it.id == id);
    let mut ended = Vec::new();
    for silence in &wanted {
        let known = there(&silence.id).map(|known| known.ends_at);
        if known.is_none_or(|ends_at| silence.ends_at.duration_since(ends_at) >= WORTH_WRITING) {
            // Somebody may have ended it: then they want to be told.
            if !app.store.put_lease(silence).await? {
                ended.push(silence.id.clone());
            }
        }
    }
    wanted.retain(|silence| !ended.contains(&silence.id));
    let is_over = |it: &&Silence| it.run.is_some() && !wanted.iter().any(|kept| kept.id == it.id);
    for silence in situation.silences.iter().filter(is_over) {
        app.store.end_silence(&silence.id, now, OWNER).await?;
    }
    situation.silences.retain(|silence| silence.run.is_none());
    situation.silences.extend(wanted);
    Ok(())
}

/// The hosts that a host takes with it.
fn dependents(app: &App, host: &HostName) -> Vec<HostName> {
    let Some(accepted) = app.fleet.accepted() else {
        return Vec::new();
    };
    accepted.dependents_of(host).to_vec()
}
