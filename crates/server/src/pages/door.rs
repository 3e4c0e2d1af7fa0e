//! The door of the pages: who has signed in?

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;
use lockstep_pages::parts::link;

use super::visit;
use crate::app::{App, Operator};
use crate::services::sessions::{self, Use};
use crate::web::{Refusal, peer_ip, same_origin};

/// Lets a request pass that comes with the cookie of a session, and notes whose it is: as `SignedIn`, `Operator` and
/// `Asker`. Others are sent to sign in, and from there back to where they wanted to go. What changes something must come
/// from a page of ours; that its form is one of the session, [`FormBody`](crate::web::FormBody) looks at.
pub(crate) async fn signed_in(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && let Err(refusal) = same_origin(request.headers(), request.uri()) {
        return refusal.into_response();
    }
    let use_of = Use::of(request.uri().path(), request.headers());
    match sessions::of_cookie(&app, request.headers(), use_of, app.now()).await {
        Ok(Some(signed)) => {
            let asker = signed.asker(peer_ip(request.extensions()));
            let extensions = request.extensions_mut();
            extensions.insert(Operator(signed.name.to_string()));
            extensions.insert(asker);
            extensions.insert(signed);
            next.run(request).await
        }
        Ok(None) if reads => {
            let wanted = request.uri().path_and_query().map(|it| it.as_str());
            let wanted = wanted.and_then(visit::local).filter(|it| *it != "/");
            visit::see(&link::ask("/sign-in", &[("to", wanted)]))
        }
        Ok(None) => {
            Refusal::not_authenticated("the session is over; sign in and try again").into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}
