//! The rows of the list: their order, and the headings that they stand under.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use lockstep_model::ItemState;

use super::cells::{Cells, number};
use super::{Ask, Column, GroupBy, HostLine};

/// One host on its way into the list.
#[derive(Debug, Clone)]
pub(super) struct Row<'a> {
    pub(super) line: &'a HostLine,
    pub(super) cells: Cells<&'a ItemState>,
    /// What it stands under, if hosts are gathered: none for those that have nothing of the kind.
    pub(super) heading: Option<String>,
}

/// The rows in their order.
pub(super) fn sorted<'a>(hosts: Vec<&'a HostLine>, ask: &Ask) -> Vec<Row<'a>> {
    let rows = hosts.into_iter().map(|line| Row {
        line,
        cells: line.items.cells(),
        heading: ask.group_by.as_ref().and_then(|by| heading(line, by)),
    });
    let mut rows: Vec<Row<'a>> = rows.collect();
    // The worst first, if nobody says otherwise.
    let (column, desc) = match ask.sort {
        Some(column) => (column, ask.desc),
        None => (Column::Level, true),
    };
    rows.sort_by(|a, b| {
        known(a.heading.as_ref(), b.heading.as_ref(), false, Ord::cmp)
            .then_with(|| by_column(column, desc, a, b))
            .then_with(|| a.line.view.name.cmp(&b.line.view.name))
    });
    rows
}

/// A host stands under one heading: one that is in several groups, under all of their names.
fn heading(line: &HostLine, by: &GroupBy) -> Option<String> {
    match by {
        GroupBy::Group if line.groups.is_empty() => None,
        GroupBy::Group => Some(line.groups.join(", ")),
        GroupBy::Label(key) => line.labels.get(key).cloned(),
    }
}

fn by_column(column: Column, desc: bool, a: &Row<'_>, b: &Row<'_>) -> Ordering {
    let number_of =
        |pick: fn(&Row<'_>) -> Option<f64>| known(pick(a), pick(b), desc, f64::total_cmp);
    let (x, y) = (&a.line.view, &b.line.view);
    match column {
        Column::Level => known(Some(x.level), Some(y.level), desc, Ord::cmp),
        Column::Host => known(Some(&x.name), Some(&y.name), desc, Ord::cmp),
        Column::Groups => {
            let some = |groups| Some(groups).filter(|it: &&Vec<_>| !it.is_empty());
            let (x, y) = (&a.line.groups, &b.line.groups);
            known(some(x), some(y), desc, Ord::cmp)
        }
        Column::Labels => {
            let some = |labels| Some(labels).filter(|it: &&BTreeMap<_, _>| !it.is_empty());
            let (x, y) = (&a.line.labels, &b.line.labels);
            known(some(x), some(y), desc, Ord::cmp)
        }
        Column::Cpu => number_of(|row| row.cells.cpu.and_then(number)),
        Column::Memory => number_of(|row| row.cells.memory.and_then(number)),
        Column::Disk => number_of(|row| row.cells.disk.and_then(number)),
        Column::Load => number_of(|row| row.cells.load.and_then(number)),
        Column::Network => number_of(|row| row.cells.network.map(|(into, out)| into + out)),
        Column::Updates => {
            // Those with a security fix count more than any number of others.
            let security = number_of(|row| row.cells.security.and_then(number));
            security.then(number_of(|row| row.cells.updates.and_then(number)))
        }
        Column::Fix => number_of(|row| row.cells.fix.and_then(number)),
        Column::Reboot => number_of(|row| row.cells.reboot.and_then(number)),
        Column::Agent => known(x.version.as_ref(), y.version.as_ref(), desc, Ord::cmp),
        Column::Uptime => number_of(|row| row.cells.uptime.and_then(number)),
        Column::Seen => known(x.last_seen, y.last_seen, desc, Ord::cmp),
        Column::Unhandled => known(
            Some(a.line.unhandled),
            Some(b.line.unhandled),
            desc,
            Ord::cmp,
        ),
    }
}

/// What is not known stands last, in whichever direction.
fn known<T>(
    a: Option<T>,
    b: Option<T>,
    desc: bool,
    order: impl Fn(&T, &T) -> Ordering,
) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if desc => order(&b, &a),
        (Some(a), Some(b)) => order(&a, &b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::fleet;
    use super::*;

    proptest! {
        #[test]
        fn every_column_puts_the_same_hosts_in_order(seed in 0_usize..1_000, index in 0..Column::ALL.len(), desc: bool) {
            let hosts = fleet(30, seed);
            let ask = Ask { sort: Some(Column::ALL[index]), desc, ..Ask::default() };
            let rows = sorted(hosts.iter().map(|it| &**it).collect(), &ask);
            let mut names: Vec<_> = rows.iter().map(|row| &row.line.view.name).collect();
            for pair in rows.windows(2) {
                prop_assert!(by_column(Column::ALL[index], desc, &pair[0], &pair[1]).is_le());
            }
            names.sort();
            prop_assert_eq!(names, hosts.iter().map(|it| &it.view.name).collect::<Vec<_>>());
        }

        #[test]
        fn what_is_not_known_stands_last(seed in 0_usize..1_000, desc: bool) {
            let hosts = fleet(30, seed);
            let ask = Ask { sort: Some(Column::Cpu), desc, ..Ask::default() };
            let rows = sorted(hosts.iter().map(|it| &**it).collect(), &ask);
            let unknown = rows.iter().position(|row| row.cells.cpu.is_none());
            let unknown = unknown.unwrap_or(rows.len());
            prop_assert!(rows[unknown..].iter().all(|row| row.cells.cpu.is_none()));
        }

        #[test]
        fn hosts_of_a_heading_stand_together(seed in 0_usize..1_000) {
            let hosts = fleet(30, seed);
            let ask = Ask { group_by: Some(GroupBy::Group), ..Ask::default() };
            let rows = sorted(hosts.iter().map(|it| &**it).collect(), &ask);
            let mut headings: Vec<_> = rows.iter().map(|row| row.heading.clone()).collect();
            headings.dedup();
            let count = headings.len();
            headings.sort();
            headings.dedup();
            prop_assert_eq!(headings.len(), count);
        }
    }
}
