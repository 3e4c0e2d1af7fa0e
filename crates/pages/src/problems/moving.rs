//! What is being changed right now: rollouts that move, hosts in runs, and what is held back because of them.

use lockstep_model::api::operator::RolloutView;
use lockstep_model::{RolloutState, WaveState};
use maud::{Markup, html};

use super::Now;
use crate::Frame;
use crate::chart::number::count;
use crate::parts::link;
use crate::parts::text::shortened;
use crate::parts::time::ago;
use crate::silences::{Held, Quiet};

/// Rollouts and hosts that are named.
const MOST: usize = 20;
/// Problems that are held back, and named.
const MOST_HELD: usize = 40;

/// Nothing if nothing moves.
pub(super) fn draw(now: &Now<'_>, frame: &Frame<'_>) -> Markup {
    let leases = || now.quiet.iter().filter(|it| it.silence.run.is_some());
    let held: u64 = leases().map(|it| it.holds_back).sum();
    html! {
        section #in-change data-live aria-labelledby="in-change-title" {
            @if !now.rollouts.is_empty() || !now.in_run.is_empty() {
                h2 #in-change-title { "In change" }
                ul .moving {
                    @for rollout in now.rollouts.iter().take(MOST) { li { (one(rollout, frame)) } }
                }
                @if now.rollouts.len() > MOST {
                    p { a href="/rollouts" { (now.rollouts.len() - MOST) " more rollouts" } }
                }
                @if !now.in_run.is_empty() {
                    p {
                        b { (count(now.in_run.len() as u64, "host")) } " in a run: "
                        @for (index, (host, phase)) in now.in_run.iter().take(MOST).enumerate() {
                            @if index > 0 { ", " }
                            (link::host(host)) " (" (phase) ")"
                        }
                        @if now.in_run.len() > MOST {
                            " and " a href="/hosts?in_run=true" { (now.in_run.len() - MOST) " more" }
                        }
                        "."
                    }
                }
                @if held > 0 {
                    p { "Their leases hold back " b { (count(held, "problem")) } ", which is told if it is still so at the end: "
                        a href="/silences#leases" { "leases" } "." }
                    details #held-list {
                        summary { "What is held back" }
                        (crate::silences::held(&worst(leases()), held, frame))
                    }
                }
            }
        }
    }
}

/// The worst of what the leases hold back; what two of them hold back stands once.
fn worst<'a>(leases: impl Iterator<Item = &'a Quiet>) -> Vec<Held> {
    let mut held: Vec<Held> = leases.flat_map(|it| it.worst.iter().cloned()).collect();
    held.sort_by(|a, b| {
        let place = |it: &Held| {
            (
                std::cmp::Reverse(it.level),
                it.host.clone(),
                it.item.clone(),
            )
        };
        place(a).cmp(&place(b))
    });
    held.dedup();
    held.truncate(MOST_HELD);
    held
}

fn one(rollout: &RolloutView, frame: &Frame<'_>) -> Markup {
    let hosts: usize = rollout.waves.iter().map(|it| it.figures.hosts).sum();
    let proven: usize = rollout.waves.iter().map(|it| it.figures.proven).sum();
    let bad: usize = rollout
        .waves
        .iter()
        .map(|it| it.figures.failed + it.figures.silent)
        .sum();
    let is_shut = |state: WaveState| state == WaveState::Waiting;
    let open = rollout
        .waves
        .iter()
        .take_while(|it| !is_shut(it.state))
        .count();
    html! {
        a href={ "/rollouts/" (rollout.id) } { "Rollout " (rollout.id) ": " (rollout.package) " " (rollout.version) } " "
        b { (rollout.state) }
        @if rollout.state == RolloutState::Holding && let Some(by) = &rollout.paused_by { " by " (by) }
        @if hosts > 0 {
            " " progress max=(hosts) value=(proven) aria-label="hosts that run it, proven" { }
            " wave " (open) " of " (rollout.waves.len()) ", " (proven) " of " (hosts) " hosts proven"
            @if bad > 0 { ", " b .bad { (bad) " failed or silent" } }
        }
        @if let Some(end) = rollout.expected_end { ", done " (ago(end, frame.now)) " if it goes on so" }
        br; small { (shortened(&rollout.why, 300)) }
    }
}
