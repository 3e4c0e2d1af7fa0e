//! The board of a rollout: a lane for each wave, a tile for each host.

use std::collections::HashSet;

use lockstep_model::HostName;
use lockstep_model::api::operator::{RolloutView, WaveHost, WaveView};
use maud::{Markup, html};

use super::tile::{HostRuns, tile, tile_id};
use crate::Frame;
use crate::rollouts::{HOSTS, Stand, bars, when, words};

/// Hosts of a lane that have tiles; of more, those that matter most.
const MOST_TILES: usize = 200;
/// Where silent hosts stand in [`HOSTS`], behind failed ones.
const SILENT: usize = 1;
/// Where those stand that have proven the version.
const PROVEN: usize = HOSTS.len() - 1;

/// All lanes.
pub(super) fn lanes(frame: &Frame<'_>, rollout: &RolloutView, runs: &HostRuns) -> Markup {
    html! {
        section .board #board data-live aria-label="Waves and hosts" {
            @for (number, wave) in (1..).zip(&rollout.waves) {
                (lane(frame, number, wave, runs))
            }
            @if rollout.waves.is_empty() {
                p { "Its waves are drawn at the server's next look, from the hosts that follow the channel then." }
            }
        }
    }
}

fn lane(frame: &Frame<'_>, number: usize, wave: &WaveView, runs: &HostRuns) -> Markup {
    let (tiles, rest) = chosen(&wave.hosts);
    html! {
        section .lane #{ "wave-" (number) } aria-label={ "Wave " (number) } {
            h3 { "Wave " (number) " " (Stand::of_wave(wave.state).badge()) }
            (bars(std::slice::from_ref(wave)))
            p { (wave.figures.hosts) " hosts, " (wave.figures.let_go) " let go: " (words(&wave.figures)) }
            dl .times {
                @if let Some(at) = wave.opened_at { dt { "Opened" } dd { (when(frame, at)) } }
                @if let Some(at) = wave.proven_at { dt { "Proven" } dd { (when(frame, at)) } }
                @if let Some(at) = wave.bakes_until { dt { "Bakes until" } dd { (when(frame, at)) } }
                @if let Some(by) = &wave.skipped_by { dt { "Skipped by" } dd { (by) } }
            }
            ul .tiles {
                @for host in tiles { li #(tile_id(&host.name)) { (tile(frame, host, runs.get(&host.name))) } }
            }
            @if let Some(rest) = rest { p .more { (rest) } }
        }
    }
}

/// Hosts of lanes that are too large for all of them to have tiles, and have none.
pub(super) fn without_tiles(rollout: &RolloutView) -> HashSet<&HostName> {
    let large = rollout.waves.iter().map(|it| &it.hosts);
    let large = large.filter(|hosts| hosts.len() > MOST_TILES);
    large
        .flat_map(|hosts| {
            let tiles: HashSet<&HostName> = chosen(hosts).0.iter().map(|it| &it.name).collect();
            let names = hosts.iter().map(|it| &it.name);
            names.filter(move |name| !tiles.contains(name))
        })
        .collect()
}

/// The hosts that have tiles, and a word on the rest. In a large lane those come first that gates look at, then the others
/// that have not proven the version.
fn chosen(hosts: &[WaveHost]) -> (Vec<&WaveHost>, Option<String>) {
    let mut chosen: Vec<&WaveHost> = hosts.iter().collect();
    if chosen.len() <= MOST_TILES {
        return (chosen, None);
    }
    let place = |host: &WaveHost| Stand::of_host(&host.state).0;
    let is_bad = |host: &WaveHost| host.worse || place(host) <= SILENT;
    // The sort keeps hosts of one state by their names.
    chosen.sort_by_key(|host| (!is_bad(host), place(host)));
    let matter = chosen.partition_point(|host| is_bad(host) || place(host) < PROVEN);
    let rest = chosen.split_off(matter.min(MOST_TILES));
    let mut counts = [0_usize; HOSTS.len()];
    for host in &rest {
        counts[place(host)] += 1;
    }
    let words: Vec<String> = HOSTS
        .iter()
        .zip(counts)
        .filter(|(_, count)| *count > 0)
        .map(|((stand, _), count)| format!("{count} more {}", stand.word))
        .collect();
    (
        chosen,
        (!words.is_empty()).then(|| format!("and {}", words.join(", "))),
    )
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Role, RolloutState, WaveState};

    use super::*;
    use crate::frame::tests::with_frame;
    use crate::rollouts::tests::{rollout, wave};

    fn draw(wave: WaveView, runs: &HostRuns) -> String {
        let rollout = rollout(RolloutState::Running, vec![wave]);
        with_frame(Role::Viewer, |frame| lanes(frame, &rollout, runs).0)
    }

    #[test]
    fn a_tile_has_sign_word_name_and_leads_to_its_host() {
        let board = draw(
            wave(1, WaveState::Open, &["proven", "silent"]),
            &HostRuns::new(),
        );
        assert!(board.contains(r#"<a href="/hosts/w1-0">w1-0</a>"#));
        assert!(board.contains(r#"<li id="host-w1-0">"#), "gates lead here");
        assert!(board.contains("●</span> proven") && board.contains("?</span> silent"));
        assert!(board.contains("2 hosts, 2 let go: 1 silent, 1 proven"));
    }

    #[test]
    fn a_large_lane_shows_what_is_not_proven_first() {
        let mut states = vec!["proven"; 900];
        states.extend(["failed"; 3]);
        states.extend(["running"; 40]);
        let board = draw(wave(1, WaveState::Open, &states), &HostRuns::new());
        assert_eq!(board.matches("<li ").count(), 43);
        assert!(board.contains("and 900 more proven"));
        assert!(board.find("w1-900").unwrap() < board.find("w1-903").unwrap());
    }

    #[test]
    fn who_is_worse_has_a_tile_in_a_large_lane() {
        let mut large = wave(1, WaveState::Open, &["proven"; 900]);
        large.hosts[700].worse = true;
        let board = draw(large.clone(), &HostRuns::new());
        assert_eq!(board.matches("<li ").count(), 1);
        assert!(
            board.contains(r#"<li id="host-w1-700">"#) && board.contains("and 899 more proven")
        );
        // Those that nobody sees are all others, and in a small lane nobody.
        let small = wave(2, WaveState::Open, &["proven"; MOST_TILES]);
        let rollout = rollout(RolloutState::Running, vec![large, small]);
        let unseen = without_tiles(&rollout);
        assert_eq!(unseen.len(), 899);
        assert!(!unseen.iter().any(|it| it.as_str() == "w1-700"));
    }

    #[test]
    fn of_many_that_wait_some_are_shown() {
        let mut states = vec!["waiting"; 5_000];
        states.extend(["proven"; 7]);
        states.push("failed");
        let board = draw(wave(2, WaveState::Open, &states), &HostRuns::new());
        assert_eq!(board.matches("<li ").count(), MOST_TILES);
        assert!(board.contains("and 4801 more waiting, 7 more proven"));
        assert!(board.contains("w2-5007"), "the one that failed is there");
    }
}
