//! `/admin/fleet`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{Html, Response};
use lockstep_model::{HostName, ProblemKind, Role};
use lockstep_pages::admin::fleet::{self as page, FleetFile};
use lockstep_pages::admin::fleet_past::{self, Past};
use serde::Deserialize;

use super::super::{LARGEST, Visit, done, may};
use crate::app::{App, SignedIn};
use crate::services::{fleet, fleet_past as past, status};
use crate::web::{FormBody, Named, Nothing, Question, Refusal};

/// `GET /admin/fleet`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    let in_force = match fleet::view(&app) {
        Ok(view) => Some(view),
        Err(refusal) if refusal.kind() == ProblemKind::NotFound => None,
        Err(refusal) => return Err(refusal),
    };
    let hosts = visit.board.hosts.iter().filter_map(|line| {
        let why = line.view.work_refused.as_deref()?;
        Some((&line.view.name, why))
    });
    let hosts: Vec<(&HostName, &str)> = hosts.collect();
    let versions = match visit.signed.role >= Role::Operator {
        true => past::list(&app).await?,
        false => Vec::new(),
    };
    let view = FleetFile {
        in_force: in_force.as_ref(),
        refused: &status::refused(&app, visit.signed.role),
        is_behind: app.fleet.is_behind(),
        path: &app.config.fleet_file().display().to_string(),
        hosts: &hosts,
        versions: &versions,
    };
    Ok(Html(page::page(&visit.frame(), &view)))
}

/// Which one it is held against.
#[derive(Debug, Deserialize)]
pub(super) struct Against {
    before: Option<u64>,
}

/// `GET /admin/fleet/NUMBER?before=OTHER`: without `OTHER` the one that was kept before it.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    visit: Visit,
    Named(number): Named<u64>,
    Question(against): Question<Against>,
) -> Result<Html<String>, Refusal> {
    may(&visit.signed, Role::Operator)?;
    let versions = past::list(&app).await?;
    let file = past::one(&app, number).await?;
    let before = versions.iter().find(|it| it.version < number);
    let before = against.before.or(before.map(|it| it.version));
    let compared = match before {
        Some(before) => Some(past::compare(&app, before, number).await?),
        None => None,
    };
    let view = Past {
        file: &file,
        compared: compared.as_ref(),
        versions: &versions,
    };
    Ok(Html(fleet_past::page(&visit.frame(), &view)))
}

/// `POST /admin/fleet/reload`. A file with mistakes leads back, too: the page shows each of them.
pub(super) async fn reload(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    _: FormBody<Nothing, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let reloaded = fleet::reload(&app, signed.name.as_str()).await;
    app.boards.forget();
    let said = match reloaded {
        Ok(view) => format!(
            "The file was read: fleet file {} is in force.",
            view.version
        ),
        Err(_) if !app.fleet.refused().is_empty() => {
            "The file was read, and is refused: it has mistakes. Nothing was changed.".into()
        }
        Err(refusal) => return Err(refusal),
    };
    Ok(done("/admin/fleet", &said))
}
