//! The pages below `/admin`.

mod alerts;
mod audit;
mod enrolment;
mod fleet;
mod probes;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::response::{Html, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use jiff::Timestamp;
use lockstep_model::Role;
use lockstep_model::api::Updates;
use lockstep_pages::admin::overview::{self, Figures, Overview};
use serde::Deserialize;

use super::{LARGEST, Visit, done, may};
use crate::app::{App, SignedIn};
use crate::services::{settings, status};
use crate::web::{FormBody, Refusal};

/// Pages that take a moment.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/admin", get(show))
        .route("/admin/updates", post(set_updates))
        .route("/admin/enrolment", get(enrolment::show))
        .route("/admin/enrolment/create", post(enrolment::create))
        .route("/admin/enrolment/{id}/revoke", post(enrolment::revoke))
        .route("/admin/users", get(users::show))
        .route("/admin/users/add", post(users::add))
        .route("/admin/users/end-session", post(users::end_session))
        .route("/admin/users/revoke-token", post(users::revoke_token))
        .route("/admin/users/kiosk", post(users::create_kiosk))
        .route("/admin/users/revoke-kiosk", post(users::revoke_kiosk))
        .route("/admin/users/{name}/password", post(users::set_password))
        .route("/admin/users/{name}/role", post(users::set_role))
        .route("/admin/users/{name}/remove", post(users::remove))
        .route("/admin/audit", get(audit::show))
        .route("/admin/fleet", get(fleet::show))
        .route("/admin/fleet/{number}", get(fleet::one))
        .route("/admin/fleet/reload", post(fleet::reload))
        .route("/admin/probes", get(probes::show))
        .route("/admin/alerts", get(alerts::show))
}

/// What may take its time: the ways to receivers.
pub(super) fn slow_routes() -> Router<Arc<App>> {
    Router::new().route("/admin/alerts/test", post(alerts::test))
}

/// `GET /admin`.
async fn show(State(app): State<Arc<App>>, visit: Visit) -> Result<Html<String>, Refusal> {
    let status = status::of(&app, visit.signed.role, visit.now).await?;
    let accepted = app.fleet.accepted();
    let view = Overview {
        status: &status,
        switch: settings::fleet_updates(&app).await?,
        fleet_file: accepted.map(|it| (it.version, it.accepted_at)),
        figures: figures(&app).await,
    };
    Ok(Html(overview::page(&visit.frame(), &view)))
}

async fn figures(app: &App) -> Figures {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Figures {
        started_at: app.counters.started_at,
        reports: count(&app.counters.reports),
        events: count(&app.counters.events),
        notices: count(&app.counters.notices),
        streams: app.streams.count(),
        database: app.store.size().await.ok(),
        pages: app.page_times.pages(),
        half: app.page_times.below(0.5),
        most: app.page_times.below(0.99),
    }
}

/// The form of the switch.
#[derive(Debug, Deserialize)]
struct Switch {
    updates: Updates,
}

/// `POST /admin/updates`.
async fn set_updates(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    FormBody(switch): FormBody<Switch, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Admin)?;
    let who = signed.name.as_str();
    settings::set_updates(&app, switch.updates, who, app.now()).await?;
    app.boards.forget();
    let said = match switch.updates {
        Updates::On => "Updates are on for the whole fleet.",
        Updates::Off => "Updates are off for the whole fleet.",
    };
    Ok(done("/admin", said))
}

/// The place of a row in a list that is newest first, in an address: its moment and its identity.
fn cursor(at: Timestamp, id: &str) -> String {
    format!("{}.{id}", at.as_millisecond())
}

/// Reads [`cursor`].
fn place(cursor: &str) -> Result<(Timestamp, String), Refusal> {
    let parsed = cursor.split_once('.').and_then(|(at, id)| {
        let at = Timestamp::from_millisecond(at.parse().ok()?).ok()?;
        (!id.is_empty() && id.len() <= 256).then(|| (at, id.to_owned()))
    });
    parsed.ok_or_else(|| {
        Refusal::bad_request("before: it is not the place of a row; begin again with the newest")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_from_its_address_and_nonsense_is_refused() {
        let at: Timestamp = "2026-11-22T12:00:00.123Z".parse().unwrap();
        let back = place(&cursor(at, "n.1-0")).unwrap();
        assert_eq!(back, (at, "n.1-0".to_owned()));
        for bad in ["", "1", ".x", "17.", "99999999999999999999.x", "a.b"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
