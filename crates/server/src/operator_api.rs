//! The operator API, `/api/v1`, and the repository for operators.
//!
//! | | |
//! |---|---|
//! | who may connect | anybody who can reach the port; every request needs an API token or the cookie of a session, but for `/healthz`; each request its role |
//! | largest message | 64 KiB, 16 KiB for queries of alerts, 4 KiB for locks and commands for runs, 8 MiB for signed metadata, `limits.artifact_bytes` for a bundle |
//! | how many at once | `limits.connections`; `limits.requests` being answered, the rest get 503; 4 uploads; `downloads` bundles |
//! | how long | 30 s for a request with its body; an upload may not stall for 30 s |
//!
//! Everything that changes something is noted in the audit trail with the operator's name.

mod alerts;
mod artifacts;
mod board;
mod door;
mod fleet_past;
mod hosts;
mod kiosks;
mod locks;
mod metrics;
mod monitoring;
mod notes;
mod openapi;
mod paging;
mod records;
mod releases;
mod rollouts;
mod settings;
mod status;
mod tokens;
mod users;
mod views;
mod wishes;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post, put};

use crate::app::App;
use crate::{pages, repository, web};

pub(crate) use artifacts::Uploads;
pub(crate) use metrics::{Counters, add};

/// Requests of strangers, for a sign of life, being answered at once.
const STRANGERS: usize = 16;

/// The routes of the listener for people and programs.
pub(crate) fn routes(app: &Arc<App>) -> Router {
    let known_operator = from_fn_with_state(Arc::clone(app), door::known_operator);
    let unconditional = from_fn(web::unconditional);
    let operators = for_operators()
        .route_layer(unconditional.clone())
        .route_layer(from_fn(door::needs_operator));
    let admins = for_admins()
        .route_layer(unconditional.clone())
        .route_layer(from_fn(door::needs_admin));
    let quick = for_viewers()
        .route_layer(unconditional.clone())
        .merge(operators)
        .merge(admins)
        .route_layer(known_operator.clone())
        .with_state(Arc::clone(app));
    let gates = Router::new()
        .route("/api/v1/alerts", get(alerts::alerts))
        .route("/api/v1/query", get(alerts::query).post(alerts::query))
        .route_layer(unconditional.clone())
        .route_layer(known_operator.clone())
        .route_layer(from_fn(alerts::password_as_token))
        .with_state(Arc::clone(app));
    let slow = Router::new()
        // A receiver's way may take its time.
        .route("/api/v1/alert-test", post(monitoring::alert_test))
        .route("/api/v1/artifacts/{hash}", put(artifacts::put))
        .route_layer(unconditional)
        .route_layer(from_fn(door::needs_operator))
        .route("/api/v1/artifacts/{hash}", get(artifacts::stored))
        .merge(repository::target_routes())
        .merge(repository::operators_target_routes())
        .route_layer(known_operator)
        .with_state(Arc::clone(app));
    let strangers = Router::new()
        .route("/healthz", get(metrics::healthz))
        .route("/api/v1/openapi.json", get(openapi::openapi))
        .with_state(Arc::clone(app));
    let strangers = web::quick(strangers, STRANGERS);
    let quick = quick
        .merge(gates)
        .merge(pages::quick(app))
        .merge(pages::public());
    let quick = quick.layer(from_fn(web::to_the_end));
    let quick = web::quick(quick, app.config.limits.requests);
    let all = quick
        .merge(strangers)
        .merge(slow)
        .merge(pages::slow(app))
        .layer(from_fn(openapi::described))
        .layer(from_fn(web::tagged));
    web::compressed(web::listener(all).layer(from_fn(pages::dress)))
}

/// What every user may ask, and what everybody may do for himself.
fn for_viewers() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/me", get(users::me))
        .route("/api/v1/users/{name}/password", put(users::set_password))
        .route(
            "/api/v1/api-tokens",
            get(users::tokens).post(users::create_token),
        )
        .route("/api/v1/api-tokens/{id}", delete(users::revoke_token))
        .route("/api/v1/sessions", get(users::open_sessions))
        .route("/api/v1/sessions/{id}", delete(users::end_session))
        .route("/api/v1/status", get(status::status))
        .route("/status", get(status::status))
        .route("/api/v1/hosts", get(hosts::list))
        .route("/api/v1/hosts/{name}", get(hosts::one))
        .route("/api/v1/hosts/{name}/explain", get(hosts::explain))
        .route("/api/v1/hosts/{name}/wishes", get(wishes::list))
        .route("/api/v1/hosts/{name}/history", get(monitoring::history))
        .route("/api/v1/hosts/{name}/items/{item}/now", get(notes::now))
        .route("/api/v1/hosts/{name}/processes", get(notes::processes))
        .route("/api/v1/probes", get(notes::probes))
        .route("/api/v1/runs", get(hosts::runs))
        .route("/api/v1/runs/{id}", get(hosts::run))
        .route("/api/v1/locks", get(locks::list))
        .route("/api/v1/locks/{name}", get(locks::one))
        .route("/api/v1/releases", get(releases::list))
        .route("/api/v1/releases/behind", get(releases::behind))
        .route("/api/v1/repo/online-keys", get(releases::online_keys))
        .route("/api/v1/repo/metadata/{file}", get(releases::metadata))
        .route("/api/v1/rollouts", get(rollouts::list))
        .route("/api/v1/rollouts/{id}", get(rollouts::one))
        .route("/api/v1/rollouts/{id}/curve", get(rollouts::curve))
        .route("/api/v1/settings/updates", get(settings::updates))
        .route("/api/v1/audit", get(settings::audit))
        .route("/api/v1/audit/chain", get(records::chain))
        .route("/api/v1/problems", get(monitoring::problems))
        .route("/api/v1/board", get(board::board))
        .route("/api/v1/views", get(views::list).post(views::keep))
        .route("/api/v1/views/{id}", delete(views::forget))
        .route("/api/v1/events", get(monitoring::events))
        .route("/api/v1/silences", get(monitoring::silences))
        .route("/api/v1/acks", get(monitoring::acks))
        .route("/api/v1/deliveries", get(monitoring::deliveries))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/metrics", get(metrics::metrics))
        .merge(repository::metadata_routes())
}

/// What changes the fleet, and what holds secrets of it.
fn for_operators() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/api/v1/tokens/{id}", delete(tokens::revoke))
        .route("/api/v1/hosts/{name}", delete(hosts::remove))
        .route("/api/v1/hosts/{name}/report", post(hosts::report))
        .route(
            "/api/v1/hosts/{name}/reboot",
            post(wishes::reboot).delete(wishes::no_reboot),
        )
        .route(
            "/api/v1/hosts/{name}/restart-agent",
            post(wishes::restart_agent).delete(wishes::no_restart_agent),
        )
        .route("/api/v1/runs/{id}/{verb}", post(records::command))
        .route(
            "/api/v1/locks/{name}",
            put(locks::acquire).delete(locks::release),
        )
        .route("/api/v1/locks/{name}/free", post(locks::free))
        .route(
            "/api/v1/locks/{name}/disabled",
            put(locks::disable).delete(locks::enable),
        )
        .route("/api/v1/repo/metadata", post(releases::publish))
        .route("/api/v1/promote", post(rollouts::promote))
        .route("/api/v1/rollouts/{id}/{command}", post(rollouts::command))
        .route(
            "/api/v1/rollouts/{id}/skipped/{name}",
            put(rollouts::skip_host).delete(rollouts::unskip_host),
        )
        .route("/api/v1/silences", post(monitoring::silence))
        .route("/api/v1/silences/{id}", delete(monitoring::end_silence))
        .route(
            "/api/v1/acks",
            post(monitoring::ack).delete(monitoring::end_ack),
        )
        .route("/api/v1/hosts/{name}/work", get(monitoring::work))
        .route("/api/v1/fleet", get(monitoring::fleet))
        .route("/api/v1/fleet/versions", get(fleet_past::list))
        .route("/api/v1/fleet/versions/{number}", get(fleet_past::one))
        .route("/api/v1/fleet/compare", get(fleet_past::compare))
        .route("/api/v1/fleet/reload", post(monitoring::reload_fleet))
        .route("/api/v1/suspects/clear", post(releases::clear_suspect))
}

/// Who may do what, and the switch of all updates.
fn for_admins() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/users", get(users::list).post(users::create))
        .route(
            "/api/v1/users/{name}",
            get(users::one).delete(users::remove),
        )
        .route("/api/v1/users/{name}/role", put(users::set_role))
        .route("/api/v1/kiosks", get(kiosks::list).post(kiosks::create))
        .route("/api/v1/kiosks/{id}", delete(kiosks::revoke))
        .route("/api/v1/settings/updates", put(settings::set_updates))
}
