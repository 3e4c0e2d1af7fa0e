//! `lockstep rollout watch`.

use std::time::{Duration, Instant};

use console::Term;
use jiff::Timestamp;
use lockstep_model::api::operator::{DecisionView, RolloutView, WaveFigures};
use lockstep_model::{RolloutId, RolloutState};
use lockstep_net::Clock;
use lockstep_net::client::CallError;

use super::bars::{self, Paint};
use super::command::parse_id;
use super::picture::{Frame, draw, headline, standing, wave_word};
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep rollout watch 7 && echo \"everybody has it\"\n\
    Ends with the rollout: 0 if it is done, 1 if it was halted, cancelled or rolled back. Ctrl-C ends the watching \
    alone. Where the output is no terminal, what changes is written line by line."
)]
pub(crate) struct Args {
    /// The rollout's number
    #[arg(value_parser = parse_id)]
    id: RolloutId,
    /// Print one line of JSON for each change
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Between two looks there is this much time, and ten times as much as the last answer took.
const LOOK: Duration = Duration::from_secs(1);
/// But not more than this.
const LONGEST: Duration = Duration::from_secs(30);

/// Watches until it is over.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let mut shown = Shown::new(args.json);
    tokio::select! {
        ended = watch(&operator, args.id, &mut shown) => ended,
        pressed = tokio::signal::ctrl_c() => {
            pressed?;
            Ok(Exit::signal(SIGINT))
        }
    }
}

/// The number of the signal that Ctrl-C sends.
const SIGINT: i32 = 2;

async fn watch(operator: &Operator, id: RolloutId, shown: &mut Shown) -> anyhow::Result<Exit> {
    let path = format!("rollouts/{id}?hosts=none");
    let mut heard_at: Option<Instant> = None;
    loop {
        let began = Instant::now();
        match operator.get::<RolloutView>(&path).await {
            Ok(rollout) => {
                heard_at = Some(Instant::now());
                shown.show(&rollout)?;
                if let Some(exit) = end(rollout.state) {
                    return Ok(exit);
                }
            }
            // What was there a moment ago comes back: the server is being restarted, or the network is away.
            Err(error) if heard_at.is_some() && passes(&error) => {
                let since = heard_at.map_or(Duration::ZERO, |at| at.elapsed());
                shown.unheard(&error, since)?;
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep((began.elapsed() * 10).clamp(LOOK, LONGEST)).await;
    }
}

/// How the command ends once nothing more can happen.
fn end(state: RolloutState) -> Option<Exit> {
    match state {
        RolloutState::Done => Some(Exit::Done),
        RolloutState::Halted | RolloutState::Cancelled => Some(Exit::Failed),
        RolloutState::Planned
        | RolloutState::Running
        | RolloutState::Holding
        | RolloutState::RollingBack => None,
    }
}

/// True if it may pass by itself.
fn passes(error: &anyhow::Error) -> bool {
    let call = error.chain().find_map(|it| it.downcast_ref::<CallError>());
    call.is_some_and(|call| match call {
        CallError::Unreachable { .. } => true,
        other => other
            .status()
            .is_some_and(|status| status == 429 || status >= 500),
    })
}

/// What was shown so far.
struct Shown {
    terminal: Term,
    how: How,
    last: Option<RolloutView>,
    /// Lines of the picture that stands there.
    lines: usize,
    /// Whether it was said that the server does not answer.
    is_away: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// One picture, drawn anew in its place.
    Picture,
    /// A line for each change.
    Lines,
    /// A document for each change.
    Json,
}

impl Shown {
    fn new(json: bool) -> Self {
        let terminal = Term::buffered_stdout();
        // A terminal without a cursor that can be moved reads lines.
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let how = match (json, terminal.is_term() && !is_dumb) {
            (true, _) => How::Json,
            (false, true) => How::Picture,
            (false, false) => How::Lines,
        };
        Self {
            terminal,
            how,
            last: None,
            lines: 0,
            is_away: false,
        }
    }

    fn show(&mut self, rollout: &RolloutView) -> anyhow::Result<()> {
        match self.how {
            How::Picture => {
                let lines = self.picture(rollout);
                self.redraw(&lines)?;
            }
            How::Lines => {
                if std::mem::take(&mut self.is_away) {
                    out::line(format_args!("{:.0}  the server answers again", rollout.at));
                }
                changes(self.last.as_ref(), rollout)
                    .iter()
                    .for_each(out::line);
            }
            How::Json => {
                if self.last.as_ref().is_none_or(|last| differ(last, rollout)) {
                    out::line(serde_json::to_string(rollout)?);
                }
            }
        }
        self.is_away = false;
        self.last = Some(rollout.clone());
        Ok(())
    }

    /// The server does not answer.
    fn unheard(&mut self, error: &anyhow::Error, since: Duration) -> anyhow::Result<()> {
        let words = format!(
            "the server has not answered for {} s, tries again: {error}",
            since.as_secs()
        );
        match (self.how, &self.last) {
            (How::Picture, Some(last)) => {
                let mut lines = self.picture(last);
                lines.truncate(self.frame().height.saturating_sub(1));
                let width = self.frame().width;
                let words = console::truncate_str(&words, width, "…").into_owned();
                let yellow = self.paint().style(console::Color::Yellow);
                lines.push(yellow.apply_to(words).to_string());
                self.redraw(&lines)?;
            }
            _ if !self.is_away => out::note(format_args!("{words}")),
            _ => {}
        }
        self.is_away = true;
        Ok(())
    }

    fn picture(&self, rollout: &RolloutView) -> Vec<String> {
        // By the server's clock: that of this machine may be another.
        let now = match self.is_away {
            false => rollout.at,
            true => Clock::system().now().max(rollout.at),
        };
        draw(rollout, self.frame(), self.paint(), now)
    }

    fn paint(&self) -> Paint {
        match console::colors_enabled() {
            true => Paint::Colour,
            false => Paint::Plain,
        }
    }

    fn frame(&self) -> Frame {
        let (height, width) = self.terminal.size();
        Frame {
            width: usize::from(width).saturating_sub(1).max(20),
            // The cursor stands below the picture.
            height: usize::from(height).saturating_sub(1).max(5),
        }
    }

    /// Draws the picture over the one before. All is written at once, so that nothing flickers.
    fn redraw(&mut self, lines: &[String]) -> anyhow::Result<()> {
        // A terminal that has become lower has pushed the upper lines away.
        self.terminal
            .move_cursor_up(self.lines.min(self.frame().height))?;
        for line in lines {
            self.terminal.clear_line()?;
            self.terminal.write_line(line)?;
        }
        self.terminal.clear_to_end_of_screen()?;
        self.terminal.flush()?;
        self.lines = lines.len();
        Ok(())
    }
}

/// What is new since the last look, line by line.
fn changes(last: Option<&RolloutView>, rollout: &RolloutView) -> Vec<String> {
    let mut lines = Vec::new();
    let at = |time: Timestamp, words: &str| format!("{time:.0}  {}", out::printable(words));
    if last.is_none() {
        lines.push(headline(rollout));
    }
    let told = last.map_or(&[][..], |last| last.decisions.as_slice());
    let decisions = new_decisions(told, &rollout.decisions);
    lines.extend(decisions.iter().map(|it| at(it.at, &it.words)));
    let of = rollout.waves.len();
    for (index, wave) in rollout.waves.iter().enumerate() {
        let before = last.and_then(|last| last.waves.get(index));
        let is_new = before.is_none_or(|it| (it.state, it.figures) != (wave.state, wave.figures));
        if is_new && wave.figures != untouched(&wave.figures) {
            let figures = &wave.figures;
            let words = match bars::words(figures) {
                words if words.is_empty() => words,
                words => format!(", {words}"),
            };
            let (proven, hosts) = (figures.proven, figures.hosts);
            let words = format!(
                "wave {} of {of} is {}: {proven} of {hosts} hosts have proven it{words}",
                index + 1,
                wave_word(wave)
            );
            lines.push(at(rollout.at, &words));
        }
    }
    if last.is_none_or(|last| (last.state, &last.why) != (rollout.state, &rollout.why)) {
        lines.push(at(rollout.at, &standing(rollout)));
    }
    lines
}

/// The figures of a wave of as many hosts that nothing has happened to.
fn untouched(figures: &WaveFigures) -> WaveFigures {
    WaveFigures {
        hosts: figures.hosts,
        waiting: figures.hosts,
        ..WaveFigures::default()
    }
}

/// Decisions that were not told yet. The server lists the newest thousand, so the list may have lost its beginning.
fn new_decisions<'a>(told: &[DecisionView], all: &'a [DecisionView]) -> &'a [DecisionView] {
    let Some(last) = told.last() else {
        return all;
    };
    let same = |it: &DecisionView| it.at == last.at && it.words == last.words;
    let known = all.iter().rposition(same).map_or(0, |at| at + 1);
    &all[known..]
}

/// True if something has changed but the time.
fn differ(last: &RolloutView, rollout: &RolloutView) -> bool {
    let timeless = |it: &RolloutView| {
        let it = RolloutView {
            at: Timestamp::UNIX_EPOCH,
            expected_end: None,
            ..it.clone()
        };
        serde_json::to_value(it).ok()
    };
    timeless(last) != timeless(rollout)
}

#[cfg(test)]
mod tests;
