//! The pages of rollouts.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{Html, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use lockstep_model::{Role, RolloutId};
use lockstep_pages::rollout::{HostRun, HostRuns, Rollout};
use lockstep_pages::rollouts::Rollouts;
use lockstep_pages::{rollout, rollouts as list};
use serde::Deserialize;

use super::{LARGEST, Visit, done, may};
use crate::app::{App, SignedIn};
use crate::services::rollout_views::Names;
use crate::services::rollouts::{self, Command};
use crate::services::{promoted, rollout_curves};
use crate::web::{FormBody, Question, Refusal};

/// Rollouts of one page: each costs a look at all of its hosts.
const MOST: u32 = 20;
/// Runs of a rollout that are looked at for its hosts: the newest.
const MOST_RUNS: u32 = 1_000;

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/rollouts", get(all))
        .route("/rollouts/{id}", get(one))
        .route("/rollouts/{id}/{verb}", post(command))
}

/// Which rollouts are wanted.
#[derive(Debug, Deserialize)]
struct Which {
    /// Those before this number.
    before: Option<u64>,
}

/// `GET /rollouts?before=ID`.
async fn all(
    State(app): State<Arc<App>>,
    Question(Which { before }): Question<Which>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    // One more says that there are older ones.
    let limit = MOST + 1;
    let views = match before.map(RolloutId) {
        None => rollout_curves::newest(&app, limit, visit.now).await?,
        before => Arc::new(rollouts::page(&app, before, limit, Names::LeftOut, visit.now).await?),
    };
    let has_older = views.len() > MOST as usize;
    let views = &views[..views.len().min(MOST as usize)];
    let ordered_by = promoted::ordered_by(&app).await?;
    let shown = Rollouts {
        rollouts: views,
        ordered_by: &ordered_by,
        older: views.last().filter(|_| has_older).map(|view| view.id),
    };
    Ok(Html(list::page(&visit.frame(), &shown)))
}

/// `GET /rollouts/ID`.
async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    let id = number(&id)?;
    let view = rollout_curves::seen(&app, id, visit.now).await?;
    let curve = rollout_curves::curve(&app, &view).await?;
    let ordered_by = promoted::ordered_by(&app).await?;
    let runs = runs(&app, id).await?;
    let shown = Rollout {
        rollout: &view,
        ordered_by: ordered_by.get(&id).map(String::as_str),
        runs: &runs,
        curve: &curve,
    };
    Ok(Html(rollout::page(&visit.frame(), &shown)))
}

/// The newest run of each host for this rollout. Those that failed are looked for besides: of many runs they are the ones
/// that matter.
async fn runs(app: &App, id: RolloutId) -> Result<HostRuns, Refusal> {
    let newest = app.store.runs_of_rollout(id, MOST_RUNS).await?;
    let blamed = app.store.blamed_runs(Some(id)).await?;
    let mut runs = HostRuns::new();
    for run in newest.into_iter().chain(blamed) {
        let record = run.record;
        let why = record.reason.map(|reason| reason.to_string());
        runs.entry(run.host).or_insert_with(|| HostRun {
            id: record.id,
            at: record.at,
            why: why.or(record.waits).unwrap_or_default(),
        });
    }
    Ok(runs)
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
struct Nothing {}

/// `POST /rollouts/ID/pause`, `resume`, `skip-wave`, `halt` or `rollback`.
async fn command(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Path((id, verb)): Path<(String, String)>,
    FormBody(Nothing {}): FormBody<Nothing, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let command = Command::parse(&verb)
        .ok_or_else(|| Refusal::not_found(format!("a rollout knows no command {verb:?}")))?;
    let id = number(&id)?;
    let view = rollouts::command(&app, id, command, signed.name.as_str(), app.now()).await?;
    app.boards.forget();
    app.curves.forget_views();
    let said = format!("Rollout {id} is {}: {}", view.state, view.why);
    Ok(done(&format!("/rollouts/{id}"), &said))
}

fn number(text: &str) -> Result<RolloutId, Refusal> {
    text.parse()
        .map(RolloutId)
        .map_err(|_| Refusal::not_found(format!("{text:?} is not the number of a rollout")))
}
