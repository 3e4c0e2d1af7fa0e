//! A rollout as a picture of lines: what `watch` draws anew, and `show` once.

use console::{Color, truncate_str};
use jiff::Timestamp;
use lockstep_model::api::operator::{RolloutView, WaveView};
use lockstep_model::{RolloutState, WaveState};

use super::bars::{self, Paint};
use crate::out::printable;

/// How large a picture may be, in cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
}

/// The words before a bar: `wave 12  waiting  `.
const BEFORE: usize = 19;
/// The words behind it, at least: ` 123/4567  12 running, 3 failed`.
const BEHIND: usize = 32;
/// Widest bar.
const WIDEST: usize = 60;
/// Lines of the reason that are shown.
const LINES_OF_WHY: usize = 4;

/// Draws it. No line is wider than the frame, and there are no more than fit.
pub(super) fn draw(
    rollout: &RolloutView,
    frame: Frame,
    paint: Paint,
    now: Timestamp,
) -> Vec<String> {
    let mut lines = vec![paint.bold().apply_to(headline(rollout)).to_string()];
    for (index, line) in wrapped(&standing(rollout), frame.width)
        .into_iter()
        .take(LINES_OF_WHY)
        .enumerate()
    {
        lines.push(match (index, line.split_once(' ')) {
            (0, Some((state, rest))) => {
                let colour = paint.style(colour_of(rollout.state));
                format!("{} {rest}", colour.apply_to(state))
            }
            _ => line,
        });
    }
    lines.push(String::new());
    let widest = frame.width.saturating_sub(BEFORE + BEHIND).min(WIDEST);
    let largest = rollout.waves.iter().map(|it| it.figures.hosts).max();
    let room = frame.height.saturating_sub(lines.len() + 4).max(1);
    for (index, wave) in rollout.waves.iter().enumerate().take(room) {
        lines.push(wave_line(index, wave, largest.unwrap_or(0), widest, paint));
    }
    if rollout.waves.len() > room {
        lines.push(format!("… and {} waves more", rollout.waves.len() - room));
    }
    if rollout.waves.is_empty() {
        lines.push("its waves have not been drawn yet".into());
    } else {
        lines.push(bars::legend(paint));
    }
    lines.push(progress(rollout, now));
    if let Some(suspect) = &rollout.suspect {
        let words = format!("suspect · {}", printable(&suspect.why));
        lines.push(paint.style(Color::Yellow).apply_to(words).to_string());
    }
    let room = frame.height.saturating_sub(lines.len() + 1);
    if room > 0 && !rollout.decisions.is_empty() {
        lines.push(String::new());
        let newest = rollout.decisions.iter().rev().take(room).rev();
        lines.extend(newest.map(|it| {
            let at = paint.dim().apply_to(format!("{:.0}", it.at));
            format!("{at}  {}", printable(&it.words))
        }));
    }
    lines.truncate(frame.height.max(1));
    lines
        .iter()
        .map(|line| truncate_str(line, frame.width, "…").into_owned())
        .collect()
}

/// What it is about.
pub(super) fn headline(rollout: &RolloutView) -> String {
    let from = crate::out::or_dash(rollout.from.as_ref());
    let urgent = if rollout.urgent { " · urgent" } else { "" };
    format!(
        "rollout {} · {} {from} → {} · {}{urgent}",
        rollout.id, rollout.package, rollout.version, rollout.channel
    )
}

/// Where it stands and why. Some reasons begin with the state already.
pub(super) fn standing(rollout: &RolloutView) -> String {
    let why = printable(&rollout.why);
    match why.strip_prefix(&format!("{}: ", rollout.state)) {
        Some(rest) => format!("{} · {rest}", rollout.state),
        None => format!("{} · {why}", rollout.state),
    }
}

/// How far it is, since when, and when the end is expected.
pub(super) fn progress(rollout: &RolloutView, now: Timestamp) -> String {
    let all = bars::sum(rollout.waves.iter().map(|it| &it.figures));
    let mut words = format!("{} of {} hosts have proven it", all.proven, all.hosts);
    words.push_str(&format!(" · ordered {} ago", time(rollout.created_at, now)));
    if let Some(end) = rollout.expected_end {
        let left = time(now, end);
        words.push_str(&format!(" · about {left} to go"));
    }
    words
}

/// The time between two moments, for people: `12 s`, `3 min 5 s`, `5 h 12 min`, `9 d 3 h`.
pub(super) fn time(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} min {} s", seconds % 60),
        3_600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// The state of a wave as people read it.
pub(super) fn wave_word(wave: &WaveView) -> &'static str {
    match wave.state {
        WaveState::Waiting => "waiting",
        WaveState::Open => "open",
        WaveState::Proven if wave.skipped_by.is_some() => "skipped",
        WaveState::Proven => "proven",
        WaveState::Stopped => "stopped",
        WaveState::TakenBack => "back",
    }
}

fn wave_line(index: usize, wave: &WaveView, largest: usize, widest: usize, paint: Paint) -> String {
    let figures = &wave.figures;
    let cells = bars::cells(figures.hosts, largest, widest);
    let bar = bars::bar(figures, cells, paint);
    let gap = widest.saturating_sub(bars::width(figures, cells));
    let more = match bars::words(figures) {
        words if words.is_empty() => words,
        words => format!("  {words}"),
    };
    let behind = format!("{}/{}", figures.proven, figures.hosts);
    format!(
        "wave {:<3} {:<8}  {bar}{:gap$} {behind}{more}",
        index + 1,
        wave_word(wave),
        ""
    )
}

fn colour_of(state: RolloutState) -> Color {
    match state {
        RolloutState::Running | RolloutState::Done => Color::Green,
        RolloutState::Planned | RolloutState::Holding => Color::Yellow,
        RolloutState::Halted | RolloutState::RollingBack | RolloutState::Cancelled => Color::Red,
    }
}

/// A text in lines of at most so many characters, broken between words where that is possible.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        while word.len() > width {
            lines.push(word.drain(..width).collect());
        }
        length += word.len();
        line.extend(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests;
