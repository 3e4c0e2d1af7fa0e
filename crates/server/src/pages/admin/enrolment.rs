//! `/admin/enrolment`.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{Html, Response};
use lockstep_model::api::operator::{HostView, NewToken};
use lockstep_model::{HostName, Interval, Role};
use lockstep_pages::admin::enrolment::{self, Enrolment};
use serde::Deserialize;

use super::super::{LARGEST, Visit, done, may};
use crate::app::{App, SignedIn};
use crate::services::board::Board;
use crate::services::tokens;
use crate::web::{FormBody, Named, Nothing, Question, Refusal};

/// Hosts that are named as the newest.
const NEWEST: usize = 10;

/// Which page of the list.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    p: Option<usize>,
}

/// The form of a new token.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    uses: u32,
    valid: String,
    #[serde(default)]
    host: String,
}

/// `GET /admin/enrolment?p=N`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    visit: Visit,
    Question(which): Question<Which>,
) -> Result<Html<String>, Refusal> {
    may(&visit.signed, Role::Operator)?;
    let tokens = tokens::list(&app).await?;
    let view = Enrolment {
        tokens: &tokens,
        page: which.p.unwrap_or(1),
        newest: &newest(&visit.board),
        agents: &app.addresses.agents,
        most_uses: tokens::MOST_USES,
    };
    Ok(Html(enrolment::page(&visit.frame(), &view)))
}

/// The hosts that came last; those that others watch did not come by themselves.
fn newest(board: &Board) -> Vec<&HostView> {
    let mut hosts: Vec<&HostView> = board.hosts.iter().map(|line| &line.view).collect();
    hosts.retain(|host| host.via.is_none());
    hosts.sort_by_key(|host| Reverse(host.enrolled_at));
    hosts.truncate(NEWEST);
    hosts
}

/// `POST /admin/enrolment/create`: the answer is the only page with the secret, and no redirect, which would have to carry
/// it.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    visit: Visit,
    FormBody(order): FormBody<Order, LARGEST>,
) -> Result<Html<String>, Refusal> {
    may(&visit.signed, Role::Operator)?;
    let host = Some(order.host.trim()).filter(|host| !host.is_empty());
    let new = NewToken {
        uses: order.uses,
        valid_for: Interval::parse(&order.valid)
            .map_err(|error| Refusal::bad_request(error.to_string()))?,
        host: host
            .map(HostName::parse)
            .transpose()
            .map_err(|error| Refusal::bad_request(error.to_string()))?,
    };
    let created = tokens::make(&app, &new, visit.signed.name.as_str(), app.now()).await?;
    Ok(Html(enrolment::created(&visit.frame(), &created, &new)))
}

/// `POST /admin/enrolment/ID/revoke`.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(id): Named<String>,
    _: FormBody<Nothing, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    tokens::revoke(&app, &id, signed.name.as_str(), app.now()).await?;
    let said = format!("Enrolment token {id} is revoked.");
    Ok(done("/admin/enrolment", &said))
}
