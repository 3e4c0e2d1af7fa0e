//! Users, their API tokens and their sessions.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use lockstep_model::UserName;
use lockstep_model::api::operator::{
    ApiTokenView, CreatedApiToken, Me, NewApiToken, NewUser, SessionView, SetPassword, SetRole,
    UserView,
};

use crate::app::{App, Asker};
use crate::services::{api_tokens, sessions, users};
use crate::web::{JsonBody, Named, Refusal};

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

/// `GET /api/v1/users`: by name.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Result<Json<Vec<UserView>>, Refusal> {
    users::list(&app, app.now()).await.map(Json)
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
) -> Result<Json<Vec<ApiTokenView>>, Refusal> {
    api_tokens::list(&app, &asker, app.now()).await.map(Json)
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
    Named(id): Named<String>,
) -> Result<StatusCode, Refusal> {
    api_tokens::revoke(&app, &asker, &id, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/sessions`: newest first; one's own, or all for admins.
pub(crate) async fn open_sessions(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
) -> Result<Json<Vec<SessionView>>, Refusal> {
    sessions::list(&app, &asker, app.now()).await.map(Json)
}

/// `DELETE /api/v1/sessions/ID`.
pub(crate) async fn end_session(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    Named(id): Named<String>,
) -> Result<StatusCode, Refusal> {
    sessions::end(&app, &asker, &id, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
