//! `/rollouts/ID`: one rollout as a board: its waves and hosts, its gates with their figures, the curve beside the
//! simulated one, its decisions, and what can be said to it.

mod actions;
mod expected;
mod gates;
mod hushed;
mod lanes;
mod skipped;
mod strategy;
mod tail;
mod tile;

use lockstep_model::api::operator::{RolloutCurve, RolloutView};
use maud::{Markup, html};

use crate::parts::action::word;
use crate::parts::link::package_path;
use crate::parts::time::moment;
use crate::rollouts::{Stand, when};
use crate::silences::Quiet;
use crate::{Frame, Here, Topic, frame::Sheet};

pub use tail::{MOST_SHOWN, Said, end_of};
pub use tile::{HostRun, HostRuns};

/// Decisions that are shown at once; older ones are folded away.
const NEWEST_DECISIONS: usize = 20;

/// What the page shows.
#[derive(Debug)]
pub struct Rollout<'a> {
    /// The rollout, with the names of its hosts and its decisions.
    pub rollout: &'a RolloutView,
    /// Who ordered it, as far as the audit trail still says so.
    pub ordered_by: Option<&'a str>,
    /// The newest runs of its hosts.
    pub runs: &'a HostRuns,
    /// What its runs said last, newest first; [`MOST_SHOWN`] of them are shown.
    pub said: &'a [Said],
    /// The silences that its runs hold.
    pub leases: &'a [&'a Quiet],
    /// How it goes, beside how it was to be expected to go.
    pub curve: &'a RolloutCurve,
}

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, shown: &Rollout<'_>) -> String {
    let rollout = shown.rollout;
    let title = format!(
        "Rollout {}: {} {}",
        rollout.id, rollout.package, rollout.version
    );
    let body = html! {
        (state(frame, shown))
        (actions::actions(frame, rollout))
        (blame(rollout))
        (lanes::lanes(frame, rollout, shown.runs))
        (skipped::skipped(frame, rollout))
        div .beside {
            (gates::gates(rollout))
            (expected::expected(frame, &title, shown.curve))
        }
        div .beside {
            (tail::tail(frame, shown.said))
            (hushed::hushed(frame, shown.leases))
        }
        (decisions(rollout))
    };
    frame.draw(Sheet {
        title: &title,
        here: Here::Rollouts,
        topics: &[Topic::Rollouts, Topic::Runs],
        body,
    })
}

fn state(frame: &Frame<'_>, shown: &Rollout<'_>) -> Markup {
    let rollout = shown.rollout;
    let id = rollout.id.to_string();
    html! {
        section .state #rollout-state data-live aria-label="How it stands" {
            p .headline { (Stand::of_rollout(rollout.state).badge()) " " (rollout.why) }
            dl .facts {
                dt { "What" }
                dd {
                    a href=(package_path(rollout.package.as_str())) { (rollout.package) } " "
                    @match &rollout.from {
                        Some(from) => { (from) " → " b { (rollout.version) } },
                        None => { b { (rollout.version) } ", nothing before it to go back to" },
                    }
                    ", channel " (rollout.channel)
                    @if rollout.urgent { ", " span .mark { "urgent" } ": no windows, no spread, the shorter bake time" }
                }
                dt { "Ordered" }
                dd { (when(frame, rollout.created_at)) @if let Some(by) = shown.ordered_by { " by " (by) } }
                @if let Some(by) = &rollout.paused_by { dt { "Paused by" } dd { (by) } }
                @if let Some(end) = rollout.expected_end {
                    dt { "Done, if it goes on so" } dd { (when(frame, end)) }
                }
                dt { "Number of its orders" } dd { (rollout.generation) }
            }
            (strategy::strategy(rollout.strategy.as_ref()))
            p .twins {
                code .twin { "lockstep rollout show " (word(&id)) } " "
                code .twin { "lockstep rollout watch " (word(&id)) }
            }
        }
    }
}

/// What speaks against the version: why it is suspect, and what the hosts that failed have in common.
fn blame(rollout: &RolloutView) -> Markup {
    html! {
        div #rollout-blame data-live {
            @if let Some(suspect) = &rollout.suspect {
                p .blame { span aria-hidden="true" { "⚠" } " " (suspect.package) " " (suspect.version) " is suspect since "
                    (moment(suspect.since)) ": " (suspect.why) ". "
                    a href=(package_path(suspect.package.as_str())) { "Its releases" } }
            }
            @if let Some(cluster) = &rollout.cluster {
                p .blame { span aria-hidden="true" { "⚠" } " Hosts that failed have in common: " (cluster) }
            }
        }
    }
}

/// The log, newest first.
fn decisions(rollout: &RolloutView) -> Markup {
    let all = &rollout.decisions;
    let older = all.len().saturating_sub(NEWEST_DECISIONS);
    let rows = |decisions: &[lockstep_model::api::operator::DecisionView]| {
        html! {
            ol .log reversed { @for decision in decisions.iter().rev() {
                li { (moment(decision.at)) " " span { (decision.words) } }
            } }
        }
    };
    html! {
        section #decisions data-live aria-labelledby="decisions-title" {
            h2 #decisions-title { "Decisions" }
            @if all.is_empty() {
                p { "Nothing has been decided yet." }
            } @else {
                (rows(&all[older..]))
                @if older > 0 {
                    details #older-decisions { summary { (older) " older decisions" } (rows(&all[..older])) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::api::operator::DecisionView;
    use lockstep_model::{Role, RolloutState, Suspect, WaveState};

    use super::*;
    use crate::frame::tests::with_frame;
    use crate::rollouts::tests::{rollout, wave};

    pub(super) fn curve() -> RolloutCurve {
        RolloutCurve {
            at: "2026-11-22T12:00:00Z".parse().unwrap(),
            hosts: 3,
            real: vec![
                ("2026-11-22T09:00:00Z".parse().unwrap(), 0.0),
                ("2026-11-22T11:00:00Z".parse().unwrap(), 0.25),
            ],
            simulated: None,
            why_not: Some("it is being simulated".into()),
            waves: Vec::new(),
        }
    }

    fn draw(rollout: &RolloutView) -> String {
        let shown = Rollout {
            rollout,
            ordered_by: Some("ann<b>"),
            runs: &HostRuns::new(),
            said: &[],
            leases: &[],
            curve: &curve(),
        };
        with_frame(Role::Operator, |frame| page(frame, &shown))
    }

    #[test]
    fn the_page_says_how_it_stands_and_why() {
        let waves = vec![wave(1, WaveState::Open, &["running"])];
        let rollout = RolloutView {
            gates: vec!["failed: 0 of 3 <limit> 1".into()],
            ..rollout(RolloutState::Running, waves)
        };
        let page = draw(&rollout);
        assert!(page.contains("Rollout 7: lockstep 1.4.2"));
        assert!(page.contains("waits for &lt;b&gt;3&lt;/b&gt; hosts"));
        assert!(page.contains("failed: 0 of 3 &lt;limit&gt; 1"));
        assert!(page.contains(" by ann&lt;b&gt;"));
        assert!(page.contains("it is being simulated"));
        assert!(page.contains("Nothing has been decided yet"));
        assert!(page.contains(r#"action="/rollouts/7/pause""#));
        assert!(!page.contains("style="));
    }

    #[test]
    fn what_speaks_against_the_version_is_said() {
        let rollout = RolloutView {
            suspect: Some(Suspect {
                package: lockstep_model::PackageName::lockstep(),
                version: lockstep_model::Version::parse("1.4.2").unwrap(),
                rollout: lockstep_model::RolloutId(7),
                why: "3 of 4 hosts <failed>".into(),
                since: "2026-11-22T11:00:00Z".parse().unwrap(),
            }),
            cluster: Some("rack = \"r<7>\"".into()),
            ..rollout(RolloutState::Halted, Vec::new())
        };
        let page = draw(&rollout);
        assert!(page.contains("3 of 4 hosts &lt;failed&gt;"));
        assert!(page.contains("r&lt;7&gt;"));
    }

    #[test]
    fn decisions_are_told_newest_first_and_old_ones_folded_away() {
        let decision = |number: i64| DecisionView {
            at: jiff::Timestamp::from_second(1_790_000_000 + number).unwrap(),
            words: format!("decision-{number}."),
        };
        let rollout = RolloutView {
            decisions: (0..30).map(decision).collect(),
            ..rollout(RolloutState::Done, Vec::new())
        };
        let page = draw(&rollout);
        let at = |words: &str| page.find(words).unwrap();
        assert!(at("decision-29.") < at("decision-10.") && at("decision-10.") < at("decision-9."));
        assert!(page.contains("10 older decisions"));
    }
}
