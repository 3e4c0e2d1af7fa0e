//! How well the hosts of a package's channels kept up with them, from the real curves of rollouts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{ChannelName, PackageName, Rollout};
use lockstep_pages::releases::KeptUp;
use lockstep_plan::keep_up;
use lockstep_store::Standing;

use super::rollout_curves;
use crate::app::App;
use crate::web::Refusal;

/// How far back.
const DAYS: i64 = 30;
/// Newest rollouts of the whole fleet that are looked through.
const LOOKED_THROUGH: u32 = 50;
/// Rollouts of one channel whose curves are read: each of them is a question about its hosts.
const MOST: usize = 4;
/// Channels of one package.
const MOST_CHANNELS: usize = 4;

/// So long after the next rollout began the curve of one that is over hardly changes any more: by then the server has heard
/// of the runs that it brought, but for those of hosts that were away.
const PAST_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// The channels of a package, by name. `fleet` is how hosts stand towards the package.
pub(crate) async fn of(
    app: &App,
    package: &PackageName,
    fleet: &[Standing],
    now: Timestamp,
) -> Result<Vec<KeptUp>, Refusal> {
    let from = now
        .checked_sub(SignedDuration::from_hours(24 * DAYS))
        .unwrap_or(Timestamp::MIN);
    let mut channels: BTreeMap<ChannelName, Vec<Rollout>> = BTreeMap::new();
    for rollout in app.store.rollouts(LOOKED_THROUGH).await? {
        if rollout.package != *package {
            continue;
        }
        let known = channels.entry(rollout.channel.clone()).or_default();
        // One that began before the time says how the channel stood at its beginning.
        let is_enough = known.last().is_some_and(|it| it.created_at <= from);
        if !is_enough && known.len() < MOST {
            known.push(rollout);
        }
    }
    let mut found = Vec::new();
    for (channel, mut rollouts) in channels.into_iter().take(MOST_CHANNELS) {
        rollouts.reverse();
        let mut courses = Vec::new();
        for (place, rollout) in rollouts.iter().enumerate() {
            let next = rollouts.get(place + 1);
            let is_past = rollout.state.is_over()
                && next.is_some_and(|it| now.duration_since(it.created_at) > PAST_AFTER);
            let curve = rollout_curves::real_alone(app, rollout, fleet, is_past, now).await?;
            courses.push(curve.to_vec());
        }
        let course = keep_up::course(&courses, from, now);
        found.push(KeptUp {
            channel,
            daily: keep_up::daily(&course, now),
            course,
            rollouts: rollouts
                .into_iter()
                .filter(|it| it.created_at >= from)
                .map(|it| (it.id, it.created_at))
                .collect(),
        });
    }
    Ok(found)
}
