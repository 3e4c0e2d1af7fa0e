//! What is quiet.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use jiff::Timestamp;
use lockstep_model::alert::Ack;
use lockstep_model::{Glob, Role};
use lockstep_pages::silences::{self as draw, Draft, Maintenance, Preview, Silences};
use serde::Deserialize;

use super::problems::zone;
use super::{LARGEST, Visit, done, may};
use crate::app::{App, SignedIn};
use crate::services::{quiet, silences};
use crate::web::{FormBody, Question, Refusal};

/// Where forms lead back to.
const PAGE: &str = "/silences";

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(PAGE, get(all).post(create))
        .route("/silences/preview", get(typing))
        .route("/silences/end", post(end))
}

/// A silence as it is typed.
#[derive(Debug, Default, Deserialize)]
struct Typed {
    #[serde(default)]
    hosts: String,
    #[serde(default)]
    groups: String,
    #[serde(default)]
    items: String,
    #[serde(default)]
    from: String,
    #[serde(default, rename = "for")]
    lasts: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    all: bool,
    /// Whether it was asked what it would do.
    preview: Option<String>,
}

impl Typed {
    fn draft(self) -> Draft {
        Draft {
            hosts: self.hosts,
            groups: self.groups,
            items: self.items,
            from: self.from,
            lasts: self.lasts,
            reason: self.reason,
            all: self.all,
        }
    }
}

/// `GET /silences?hosts=&groups=&items=&from=&for=&reason=&preview=1`.
async fn all(
    State(app): State<Arc<App>>,
    visit: Visit,
    Question(typed): Question<Typed>,
) -> Result<Html<String>, Refusal> {
    let zone = zone(&app);
    let asked = typed.preview.is_some();
    let draft = typed.draft();
    // Who comes from a problem sees at once what the silence would do.
    let may_draft = visit.signed.role >= Role::Operator;
    let preview = match may_draft && (asked || !draft.is_empty()) {
        true => Some(seen(&app, &visit, &draft, &zone)),
        false => None,
    };
    let acks = visit.board.situation.acks.iter();
    let acks = acks.filter(|ack| is_in_force(ack, visit.now));
    let mut acks: Vec<Ack> = acks.cloned().collect();
    acks.sort_by(|a, b| (&a.host, &a.item).cmp(&(&b.host, &b.item)));
    let maintenance = maintenance(&app, visit.now);
    let shown = Silences {
        quiet: visit.board.quiet(&app),
        maintenance: &maintenance,
        acks: &acks,
        draft: &draft,
        preview,
        zone: &zone,
    };
    Ok(Html(shown.draw(&visit.frame())))
}

/// `GET /silences/preview?hosts=&…`: the parts of the form that change while somebody types. It asks the board alone.
async fn typing(
    State(app): State<Arc<App>>,
    visit: Visit,
    Question(typed): Question<Typed>,
) -> Result<Html<String>, Refusal> {
    may(&visit.signed, Role::Operator)?;
    let zone = zone(&app);
    let draft = typed.draft();
    let seen = (!draft.is_empty()).then(|| seen(&app, &visit, &draft, &zone));
    let part = draw::typed(&draft, seen.as_ref(), &zone, &visit.frame());
    Ok(Html(part))
}

/// What a silence would do, or what is wrong with it.
fn seen(app: &App, visit: &Visit, draft: &Draft, zone: &str) -> Result<Preview, String> {
    let mut draft = draft.clone();
    if draft.lasts.is_empty() {
        draft.lasts = "4h".into();
    }
    let new = draft.read(zone, visit.now)?;
    if silences::is_too_wide(&new) {
        return Err(silences::too_wide());
    }
    Ok(quiet::preview(app, &visit.board, &new, visit.now))
}

fn is_in_force(ack: &Ack, now: Timestamp) -> bool {
    ack.until.is_none_or(|until| until > now)
}

fn maintenance(app: &App, now: Timestamp) -> Vec<Maintenance> {
    let Some(accepted) = app.fleet.accepted() else {
        return Vec::new();
    };
    let all = accepted.fleet.silences().iter();
    all.map(|it| Maintenance {
        name: it.name.clone(),
        hosts: it.hosts.clone(),
        groups: it.groups.clone(),
        items: it.items.clone(),
        hours: it.hours.clone(),
        reason: it.reason.clone(),
        in_force: it.is_in_force(now),
    })
    .collect()
}

/// `POST /silences`.
async fn create(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    FormBody(typed): FormBody<Typed, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let (now, zone) = (app.now(), zone(&app));
    let new = typed.draft().read(&zone, now);
    let new = new.map_err(Refusal::bad_request)?;
    let made = silences::create(&app, new, signed.name.as_str(), now).await?;
    let said = format!("Silence {} holds until {:.0}.", made.id, made.ends_at);
    Ok(done(PAGE, &said))
}

/// Which silence.
#[derive(Debug, Deserialize)]
struct Which {
    id: String,
}

/// `POST /silences/end`.
async fn end(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    FormBody(Which { id }): FormBody<Which, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    silences::end(&app, &id, signed.name.as_str(), app.now()).await?;
    Ok(done(
        PAGE,
        "The silence has ended. What it held back and is still bad is told now.",
    ))
}

/// A name as a pattern. One with a star must not fit others: hosts choose the names of their items. A mark stands for one
/// sign.
pub(super) fn plain(name: &str) -> Result<Glob, Refusal> {
    Glob::parse(&name.replace('*', "?")).map_err(Refusal::bad_request)
}

/// Why a silence for no time is refused.
pub(super) fn endless() -> Refusal {
    Refusal::bad_request(
        "for: a silence has an end; choose one, or acknowledge the problem until it ends",
    )
}
