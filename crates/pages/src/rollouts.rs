//! `/rollouts`: all rollouts, newest first.

use std::collections::BTreeMap;

use lockstep_model::api::operator::{RolloutView, WaveFigures, WaveView};
use lockstep_model::{RolloutId, RolloutState, WaveState};
use maud::{Markup, html};

use crate::parts::action::word;
use crate::parts::empty::{command, empty};
use crate::parts::link::package_path;
use crate::parts::time::{ago, moment};
use crate::{Frame, Here, Topic, frame::Sheet};

/// What the page shows.
#[derive(Debug)]
pub struct Rollouts<'a> {
    /// The rollouts, newest first.
    pub rollouts: &'a [RolloutView],
    /// Who ordered them, as far as the audit trail still says so.
    pub ordered_by: &'a BTreeMap<RolloutId, String>,
    /// The last of them, if there are older ones.
    pub older: Option<RolloutId>,
}

/// How a host, a wave or a rollout stands: a sign, a word, and the name of its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) sign: &'static str,
    pub(crate) word: &'static str,
    /// A class of the style sheet: `is-proven`, `is-moving`, `is-bad`, `is-unsure`, `is-still`.
    pub(crate) class: &'static str,
}

const fn stand(sign: &'static str, word: &'static str, class: &'static str) -> Stand {
    Stand { sign, word, class }
}

/// Reads one figure of a wave.
type Count = fn(&WaveFigures) -> usize;

/// How hosts of a wave stand, the worst first, with how many of them there are.
pub(crate) const HOSTS: [(Stand, Count); 9] = [
    (stand("✖", "failed", "is-bad"), |it| it.failed),
    (stand("?", "silent", "is-unsure"), |it| it.silent),
    (stand("◐", "running", "is-moving"), |it| it.running),
    (stand("◔", "ordered", "is-moving"), |it| it.ordered),
    (stand("=", "kept", "is-unsure"), |it| it.kept),
    (stand("⤼", "skipped", "is-unsure"), |it| it.skipped),
    (stand("–", "gone", "is-still"), |it| it.gone),
    (stand("○", "waiting", "is-still"), |it| it.waiting),
    (stand("●", "proven", "is-proven"), |it| it.proven),
];

/// Where waiting hosts stand in [`HOSTS`].
const WAITING: usize = 7;

impl Stand {
    /// Sign and word.
    pub(crate) fn badge(self) -> Markup {
        html! {
            span .stand .(self.class) { span aria-hidden="true" { (self.sign) } " " (self.word) }
        }
    }

    /// Of a host, by the word of the operator API; its place in [`HOSTS`] besides. A word that this version does not know
    /// is waiting.
    pub(crate) fn of_host(state: &str) -> (usize, Self) {
        let known = HOSTS.iter().position(|(stand, _)| stand.word == state);
        let place = known.unwrap_or(WAITING);
        (place, HOSTS[place].0)
    }

    /// Of a wave.
    pub(crate) fn of_wave(state: WaveState) -> Self {
        match state {
            WaveState::Waiting => stand("○", "waiting", "is-still"),
            WaveState::Open => stand("◐", "open", "is-moving"),
            WaveState::Proven => stand("●", "proven", "is-proven"),
            WaveState::Stopped => stand("■", "stopped", "is-bad"),
            WaveState::TakenBack => stand("↩", "taken back", "is-bad"),
        }
    }

    /// Of a rollout.
    pub(crate) fn of_rollout(state: RolloutState) -> Self {
        match state {
            RolloutState::Planned => stand("○", "planned", "is-still"),
            RolloutState::Running => stand("▶", "running", "is-moving"),
            RolloutState::Holding => stand("‖", "holding", "is-unsure"),
            RolloutState::Halted => stand("■", "halted", "is-bad"),
            RolloutState::RollingBack => stand("↩", "rolling back", "is-bad"),
            RolloutState::Done => stand("✓", "done", "is-proven"),
            RolloutState::Cancelled => stand("×", "cancelled", "is-still"),
        }
    }
}

/// The address of a rollout.
pub(crate) fn path(id: RolloutId) -> String {
    format!("/rollouts/{id}")
}

/// The figures of a wave in words, those that are nought left out: `1 failed, 12 proven`.
pub(crate) fn words(figures: &WaveFigures) -> String {
    let counts = HOSTS
        .iter()
        .map(|(stand, count)| (count(figures), stand.word));
    let mut words: Vec<String> = counts
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if figures.worse > 0 {
        words.push(format!("{} worse than before", figures.worse));
    }
    if words.is_empty() {
        return "no hosts".into();
    }
    words.join(", ")
}

/// Where a bar begins and ends, in hundredths of its wave, for each state in the order of [`HOSTS`].
fn parts(figures: &WaveFigures) -> Vec<(Stand, f64, f64)> {
    let counts = HOSTS.map(|(stand, count)| (stand, count(figures)));
    let all: usize = counts.iter().map(|(_, count)| count).sum();
    let mut parts = Vec::new();
    let mut so_far = 0;
    // Proven hosts stand first: a bar fills from the left.
    for (stand, count) in counts.into_iter().rev().filter(|(_, count)| *count > 0) {
        let from = so_far as f64 / all as f64 * 100.0;
        so_far += count;
        parts.push((stand, from, so_far as f64 / all as f64 * 100.0));
    }
    parts
}

/// The waves as one small bar each, equally wide: a wave of one host is seen beside one of ten thousand.
pub(crate) fn bars(waves: &[WaveView]) -> Markup {
    let width = waves.len() * 104;
    let said: Vec<String> = (1..)
        .zip(waves)
        .map(|(number, wave)| format!("wave {number}: {}", words(&wave.figures)))
        .collect();
    html! {
        @if !waves.is_empty() {
            svg .wave-bars viewBox={ "0 0 " (width) " 24" } preserveAspectRatio="none" role="img" aria-label=(said.join("; ")) {
                @for (place, (wave, said)) in waves.iter().zip(&said).enumerate() {
                    g transform={ "translate(" (place * 104) ")" } {
                        title { (said) }
                        rect .track x="0" y="2" width="100" height="20" {}
                        @for (stand, from, to) in parts(&wave.figures) {
                            rect .(stand.class) .{ "is-" (stand.word) }
                                x={ (format!("{from:.2}")) } y="2" width={ (format!("{:.2}", to - from)) } height="20" {}
                        }
                    }
                }
            }
        }
    }
}

/// All waves of a rollout together, in words: `wave 2 of 5, 12 of 400 hosts proven`.
fn far(rollout: &RolloutView) -> String {
    let hosts: usize = rollout.waves.iter().map(|it| it.figures.hosts).sum();
    let proven: usize = rollout.waves.iter().map(|it| it.figures.proven).sum();
    let failed: usize = rollout.waves.iter().map(|it| it.figures.failed).sum();
    let open = rollout
        .waves
        .iter()
        .rposition(|wave| wave.state != WaveState::Waiting);
    let wave = match open {
        Some(open) => format!("wave {} of {}, ", open + 1, rollout.waves.len()),
        None => String::new(),
    };
    let failed = match failed {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    format!("{wave}{proven} of {hosts} hosts proven{failed}")
}

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, shown: &Rollouts<'_>) -> String {
    let body = html! {
        div #rollouts data-live {
            @if shown.rollouts.is_empty() { (none()) } @else { (table(frame, shown)) }
        }
    };
    frame.draw(Sheet {
        title: "Rollouts",
        here: Here::Rollouts,
        topics: &[Topic::Rollouts],
        body,
    })
}

fn table(frame: &Frame<'_>, shown: &Rollouts<'_>) -> Markup {
    html! {
        table .rollouts {
            caption .unseen { "Rollouts, newest first" }
            thead { tr {
                th scope="col" { "No." } th scope="col" { "State" } th scope="col" { "What" } th scope="col" { "Channel" }
                th scope="col" { "Waves" } th scope="col" { "Why it stands there" } th scope="col" { "Ordered" }
                th scope="col" { "By" }
            } }
            tbody {
                @for rollout in shown.rollouts {
                    tr data-row {
                        td { a href=(path(rollout.id)) { (rollout.id) } }
                        td { (Stand::of_rollout(rollout.state).badge()) }
                        td {
                            a href=(package_path(rollout.package.as_str())) { (rollout.package) } " "
                            @if let Some(from) = &rollout.from { (from) " → " }
                            b { (rollout.version) }
                            @if rollout.urgent { " " span .mark { "urgent" } }
                            @if rollout.suspect.is_some() { " " span .mark { "suspect" } }
                        }
                        td { (rollout.channel) }
                        td .far { (bars(&rollout.waves)) (far(rollout)) }
                        td .why { (rollout.why) }
                        td { (ago(rollout.created_at, frame.now)) }
                        td {
                            (shown.ordered_by.get(&rollout.id).map_or("not known", String::as_str))
                            @if let Some(by) = &rollout.paused_by { br; "paused by " (by) }
                        }
                    }
                }
            }
        }
        @if let Some(last) = shown.older {
            nav .pager aria-label="Pages of the list" {
                a rel="next" href={ "/rollouts?before=" (last) } { "Older rollouts →" }
            }
        }
    }
}

fn none() -> Markup {
    let next = html! {
        p { "A rollout begins when a channel is pointed at a release. A release is built from a directory, signed and "
            "published, and then promoted:" }
        (command("lockstep release build tree --package lockstep --version 1.4.0 -o lockstep-1.4.0.tar.zst"))
        (command("lockstep release publish lockstep-1.4.0.tar.zst --keys ~/lockstep-keys"))
        (command("lockstep release promote lockstep 1.4.0 --to stable"))
        p { "What is published stands under " a href="/releases" { "Releases" } "." }
    };
    empty("Nothing has been rolled out yet.", &next)
}

/// What the command line calls it: the words of a command for a rollout.
pub(crate) fn twin(verb: &str, id: RolloutId) -> String {
    format!("lockstep rollout {} {}", word(verb), id)
}

/// When, by date, with its distance.
pub(crate) fn when(frame: &Frame<'_>, at: jiff::Timestamp) -> Markup {
    html! { (moment(at)) " (" (ago(at, frame.now)) ")" }
}

#[cfg(test)]
pub(crate) mod tests {
    use lockstep_model::api::operator::WaveHost;
    use lockstep_model::{ChannelName, HostName, PackageName, Role, Version};

    use super::*;
    use crate::frame::tests::with_frame;

    /// A wave of hosts in these states; each is called by its wave and place.
    pub(crate) fn wave(number: usize, state: WaveState, states: &[&str]) -> WaveView {
        let count = |word: &str| states.iter().filter(|state| **state == word).count();
        WaveView {
            state,
            figures: WaveFigures {
                hosts: states.len(),
                let_go: states.len() - count("waiting"),
                waiting: count("waiting"),
                ordered: count("ordered"),
                running: count("running"),
                proven: count("proven"),
                failed: count("failed"),
                silent: count("silent"),
                kept: count("kept"),
                skipped: count("skipped"),
                gone: count("gone"),
                worse: 0,
            },
            opened_at: (state != WaveState::Waiting)
                .then(|| "2026-11-22T10:00:00Z".parse().unwrap()),
            proven_at: None,
            bakes_until: None,
            skipped_by: None,
            hosts: (0..)
                .zip(states)
                .map(|(place, state)| WaveHost {
                    name: HostName::parse(&format!("w{number}-{place}")).unwrap(),
                    state: (*state).into(),
                    worse: false,
                    kept: None,
                    skipped: None,
                })
                .collect(),
        }
    }

    /// A rollout of 1.4.2 after 1.4.1 in this state.
    pub(crate) fn rollout(state: RolloutState, waves: Vec<WaveView>) -> RolloutView {
        RolloutView {
            id: RolloutId(7),
            package: PackageName::lockstep(),
            version: Version::parse("1.4.2").unwrap(),
            from: Version::parse("1.4.1").ok(),
            channel: ChannelName::stable(),
            state,
            why: "waits for <b>3</b> hosts".into(),
            created_at: "2026-11-22T09:00:00Z".parse().unwrap(),
            at: "2026-11-22T12:00:00Z".parse().unwrap(),
            urgent: false,
            generation: 7,
            paused_by: None,
            strategy: None,
            gates: Vec::new(),
            suspect: None,
            cluster: None,
            expected_end: None,
            waves,
            decisions: Vec::new(),
        }
    }

    fn draw(rollouts: &[RolloutView]) -> String {
        let ordered_by = BTreeMap::from([(RolloutId(7), "<i>ann</i>".to_owned())]);
        let shown = Rollouts {
            rollouts,
            ordered_by: &ordered_by,
            older: Some(RolloutId(3)),
        };
        with_frame(Role::Viewer, |frame| page(frame, &shown))
    }

    #[test]
    fn an_empty_list_says_how_a_rollout_begins() {
        let page = draw(&[]);
        for command in ["release build", "release publish", "release promote"] {
            assert!(page.contains(&format!("lockstep {command}")), "{command}");
        }
    }

    #[test]
    fn a_row_says_how_far_it_is_and_why() {
        let waves = vec![
            wave(1, WaveState::Proven, &["proven"]),
            wave(
                2,
                WaveState::Open,
                &["proven", "failed", "running", "running"],
            ),
            wave(3, WaveState::Waiting, &["waiting"; 5]),
        ];
        let page = draw(&[rollout(RolloutState::Running, waves)]);
        assert!(page.contains("wave 2 of 3, 2 of 10 hosts proven, 1 failed"));
        assert!(page.contains("wave 2: 1 failed, 2 running, 1 proven"));
        assert!(page.contains(r#"href="/rollouts/7""#));
        assert!(page.contains("1.4.1 → <b>1.4.2</b>"));
        assert!(page.contains(r#"href="/rollouts?before=3""#));
        // A sign and a word.
        assert!(page.contains("▶</span> running"));
    }

    #[test]
    fn no_text_becomes_markup() {
        let page = draw(&[rollout(RolloutState::Halted, Vec::new())]);
        assert!(page.contains("waits for &lt;b&gt;3&lt;/b&gt; hosts"));
        assert!(page.contains("&lt;i&gt;ann&lt;/i&gt;") && !page.contains("<i>ann"));
    }

    #[test]
    fn a_bar_is_full() {
        let wave = wave(
            1,
            WaveState::Open,
            &["proven", "proven", "failed", "waiting"],
        );
        let parts = parts(&wave.figures);
        let words: Vec<_> = parts.iter().map(|(stand, _, _)| stand.word).collect();
        assert_eq!(words, ["proven", "waiting", "failed"]);
        assert!((parts[0].2 - 50.0).abs() < 1e-9 && (parts[2].2 - 100.0).abs() < 1e-9);
    }

    #[test]
    fn states_differ_without_colours() {
        let signs: std::collections::BTreeSet<_> = HOSTS.iter().map(|(it, _)| it.sign).collect();
        assert_eq!(signs.len(), HOSTS.len());
        assert_eq!(Stand::of_host("failed").1.sign, "✖");
        assert_eq!(Stand::of_host("of tomorrow").1.word, "waiting");
    }
}
