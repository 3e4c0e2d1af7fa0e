//! Which of a host's items stand in the list of hosts. The names are those of `docs/monitoring.md`.

use std::cmp::Ordering;

use lockstep_model::{ItemState, Value};

/// The items of one host that have a column: the states themselves, or where they stand among all of the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells<T> {
    pub(super) cpu: Option<T>,
    pub(super) memory: Option<T>,
    /// The worst of its file systems, and of equally bad ones the fullest.
    pub(super) disk: Option<T>,
    pub(super) load: Option<T>,
    /// Received and sent by all interfaces, in bytes per second.
    pub(super) network: Option<(f64, f64)>,
    pub(super) updates: Option<T>,
    pub(super) security: Option<T>,
    /// For how long the oldest security fix has been waiting.
    pub(super) fix: Option<T>,
    pub(super) reboot: Option<T>,
    pub(super) uptime: Option<T>,
}

impl<T> Default for Cells<T> {
    fn default() -> Self {
        Self {
            cpu: None,
            memory: None,
            disk: None,
            load: None,
            network: None,
            updates: None,
            security: None,
            fix: None,
            reboot: None,
            uptime: None,
        }
    }
}

impl Cells<usize> {
    /// Finds them.
    pub(super) fn of(items: &[ItemState]) -> Self {
        let mut cells = Self::default();
        for (place, state) in items.iter().enumerate() {
            match state.item.probe() {
                "cpu_busy" => cells.cpu = Some(place),
                "memory_available" => cells.memory = Some(place),
                "cpu_load" => cells.load = Some(place),
                "pending_updates" => cells.updates = Some(place),
                "security_updates" => cells.security = Some(place),
                "patch_age" => cells.fix = Some(place),
                "reboot_required" => cells.reboot = Some(place),
                "uptime" => cells.uptime = Some(place),
                "disk_usage"
                    if cells
                        .disk
                        .is_none_or(|it| badness(state, &items[it]).is_gt()) =>
                {
                    cells.disk = Some(place);
                }
                "network_in" => {
                    let (into, out) = cells.network.unwrap_or_default();
                    cells.network = number(state).map(|it| (into + it, out)).or(cells.network);
                }
                "network_out" => {
                    let (into, out) = cells.network.unwrap_or_default();
                    cells.network = number(state).map(|it| (into, out + it)).or(cells.network);
                }
                _ => {}
            }
        }
        cells
    }

    /// The states that stand in these places.
    pub(super) fn in_items(self, items: &[ItemState]) -> Cells<&ItemState> {
        let at = |place: Option<usize>| place.and_then(|it| items.get(it));
        Cells {
            cpu: at(self.cpu),
            memory: at(self.memory),
            disk: at(self.disk),
            load: at(self.load),
            network: self.network,
            updates: at(self.updates),
            security: at(self.security),
            fix: at(self.fix),
            reboot: at(self.reboot),
            uptime: at(self.uptime),
        }
    }
}

fn badness(a: &ItemState, b: &ItemState) -> Ordering {
    let value = |it| number(it).unwrap_or(f64::NEG_INFINITY);
    a.level.cmp(&b.level).then(value(a).total_cmp(&value(b)))
}

/// The number of an item that has one.
pub(crate) fn number(state: &ItemState) -> Option<f64> {
    match &state.value {
        Value::Number { value, .. } => Some(*value),
        Value::Text(_) | Value::None(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::Level;

    use super::super::tests::state;
    use super::*;

    #[test]
    fn the_worst_file_system_stands_for_all() {
        let items = [
            state("disk_usage:/", 95.0, "%", Level::FINE),
            state("disk_usage:/var", 91.0, "%", Level::SICK),
            state("disk_usage:/tmp", 10.0, "%", Level::SICK),
        ];
        let disk = Cells::of(&items).in_items(&items).disk.unwrap();
        assert_eq!(disk.item.as_str(), "disk_usage:/var");
    }

    #[test]
    fn interfaces_are_added_up() {
        let items = [
            state("network_in:eth0", 10.0, "bytes/s", Level::FINE),
            state("network_in:eth1", 5.0, "bytes/s", Level::FINE),
            state("network_out:eth0", 1.0, "bytes/s", Level::FINE),
        ];
        assert_eq!(Cells::of(&items).network, Some((15.0, 1.0)));
        assert_eq!(Cells::of(&items[..0]).network, None);
    }
}
