//! The items of a host, and what of them is asked of all hosts at once.

use std::ops::Deref;
use std::sync::Arc;

use lockstep_model::ItemState;

use super::cells::number;

/// The states of a host's items, by name. How fresh the host is was looked up in them once: the page of all hosts counts it
/// for each of them, whoever asks.
#[derive(Debug, Clone, Default)]
pub struct Items {
    states: Arc<[ItemState]>,
    fresh: Freshness,
}

impl Items {
    pub(super) fn freshness(&self) -> Freshness {
        self.fresh
    }
}

impl From<Vec<ItemState>> for Items {
    fn from(states: Vec<ItemState>) -> Self {
        Self {
            fresh: Freshness::of(&states),
            states: states.into(),
        }
    }
}

impl Deref for Items {
    type Target = [ItemState];

    fn deref(&self) -> &[ItemState] {
        &self.states
    }
}

/// What of a host is not as fresh as it could be.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Freshness {
    /// Packages that can be updated.
    pub(super) updates: bool,
    /// Security fixes among them.
    pub(super) security: bool,
    /// For how many seconds the oldest of these has been waiting; none if none does.
    pub(super) waiting: Option<f64>,
    /// It wants to be rebooted.
    pub(super) reboot: bool,
}

impl Freshness {
    fn of(items: &[ItemState]) -> Self {
        let mut found = Self::default();
        for state in items {
            let some = || number(state).filter(|value| *value > 0.0);
            match state.item.probe() {
                "pending_updates" => found.updates |= some().is_some(),
                "security_updates" => found.security |= some().is_some(),
                "patch_age" => found.waiting = some(),
                "reboot_required" => found.reboot = some().is_some(),
                _ => {}
            }
        }
        // Either item may be watched without the other.
        found.security |= found.waiting.is_some();
        found.updates |= found.security;
        found
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::Level;

    use super::super::tests::state;
    use super::*;

    #[test]
    fn a_fix_that_waits_is_an_update() {
        let of =
            |item: &str, value| Items::from(vec![state(item, value, "", Level::FINE)]).freshness();
        let waits = of("patch_age", 90_000.0);
        assert!(waits.updates && waits.security && !waits.reboot);
        assert_eq!(waits.waiting, Some(90_000.0));
        let none = of("patch_age", 0.0);
        assert!(!none.updates && !none.security && none.waiting.is_none());
        let other = of("pending_updates", 3.0);
        assert!(other.updates && !other.security);
        assert!(of("reboot_required", 5.0).reboot && !of("reboot_required", 0.0).reboot);
    }
}
