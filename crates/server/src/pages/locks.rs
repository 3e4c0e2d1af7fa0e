//! The lock board.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use lockstep_model::api::operator::FreeLock;
use lockstep_model::{Holder, HostName, LockName, Role};
use lockstep_pages::locks as draw;
use serde::Deserialize;

use super::{LARGEST, Visit, done, may};
use crate::app::{App, SignedIn};
use crate::services::{lock_views, locks};
use crate::web::{FormBody, Named, Nothing, Refusal};

/// Where forms lead back to.
const BOARD: &str = "/locks";

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/locks", get(all))
        .route("/locks/{name}/free", post(free))
        .route("/locks/{name}/disable", post(disable))
        .route("/locks/{name}/enable", post(enable))
}

/// `GET /locks`.
async fn all(State(app): State<Arc<App>>, visit: Visit) -> Result<Html<String>, Refusal> {
    let views = lock_views::list(&app, visit.now).await?;
    Ok(Html(draw::page(&visit.frame(), &views)))
}

/// Whose place is taken away, and why.
#[derive(Debug, Deserialize)]
struct Free {
    /// A host's name, or `operator:NAME`.
    holder: String,
    #[serde(default)]
    why: String,
}

/// `POST /locks/NAME/free`.
async fn free(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(name): Named<LockName>,
    FormBody(form): FormBody<Free, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let order = FreeLock {
        holder: Some(holder(&form.holder)?),
        why: form.why,
    };
    let freed = locks::free(&app, &name, order, signed.name.as_str(), app.now()).await?;
    app.boards.forget();
    let said = format!("{} does not hold {name} any more", freed.freed.holder);
    Ok(done(BOARD, &said))
}

/// Why a lock gives no places.
#[derive(Debug, Deserialize)]
struct Disable {
    #[serde(default)]
    why: String,
}

/// `POST /locks/NAME/disable`.
async fn disable(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(name): Named<LockName>,
    FormBody(form): FormBody<Disable, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    locks::disable(&app, &name, &form.why, signed.name.as_str(), app.now()).await?;
    app.boards.forget();
    Ok(done(BOARD, &format!("{name} gives no places any more")))
}

/// `POST /locks/NAME/enable`.
async fn enable(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(name): Named<LockName>,
    _: FormBody<Nothing, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    locks::enable(&app, &name, signed.name.as_str(), app.now()).await?;
    app.boards.forget();
    Ok(done(BOARD, &format!("{name} gives places again")))
}

/// A holder as forms and the command line write it.
fn holder(text: &str) -> Result<Holder, Refusal> {
    if let Some(name) = text
        .strip_prefix("operator:")
        .filter(|name| !name.is_empty())
    {
        return Ok(Holder::Operator(name.into()));
    }
    HostName::parse(text)
        .map(Holder::Host)
        .map_err(|error| Refusal::bad_request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_hosts_or_operators() {
        let host = HostName::parse("web1").unwrap();
        assert_eq!(holder("web1").unwrap(), Holder::Host(host));
        assert_eq!(
            holder("operator:ann").unwrap(),
            Holder::Operator("ann".into())
        );
        for strange in ["", "operator:", "a b"] {
            assert!(holder(strange).is_err(), "{strange:?}");
        }
    }
}
