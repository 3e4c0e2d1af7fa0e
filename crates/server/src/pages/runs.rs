//! Runs.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{Html, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::RunView;
use lockstep_model::{HostName, Outcome, Role, RolloutId, RunId, RunVerb};
use lockstep_pages::runs::{ENDS, Filter, One, Runs, verdict};
use lockstep_store::{EventFilter, RunEnd};
use serde::Deserialize;

use super::{LARGEST, Visit, done, may};
use crate::app::{App, SignedIn};
use crate::services::{run_commands, run_story};
use crate::web::{FormBody, Named, Question, Refusal};

/// Runs of one page.
const MOST: u32 = 100;
/// Events that a verdict looks at.
pub(super) const MOST_EVENTS: u32 = 1_000;
/// What comes so long after a run may be its work.
const WATCHED: SignedDuration = SignedDuration::from_hours(2);

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/runs", get(all))
        .route("/runs/{id}", get(one))
        .route("/runs/{id}/{verb}", post(command))
}

/// Which runs are wanted.
#[derive(Debug, Deserialize)]
struct Which {
    #[serde(default)]
    host: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    stopped: bool,
    before: Option<RunId>,
}

/// `GET /runs?host=&outcome=&stopped=true&before=ID`.
async fn all(
    State(app): State<Arc<App>>,
    visit: Visit,
    Question(which): Question<Which>,
) -> Result<Html<String>, Refusal> {
    let filter = Filter {
        host: which.host.trim().to_owned(),
        outcome: match which.stopped {
            true => "stopped".into(),
            false => which.outcome.trim().to_owned(),
        },
    };
    let host = match filter.host.as_str() {
        "" => None,
        name => Some(
            HostName::parse(name)
                .map_err(|error| Refusal::bad_request(format!("host: {error}")))?,
        ),
    };
    let (host, before, wanted) = (host.as_ref(), which.before.as_ref(), MOST + 1);
    let mut runs = match end(&filter.outcome)? {
        None => app.store.runs_before(host, before, wanted).await?,
        Some(end) => app.store.runs_that(end, host, before, wanted).await?,
    };
    let has_older = runs.len() > MOST as usize;
    runs.truncate(MOST as usize);
    let last = runs.last().filter(|_| has_older);
    let older = last.map(|last| {
        let some = |text: &str| Some(text.to_owned()).filter(|it| !it.is_empty());
        let (host, outcome) = (some(&filter.host), some(&filter.outcome));
        lockstep_pages::parts::link::ask(
            "/runs",
            &[
                ("host", host.as_deref()),
                ("outcome", outcome.as_deref()),
                ("before", Some(&last.record.id.to_string())),
            ],
        )
    });
    let shown = Runs {
        runs: &runs,
        filter: &filter,
        older,
    };
    Ok(Html(shown.draw(&visit.frame())))
}

/// How the wanted runs stand; none for all.
fn end(text: &str) -> Result<Option<RunEnd>, Refusal> {
    let outcomes = [
        Outcome::Done,
        Outcome::RolledBack,
        Outcome::Failed,
        Outcome::Postponed,
        Outcome::Stopped,
    ];
    match text {
        "" => Ok(None),
        "running" => Ok(Some(RunEnd::Running)),
        other => match outcomes.into_iter().find(|it| it.as_str() == other) {
            Some(outcome) => Ok(Some(RunEnd::Ended(outcome))),
            None => Err(Refusal::bad_request(format!(
                "outcome: {other:?} is none of {}",
                ENDS.join(", ")
            ))),
        },
    }
}

/// `GET /runs/ID`.
async fn one(
    State(app): State<Arc<App>>,
    visit: Visit,
    Named(id): Named<RunId>,
) -> Result<Html<String>, Refusal> {
    let Some(run) = app.store.run(&id).await? else {
        return Err(Refusal::not_found(format!("there is no run {id}")));
    };
    let (steps, steps_cut) = run_story::steps(&app, &run).await?;
    let until = watched_until(&run, visit.now);
    let since_it_began = EventFilter {
        host: Some(run.host.clone()),
        since: Some(run.record.started_at),
        until,
        ..EventFilter::default()
    };
    let events = app.store.events(&since_it_began, MOST_EVENTS).await?;
    let pending = app.store.run_command(&run.host, &id).await?;
    let told = pending.map(|command| {
        let verb = match command.verb {
            RunVerb::Retry => "be retried",
            RunVerb::Skip => "be given up",
        };
        format!(
            "{} has said that it shall {verb}. The host has not heard of it yet.",
            command.by
        )
    });
    let shown = One {
        run: &run,
        steps: &steps,
        steps_cut,
        verdict: &verdict(&events),
        until,
        rollout: rollout(&app, &run).await?,
        told,
    };
    Ok(Html(shown.draw(&visit.frame())))
}

/// Until when a run's host is looked at for what the run did; none for until now.
pub(super) fn watched_until(run: &RunView, now: Timestamp) -> Option<Timestamp> {
    run.record.outcome?;
    let until = run.record.at.checked_add(WATCHED).ok()?;
    (until < now).then_some(until)
}

/// The rollout that asked for it.
async fn rollout(app: &App, run: &RunView) -> Result<Option<u64>, Refusal> {
    let number = run.record.generation;
    if number == 0 {
        return Ok(None);
    }
    let found = app.store.rollout(RolloutId(number)).await?;
    let found = found.filter(|it| it.package == run.record.package);
    Ok(found.map(|it| it.id.0))
}

/// Why.
#[derive(Debug, Deserialize)]
struct Why {
    #[serde(default)]
    why: String,
}

/// `POST /runs/ID/retry` or `skip`.
async fn command(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Path((id, verb)): Path<(String, String)>,
    FormBody(Why { why }): FormBody<Why, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let verb = match verb.as_str() {
        "retry" => RunVerb::Retry,
        "skip" => RunVerb::Skip,
        _ => {
            return Err(Refusal::not_found(
                "a run knows the commands retry and skip",
            ));
        }
    };
    let id: RunId = id.parse().map_err(Refusal::bad_request)?;
    run_commands::give(&app, &id, verb, &why, signed.name.as_str(), app.now()).await?;
    app.boards.forget();
    let said = match verb {
        RunVerb::Retry => "The host enters the phase again as soon as it hears of it.",
        RunVerb::Skip => "The host gives the run up as soon as it hears of it.",
    };
    Ok(done(&format!("/runs/{id}"), said))
}
