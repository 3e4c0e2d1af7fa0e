//! The problems, and what is done about them.

mod deeds;
mod planned;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Html;
use axum::routing::{get, post};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::Snapshot;
use lockstep_model::api::operator::{ProblemView, RolloutView};
use lockstep_model::{HostName, Phase, Role, Value};
use lockstep_pages::problems::{
    self as draw, Ask, Group, Limits, MOST_GROUPS, MOST_SPARKS, Now, Sparks,
};
use lockstep_store::EventFilter;

use super::Visit;
use super::items::judgement;
use crate::app::App;
use crate::services::{fleet, problems, rollout_curves};
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
        .route("/problems/ack", post(deeds::ack))
        .route("/problems/silence", post(deeds::silence))
        .route("/problems/take-back", post(deeds::take_back))
}

/// What screens on walls may ask for, too.
pub(super) fn wall() -> Router<Arc<App>> {
    Router::new().route("/kiosk", get(kiosk))
}

/// `GET /?group=&host=&item=&level=&cause=`, see [`Ask`].
async fn now(
    State(app): State<Arc<App>>,
    visit: Visit,
    RawQuery(question): RawQuery,
) -> Result<Html<String>, Refusal> {
    let ask = asked(&app, question.as_deref().unwrap_or_default())?;
    let frame = visit.frame();
    show(&app, &visit, &ask, |now| now.draw(&frame)).await
}

/// `GET /kiosk`, with the same question.
async fn kiosk(
    State(app): State<Arc<App>>,
    visit: Visit,
    RawQuery(question): RawQuery,
) -> Result<Html<String>, Refusal> {
    let ask = asked(&app, question.as_deref().unwrap_or_default())?;
    let frame = visit.frame();
    show(&app, &visit, &ask, |now| draw::kiosk(now, &frame)).await
}

/// Which problems an address or a form asks for. Of a group that is gone a screen on a wall would be calm for ever.
fn asked(app: &App, question: &str) -> Result<Ask, Refusal> {
    let ask = Ask::parse(question).map_err(Refusal::bad_request)?;
    if let Some(group) = &ask.group {
        fleet::known_group(app, group)?;
    }
    Ok(ask)
}

async fn show(
    app: &App,
    visit: &Visit,
    ask: &Ask,
    draw: impl FnOnce(&Now<'_>) -> String,
) -> Result<Html<String>, Refusal> {
    let board = &visit.board;
    let groups = problems::grouped(app, &board.problems, ask);
    let problems = problems::asked(app, &board.problems, &groups, ask);
    let sparks = sparks(app, &groups, visit.now).await?;
    let rollouts = moving(app, visit).await?;
    let events = app
        .store
        .events(&EventFilter::default(), LAST_EVENTS)
        .await?;
    let shown = || groups.iter().take(MOST_GROUPS);
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
    let heard = board.hosts.iter().filter(|line| !line.silent);
    let heard = heard.filter_map(|line| Some((&line.view.name, line.view.last_seen?)));
    let accepted = app.fleet.accepted();
    let host_groups = accepted.iter().flat_map(|it| it.fleet.groups());
    let host_groups: Vec<String> = host_groups.map(String::from).collect();
    let planned = match groups.is_empty() {
        true => planned::list(accepted.as_deref(), board, &rollouts, visit.now),
        false => Vec::new(),
    };
    let zone = zone(app);
    let now = Now {
        ask,
        host_groups: &host_groups,
        problems: &problems,
        groups: &groups,
        limits: &limits(app, &groups),
        sparks: &sparks,
        silent: &silent,
        rollouts: &rollouts,
        in_run: &in_run,
        quiet: board.quiet(app),
        oldest: heard.min_by_key(|(_, at)| *at),
        planned: &planned,
        events: &events,
        at: board.at,
        zone: &zone,
    };
    Ok(Html(draw(&now)))
}

/// What makes the level of each row's first problem.
fn limits(app: &App, groups: &[Group<'_>]) -> Limits {
    let names = problems::levels(app);
    let first = groups
        .iter()
        .take(MOST_GROUPS)
        .filter_map(|it| it.problems.first());
    first
        .filter_map(|problem| {
            let trouble = &problem.trouble;
            let judged = judgement::of(app, &trouble.host, &trouble.item, Role::Viewer, &names);
            let keys = judged.judgement.keys.into_iter();
            let mut of_level = keys.filter(|it| names.level(&it.key) == Some(trouble.level));
            let key = (trouble.host.clone(), trouble.item.clone());
            Some((key, of_level.next()?.value))
        })
        .collect()
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
