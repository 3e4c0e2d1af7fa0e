//! What the gates see, with the hosts that their figures are made from.

use std::collections::HashSet;

use lockstep_model::HostName;
use lockstep_model::api::operator::{RolloutView, WaveHost};
use maud::{Markup, html};

use super::lanes::without_tiles;
use super::tile::tile_id;
use crate::parts::link::host_path;

/// Hosts of a gate that are named; more would not be read.
const MOST_NAMED: usize = 20;

pub(super) fn gates(rollout: &RolloutView) -> Markup {
    let unseen = without_tiles(rollout);
    html! {
        section .gates #gates data-live aria-labelledby="gates-title" {
            h2 #gates-title { "Gates" }
            @if rollout.gates.is_empty() {
                p { "No gate looks at it: nobody has been let go, or it is over." }
            } @else {
                ul { @for gate in &rollout.gates { li { (gate) (made_of(rollout, gate, &unseen)) } } }
            }
        }
    }
}

/// The hosts that a gate's figure is made from. Waves that a person let pass are not looked at, as in the figure. Each leads
/// to its tile; those that are `unseen` for want of one lead to their hosts.
fn made_of(rollout: &RolloutView, gate: &str, unseen: &HashSet<&HostName>) -> Markup {
    let what = gate.split_once(':').map_or("", |(what, _)| what);
    let counts = |host: &WaveHost| match what {
        "worse" => host.worse,
        "failed" | "silent" => host.state == what,
        _ => false,
    };
    let waves = rollout.waves.iter();
    let looked_at = waves.filter(|wave| wave.opened_at.is_some() && wave.skipped_by.is_none());
    let hosts = looked_at.flat_map(|wave| &wave.hosts);
    let hosts: Vec<&HostName> = hosts
        .filter(|host| counts(host))
        .map(|it| &it.name)
        .collect();
    let more = hosts.len().saturating_sub(MOST_NAMED);
    let place_of = |host: &HostName| match unseen.contains(host) {
        true => host_path(host),
        false => format!("#{}", tile_id(host)),
    };
    html! {
        @if !hosts.is_empty() {
            " " span .made-of {
                @for (place, host) in hosts.iter().take(MOST_NAMED).enumerate() {
                    @if place > 0 { ", " }
                    a href=(place_of(host)) { (host) }
                }
                @if more > 0 { " and " (more) " more" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::{RolloutState, WaveState};

    use super::*;
    use crate::rollouts::tests::{rollout, wave};

    #[test]
    fn a_figure_leads_to_its_hosts() {
        let mut open = wave(
            2,
            WaveState::Open,
            &["failed", "silent", "proven", "running"],
        );
        open.hosts[2].worse = true;
        let mut passed = wave(1, WaveState::Proven, &["failed"]);
        passed.skipped_by = Some("ann".into());
        let said = RolloutView {
            gates: vec![
                "failed: 1 of 4 <hosts>".into(),
                "worse: 1 of 4 hosts".into(),
                "silent: 1 of 4 hosts".into(),
                "compared: not enough data".into(),
            ],
            ..rollout(RolloutState::Running, vec![passed, open])
        };
        let gates = gates(&said).0;
        for host in ["w2-0", "w2-1", "w2-2"] {
            let link = format!("<a href=\"#host-{host}\">{host}</a>");
            assert_eq!(gates.matches(&link).count(), 1, "{host}: {gates}");
        }
        assert!(!gates.contains("w1-0") && !gates.contains("w2-3"));
        assert!(gates.contains("&lt;hosts&gt;"));
    }

    #[test]
    fn no_link_is_dead_in_a_large_wave() {
        let gate = |waves: Vec<lockstep_model::api::operator::WaveView>| {
            gates(&RolloutView {
                gates: vec!["worse: some".into()],
                ..rollout(RolloutState::Running, waves)
            })
            .0
        };
        let mut large = wave(1, WaveState::Open, &["proven"; 900]);
        large.hosts[700].worse = true;
        assert!(gate(vec![large.clone()]).contains(r##"href="#host-w1-700""##));
        // More are worse than there are tiles, and they come behind those that failed.
        for (number, host) in large.hosts.iter_mut().enumerate() {
            host.worse = true;
            if number >= 20 {
                host.state = "failed".into();
            }
        }
        let gates = gate(vec![large]);
        assert!(gates.contains(r#"href="/hosts/w1-0""#) && !gates.contains("#host-w1-0"));
    }

    #[test]
    fn of_many_hosts_some_are_named() {
        let many = vec!["silent"; 25];
        let said = RolloutView {
            gates: vec!["silent: 25 of 25 hosts".into()],
            ..rollout(RolloutState::Holding, vec![wave(1, WaveState::Open, &many)])
        };
        let gates = gates(&said).0;
        assert_eq!(gates.matches("<a href").count(), MOST_NAMED);
        assert!(gates.contains("and 5 more"));
    }
}
