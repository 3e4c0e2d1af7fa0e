//! Users, their API tokens and their sessions.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use jiff::Timestamp;
use lockstep_model::UserName;
use lockstep_model::api::operator::{
    ApiTokenView, CreatedApiToken, Me, NewApiToken, NewUser, SessionView, SetPassword, SetRole,
    UserView,
};

use super::paging::{List, Page, Paging};
use crate::app::{App, Asker};
use crate::services::{api_tokens, sessions, users};
use crate::web::{Id, JsonBody, Named, Refusal};

/// Largest request, in bytes.
const LARGEST: usize = 4 * 1024;

/// `GET /api/v1/me`.
pub(crate) async fn me(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
) -> Json<Me> {
    Json(Me {
        role: asker.role,
        by: asker.by.as_str().into(),
        server: app.version.clone(),
        name: asker.name,
    })
}

const USERS: List = List::whole("users");
const API_TOKENS: List = List::whole("api-tokens");
const SESSIONS: List = List::whole("sessions");

/// The place of a token or a session: newest first.
type Newest = (Reverse<Timestamp>, String);

/// `GET /api/v1/users?limit=N&cursor=C`: by name.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    paging: Paging,
) -> Result<Page<UserView>, Refusal> {
    let window = paging.window::<UserName>(USERS)?;
    let mut users = users::list(&app, app.now()).await?;
    users.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(window.of_all(users, |user| user.name.clone()))
}

/// `POST /api/v1/users`.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    JsonBody(new): JsonBody<NewUser, LARGEST>,
) -> Result<(StatusCode, Json<UserView>), Refusal> {
    let made = users::create(&app, &asker, &new, app.now()).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// `GET /api/v1/users/NAME`.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Named(name): Named<UserName>,
) -> Result<Json<UserView>, Refusal> {
    users::one(&app, &name, app.now()).await.map(Json)
}

/// `DELETE /api/v1/users/NAME`: with all sessions and tokens.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    Named(name): Named<UserName>,
) -> Result<StatusCode, Refusal> {
    users::remove(&app, &asker, &name, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /api/v1/users/NAME/role`.
pub(crate) async fn set_role(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    Named(name): Named<UserName>,
    JsonBody(set): JsonBody<SetRole, LARGEST>,
) -> Result<Json<UserView>, Refusal> {
    users::set_role(&app, &asker, &name, set.role, app.now())
        .await
        .map(Json)
}

/// `PUT /api/v1/users/NAME/password`.
pub(crate) async fn set_password(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    Named(name): Named<UserName>,
    JsonBody(set): JsonBody<SetPassword, LARGEST>,
) -> Result<StatusCode, Refusal> {
    users::set_password(&app, &asker, &name, &set, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/api-tokens`: newest first; one's own, or all for admins.
pub(crate) async fn tokens(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    paging: Paging,
) -> Result<Page<ApiTokenView>, Refusal> {
    let window = paging.window::<Newest>(API_TOKENS)?;
    let place = |it: &ApiTokenView| (Reverse(it.created_at), it.id.clone());
    let mut tokens = api_tokens::list(&app, &asker, app.now()).await?;
    tokens.sort_by_cached_key(place);
    Ok(window.of_all(tokens, place))
}

/// `POST /api/v1/api-tokens`.
pub(crate) async fn create_token(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    JsonBody(new): JsonBody<NewApiToken, LARGEST>,
) -> Result<(StatusCode, Json<CreatedApiToken>), Refusal> {
    let made = api_tokens::create(&app, &asker, &new, app.now()).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// `DELETE /api/v1/api-tokens/ID`.
pub(crate) async fn revoke_token(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    Named(Id(id)): Named<Id>,
) -> Result<StatusCode, Refusal> {
    api_tokens::revoke(&app, &asker, &id, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/sessions`: newest first; one's own, or all for admins.
pub(crate) async fn open_sessions(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    paging: Paging,
) -> Result<Page<SessionView>, Refusal> {
    let window = paging.window::<Newest>(SESSIONS)?;
    let place = |it: &SessionView| (Reverse(it.created_at), it.id.clone());
    let mut sessions = sessions::list(&app, &asker, app.now()).await?;
    sessions.sort_by_cached_key(place);
    Ok(window.of_all(sessions, place))
}

/// `DELETE /api/v1/sessions/ID`.
pub(crate) async fn end_session(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    Named(Id(id)): Named<Id>,
) -> Result<StatusCode, Refusal> {
    sessions::end(&app, &asker, &id, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
