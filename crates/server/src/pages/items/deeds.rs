//! What is done about a problem from its item's page: somebody is on it, it shall be quiet.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use lockstep_model::Role;
use lockstep_model::api::operator::{NewAck, NewSilence};
use lockstep_pages::parts::lasts::lasts;
use lockstep_pages::parts::link;
use serde::Deserialize;

use super::named;
use crate::app::{App, SignedIn};
use crate::pages::problems::zone;
use crate::pages::silences::{endless, plain};
use crate::pages::{LARGEST, done, may};
use crate::services::silences;
use crate::web::{FormBody, Refusal};

/// For how long, and why.
#[derive(Debug, Deserialize)]
pub(super) struct Form {
    #[serde(default)]
    note: String,
    #[serde(default, rename = "for")]
    lasts: String,
}

/// `POST /hosts/NAME/items/ITEM/ack`.
pub(super) async fn ack(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    path: Result<Path<(String, String)>, PathRejection>,
    FormBody(form): FormBody<Form, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let (host, item) = named(path)?;
    let now = app.now();
    let new = NewAck {
        host: host.clone(),
        item: Some(item.clone()),
        note: form.note.trim().to_owned(),
        lasts: lasts(&form.lasts, &zone(&app), now).map_err(Refusal::bad_request)?,
    };
    silences::acknowledge(&app, new, signed.name.as_str(), now).await?;
    Ok(done(&link::item_path(&host, &item), "You are on it."))
}

/// `POST /hosts/NAME/items/ITEM/silence`.
pub(super) async fn silence(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    path: Result<Path<(String, String)>, PathRejection>,
    FormBody(form): FormBody<Form, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let (host, item) = named(path)?;
    let now = app.now();
    let lasts = lasts(&form.lasts, &zone(&app), now).map_err(Refusal::bad_request)?;
    let lasts = lasts.ok_or_else(endless)?;
    let new = NewSilence {
        hosts: vec![plain(host.as_str())?],
        groups: Vec::new(),
        items: vec![plain(item.as_str())?],
        starts_at: None,
        lasts,
        reason: form.note.trim().to_owned(),
    };
    let made = silences::create(&app, new, signed.name.as_str(), now).await?;
    let said = format!(
        "Silenced until {:.0}. What is still bad then is told.",
        made.ends_at
    );
    Ok(done(&link::item_path(&host, &item), &said))
}
