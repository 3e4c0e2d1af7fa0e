//! How this host's items are, as its agent says it.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_host::Layout;
use lockstep_model::{ItemName, Level, RunReason};
use lockstep_plan::run::Happened;
use tracing::debug;

use super::config::Verify;
use crate::local::{self, WorkerAnswer, WorkerRequest};
use crate::words;

/// The agent answers at once or never.
const PATIENCE: Duration = Duration::from_secs(5);

/// The levels of the gated items; none if nobody can say.
pub(super) async fn levels(layout: &Layout, verify: &Verify) -> Option<BTreeMap<ItemName, Level>> {
    let answer = local::ask(&layout.agent_socket(), &WorkerRequest::Status, PATIENCE).await;
    let items = match answer {
        Ok(WorkerAnswer::Status(status)) => status.items,
        Ok(_) => return None,
        Err(error) => {
            debug!(error = words(&error), "no agent says how this host is");
            return None;
        }
    };
    // An agent that has just begun knows nothing yet.
    if items.is_empty() {
        return None;
    }
    let gated = items
        .into_iter()
        .filter(|state| verify.is_gated(&state.item));
    Some(gated.map(|state| (state.item, state.level)).collect())
}

/// Whether the host is as well as before.
pub(super) fn compare(
    before: Option<&BTreeMap<ItemName, Level>>,
    now: Option<BTreeMap<ItemName, Level>>,
) -> Happened {
    let (Some(before), Some(now)) = (before, now) else {
        return Happened::NobodyToAsk;
    };
    let worst = now
        .into_iter()
        .map(|(item, level)| {
            let was = before.get(&item).copied().unwrap_or(Level::FINE);
            (item, was, level)
        })
        .filter(|(_, was, level)| level.is_worse_than(*was))
        .max_by_key(|(_, _, level)| *level);
    match worst {
        None => Happened::Well,
        Some((item, before, now)) => Happened::Worse(RunReason::ItemWorse { item, before, now }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_than_before_is_what_counts() {
        let levels = |levels: &[(&str, Level)]| -> Option<BTreeMap<ItemName, Level>> {
            let levels = levels.iter();
            Some(
                levels
                    .map(|(item, level)| (ItemName::parse(item).unwrap(), *level))
                    .collect(),
            )
        };
        let before = levels(&[("unit:nginx", Level::SICK), ("disk_usage:/", Level::FINE)]);
        let before = before.as_ref();
        assert_eq!(
            compare(before, levels(&[("unit:nginx", Level::SICK)])),
            Happened::Well
        );
        assert_eq!(compare(before, None), Happened::NobodyToAsk);
        assert_eq!(compare(None, levels(&[])), Happened::NobodyToAsk);
        let worse = levels(&[("disk_usage:/", Level::SOSO), ("unit:new", Level::DEAD)]);
        let Happened::Worse(reason) = compare(before, worse) else {
            panic!("not worse");
        };
        assert_eq!(
            reason.to_string(),
            "unit:new is dead since the update, fine before it"
        );
    }
}
