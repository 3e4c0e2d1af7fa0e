//! The search: straight to the one thing that bears the name, or to all that have the words in theirs.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use lockstep_model::{LockName, PackageName};
use lockstep_pages::search::{self as draw, Found, LONGEST};
use serde::Deserialize;

use super::{Visit, visit};
use crate::app::App;
use crate::web::{Question, Refusal};

/// What is looked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
}

/// `GET /search?q=WORDS`. What there is to find is in memory: nobody who types makes the database work.
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    visit: Visit,
    Question(Search { q }): Question<Search>,
) -> Result<Response, Refusal> {
    let q = q.trim();
    if q.is_empty() {
        return Ok(visit::see("/hosts"));
    }
    if q.len() > LONGEST {
        return Err(Refusal::bad_request(format!(
            "q: at most {LONGEST} bytes are taken"
        )));
    }
    let hosts = &visit.board.hosts;
    let installed = hosts.iter().flat_map(|line| line.view.packages.iter());
    let installed = installed.map(|it| &it.package);
    let packages: BTreeSet<&PackageName> = installed.chain(&visit.board.packages).collect();
    let packages: Vec<PackageName> = packages.into_iter().cloned().collect();
    let accepted = app.fleet.accepted();
    let named = accepted.iter().flat_map(|it| it.fleet.lock_names());
    let locks: BTreeSet<&LockName> = named.chain(&visit.board.locks).collect();
    let locks: Vec<LockName> = locks.into_iter().cloned().collect();
    let found = Found::by(q, hosts, &packages, &locks);
    if let Some(address) = found.straight(q) {
        return Ok(visit::see(&address));
    }
    Ok(Html(draw::page(&visit.frame(), q, &found)).into_response())
}
