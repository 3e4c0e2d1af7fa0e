//! Which of a host's items stand in the list of hosts. The names are those of `docs/monitoring.md`.

use std::cmp::Ordering;

use lockstep_model::{ItemState, Value};

/// The items of one host that have a column.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cells<'a> {
    pub(super) cpu: Option<&'a ItemState>,
    pub(super) memory: Option<&'a ItemState>,
    /// The worst of its file systems, and of equally bad ones the fullest.
    pub(super) disk: Option<&'a ItemState>,
    pub(super) load: Option<&'a ItemState>,
    /// Received and sent by all interfaces, in bytes per second.
    pub(super) network: Option<(f64, f64)>,
    pub(super) updates: Option<&'a ItemState>,
    pub(super) security: Option<&'a ItemState>,
    /// For how long the oldest security fix has been waiting.
    pub(super) fix: Option<&'a ItemState>,
    pub(super) reboot: Option<&'a ItemState>,
    pub(super) uptime: Option<&'a ItemState>,
}

impl<'a> Cells<'a> {
    pub(super) fn of(items: &'a [ItemState]) -> Self {
        let mut cells = Self::default();
        for state in items {
            match state.item.probe() {
                "cpu_busy" => cells.cpu = Some(state),
                "memory_available" => cells.memory = Some(state),
                "cpu_load" => cells.load = Some(state),
                "pending_updates" => cells.updates = Some(state),
                "security_updates" => cells.security = Some(state),
                "patch_age" => cells.fix = Some(state),
                "reboot_required" => cells.reboot = Some(state),
                "uptime" => cells.uptime = Some(state),
                "disk_usage" if cells.disk.is_none_or(|it| badness(state, it).is_gt()) => {
                    cells.disk = Some(state);
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
        let disk = Cells::of(&items).disk.unwrap();
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
