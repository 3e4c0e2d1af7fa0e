//! The search: straight to the one thing that bears the name, or to the hosts that the words fit.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use lockstep_model::{HostName, ItemName, PackageName};
use lockstep_pages::parts::link;
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

/// `GET /search?q=WORDS`.
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    visit: Visit,
    Question(Search { q }): Question<Search>,
) -> Result<Response, Refusal> {
    let q = q.trim();
    if let Ok(host) = HostName::parse(q)
        && visit.board.host(&host).is_some()
    {
        return Ok(visit::see(&link::host_path(&host)));
    }
    if let Ok(package) = PackageName::parse(q)
        && app
            .store
            .releases()
            .await?
            .iter()
            .any(|it| it.details.package == package)
    {
        return Ok(visit::see(&format!("/releases/{}", link::segment(q))));
    }
    if let Ok(item) = ItemName::parse(q) {
        let mut items = visit.board.hosts.iter().flat_map(|line| line.items.iter());
        if items.any(|it| it.item == item) {
            return Ok(visit::see(&format!("/items/{}", link::segment(q))));
        }
    }
    Ok(visit::see(&link::ask("/hosts", &[("q", Some(q))])))
}
