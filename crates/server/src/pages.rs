//! The web pages, on the listener for people.
//!
//! | | |
//! |---|---|
//! | who may connect | anybody who can reach the port; every page needs a session, but for signing in and what pages are made of; a kiosk token opens `/kiosk` and `/live` |
//! | largest message | 64 KiB for a form |
//! | how many at once | `limits.connections`; `limits.requests` being answered, the API's among them; 8 live streams for each user, 512 in all |
//! | how long | 30 s for a request; a live stream ends with its session, and after an hour in any case |
//!
//! A handler fetches views by the services that answer `/api/v1`, and has `lockstep_pages` draw them. Pages of many hosts
//! draw from the board (`services::board`). Forms call the same services as the API, and answer with a redirect (RFC 9110,
//! section 15.4.4), so that a reload does nothing twice. What is refused is refused as the API does; `dress` makes a page of
//! it.

mod admin;
mod assets;
mod board_at;
mod door;
mod dress;
mod events;
mod host;
mod hosts;
mod items;
mod kiosk;
mod live;
mod locks;
mod me;
mod now;
mod problems;
mod releases;
mod rollouts;
mod runs;
mod search;
mod sign_in;
mod silences;
mod theme;
mod timing;
mod views;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::app::App;

pub(crate) use dress::dress;
pub(crate) use live::Watchers;
pub(crate) use timing::PageTimes;
pub(crate) use visit::{Visit, done, may};

/// Largest form, in bytes.
pub(crate) const LARGEST: usize = 64 * 1024;

/// Pages that take a moment.
pub(crate) fn quick(app: &Arc<App>) -> Router {
    let pages = Router::new()
        .merge(admin::routes())
        .merge(board_at::routes())
        .merge(events::routes())
        .merge(host::routes())
        .merge(hosts::routes())
        .merge(items::routes())
        .merge(locks::routes())
        .merge(me::routes())
        .merge(now::routes())
        .merge(problems::routes())
        .merge(releases::routes())
        .merge(rollouts::routes())
        .merge(runs::routes())
        .merge(silences::routes())
        .merge(views::routes())
        .route("/search", get(search::search))
        .route("/theme", post(theme::set))
        .route_layer(from_fn_with_state(Arc::clone(app), door::signed_in));
    let wall = problems::wall().route_layer(from_fn_with_state(
        Arc::clone(app),
        kiosk::screen_or_signed_in,
    ));
    pages
        .merge(wall)
        .merge(sign_in::routes(app))
        .route_layer(from_fn_with_state(Arc::clone(app), timing::timed))
        .with_state(Arc::clone(app))
}

/// What stays open, and what may take its time.
pub(crate) fn slow(app: &Arc<App>) -> Router {
    let live = Router::new()
        .route("/live", get(live::stream))
        .route_layer(from_fn_with_state(
            Arc::clone(app),
            kiosk::screen_or_signed_in,
        ));
    admin::slow_routes()
        .route_layer(from_fn_with_state(Arc::clone(app), door::signed_in))
        .merge(live)
        .with_state(Arc::clone(app))
}

/// What pages are made of, which is the same for everybody.
pub(crate) fn public() -> Router {
    Router::new().route("/assets/{hash}/{name}", get(assets::asset))
}
