//! How many hosts there are of each kind that one looks for, and how fresh the fleet is.

use std::sync::Arc;

use jiff::SignedDuration;
use lockstep_model::{HostName, Interval};
use maud::{Markup, html};

use super::{Ask, Column, HostLine};
use crate::chart::number;
use crate::parts::{link, time};

/// A fix that waits for longer than this is late: from here on `patch_age` is sick.
const LATE: Interval = Interval::from_secs(7 * 86_400);

/// Hosts of each kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) all: usize,
    pub(super) unhandled: usize,
    pub(super) silent: usize,
    pub(super) in_run: usize,
    pub(super) silenced: usize,
    /// With an agent that a channel wants in some version.
    wanted: usize,
    behind: usize,
    updates: usize,
    security: usize,
    late: usize,
    reboot: usize,
    /// Whose security fix has been waiting for the longest time, and for how many seconds.
    oldest: Option<(f64, HostName)>,
}

impl Tally {
    pub(super) fn of(hosts: &[Arc<HostLine>]) -> Self {
        let mut tally = Self {
            all: hosts.len(),
            ..Self::default()
        };
        let mut oldest: Option<(f64, &HostName)> = None;
        for line in hosts {
            let fresh = line.items.freshness();
            tally.unhandled += usize::from(line.unhandled > 0);
            tally.silent += usize::from(line.silent);
            tally.in_run += usize::from(line.in_run.is_some());
            tally.silenced += usize::from(line.quiet.is_some());
            tally.wanted += usize::from(line.view.desired.is_some());
            tally.behind += usize::from(line.is_behind());
            tally.updates += usize::from(fresh.updates);
            tally.security += usize::from(fresh.security);
            tally.reboot += usize::from(fresh.reboot);
            let Some(waiting) = fresh.waiting else {
                continue;
            };
            tally.late += usize::from(waiting > LATE.seconds());
            if oldest.is_none_or(|(most, _)| waiting > most) {
                oldest = Some((waiting, &line.view.name));
            }
        }
        tally.oldest = oldest.map(|(waiting, host)| (waiting, host.clone()));
        tally
    }

    /// Filters that find something, with how many hosts they find, and the address with each of them. What is asked for
    /// already is not offered.
    pub(super) fn offers(&self, ask: &Ask) -> Vec<(&'static str, usize, String)> {
        let mut offers = Vec::new();
        let mut offer = |words, count, is_asked: bool, change: fn(&mut Ask)| {
            if count > 0 && !is_asked {
                offers.push((words, count, ask.with(change)));
            }
        };
        offer(
            "with unhandled problems",
            self.unhandled,
            ask.unhandled,
            |it| it.unhandled = true,
        );
        offer("silent", self.silent, ask.silent, |it| it.silent = true);
        offer("in change", self.in_run, ask.in_run, |it| it.in_run = true);
        offer("silenced", self.silenced, ask.silenced, |it| {
            it.silenced = true;
        });
        offer("with updates", self.updates, ask.updates, |it| {
            it.updates = true;
        });
        offer("with security fixes", self.security, ask.security, |it| {
            it.security = true;
        });
        offer(
            "with fixes older than 7 days",
            self.late,
            ask.patch_age.is_some(),
            |it| it.patch_age = Some(LATE),
        );
        offer("to reboot", self.reboot, ask.reboot, |it| it.reboot = true);
        offer("with an old agent", self.behind, ask.behind, |it| {
            it.behind = true;
        });
        offers
    }

    /// How fresh the fleet is, in a line; nothing if nothing of it is known.
    pub(super) fn freshness(&self) -> Markup {
        if self.wanted == 0 && self.updates == 0 && self.reboot == 0 {
            return html! {};
        }
        let late = Ask {
            security: true,
            sort: Some(Column::Fix),
            desc: true,
            ..Ask::default()
        };
        html! {
            p #hosts-fresh data-live {
                @if self.wanted > 0 {
                    @let fresh = self.wanted - self.behind;
                    "Fresh: " b { (number::share(fresh as f64 / self.wanted as f64)) } " of the agents are in the version that they were told to have, "
                    (fresh) " of " (self.wanted) ". "
                }
                @if let Some((waiting, host)) = &self.oldest {
                    "Security fixes wait on " a href=(late.address()) { (number::count(self.security as u64, "host")) }
                    ", the oldest for " b { (time::span(SignedDuration::from_secs(*waiting as i64))) } " on " (link::host(host)) ". "
                } @else if self.security > 0 {
                    "Security fixes wait on " a href=(late.address()) { (number::count(self.security as u64, "host")) } ". "
                } @else {
                    "No security fix is known to wait. "
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Level, Version};
    use proptest::prelude::*;

    use super::super::filter::those;
    use super::super::tests::{fleet, line, state};
    use super::*;

    #[test]
    fn the_oldest_fix_is_named() {
        let day = 86_400.0;
        let mut hosts = Vec::new();
        for (name, age) in [("web1", 3.0 * day), ("web2", 34.0 * day), ("web3", 0.0)] {
            let mut host = line(name);
            host.items = vec![state("patch_age", age, "s", Level::FINE)].into();
            hosts.push(Arc::new(host));
        }
        let mut old = line("db1");
        old.view.desired = Some(Version::parse("1.5.0").unwrap());
        hosts.push(Arc::new(old));
        let tally = Tally::of(&hosts);
        let said = tally.freshness().0;
        assert!(said.contains("75 %") && said.contains("3 of 4"), "{said}");
        assert!(
            said.contains("2 hosts") && said.contains("34 d") && said.contains("/hosts/web2"),
            "{said}"
        );
        let offers = tally.offers(&Ask::default());
        let late = offers.iter().find(|it| it.0.contains("7 days")).unwrap();
        assert_eq!((late.1, late.2.as_str()), (1, "/hosts?patch_age=7d"));
        assert_eq!(Tally::of(&[]).freshness().0, "");
    }

    proptest! {
        #[test]
        fn an_offer_finds_as_many_hosts_as_it_says(seed in 0_usize..1_000) {
            let mut hosts = fleet(40, seed);
            for (index, host) in hosts.iter_mut().enumerate() {
                let host = Arc::make_mut(host);
                host.silent = index % 3 == 0;
                host.items = vec![
                    state("patch_age", ((index + seed) % 20) as f64 * 86_400.0, "s", Level::FINE),
                    state("pending_updates", (index % 2) as f64, "", Level::FINE),
                    state("reboot_required", (index % 5) as f64, "s", Level::FINE),
                ].into();
            }
            let offers = Tally::of(&hosts).offers(&Ask::default());
            prop_assert!(offers.len() >= 5);
            for (words, count, address) in offers {
                let ask = Ask::parse(address.trim_start_matches("/hosts?")).unwrap();
                prop_assert_eq!(those(&hosts, &ask).len(), count, "{}", words);
            }
        }
    }
}
