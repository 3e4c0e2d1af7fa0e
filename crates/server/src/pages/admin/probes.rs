//! `/admin/probes`.

use axum::response::Html;
use lockstep_pages::admin::probes as page;

use super::super::Visit;
use crate::services::notes;

/// `GET /admin/probes`: the plugins and scripts of the fleet.
pub(super) async fn show(visit: Visit) -> Html<String> {
    let probes = notes::probes(&visit.board);
    Html(page::page(&visit.frame(), &probes))
}
