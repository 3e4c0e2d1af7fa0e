//! `/admin/alerts`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use lockstep_model::Role;
use lockstep_pages::admin::alerts::{self as page, Alerts, Receiver};
use serde::Deserialize;

use super::super::{LARGEST, Visit, may};
use super::{cursor, place};
use crate::app::App;
use crate::services::deliveries;
use crate::web::{FormBody, Question, Refusal};

/// Messages on one page.
const SIZE: usize = 50;

/// Which messages.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    before: Option<String>,
}

/// `GET /admin/alerts?before=PLACE`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    visit: Visit,
    Question(which): Question<Which>,
) -> Result<Html<String>, Refusal> {
    let before = which.before.as_deref().map(place).transpose()?;
    let behind = before.as_ref().map(|(at, id)| (*at, id.as_str()));
    // One more than is shown tells whether there are more.
    let mut found = deliveries::page(&app, behind, SIZE as u32 + 1).await?;
    let has_more = found.len() > SIZE;
    found.truncate(SIZE);
    let last = found.last().filter(|_| has_more);
    let older = last.map(|last| cursor(last.created_at, &last.id));
    let view = Alerts {
        receivers: &receivers(&app),
        deliveries: &found,
        is_newest: before.is_none(),
        older: older.as_deref(),
    };
    Ok(Html(page::page(&visit.frame(), &view)))
}

fn receivers(app: &App) -> Vec<Receiver> {
    let Some(accepted) = app.fleet.accepted() else {
        return Vec::new();
    };
    let receivers = accepted.rules.receivers.iter();
    let named = receivers.map(|(name, receiver)| Receiver {
        name: name.clone(),
        ways: receiver
            .ways
            .iter()
            .map(lockstep_notify::describe)
            .collect(),
        fallback: receiver.fallback.clone(),
    });
    named.collect()
}

/// Who is to get the test.
#[derive(Debug, Deserialize)]
pub(super) struct Test {
    receiver: String,
}

/// `POST /admin/alerts/test`: the answer says how each way went.
pub(super) async fn test(
    State(app): State<Arc<App>>,
    visit: Visit,
    FormBody(test): FormBody<Test, LARGEST>,
) -> Result<Html<String>, Refusal> {
    may(&visit.signed, Role::Operator)?;
    let (name, who) = (&test.receiver, visit.signed.name.as_str());
    let tested = deliveries::test(&app, name, who, app.now()).await?;
    Ok(Html(page::tested(&visit.frame(), name, &tested)))
}
