//! `/admin/users`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{Html, Response};
use lockstep_model::api::operator::{NewKiosk, NewUser, Password, SetPassword};
use lockstep_model::{Interval, Role, UserName};
use lockstep_pages::admin::kiosks::created;
use lockstep_pages::admin::users::{self as page, Users};
use serde::Deserialize;

use super::super::{LARGEST, Visit, done, may};
use crate::app::{App, Asker, SignedIn};
use crate::services::{api_tokens, kiosks, sessions, users};
use crate::web::{FormBody, Named, Nothing, Question, Refusal};

const PATH: &str = "/admin/users";

/// Which users, and whose sessions and tokens.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    p: Option<usize>,
    user: Option<UserName>,
}

/// `GET /admin/users?p=N&user=NAME`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    visit: Visit,
    Extension(asker): Extension<Asker>,
    Question(which): Question<Which>,
) -> Result<Html<String>, Refusal> {
    may(&visit.signed, Role::Admin)?;
    let all = users::list(&app, visit.now).await?;
    let mut sessions = sessions::list(&app, &asker, visit.now).await?;
    let mut tokens = api_tokens::list(&app, &asker, visit.now).await?;
    let kiosks = kiosks::list(&app, visit.now).await?;
    if let Some(only) = &which.user {
        sessions.retain(|session| session.user == *only);
        tokens.retain(|token| token.user == *only);
    }
    let view = Users {
        users: &all,
        page: which.p.unwrap_or(1),
        only: which.user.as_ref(),
        sessions: &sessions,
        tokens: &tokens,
        kiosks: &kiosks,
        own_session: &visit.signed.id,
    };
    Ok(Html(page::page(&visit.frame(), &view)))
}

/// The form of a new user.
#[derive(Debug, Deserialize)]
pub(super) struct Add {
    name: String,
    role: Role,
    #[serde(default)]
    password: String,
}

/// `POST /admin/users/add`.
pub(super) async fn add(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Extension(asker): Extension<Asker>,
    FormBody(add): FormBody<Add, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Admin)?;
    let name = UserName::parse(add.name.trim());
    let new = NewUser {
        name: name.map_err(|error| Refusal::bad_request(error.to_string()))?,
        role: add.role,
        password: (!add.password.is_empty()).then_some(Password(add.password)),
    };
    let made = users::create(&app, &asker, &new, app.now()).await?;
    let said = format!("User {} is made, with the role {}.", made.name, made.role);
    Ok(done(PATH, &said))
}

/// The form of a user's new password.
#[derive(Debug, Deserialize)]
pub(super) struct NewPassword {
    password: Password,
}

/// `POST /admin/users/NAME/password`.
pub(super) async fn set_password(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Extension(asker): Extension<Asker>,
    Named(name): Named<UserName>,
    FormBody(new): FormBody<NewPassword, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Admin)?;
    let set = SetPassword {
        password: new.password,
        old: None,
    };
    users::set_password(&app, &asker, &name, &set, app.now()).await?;
    let said = format!("The password of {name} is set, and the sessions of {name} have ended.");
    Ok(done(PATH, &said))
}

/// The form of a user's new role.
#[derive(Debug, Deserialize)]
pub(super) struct NewRole {
    role: Role,
}

/// `POST /admin/users/NAME/role`.
pub(super) async fn set_role(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Extension(asker): Extension<Asker>,
    Named(name): Named<UserName>,
    FormBody(new): FormBody<NewRole, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Admin)?;
    let user = users::set_role(&app, &asker, &name, new.role, app.now()).await?;
    // Who is no admin any more may not see the list.
    let to = if name == signed.name && user.role < Role::Admin {
        "/admin"
    } else {
        PATH
    };
    Ok(done(to, &format!("{name} has the role {} now.", user.role)))
}

/// `POST /admin/users/NAME/remove`.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Extension(asker): Extension<Asker>,
    Named(name): Named<UserName>,
    _: FormBody<Nothing, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Admin)?;
    users::remove(&app, &asker, &name, app.now()).await?;
    Ok(done(PATH, &format!("User {name} is removed.")))
}

/// A form that names a session or a token.
#[derive(Debug, Deserialize)]
pub(super) struct One {
    id: String,
}

/// `POST /admin/users/end-session`.
pub(super) async fn end_session(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Extension(asker): Extension<Asker>,
    FormBody(one): FormBody<One, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Admin)?;
    sessions::end(&app, &asker, &one.id, app.now()).await?;
    Ok(done(PATH, "The session has ended."))
}

/// `POST /admin/users/revoke-token`.
pub(super) async fn revoke_token(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Extension(asker): Extension<Asker>,
    FormBody(one): FormBody<One, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Admin)?;
    api_tokens::revoke(&app, &asker, &one.id, app.now()).await?;
    let said = format!("API token {} is revoked.", one.id);
    Ok(done(PATH, &said))
}

/// The form of a new kiosk token.
#[derive(Debug, Deserialize)]
pub(super) struct Wall {
    label: String,
    #[serde(default)]
    valid: String,
}

/// `POST /admin/users/kiosk`: the answer is the only page with the secret, and no redirect, which would have to carry it.
pub(super) async fn create_kiosk(
    State(app): State<Arc<App>>,
    visit: Visit,
    Extension(asker): Extension<Asker>,
    FormBody(wall): FormBody<Wall, LARGEST>,
) -> Result<Html<String>, Refusal> {
    may(&visit.signed, Role::Admin)?;
    let valid = Some(wall.valid.trim()).filter(|valid| !valid.is_empty());
    let valid = valid.map(Interval::parse).transpose();
    let new = NewKiosk {
        label: wall.label,
        valid_for: valid.map_err(|error| Refusal::bad_request(error.to_string()))?,
    };
    let made = kiosks::create(&app, &asker, &new, visit.now).await?;
    Ok(Html(created(&visit.frame(), &made)))
}

/// `POST /admin/users/revoke-kiosk`.
pub(super) async fn revoke_kiosk(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Extension(asker): Extension<Asker>,
    FormBody(one): FormBody<One, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Admin)?;
    kiosks::revoke(&app, &asker, &one.id, app.now()).await?;
    let said = format!("Kiosk token {} is revoked.", one.id);
    Ok(done("/admin/users#kiosks", &said))
}
