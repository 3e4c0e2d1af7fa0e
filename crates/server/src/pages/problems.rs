//! The problems, and what is done about them.

mod deeds;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::{get, post};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::Snapshot;
use lockstep_model::api::operator::{ProblemView, RolloutView};
use lockstep_model::{HostName, Phase, Value};
use lockstep_pages::problems::{self as draw, Group, MOST_GROUPS, MOST_SPARKS, Now, Sparks};
use lockstep_store::EventFilter;

use super::Visit;
use crate::app::App;
use crate::services::{quiet, rollout_curves};
use crate::web::Refusal;

/// Events that the page shows.
const LAST_EVENTS: u32 = 20;
/// Rollouts that are looked at: as many as their own list has, so that both share one look.
const ROLLOUTS: u32 = 21;
/// What the drawings of rows show.
const HISTORY: SignedDuration = SignedDuration::from_hours(3);

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(now))
        .route("/kiosk", get(kiosk))
        .route("/problems/ack", post(deeds::ack))
        .route("/problems/silence", post(deeds::silence))
        .route("/problems/take-back", post(deeds::take_back))
}

/// `GET /`.
async fn now(State(app): State<Arc<App>>, visit: Visit) -> Result<Html<String>, Refusal> {
    let frame = visit.frame();
    show(&app, &visit, |now| now.draw(&frame)).await
}

/// `GET /kiosk`.
async fn kiosk(State(app): State<Arc<App>>, visit: Visit) -> Result<Html<String>, Refusal> {
    let frame = visit.frame();
    show(&app, &visit, |now| draw::kiosk(now, &frame)).await
}

async fn show(
    app: &App,
    visit: &Visit,
    draw: impl FnOnce(&Now<'_>) -> String,
) -> Result<Html<String>, Refusal> {
    let board = &visit.board;
    let groups = grouped(app, &board.problems);
    let shown = || groups.iter().take(MOST_GROUPS);
    let sparks = sparks(app, &groups, visit.now).await?;
    let rollouts = moving(app, visit).await?;
    let quiet = quiet::list(app, visit.now).await?;
    let events = app
        .store
        .events(&EventFilter::default(), LAST_EVENTS)
        .await?;
    let silent: BTreeMap<HostName, Option<Timestamp>> = shown()
        .flat_map(Group::hosts)
        .filter_map(|host| board.host(host))
        .filter(|line| line.silent)
        .map(|line| (line.view.name.clone(), line.view.last_seen))
        .collect();
    let in_run: Vec<(HostName, Phase)> = board
        .hosts
        .iter()
        .filter_map(|line| Some((line.view.name.clone(), line.in_run?)))
        .collect();
    let zone = zone(app);
    let now = Now {
        problems: &board.problems,
        groups: &groups,
        sparks: &sparks,
        silent: &silent,
        rollouts: &rollouts,
        in_run: &in_run,
        quiet: &quiet,
        events: &events,
        at: board.at,
        zone: &zone,
    };
    Ok(Html(draw(&now)))
}

/// The problems that nobody is on, by their causes.
fn grouped<'a>(app: &App, problems: &'a [ProblemView]) -> Vec<Group<'a>> {
    let accepted = app.fleet.accepted();
    draw::unhandled(problems, |host| {
        let parents = accepted.iter().flat_map(|it| it.fleet.parents_of(host));
        parents.cloned().collect()
    })
}

/// The time zone in which operators count their hours: the fleet file's.
pub(super) fn zone(app: &App) -> String {
    let accepted = app.fleet.accepted();
    accepted.map_or_else(|| "UTC".into(), |it| it.fleet.timezone().to_owned())
}

/// Rollouts that are not over.
async fn moving(app: &App, visit: &Visit) -> Result<Vec<RolloutView>, Refusal> {
    if visit.board.strip.rollouts.is_empty() {
        return Ok(Vec::new());
    }
    let views = rollout_curves::newest(app, ROLLOUTS, visit.now).await?;
    let moving = views.iter().filter(|view| !view.state.is_over());
    Ok(moving.cloned().collect())
}

/// What the server keeps of the last hours, for the first rows.
async fn sparks(app: &App, groups: &[Group<'_>], now: Timestamp) -> Result<Sparks, Refusal> {
    let from = now.checked_sub(HISTORY).unwrap_or(Timestamp::MIN);
    let first = groups.iter().take(MOST_SPARKS);
    let read = first
        .filter_map(|it| it.problems.first())
        .map(|problem| async move {
            let trouble = &problem.trouble;
            let snapshots = app.store.snapshots(&trouble.host, from, now).await?;
            let key = (trouble.host.clone(), trouble.item.clone());
            Ok::<_, Refusal>((key, values(problem, &snapshots, from)))
        });
    Ok(try_join_all(read).await?.into_iter().collect())
}

/// A number for each slot, and the one of now.
fn values(problem: &ProblemView, snapshots: &[Snapshot], from: Timestamp) -> Vec<Option<f64>> {
    let slot = i64::try_from(Snapshot::SLOT.duration().as_secs()).unwrap_or(i64::MAX);
    let count = usize::try_from(HISTORY.as_secs() / slot).unwrap_or_default();
    let mut values = vec![None; count + 1];
    let trouble = &problem.trouble;
    for snapshot in snapshots {
        let place = snapshot.at.duration_since(from).as_secs() / slot;
        let place = usize::try_from(place).ok().filter(|place| *place < count);
        let mut items = snapshot.items.iter();
        if let Some(place) = place
            && let Some((_, value, _)) = items.find(|(item, ..)| *item == trouble.item)
        {
            values[place] = *value;
        }
    }
    if let Value::Number { value, .. } = trouble.value {
        values[count] = Some(value);
    }
    values
}
