//! The agent API, `/agent/v1`, and the repository for agents.
//!
//! | | |
//! |---|---|
//! | who may connect | anybody who can reach the port; with a certificate of our authority that the store does not know as revoked, or with none, and then only to enrol |
//! | largest message | 64 KiB to enrol and renew, 1 MiB for a report, events or an answer, 4 MiB for a back-fill, 256 KiB for a run, 4 KiB for a lock |
//! | how many at once | `limits.connections`; `limits.requests` and 64 enrolments being answered, the rest get 503; `downloads` bundles; 4 streams for each host |
//! | how long | 30 s for a request with its body; a download may not stall for 30 s; a stream ends when its host is removed |
//!
//! Every request may be repeated. The certificate is looked up for every request, so a removed host is turned away
//! at once, on connections that it already has, too.

mod door;
mod enroll;
mod locks;
mod monitoring;
mod report;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::app::App;
use crate::{repository, web};

pub(crate) use stream::Streams;

/// Enrolments being answered at once.
const ENROLMENTS: usize = 64;

/// The routes of the listener for agents.
pub(crate) fn routes(app: &Arc<App>) -> Router {
    let known_host = from_fn_with_state(Arc::clone(app), door::known_host);
    let quick = Router::new()
        .route("/agent/v1/ping", get(report::ping))
        .route("/agent/v1/renew", post(enroll::renew))
        .route("/agent/v1/report", post(report::report))
        .route("/agent/v1/root", get(enroll::root))
        .route("/agent/v1/runs", post(report::run))
        .route("/agent/v1/work", get(monitoring::work))
        .route("/agent/v1/events", post(monitoring::events))
        .route("/agent/v1/backfill", post(monitoring::backfill))
        .route("/agent/v1/answers/{id}", post(monitoring::answer))
        .route(
            "/agent/v1/locks/{name}",
            get(locks::standing)
                .put(locks::acquire)
                .delete(locks::release),
        )
        .route("/agent/v1/runs/{id}/command", get(locks::command))
        .merge(repository::metadata_routes())
        .route_layer(known_host.clone())
        .with_state(Arc::clone(app));
    let slow = Router::new()
        .route("/agent/v1/stream", get(stream::stream))
        .merge(repository::target_routes())
        .route_layer(known_host)
        .with_state(Arc::clone(app));
    // Strangers have places of their own, so that they cannot take those of hosts.
    let strangers = Router::new()
        .route("/agent/v1/enroll", post(enroll::enroll))
        .with_state(Arc::clone(app));
    let quick = web::quick(quick, app.config.limits.requests);
    let strangers = web::quick(strangers, ENROLMENTS);
    web::listener(quick.merge(strangers).merge(slow))
}
