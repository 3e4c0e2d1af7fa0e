//! The items of a host, and what of them is asked of all hosts at once.

use std::ops::Deref;
use std::sync::Arc;

use lockstep_model::ItemState;

use super::cells::{Cells, number};

/// The states of a host's items, by name. Which of them stand in the list of hosts, and how fresh the host is, was looked up
/// once: the page of all hosts needs it of each of them, whoever asks.
#[derive(Debug, Clone, Default)]
pub struct Items {
    states: Arc<[ItemState]>,
    places: Cells<usize>,
    fresh: Freshness,
    troubled: usize,
}

impl Items {
    pub(super) fn freshness(&self) -> Freshness {
        self.fresh
    }

    /// How many somebody may want to look at.
    pub(super) fn troubled(&self) -> usize {
        self.troubled
    }

    /// Those that have a column.
    pub(super) fn cells(&self) -> Cells<&ItemState> {
        self.places.in_items(&self.states)
    }
}

impl From<Vec<ItemState>> for Items {
    fn from(states: Vec<ItemState>) -> Self {
        let places = Cells::of(&states);
        Self {
            places,
            fresh: Freshness::of(&places.in_items(&states)),
            troubled: states.iter().filter(|it| it.is_troubled()).count(),
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
    fn of(cells: &Cells<&ItemState>) -> Self {
        let some = |state: Option<&ItemState>| state.and_then(number).filter(|value| *value > 0.0);
        let waiting = some(cells.fix);
        // Either item may be watched without the other.
        let security = some(cells.security).is_some() || waiting.is_some();
        Self {
            updates: some(cells.updates).is_some() || security,
            security,
            waiting,
            reboot: some(cells.reboot).is_some(),
        }
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
