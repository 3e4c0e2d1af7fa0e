//! The pages of rollouts.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{Html, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use lockstep_model::api::operator::{RolloutView, RunView};
use lockstep_model::{HostName, Role, RolloutId, RunId, RunRecord};
use lockstep_pages::rollout::{HostRun, HostRuns, MOST_SHOWN, Rollout, Said, end_of};
use lockstep_pages::rollouts::Rollouts;
use lockstep_pages::silences::Quiet;
use lockstep_pages::{rollout, rollouts as list};
use serde::Deserialize;

use super::{LARGEST, Visit, done, may};
use crate::app::{App, SignedIn};
use crate::services::rollout_views::Names;
use crate::services::rollouts::{self, Command};
use crate::services::{promoted, rollout_curves};
use crate::web::{FormBody, Nothing, Question, Refusal};

/// Rollouts of one page: each costs a look at all of its hosts.
const MOST: u32 = 20;
/// Runs of a rollout that are looked at for its hosts: the newest.
const MOST_RUNS: u32 = 1_000;

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/rollouts", get(all))
        .route("/rollouts/{id}", get(one))
        .route("/rollouts/{id}/skip-host", post(skip_host))
        .route("/rollouts/{id}/unskip-host", post(unskip_host))
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
    let newest = app.store.runs_of_rollout(id, MOST_RUNS).await?;
    let said = said(&newest);
    let leases = leases(visit.board.quiet(&app), &newest);
    let runs = runs(&app, &view, newest).await?;
    let shown = Rollout {
        rollout: &view,
        ordered_by: ordered_by.get(&id).map(String::as_str),
        runs: &runs,
        said: &said,
        leases: &leases,
        curve: &curve,
    };
    Ok(Html(rollout::page(&visit.frame(), &shown)))
}

/// The newest run of each host for this rollout. Those that failed are looked for besides: of many runs they are the ones
/// that matter.
async fn runs(app: &App, rollout: &RolloutView, newest: Vec<RunView>) -> Result<HostRuns, Refusal> {
    let blamed = app.store.blamed_runs(Some(rollout.id)).await?;
    let mut runs = HostRuns::new();
    for run in newest.into_iter().chain(blamed) {
        let record = run.record;
        if record.package != rollout.package {
            continue;
        }
        runs.entry(run.host).or_insert_with(|| HostRun {
            id: record.id,
            at: record.at,
            kind: record.kind,
            phase: record.phase,
            outcome: record.outcome,
            back: record.to.as_ref().is_some_and(|to| *to != rollout.version),
            why: why(&record),
        });
    }
    Ok(runs)
}

/// Why a run ended so, or what it waits for.
fn why(record: &RunRecord) -> String {
    let reason = record.reason.as_ref().map(ToString::to_string);
    reason.or_else(|| record.waits.clone()).unwrap_or_default()
}

/// What the runs said last, newest first.
fn said(runs: &[RunView]) -> Vec<Said> {
    let mut newest: Vec<&RunView> = runs.iter().collect();
    newest.sort_by_key(|run| Reverse((run.record.at, run.record.id)));
    let said = newest.into_iter().take(MOST_SHOWN).map(|run| Said {
        run: run.record.id,
        host: run.host.clone(),
        at: run.record.at,
        kind: run.record.kind,
        phase: run.record.phase,
        outcome: run.record.outcome,
        why: why(&run.record),
        end: end_of(&run.record.log),
    });
    said.collect()
}

/// The silences that these runs hold.
fn leases<'q>(quiet: &'q [Quiet], runs: &[RunView]) -> Vec<&'q Quiet> {
    let runs: HashSet<RunId> = runs.iter().map(|run| run.record.id).collect();
    let of_them = quiet
        .iter()
        .filter(|it| it.silence.run.is_some_and(|run| runs.contains(&run)));
    of_them.collect()
}

/// `POST /rollouts/ID/pause`, `resume`, `skip-wave`, `halt` or `rollback`.
async fn command(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Path((id, verb)): Path<(String, String)>,
    _: FormBody<Nothing, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let command = Command::parse(&verb)
        .ok_or_else(|| Refusal::not_found(format!("a rollout knows no command {verb:?}")))?;
    let id = number(&id)?;
    let view = rollouts::command(&app, id, command, signed.name.as_str(), app.now()).await?;
    app.boards.forget();
    let said = format!("Rollout {id} is {}: {}", view.state, view.why);
    Ok(done(&format!("/rollouts/{id}"), &said))
}

/// Which host is left out of a rollout, or taken in again.
#[derive(Debug, Deserialize)]
struct WhichHost {
    host: String,
    /// Why it is left out.
    #[serde(default)]
    why: String,
}

impl WhichHost {
    fn name(&self) -> Result<HostName, Refusal> {
        HostName::parse(self.host.trim())
            .map_err(|error| Refusal::bad_request(format!("the name of the host: {error}")))
    }
}

/// `POST /rollouts/ID/skip-host`.
async fn skip_host(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Path(id): Path<String>,
    FormBody(which): FormBody<WhichHost, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let (id, host) = (number(&id)?, which.name()?);
    let by = signed.name.as_str();
    let view = rollouts::skip_host(&app, id, &host, &which.why, by, app.now()).await?;
    Ok(host_done(
        &app,
        &view,
        &format!("{host} is left out of rollout {id}"),
    ))
}

/// `POST /rollouts/ID/unskip-host`.
async fn unskip_host(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Path(id): Path<String>,
    FormBody(which): FormBody<WhichHost, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let (id, host) = (number(&id)?, which.name()?);
    let view = rollouts::unskip_host(&app, id, &host, signed.name.as_str(), app.now()).await?;
    Ok(host_done(
        &app,
        &view,
        &format!("{host} is one of the hosts of rollout {id} again"),
    ))
}

fn host_done(app: &App, view: &RolloutView, said: &str) -> Response {
    app.boards.forget();
    done(&format!("/rollouts/{}", view.id), said)
}

fn number(text: &str) -> Result<RolloutId, Refusal> {
    text.parse()
        .map(RolloutId)
        .map_err(|_| Refusal::not_found(format!("{text:?} is not the number of a rollout")))
}
