//! What the rollout's runs say now: their newest records, and the ends of what they wrote.

use jiff::Timestamp;
use lockstep_model::{HostName, Outcome, Phase, RunId, RunKind};
use maud::{Markup, html};

use super::tile::phase_word;
use crate::Frame;
use crate::parts::link;
use crate::parts::text::printable;
use crate::parts::time::{ago, moment};

/// Runs that are shown: the newest.
pub const MOST_SHOWN: usize = 20;
/// Lines of an output that are shown, and characters of a line.
const LINES: usize = 3;
const LONGEST_LINE: usize = 200;

/// The newest record of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The run.
    pub run: RunId,
    /// Its host.
    pub host: HostName,
    /// When the record was made.
    pub at: Timestamp,
    /// What kind of change.
    pub kind: RunKind,
    /// Where the run is.
    pub phase: Phase,
    /// How it ended, if it has.
    pub outcome: Option<Outcome>,
    /// What it waits for or why it ended so, in words; empty where there is nothing to say.
    pub why: String,
    /// The end of what it wrote; [`end_of`] makes it.
    pub end: String,
}

/// The last lines of an output, as much of it as is shown, without what a terminal would obey.
#[must_use]
pub fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.trim_end().lines().rev().take(LINES).collect();
    let line = |line: &&str| -> String {
        let shown: String = line.chars().take(LONGEST_LINE).collect();
        printable(&shown)
    };
    let lines: Vec<String> = lines.iter().rev().map(line).collect();
    lines.join("\n")
}

/// The records, newest first.
pub(super) fn tail(frame: &Frame<'_>, said: &[Said]) -> Markup {
    html! {
        section .tail #tail data-live aria-labelledby="tail-title" {
            h2 #tail-title { "Runs now" }
            @if said.is_empty() {
                p { "No run of this rollout has told the server anything." }
            } @else {
                ol .log {
                    @for it in said.iter().take(MOST_SHOWN) { li { (line(frame, it)) } }
                }
                p { "The newest record of each of the " (said.len().min(MOST_SHOWN)) " runs that told something last." }
            }
        }
    }
}

fn line(frame: &Frame<'_>, said: &Said) -> Markup {
    let words = match said.outcome {
        Some(outcome) => outcome.as_str(),
        None => phase_word(said.phase, said.kind),
    };
    html! {
        (moment(said.at)) " (" (ago(said.at, frame.now)) ") " (link::host(&said.host)) ": "
        a href={ "/runs/" (said.run) } { b { (words) } }
        @if said.outcome.is_none() { ", phase " (said.phase) }
        @if !said.why.is_empty() { ": " (said.why) }
        @if !said.end.is_empty() { pre { (said.end) } }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::Role;

    use super::*;
    use crate::frame::tests::with_frame;

    fn said(number: u8) -> Said {
        let at: Timestamp = "2026-11-22T11:00:00Z".parse().unwrap();
        Said {
            run: RunId::new(at, [number; 10]),
            host: HostName::parse(&format!("web{number}")).unwrap(),
            at,
            kind: RunKind::Bundle,
            phase: Phase::Verify,
            outcome: None,
            why: "two <minutes> of probation".into(),
            end: end_of("one\ntwo\nthree\n<four>\u{1b}[31m\n"),
        }
    }

    #[test]
    fn a_line_says_what_a_run_does_and_leads_to_it() {
        let over = Said {
            outcome: Some(Outcome::RolledBack),
            ..said(2)
        };
        let all = [said(1), over];
        let tail = with_frame(Role::Viewer, |frame| tail(frame, &all).0);
        assert!(tail.contains(&format!(
            r#"<a href="/runs/{}"><b>settling</b></a>"#,
            all[0].run
        )));
        assert!(
            tail.contains(", phase verify: two &lt;minutes&gt;"),
            "{tail}"
        );
        assert!(tail.contains("<b>rolled-back</b></a>: two"), "{tail}");
        assert!(
            tail.contains("<pre>two\nthree\n&lt;four&gt;�[31m</pre>"),
            "{tail}"
        );
        assert!(!tail.contains("one\n"));
    }

    #[test]
    fn the_list_and_its_lines_are_bounded() {
        assert_eq!(end_of(&"x".repeat(10_000)).len(), LONGEST_LINE);
        assert_eq!(end_of(" \n\n"), "");
        let many: Vec<Said> = (0..100).map(said).collect();
        let drawn = with_frame(Role::Viewer, |frame| tail(frame, &many).0);
        assert_eq!(drawn.matches("<li>").count(), MOST_SHOWN);
        assert!(with_frame(Role::Viewer, |frame| tail(frame, &[]).0).contains("No run"));
    }
}
