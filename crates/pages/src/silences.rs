//! `/silences`: what is quiet, because of whom, why, and until when.

mod form;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::alert::{Ack, Silence};
use lockstep_model::{Glob, HostName, Hours, ItemName, Level};
use maud::{Markup, html};

use crate::chart::number::count;
use crate::frame::Sheet;
use crate::parts::action::Action;
use crate::parts::empty::empty;
use crate::parts::level::badge;
use crate::parts::link;
use crate::parts::text::shortened;
use crate::parts::time::{ago, moment};
use crate::problems::take_back;
use crate::{Frame, Here, Topic};

pub use form::{Draft, Preview, typed};

/// Rows of each list.
const MOST: usize = 200;
/// Patterns that a row names.
const MOST_NAMED: usize = 12;
/// What hides something for longer than this is no pause but a decision.
const LONG: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What ends within this time ends today.
const TODAY: SignedDuration = SignedDuration::from_hours(24);

/// A silence, and what it does.
#[derive(Debug, Clone)]
pub struct Quiet {
    /// The silence.
    pub silence: Silence,
    /// Problems that it holds back now.
    pub holds_back: u64,
    /// Their hosts.
    pub hosts: u64,
    /// Since when the oldest of them is there.
    pub oldest: Option<Timestamp>,
    /// The worst of them, at most twenty.
    pub worst: Vec<Held>,
}

/// A problem that a silence holds back, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its level.
    pub level: Level,
    /// Its host.
    pub host: HostName,
    /// Its item.
    pub item: ItemName,
}

/// What is held back, one by one: `all` is how many there are, `held` the worst of them.
pub(crate) fn held(held: &[Held], all: u64, frame: &Frame<'_>) -> Markup {
    html! {
        ul .members {
            @for it in held {
                li { (badge(it.level, frame.levels)) " " (link::host(&it.host)) " " (link::item(&it.host, &it.item)) }
            }
            @if all > held.len() as u64 { li { "and " (all - held.len() as u64) " more; these are the worst" } }
        }
    }
}

/// Maintenance that the fleet file has.
#[derive(Debug, Clone)]
pub struct Maintenance {
    /// Its name.
    pub name: String,
    /// Which hosts.
    pub hosts: Vec<Glob>,
    /// Hosts of which groups.
    pub groups: Vec<String>,
    /// Which items.
    pub items: Vec<Glob>,
    /// When.
    pub hours: Hours,
    /// Why.
    pub reason: String,
    /// True if it is in force now.
    pub in_force: bool,
}

/// What the page shows.
#[derive(Debug)]
pub struct Silences<'a> {
    /// Silences in force and to come, leases of runs and those of the fleet file among them.
    pub quiet: &'a [Quiet],
    /// All maintenance of the fleet file.
    pub maintenance: &'a [Maintenance],
    /// Who is on what.
    pub acks: &'a [Ack],
    /// A silence that may be made.
    pub draft: &'a Draft,
    /// What it would do, or what is wrong with it, if that was asked.
    pub preview: Option<Result<Preview, String>>,
    /// The time zone of the operators.
    pub zone: &'a str,
}

impl Silences<'_> {
    /// Draws the page.
    #[must_use]
    pub fn draw(&self, frame: &Frame<'_>) -> String {
        let of_fleet = |it: &&Quiet| it.silence.id.starts_with("fleet:");
        let people: Vec<&Quiet> = self
            .quiet
            .iter()
            .filter(|it| it.silence.run.is_none() && !of_fleet(it))
            .collect();
        let leases: Vec<&Quiet> = self
            .quiet
            .iter()
            .filter(|it| it.silence.run.is_some())
            .collect();
        let body = html! {
            section #silences data-live {
                @if people.is_empty() {
                    (empty("Nothing is silenced.", &html! {
                        p { "A silence holds alerts back for a time. What is still bad at its end is told then. "
                            "Runs make leases by themselves, and maintenance that comes again and again is in the fleet file." }
                    }))
                } @else { (list(&people, "Silences", frame)) }
            }
            (form::draw(self, frame))
            (self.acks(frame))
            (self.maintenance(frame))
            section #leases data-live {
                @if !leases.is_empty() {
                    h2 { "Leases of runs " span .muted { (leases.len()) } }
                    p { "Each sign of life of a run renews its lease; it ends with the run." }
                    (list(&leases, "Leases of runs", frame))
                }
            }
        };
        frame.draw(Sheet {
            title: "Quiet",
            here: Here::Silences,
            topics: &[Topic::Silences, Topic::Problems],
            body,
        })
    }

    fn acks(&self, frame: &Frame<'_>) -> Markup {
        html! {
            section #acks data-live {
                h2 { "Acknowledgements " span .muted { (self.acks.len()) } }
                @if self.acks.is_empty() { p { "Nobody has said that they are on something. It is said at the problems: "
                    a href="/" { "Problems" } "." } }
                @else {
                    div .scroll { table {
                        caption .unseen { "Who is on what" }
                        thead { tr {
                            th scope="col" { "Host" } th scope="col" { "Item" } th scope="col" { "At" } th scope="col" { "Who" }
                            th scope="col" { "Note" } th scope="col" { "Since" } th scope="col" { "Until" }
                            th scope="col" { span .unseen { "Actions" } }
                        } }
                        tbody { @for ack in self.acks.iter().take(MOST) { tr {
                            td .wide { (link::host(&ack.host)) }
                            td .wide { (link::item(&ack.host, &ack.item)) }
                            td { (badge(ack.level, frame.levels)) }
                            td { (ack.by) }
                            td .wide { (shortened(&ack.note, 300)) }
                            td { (ago(ack.at, frame.now)) }
                            td { @match ack.until { Some(until) => (moment(until)), None => "it ends" } }
                            td { (take_back(ack.host.as_str(), ack.item.as_str(), "/silences").draw(frame)) }
                        } } }
                    } }
                    (more(self.acks.len()))
                }
            }
        }
    }

    fn maintenance(&self, _frame: &Frame<'_>) -> Markup {
        html! {
            section #maintenance data-live {
                @if !self.maintenance.is_empty() {
                    h2 { "Maintenance of the fleet file" }
                    div .scroll { table {
                        caption .unseen { "Maintenance that comes again and again" }
                        thead { tr {
                            th scope="col" { "Name" } th scope="col" { "Hosts" } th scope="col" { "Items" }
                            th scope="col" { "Hours" } th scope="col" { "Why" } th scope="col" { "Holds back" }
                        } }
                        tbody { @for it in self.maintenance.iter().take(MOST) { tr {
                            td { (it.name) @if it.in_force { " " b .chip { "now" } } }
                            td .wide { (whom(&it.hosts, &it.groups)) }
                            td .wide { (patterns(&it.items)) }
                            td { (it.hours.as_str()) }
                            td .wide { (shortened(&it.reason, 300)) }
                            td .number { (self.held_by(&it.name)) }
                        } } }
                    } }
                }
            }
        }
    }

    fn held_by(&self, name: &str) -> u64 {
        let of = |it: &&Quiet| it.silence.id.strip_prefix("fleet:") == Some(name);
        self.quiet.iter().find(of).map_or(0, |it| it.holds_back)
    }
}

fn list(quiet: &[&Quiet], caption: &str, frame: &Frame<'_>) -> Markup {
    html! {
        div .scroll { table {
            caption .unseen { (caption) }
            thead { tr {
                th scope="col" { "Hosts" } th scope="col" { "Items" } th scope="col" { "Why" } th scope="col" { "Who" }
                th scope="col" { "Until" } th scope="col" { "Holds back" } th scope="col" { span .unseen { "Actions" } }
            } }
            tbody { @for quiet in quiet.iter().take(MOST) { (row(quiet, frame)) } }
        } }
        (more(quiet.len()))
    }
}

fn row(quiet: &Quiet, frame: &Frame<'_>) -> Markup {
    let Quiet {
        silence,
        holds_back,
        hosts,
        oldest,
        worst,
    } = quiet;
    let in_force = silence.is_in_force(frame.now);
    let ends_today = in_force && silence.ends_at.duration_since(frame.now) <= TODAY;
    let hidden = oldest.map(|oldest| frame.now.duration_since(oldest.max(silence.starts_at)));
    let end = Action {
        label: "End",
        to: "/silences/end".into(),
        hidden: vec![("id", silence.id.clone())],
        twin: format!("lockstep silence end {}", silence.id),
        ..Action::default()
    };
    html! {
        tr id={ "silence-" (link::segment(&silence.id)) } {
            td .wide { (whom(&silence.hosts, &silence.groups)) }
            td .wide { (patterns(&silence.items)) }
            td .wide {
                @match silence.run {
                    Some(run) => a href={ "/runs/" (run) } { (shortened(&silence.reason, 300)) },
                    None => (shortened(&silence.reason, 300)),
                }
            }
            td { (silence.owner) }
            td {
                @if !in_force { "from " (moment(silence.starts_at)) br; }
                (moment(silence.ends_at)) br; small { (ago(silence.ends_at, frame.now)) }
                @if ends_today && silence.run.is_none() { " " span .chip { "ends today" } }
            }
            td {
                @if *holds_back > 0 {
                    details id={ "held-" (link::segment(&silence.id)) } {
                        summary { (count(*holds_back, "problem")) " on " (count(*hosts, "host")) }
                        (held(worst, *holds_back, frame))
                    }
                } @else { "nothing" }
                @if hidden.is_some_and(|it| it > LONG) { br; span .chip .long { "hides something for more than 7 days" } }
            }
            td { (end.draw(frame)) }
        }
    }
}

/// Whom a silence is about, in words.
fn whom(hosts: &[Glob], groups: &[String]) -> String {
    if hosts.is_empty() && groups.is_empty() {
        return "all hosts".into();
    }
    let groups = groups.iter().map(|group| format!("group {group}"));
    let hosts = hosts.iter().map(ToString::to_string);
    some(groups.chain(hosts).collect())
}

fn patterns(items: &[Glob]) -> String {
    if items.is_empty() {
        return "all items".into();
    }
    some(items.iter().map(ToString::to_string).collect())
}

fn some(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    names.truncate(MOST_NAMED);
    let names = names.join(", ");
    if more > 0 {
        return format!("{names} and {more} more");
    }
    names
}

fn more(all: usize) -> Markup {
    html! { @if all > MOST { p { (all - MOST) " more are not shown." } } }
}
