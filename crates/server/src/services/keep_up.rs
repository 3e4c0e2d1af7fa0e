//! How well the hosts of a package's channels kept up with them, from the real curves of rollouts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{ChannelName, PackageName, RolloutId};
use lockstep_pages::releases::KeptUp;
use lockstep_plan::keep_up;

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

/// The channels of a package, by name.
pub(crate) async fn of(
    app: &App,
    package: &PackageName,
    now: Timestamp,
) -> Result<Vec<KeptUp>, Refusal> {
    let from = now
        .checked_sub(SignedDuration::from_hours(24 * DAYS))
        .unwrap_or(Timestamp::MIN);
    let mut channels: BTreeMap<ChannelName, Vec<(RolloutId, Timestamp)>> = BTreeMap::new();
    for rollout in app.store.rollouts(LOOKED_THROUGH).await? {
        if rollout.package != *package {
            continue;
        }
        let ids = channels.entry(rollout.channel).or_default();
        // One that began before the time says how the channel stood at its beginning.
        let is_enough = ids.last().is_some_and(|(_, begun)| *begun <= from);
        if !is_enough && ids.len() < MOST {
            ids.push((rollout.id, rollout.created_at));
        }
    }
    let mut found = Vec::new();
    for (channel, mut rollouts) in channels.into_iter().take(MOST_CHANNELS) {
        rollouts.reverse();
        let mut courses = Vec::new();
        for (id, _) in &rollouts {
            courses.push(rollout_curves::real_alone(app, *id, now).await?);
        }
        let course = keep_up::course(&courses, from, now);
        found.push(KeptUp {
            channel,
            daily: keep_up::daily(&course, now),
            course,
            rollouts: rollouts
                .into_iter()
                .filter(|(_, begun)| *begun >= from)
                .collect(),
        });
    }
    Ok(found)
}
