//! One run: its phases, its end with the reason, what it wrote, and how the host was before and after.

use jiff::Timestamp;
use lockstep_model::api::operator::RunView;
use lockstep_model::{Outcome, Phase, RunKind};
use maud::{Markup, html};

use super::{Shift, Verdict, actions, state};
use crate::frame::Sheet;
use crate::parts::action::twin;
use crate::parts::level::badge;
use crate::parts::link;
use crate::parts::text::{printable, shortened};
use crate::parts::time::{ago, exact, moment, span};
use crate::{Frame, Here, Topic};

/// Steps that are listed.
const MOST_STEPS: usize = 200;
/// Items that a verdict names.
const MOST_SHIFTS: usize = 50;

/// One record of the run, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When the host wrote it.
    pub at: Timestamp,
    /// Where the run was.
    pub phase: Phase,
    /// What it waited for.
    pub waits: Option<String>,
    /// How it had ended, or stopped.
    pub outcome: Option<Outcome>,
    /// Its place in the server's chain.
    pub number: u64,
}

/// What the page shows.
#[derive(Debug)]
pub struct One<'a> {
    /// The run.
    pub run: &'a RunView,
    /// Its records, oldest first, as far as they were found.
    pub steps: &'a [Step],
    /// True if there may be more records than these.
    pub steps_cut: bool,
    /// What became of the host's items since.
    pub verdict: &'a Verdict,
    /// Until when that was looked at; none for until now.
    pub until: Option<Timestamp>,
    /// The rollout that asked for it, where one of its number brings this package.
    pub rollout: Option<u64>,
    /// What somebody said of it, and the host has not heard yet.
    pub told: Option<String>,
}

impl One<'_> {
    /// Draws the page.
    #[must_use]
    pub fn draw(&self, frame: &Frame<'_>) -> String {
        let record = &self.run.record;
        let body = html! {
            section #run data-live {
                (self.facts(frame))
                @if let Some(told) = &self.told { p .warning { (told) } }
                @if record.outcome == Some(Outcome::Stopped) {
                    p .warning { "It waits for a person. Its lock is kept, so that no other host fails in the same way." }
                }
                (actions(self.run, frame))
            }
            section #phases data-live { (self.phases(frame)) }
            section #verdict data-live { (self.compared(frame)) }
            section #output data-live { (self.output()) }
            p { (twin(&format!("lockstep run show {}", record.id))) }
        };
        frame.draw(Sheet {
            title: &format!("{} on {}", record.what(), self.run.host),
            here: Here::Runs,
            topics: &[Topic::Runs, Topic::Events],
            body,
        })
    }

    fn facts(&self, frame: &Frame<'_>) -> Markup {
        let RunView { host, record } = self.run;
        html! {
            dl .facts {
                dt { "State" } dd { (state(record)) ", " (ago(record.at, frame.now)) }
                @if let Some(reason) = &record.reason { dt { "Why" } dd { (reason) } }
                @if let Some(waits) = &record.waits { dt { "Waits" } dd { (waits) } }
                dt { "Host" } dd { (link::host(host)) }
                dt { "Change" } dd {
                    (record.what())
                    @match record.kind {
                        RunKind::Bundle => {},
                        RunKind::Package => ", by the package manager",
                        RunKind::System => ", the operating system",
                        RunKind::Reboot => ", a restart of the machine",
                    }
                    @if let Some(hash) = &record.hash { br; code { (hash) } }
                }
                dt { "Asked for by" } dd {
                    @if record.by.is_empty() { "order " (record.generation) } @else { (record.by) }
                    @if let Some(rollout) = self.rollout { ", " a href={ "/rollouts/" (rollout) } { "rollout " (rollout) } }
                }
                dt { "Began" } dd { (moment(record.started_at)) ", " (ago(record.started_at, frame.now)) }
                dt { "Took" } dd {
                    (span(self.end(frame).duration_since(record.started_at)))
                    @if record.outcome.is_none() { " so far" }
                }
                @if let Some(lock) = &record.lock {
                    dt { "Lock" } dd { a href=(link::lock_path(&lock.name)) { (lock.name) }
                        ", grant " (lock.fence) ", since " (moment(lock.since)) }
                }
                @if let Some(mine) = &record.link {
                    dt { "Chain" } dd { "entry " (mine.number) " of the host's own chain, " code { (mine.hash) }
                        @if let Some(last) = self.steps.last() { "; entry " (last.number) " of the server's" } }
                }
                dt { "Run" } dd { code { (record.id) } }
            }
        }
    }

    fn end(&self, frame: &Frame<'_>) -> Timestamp {
        match self.run.record.outcome {
            Some(_) => self.run.record.at,
            None => frame.now,
        }
    }

    fn phases(&self, frame: &Frame<'_>) -> Markup {
        html! {
            h2 { "Phases" }
            @if self.steps.is_empty() {
                p { "It is in " b { (self.run.record.phase) } ". What came before is not in the part of the chain that was looked at." }
            } @else {
                div .scroll { table {
                    caption .unseen { "The records of the run, oldest first" }
                    thead { tr {
                        th scope="col" { "Phase" } th scope="col" { "When" } th scope="col" { "Took" } th scope="col" { "" } th scope="col" { "Entry" }
                    } }
                    tbody { @for (index, step) in self.steps.iter().enumerate().take(MOST_STEPS) {
                        @let next = self.steps.get(index + 1).map(|it| it.at);
                        tr {
                            th scope="row" { (step.phase) }
                            td { time datetime=(crate::parts::time::second(step.at)) data-local { (exact(step.at)) } }
                            td {
                                @match (next, step.outcome) {
                                    (Some(next), _) => (span(next.duration_since(step.at))),
                                    (None, None) => { (span(frame.now.duration_since(step.at))) " so far" },
                                    (None, Some(_)) => {},
                                }
                            }
                            td .wide {
                                @if let Some(outcome) = step.outcome { b { (outcome) } }
                                @if let Some(waits) = &step.waits { "waits: " (shortened(waits, 300)) }
                            }
                            td .number { (step.number) }
                        }
                    } }
                } }
                @if self.steps_cut || self.steps.len() > MOST_STEPS { p { "There may be more records than these." } }
            }
        }
    }

    fn compared(&self, frame: &Frame<'_>) -> Markup {
        let Verdict {
            worse,
            better,
            same,
        } = self.verdict;
        html! {
            h2 { "Before and after" }
            p {
                b {
                    @if !worse.is_empty() { "Worse" }
                    @else if !better.is_empty() { "Better" }
                    @else { "The same" }
                }
                ": " (crate::chart::number::count(worse.len() as u64, "item")) " worse, " (better.len()) " better"
                @if *same > 0 { ", " (same) " that changed and came back" }
                ", from the beginning of the run until "
                @match self.until { Some(until) => (moment(until)), None => "now" }
                ". "
                @if self.run.record.outcome.is_none() { "It is not over." }
            }
            (shifts(worse, frame))
            (shifts(better, frame))
            @let record = &self.run.record;
            p { a href=(link::ask("/events", &[
                ("host", Some(self.run.host.as_str())),
                ("since", Some(&crate::parts::time::second(record.started_at))),
            ])) { "Events of the host since it began" } }
        }
    }

    fn output(&self) -> Markup {
        let log = self.run.record.log.trim_end();
        html! {
            @if !log.is_empty() {
                h2 { "Output" }
                details #log open[self.run.record.outcome == Some(Outcome::Stopped)] {
                    summary { "The end of what it wrote, " (log.lines().count()) " lines" }
                    pre .log { (printable(log)) }
                }
            }
        }
    }
}

fn shifts(shifts: &[Shift], frame: &Frame<'_>) -> Markup {
    html! {
        @if !shifts.is_empty() {
            ul { @for shift in shifts.iter().take(MOST_SHIFTS) {
                li { b { (shift.item) } ": " (badge(shift.before, frame.levels)) " → " (badge(shift.after, frame.levels))
                    ", " (ago(shift.at, frame.now)) }
            } }
        }
    }
}
