//! What the audit trail says of promotions: who ordered which rollout.

use std::collections::BTreeMap;

use lockstep_model::RolloutId;
use lockstep_model::api::operator::Promote;

use crate::app::App;
use crate::web::Refusal;

/// Entries of the trail that are looked through, the newest.
const LOOKED_THROUGH: u32 = 1_000;
/// What stands before a rollout's number.
const BEFORE_NUMBER: &str = ": rollout ";
const VERB: &str = "promoted ";

/// What the trail says of a promotion.
pub(crate) fn words(order: &Promote, id: RolloutId) -> String {
    let Promote {
        package,
        version,
        channel,
        urgent,
        even_if_suspect,
    } = order;
    let urgently = if *urgent { ", urgent" } else { "" };
    let all_the_same = match even_if_suspect {
        true => ", even if it is suspect",
        false => "",
    };
    format!("{VERB}{package} {version} to {channel}{urgently}{all_the_same}{BEFORE_NUMBER}{id}")
}

/// The rollout that an entry of the trail is about, if it says of a promotion.
fn rollout(what: &str) -> Option<RolloutId> {
    let (_, number) = what.strip_prefix(VERB)?.rsplit_once(BEFORE_NUMBER)?;
    number.parse().ok().map(RolloutId)
}

/// Who ordered which rollout, as far as the newest entries of the trail say.
pub(crate) async fn ordered_by(app: &App) -> Result<BTreeMap<RolloutId, String>, Refusal> {
    let entries = app.store.audit(LOOKED_THROUGH).await?;
    let known = entries.into_iter();
    Ok(known
        .filter_map(|entry| Some((rollout(&entry.what)?, entry.who)))
        .collect())
}

#[cfg(test)]
mod tests {
    use lockstep_model::{ChannelName, PackageName, Version};

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let order = Promote {
            package: PackageName::lockstep(),
            version: Version::parse("1.4.2").unwrap(),
            channel: ChannelName::stable(),
            urgent: true,
            even_if_suspect: true,
        };
        let said = words(&order, RolloutId(12));
        assert_eq!(
            said,
            "promoted lockstep 1.4.2 to stable, urgent, even if it is suspect: rollout 12"
        );
        assert_eq!(rollout(&said), Some(RolloutId(12)));
        for other in [
            "paused rollout 12 of lockstep 1.4.2",
            "promoted x",
            "x: rollout 3",
        ] {
            assert_eq!(rollout(other), None, "{other}");
        }
    }
}
