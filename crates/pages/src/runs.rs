//! `/runs`: every change of every host, newest first; `/runs/ID`: one of them.

mod one;
#[cfg(test)]
mod tests;
mod verdict;

use lockstep_model::api::operator::RunView;
use lockstep_model::{Outcome, Role, RunRecord};
use maud::{Markup, html};

use crate::frame::Sheet;
use crate::parts::action::{Action, text, word};
use crate::parts::empty::{command, empty};
use crate::parts::link;
use crate::parts::text::shortened;
use crate::parts::time::ago;
use crate::{Frame, Here, Topic};

pub use one::{One, Step};
pub use verdict::{Shift, Verdict, verdict};

/// How runs end, as forms carry it; `running` are those that have not.
pub const ENDS: [&str; 6] = [
    "running",
    "stopped",
    "done",
    "rolled-back",
    "failed",
    "postponed",
];

/// What is asked for; empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// A host's name.
    pub host: String,
    /// One of [`ENDS`].
    pub outcome: String,
}

/// What the page shows.
#[derive(Debug)]
pub struct Runs<'a> {
    /// The runs, newest first.
    pub runs: &'a [RunView],
    /// What was asked for.
    pub filter: &'a Filter,
    /// Where the older ones are.
    pub older: Option<String>,
}

impl Runs<'_> {
    /// Draws the page.
    #[must_use]
    pub fn draw(&self, frame: &Frame<'_>) -> String {
        let body = html! {
            (self.form())
            section #runs data-live {
                @if self.runs.is_empty() { (self.nothing()) }
                @else {
                    div .scroll { table .runs {
                        caption .unseen { "Runs, newest first" }
                        thead { tr {
                            th scope="col" { "State" } th scope="col" { "Host" } th scope="col" { "Change" }
                            th scope="col" { "When" } th scope="col" { "Lock" } th scope="col" { "Why" } th scope="col" { "Run" }
                        } }
                        tbody { @for run in self.runs { (row(run, frame)) } }
                    } }
                    @if let Some(older) = &self.older {
                        nav .pager aria-label="Pages of the list" { a rel="next" href=(older) { "Older →" } }
                    }
                }
            }
            p { code .twin title="The same on the command line" { (self.twin()) } }
        };
        frame.draw(Sheet {
            title: "Runs",
            here: Here::Runs,
            topics: &[Topic::Runs],
            body,
        })
    }

    fn form(&self) -> Markup {
        html! {
            form .fields .filter method="get" action="/runs" {
                label { span { "Host" } input name="host" value=(self.filter.host) maxlength="253" autocomplete="off"; }
                label { span { "State" } select name="outcome" {
                    option value="" { "all" }
                    @for end in ENDS { option value=(end) selected[self.filter.outcome == end] { (end) } }
                } }
                button { "Filter" }
                @if *self.filter != Filter::default() { a href="/runs" { "All" } }
            }
        }
    }

    fn nothing(&self) -> Markup {
        if *self.filter != Filter::default() {
            let why = match self.filter.outcome.as_str() {
                "stopped" => "No run waits for a person.",
                _ => "No run that was asked for.",
            };
            return empty(why, &html! { p { a href="/runs" { "All runs" } } });
        }
        empty(
            "No runs yet.",
            &html! {
                p { "A run is one change of one host. It begins when a rollout lets the host go, by the host's own schedule, or by hand on the host:" }
                (command("lockstep update"))
                p { a href="/releases" { "Releases" } " are what rollouts bring." }
            },
        )
    }

    fn twin(&self) -> String {
        let mut command = "lockstep run list".to_owned();
        if !self.filter.host.is_empty() {
            command += &format!(" --host {}", word(&self.filter.host));
        }
        if self.filter.outcome == "stopped" {
            command += " --stopped";
        }
        command
    }
}

fn row(run: &RunView, frame: &Frame<'_>) -> Markup {
    let record = &run.record;
    // What is over does not wait, and what waits has not ended for a reason.
    let why = record.reason.as_ref().map(ToString::to_string);
    let why = why.or_else(|| record.waits.as_ref().map(|it| format!("waits: {it}")));
    html! {
        tr {
            td { (state(record)) }
            td .wide { (link::host(&run.host)) }
            td .wide { (record.what()) @if record.kind != lockstep_model::RunKind::Bundle { br; small { (record.kind) } } }
            td { (ago(record.at, frame.now)) }
            td { @if let Some(lock) = &record.lock { a href=(link::lock_path(&lock.name)) { (lock.name) } " #" (lock.fence) } }
            td .wide { @if let Some(why) = why { (shortened(&why, 300)) } }
            td { a href={ "/runs/" (record.id) } { "Open" } }
        }
    }
}

/// How a run stands: a sign and a word.
pub(crate) fn state(record: &RunRecord) -> Markup {
    let (sign, class) = match record.outcome {
        None => ("◐", "is-moving"),
        Some(Outcome::Done) => ("●", "is-proven"),
        Some(Outcome::Postponed) => ("○", "is-still"),
        Some(Outcome::Stopped) => ("■", "is-bad"),
        Some(Outcome::RolledBack) => ("↩", "is-bad"),
        Some(Outcome::Failed) => ("✖", "is-bad"),
    };
    html! {
        span .stand .(class) {
            span aria-hidden="true" { (sign) } " "
            @match record.outcome {
                Some(Outcome::Stopped) => { "stopped in " (record.phase) },
                Some(outcome) => (outcome),
                None => (record.phase),
            }
        }
    }
}

/// What can be done about a run that has stopped.
fn actions(run: &RunView, frame: &Frame<'_>) -> Markup {
    let record = &run.record;
    if record.outcome != Some(Outcome::Stopped) || !frame.may(Role::Operator) {
        return html! {};
    }
    let frees = record.lock.as_ref().map_or_else(String::new, |lock| {
        format!(
            " Its lock {} becomes free, and the next host may begin.",
            lock.name
        )
    });
    let action = |label, verb: &str, needed: bool, warning| Action {
        label,
        to: format!("/runs/{}/{verb}", record.id),
        fields: text("why", "Why", "", needed),
        twin: format!("lockstep run {verb} {} --why WHY", record.id),
        warning,
        ..Action::default()
    };
    let skip = format!(
        "The run is given up, and {} stays as it is.{frees}",
        run.host
    );
    html! {
        div .actions {
            (action("Retry", "retry", false, None).draw(frame))
            (action("Skip", "skip", true, Some(skip)).draw(frame))
        }
    }
}
