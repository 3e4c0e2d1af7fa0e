//! The tile of a host: how it stands, in which phase its run is, why, and where the run is to be read.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::WaveHost;
use lockstep_model::{HostName, Outcome, Phase, RunId, RunKind};
use maud::{Markup, html};

use crate::Frame;
use crate::parts::link::{host_path, segment};
use crate::parts::text::shortened;
use crate::parts::time::{exact, span};
use crate::rollouts::Stand;

/// Characters of a reason that a tile shows; the rest is in its title.
const SHOWN: usize = 60;

/// What the newest run of a host for this rollout says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRun {
    /// The run.
    pub id: RunId,
    /// When its newest record was made.
    pub at: Timestamp,
    /// What kind of change.
    pub kind: RunKind,
    /// Where it is.
    pub phase: Phase,
    /// How it ended, if it has.
    pub outcome: Option<Outcome>,
    /// True if it takes the host back from the rollout's version.
    pub back: bool,
    /// What it waits for or why it ended so, in words; empty where there is nothing to say.
    pub why: String,
}

/// The newest runs by host.
pub type HostRuns = HashMap<HostName, HostRun>;

/// Where the tile of a host is on the page, for links.
pub(super) fn tile_id(host: &HostName) -> String {
    format!("host-{}", segment(host.as_str()))
}

/// A phase in words: what a person would say that the host does.
pub(super) fn phase_word(phase: Phase, kind: RunKind) -> &'static str {
    match phase {
        Phase::Check | Phase::Pre => "pre-flight",
        Phase::Spread | Phase::Idle | Phase::Lock => "waiting its turn",
        Phase::Apply if kind == RunKind::Bundle => "downloading, applying",
        Phase::Apply => "applying",
        Phase::Reboot => "rebooting",
        Phase::Post | Phase::Verify | Phase::Release => "settling",
        Phase::Done => "healthy",
    }
}

/// What is to be said beside the state, in a few words.
fn detail(host: &WaveHost, run: Option<&HostRun>) -> Option<&'static str> {
    match (host.state.as_str(), run) {
        ("running", Some(run)) if run.outcome.is_none() => Some(match run.back {
            true => "going back",
            false => phase_word(run.phase, run.kind),
        }),
        ("proven", _) if !host.worse => Some("healthy"),
        ("failed", Some(run)) if run.outcome == Some(Outcome::RolledBack) => Some("rolled back"),
        ("ordered" | "waiting", Some(run)) if run.back && run.outcome == Some(Outcome::Done) => {
            Some("rolled back")
        }
        (_, Some(run)) if run.outcome == Some(Outcome::Stopped) => Some("run stopped"),
        (_, Some(run)) if run.outcome == Some(Outcome::Postponed) => Some("postponed"),
        _ => None,
    }
}

/// Why a host is kept or left out, in somebody's words.
fn reason(host: &WaveHost) -> Option<String> {
    match (host.state.as_str(), &host.skipped, &host.kept) {
        ("skipped", Some(skipped), _) => Some(format!("by {}: {}", skipped.by, skipped.why)),
        ("kept", _, Some(kept)) => Some(kept.clone()),
        _ => None,
    }
}

/// A host: its sign, its state, its name, and its run.
pub(super) fn tile(frame: &Frame<'_>, host: &WaveHost, run: Option<&HostRun>) -> Markup {
    let (_, stand) = Stand::of_host(&host.state);
    let detail = detail(host, run);
    let reason = reason(host);
    let mut title = stand.word.to_owned();
    if let Some(run) = run {
        let since = frame.now.duration_since(run.at).max(SignedDuration::ZERO);
        title.push_str(&format!(" since {} ({})", exact(run.at), span(since)));
        if !run.why.is_empty() {
            title.push_str(&format!(": {}", run.why));
        }
    }
    if let Some(reason) = &reason {
        title.push_str(&format!(" {reason}"));
    }
    html! {
        span .tile .(stand.class) .worse[host.worse] title=(title) {
            (stand.badge()) " " a href=(host_path(&host.name)) { (host.name) }
            @if let Some(detail) = detail { " " span .phase { (detail) } }
            @if host.worse { " " span .phase { span aria-hidden="true" { "▼" } " worse than before" } }
            @if let Some(reason) = &reason { " " span .phase { (shortened(reason, SHOWN)) } }
            @if let Some(run) = run { " " a .run href={ "/runs/" (run.id) } { "run" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Role, SkippedHost};

    use super::*;
    use crate::frame::tests::with_frame;

    fn host(state: &str) -> WaveHost {
        WaveHost {
            name: HostName::parse("web1").unwrap(),
            state: state.into(),
            worse: false,
            kept: None,
            skipped: None,
        }
    }

    fn run(phase: Phase, outcome: Option<Outcome>) -> HostRun {
        HostRun {
            id: RunId::new("2026-11-22T11:00:00Z".parse().unwrap(), [7; 10]),
            at: "2026-11-22T11:30:00Z".parse().unwrap(),
            kind: RunKind::Bundle,
            phase,
            outcome,
            back: false,
            why: "it <wrote> \"panic\"".into(),
        }
    }

    fn draw(host: &WaveHost, run: Option<&HostRun>) -> String {
        with_frame(Role::Viewer, |frame| tile(frame, host, run).0)
    }

    #[test]
    fn a_tile_says_the_phase_and_leads_to_the_run() {
        for (phase, word) in [
            (Phase::Check, "pre-flight"),
            (Phase::Lock, "waiting its turn"),
            (Phase::Apply, "downloading, applying"),
            (Phase::Reboot, "rebooting"),
            (Phase::Verify, "settling"),
        ] {
            let run = run(phase, None);
            let tile = draw(&host("running"), Some(&run));
            assert!(tile.contains(&format!("class=\"phase\">{word}<")), "{tile}");
            assert!(tile.contains(&format!(r#"href="/runs/{}""#, run.id)));
        }
        let package = HostRun {
            kind: RunKind::Package,
            ..run(Phase::Apply, None)
        };
        assert!(draw(&host("running"), Some(&package)).contains(">applying<"));
        assert!(draw(&host("proven"), None).contains(">healthy<"));
        assert!(!draw(&host("waiting"), None).contains("phase"));
        // Its report says that it is at it; of the run nothing has come yet.
        assert!(!draw(&host("running"), None).contains("phase"));
    }

    #[test]
    fn how_it_ended_is_said_with_its_reason() {
        let back = draw(
            &host("failed"),
            Some(&run(Phase::Done, Some(Outcome::RolledBack))),
        );
        assert!(back.contains(">rolled back<"));
        assert!(back.contains("failed since 2026-11-22 11:30:00 UTC (30 min): it &lt;wrote&gt;"));
        assert!(!back.contains("<wrote>"));
        let failed = draw(
            &host("failed"),
            Some(&run(Phase::Done, Some(Outcome::Failed))),
        );
        assert!(!failed.contains("rolled back"));
        let gone_back = HostRun {
            back: true,
            ..run(Phase::Done, Some(Outcome::Done))
        };
        assert!(draw(&host("ordered"), Some(&gone_back)).contains(">rolled back<"));
        let stopped = draw(
            &host("ordered"),
            Some(&run(Phase::Post, Some(Outcome::Stopped))),
        );
        assert!(stopped.contains(">run stopped<"));
    }

    #[test]
    fn who_is_worse_kept_or_left_out_says_so() {
        let worse = WaveHost {
            worse: true,
            ..host("proven")
        };
        let tile = draw(&worse, None);
        assert!(tile.contains("worse than before") && !tile.contains("healthy"));
        let kept = WaveHost {
            kept: Some(format!("root holds <it> {}", "x".repeat(80))),
            ..host("kept")
        };
        let tile = draw(&kept, None);
        assert!(
            tile.contains("root holds &lt;it&gt;") && tile.contains("x…<"),
            "{tile}"
        );
        let skipped = SkippedHost {
            by: "ann".into(),
            why: "its disk".into(),
            since: "2026-11-22T11:30:00Z".parse().unwrap(),
            told: false,
        };
        let left_out = WaveHost {
            skipped: Some(skipped),
            ..host("skipped")
        };
        assert!(draw(&left_out, None).contains("by ann: its disk"));
        // Once it has begun it is as any other.
        let begun = WaveHost {
            state: "running".into(),
            ..left_out
        };
        assert!(!draw(&begun, None).contains("its disk"));
    }
}
