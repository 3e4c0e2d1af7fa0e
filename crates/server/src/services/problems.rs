//! What is not well, who is on it, and what explains it.

use jiff::Timestamp;
use lockstep_model::alert::Silence;
use lockstep_model::api::operator::{ProblemView, SilenceView};
use lockstep_model::{HostName, LevelNames};
use lockstep_pages::problems::{Ask, Group, unhandled};
use lockstep_plan::alert::{Facts, Holds};

use super::fleet::Accepted;
use super::situation::{Roster, Situation};
use crate::app::App;
use crate::web::Refusal;

/// All problems, worst and newest first.
pub(crate) async fn list(app: &App, now: Timestamp) -> Result<Vec<ProblemView>, Refusal> {
    let situation = Situation::read(app, now).await?;
    let roster = Roster::of(&situation);
    Ok(of(app, &situation, &roster, now))
}

/// The problems of a situation, in the same order.
pub(crate) fn of(
    app: &App,
    situation: &Situation,
    roster: &Roster,
    now: Timestamp,
) -> Vec<ProblemView> {
    let facts = situation.facts(app, roster, now);
    let holds = Holds::of(&facts);
    let accepted = app.fleet.accepted();
    let mut views: Vec<ProblemView> = situation
        .troubles
        .iter()
        .map(|trouble| {
            let held = holds.on(trouble, roster);
            let about = accepted.as_ref().map(|it| it.about(&trouble.host));
            ProblemView {
                trouble: trouble.clone(),
                ack: held.ack.cloned(),
                silence: held.silence.map(words),
                depends_on: held.depends_on,
                owner: about.as_ref().and_then(|about| about.owner.clone()),
                changes: roster.changes(&trouble.host).to_vec(),
            }
        })
        .collect();
    views.sort_by(|a, b| {
        let key =
            |view: &ProblemView| (view.is_unhandled(), view.trouble.level, view.trouble.since);
        key(b).cmp(&key(a))
    });
    views
}

/// The problems that nobody is on, by their causes, as far as they are asked for.
pub(crate) fn grouped<'a>(app: &App, problems: &'a [ProblemView], ask: &Ask) -> Vec<Group<'a>> {
    let accepted = app.fleet.accepted();
    let groups = unhandled(problems, |host| parents(accepted.as_deref(), host));
    ask.narrow(groups, |host| groups_of(accepted.as_deref(), host))
}

/// All problems that are asked for, in their order; `groups` as [`grouped`] gives them.
pub(crate) fn asked<'a>(
    app: &App,
    problems: &'a [ProblemView],
    groups: &[Group<'_>],
    ask: &Ask,
) -> Vec<&'a ProblemView> {
    let accepted = app.fleet.accepted();
    let accepted = accepted.as_deref();
    ask.of(
        problems,
        groups,
        |host| groups_of(accepted, host),
        |host| parents(accepted, host),
    )
}

fn groups_of(accepted: Option<&Accepted>, host: &HostName) -> Vec<String> {
    accepted.map(|it| it.groups_of(host)).unwrap_or_default()
}

fn parents(accepted: Option<&Accepted>, host: &HostName) -> Vec<HostName> {
    let parents = accepted
        .into_iter()
        .flat_map(|it| it.fleet.parents_of(host));
    parents.cloned().collect()
}

/// The silences in force and to come, with what they hold back.
pub(crate) async fn silences(app: &App, now: Timestamp) -> Result<Vec<SilenceView>, Refusal> {
    let situation = Situation::read(app, now).await?;
    let roster = Roster::of(&situation);
    let facts = situation.facts(app, &roster, now);
    let views = situation.silences.iter().map(|silence| {
        let alone = std::slice::from_ref(silence);
        let alone = Facts {
            silences: alone,
            ..facts
        };
        let holds = Holds::of(&alone);
        let held = situation
            .troubles
            .iter()
            .filter(|trouble| holds.on(trouble, &roster).silence.is_some());
        SilenceView {
            silence: silence.clone(),
            holds_back: held.count() as u64,
        }
    });
    Ok(views.collect())
}

/// The names of the levels in force.
pub(crate) fn levels(app: &App) -> LevelNames {
    app.fleet
        .accepted()
        .map(|accepted| accepted.rules.levels.clone())
        .unwrap_or_default()
}

fn words(silence: &Silence) -> String {
    format!("{} until {:.0}", silence.reason, silence.ends_at)
}
