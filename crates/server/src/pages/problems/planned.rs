//! What is to come by itself, as far as it is known: hours of maintenance, silences, and the hours of rollouts.

use jiff::Timestamp;
use lockstep_model::api::operator::RolloutView;
use lockstep_pages::problems::Planned;

use crate::services::board::Board;
use crate::services::fleet::Accepted;

/// The silences, strategies and packages that are looked at.
const MOST: usize = 200;

/// The next of each kind; the ends of bakes stand in the rollouts.
pub(super) fn list(
    accepted: Option<&Accepted>,
    board: &Board,
    rollouts: &[RolloutView],
    now: Timestamp,
) -> Vec<Planned> {
    let mut planned = Vec::new();
    let silences = board.situation.silences.iter();
    let next = silences
        .filter(|it| it.starts_at > now && it.run.is_none())
        .min_by_key(|it| it.starts_at);
    planned.extend(next.map(|silence| Planned {
        at: silence.starts_at,
        what: format!("a silence of {}: {}", silence.owner, silence.reason),
        href: format!("/silences#silence-{}", silence.id),
    }));
    let Some(accepted) = accepted else {
        return planned;
    };
    let windows = accepted.fleet.silences().iter().take(MOST);
    let next = windows
        .filter(|it| !it.is_in_force(now))
        .filter_map(|it| Some((it.hours.next_opening(now)?, it)))
        .min_by_key(|(at, _)| *at);
    planned.extend(next.map(|(at, it)| Planned {
        at,
        what: format!("maintenance {}: {}", it.name, it.reason),
        href: "/silences#maintenance".into(),
    }));
    // A rollout that waits for its hours.
    planned.extend(rollouts.iter().filter_map(|rollout| {
        let strategy = accepted
            .fleet
            .strategy(&rollout.package, &rollout.channel)?;
        let shut = !strategy.windows.is_open(now);
        Some(Planned {
            at: strategy.windows.opens(now).filter(|_| shut)?,
            what: format!(
                "the hours of the rollout of {} {}",
                rollout.package, rollout.version
            ),
            href: format!("/rollouts/{}", rollout.id),
        })
    }));
    let updates = accepted.fleet.update_hours();
    let next = updates
        .take(MOST)
        .filter(|(_, hours)| !hours.contain(now))
        .filter_map(|(package, hours)| Some((hours.next_opening(now)?, package)))
        .min_by_key(|(at, _)| *at);
    planned.extend(next.map(|(at, package)| Planned {
        at,
        what: format!("the hours in which hosts update {package}"),
        href: "/releases".into(),
    }));
    planned
}
