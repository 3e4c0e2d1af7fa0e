//! `/admin/probes`.

use axum::response::Html;
use lockstep_pages::admin::probes as page;

use super::super::Visit;

/// `GET /admin/probes`: the plugins and scripts of the fleet.
pub(super) async fn show(visit: Visit) -> Html<String> {
    Html(page::page(&visit.frame(), visit.board.probes()))
}
