//! What is wished of a host by its page.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use lockstep_model::api::operator::WishOrder;
use lockstep_model::{HostName, Role, WishVerb};
use lockstep_pages::parts::link;
use serde::Deserialize;

use super::is_typed;
use crate::app::{App, SignedIn};
use crate::pages::{LARGEST, done, may};
use crate::services::wishes;
use crate::web::{FormBody, Named, Nothing, Refusal};

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/hosts/{name}/reboot", post(reboot))
        .route("/hosts/{name}/reboot/cancel", post(no_reboot))
        .route("/hosts/{name}/restart-agent", post(restart))
        .route("/hosts/{name}/restart-agent/cancel", post(no_restart))
}

#[derive(Debug, Deserialize)]
struct Wished {
    #[serde(default)]
    why: String,
    #[serde(default)]
    lasts: String,
    #[serde(default)]
    name: String,
}

/// `POST /hosts/NAME/reboot`. Its name must be typed: people work on that machine.
async fn reboot(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(host): Named<HostName>,
    FormBody(form): FormBody<Wished, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    is_typed(&host, &form.name, "nothing is restarted")?;
    give(&app, &signed, &host, WishVerb::Reboot, form).await
}

/// `POST /hosts/NAME/restart-agent`.
async fn restart(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(host): Named<HostName>,
    FormBody(form): FormBody<Wished, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    give(&app, &signed, &host, WishVerb::RestartAgent, form).await
}

async fn give(
    app: &App,
    signed: &SignedIn,
    host: &HostName,
    verb: WishVerb,
    form: Wished,
) -> Result<Response, Refusal> {
    let order = WishOrder {
        why: form.why,
        lasts: wishes::lasting(&form.lasts)?,
    };
    let wish = wishes::give(app, host, verb, &order, signed.name.as_str(), app.now()).await?;
    let said = format!(
        "the {verb} of {host} is wished until {:.0}; the page says how it stands",
        wish.wish.until
    );
    Ok(done(&link::host_path(host), &said))
}

/// `POST /hosts/NAME/reboot/cancel`.
async fn no_reboot(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(host): Named<HostName>,
    _: FormBody<Nothing, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    take_back(&app, &signed, &host, WishVerb::Reboot).await
}

/// `POST /hosts/NAME/restart-agent/cancel`.
async fn no_restart(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(host): Named<HostName>,
    _: FormBody<Nothing, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    take_back(&app, &signed, &host, WishVerb::RestartAgent).await
}

async fn take_back(
    app: &App,
    signed: &SignedIn,
    host: &HostName,
    verb: WishVerb,
) -> Result<Response, Refusal> {
    wishes::take_back(app, host, verb, signed.name.as_str(), app.now()).await?;
    let said = format!("the {verb} of {host} is taken back");
    Ok(done(&link::host_path(host), &said))
}
