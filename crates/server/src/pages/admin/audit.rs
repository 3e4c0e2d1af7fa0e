//! `/admin/audit`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use lockstep_model::api::operator::AuditView;
use lockstep_pages::admin::audit::{self as page, Audit};
use serde::Deserialize;

use super::super::Visit;
use super::{cursor, place};
use crate::app::App;
use crate::services::audit;
use crate::web::{Question, Refusal};

/// Entries on one page.
const SIZE: usize = 100;

/// Which entries.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    who: String,
    #[serde(default)]
    words: String,
    before: Option<String>,
}

/// `GET /admin/audit?who=TEXT&words=TEXT&before=PLACE`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    visit: Visit,
    Question(which): Question<Which>,
) -> Result<Html<String>, Refusal> {
    let before = which.before.as_deref().map(place).transpose()?;
    let wanted = audit::Wanted::of(&which.who, &which.words);
    let found = audit::search(&app, &wanted, before.clone(), SIZE).await?;
    // No entry has a greater number: the head alone is read.
    let chain = app.store.chain_after(u64::MAX, 1).await?;
    let views = found.entries.into_iter().map(|entry| AuditView {
        at: entry.at,
        who: entry.who,
        what: entry.what,
    });
    let views: Vec<AuditView> = views.collect();
    let older = found.next.as_ref().map(|(at, id)| cursor(*at, id));
    let view = Audit {
        entries: &views,
        who: which.who.trim(),
        words: which.words.trim(),
        is_newest: before.is_none(),
        older: older.as_deref(),
        looked_to: found.looked_to,
        head: chain.head.as_ref(),
    };
    Ok(Html(page::page(&visit.frame(), &view)))
}
