//! Users: who may do what. Each change is in the audit trail, and counts from the next request on.

use std::collections::HashMap;

use jiff::Timestamp;
use lockstep_model::api::operator::{NewUser, SetPassword, UserView};
use lockstep_model::{ProblemKind, Role, UserName};
use lockstep_store::UserRow;

use crate::app::{App, Asker, By};
use crate::data_dir;
use crate::first_start::{FIRST_USER, password_file};
use crate::services::{audit, passwords, sessions};
use crate::web::Refusal;

/// All users, by name.
pub(crate) async fn list(app: &App, now: Timestamp) -> Result<Vec<UserView>, Refusal> {
    let mut open: HashMap<UserName, u64> = HashMap::new();
    for session in sessions::open(app, None, now).await? {
        *open.entry(session.user).or_default() += 1;
    }
    let locked: HashMap<String, Timestamp> =
        passwords::locked(app, now).await?.into_iter().collect();
    let users = app.store.users(now).await?.into_iter().map(|row| {
        let sessions = open.get(&row.name).copied().unwrap_or_default();
        let locked = locked.get(row.name.as_str()).copied();
        view(row, sessions, locked)
    });
    Ok(users.collect())
}

/// One user.
pub(crate) async fn one(app: &App, name: &UserName, now: Timestamp) -> Result<UserView, Refusal> {
    let users = list(app, now).await?;
    let found = users.into_iter().find(|user| user.name == *name);
    found.ok_or_else(|| unknown(name))
}

/// Makes a user.
pub(crate) async fn create(
    app: &App,
    asker: &Asker,
    new: &NewUser,
    now: Timestamp,
) -> Result<UserView, Refusal> {
    let NewUser {
        name,
        role,
        password,
    } = new;
    let hash = match password {
        Some(password) => Some(passwords::hash(app, name, password).await?),
        None => None,
    };
    let made = app.store.create_user(name, *role, hash.as_deref(), now);
    if !made.await? {
        return Err(Refusal::conflict(format!("there is a user {name} already")));
    }
    app.sessions.changed();
    note(app, asker, &format!("made user {name}, role {role}"), now).await;
    after(app, name, now).await
}

/// Says what a user may do from now on.
pub(crate) async fn set_role(
    app: &App,
    asker: &Asker,
    name: &UserName,
    role: Role,
    now: Timestamp,
) -> Result<UserView, Refusal> {
    let found = app.store.set_role(name, role).await?;
    app.sessions.changed();
    if !found {
        return Err(unknown(name));
    }
    note(
        app,
        asker,
        &format!("gave user {name} the role {role}"),
        now,
    )
    .await;
    after(app, name, now).await
}

/// Removes a user with all sessions and tokens.
pub(crate) async fn remove(
    app: &App,
    asker: &Asker,
    name: &UserName,
    now: Timestamp,
) -> Result<(), Refusal> {
    let found = app.store.remove_user(name, now).await?;
    app.sessions.changed();
    if !found {
        return Err(unknown(name));
    }
    note(app, asker, &format!("removed user {name}"), now).await;
    Ok(())
}

/// Gives a user a password: a user changes the own one by telling the old one, admins give them to others. It ends the
/// user's other sessions.
pub(crate) async fn set_password(
    app: &App,
    asker: &Asker,
    name: &UserName,
    set: &SetPassword,
    now: Timestamp,
) -> Result<(), Refusal> {
    let own = asker.name == *name;
    if !own && asker.role < Role::Admin {
        return Err(Refusal::new(
            ProblemKind::NotAllowed,
            format!(
                "only admins set the passwords of others; {} has the role {}",
                asker.name, asker.role
            ),
        ));
    }
    let Some(row) = app.store.user(name, now).await? else {
        return Err(unknown(name));
    };
    // An admin's token may do this to everybody, so it may to its own user. An open browser of somebody who has left for
    // lunch must not be enough.
    let must_tell = asker.by == By::Session || asker.role < Role::Admin;
    if own && row.password.is_none() && asker.role < Role::Admin {
        // Whoever has one of its tokens, a viewer's even, could sign in with all that the user may.
        return Err(Refusal::new(
            ProblemKind::NotAllowed,
            format!("user {name} works by tokens alone; an admin gives the first password"),
        ));
    }
    if own && must_tell && row.password.is_some() {
        let Some(old) = &set.old else {
            return Err(Refusal::bad_request(
                "old: whoever changes the own password tells the one before it",
            ));
        };
        let verified = passwords::verify(app, name.as_str(), old, asker.from, now)
            .await
            .map_err(|refusal| match refusal.kind() {
                ProblemKind::NotAuthenticated => {
                    Refusal::new(ProblemKind::NotAllowed, "the old password is wrong")
                }
                _ => refusal,
            })?;
        app.store.forgive_sign_in(&verified.counted).await?;
    }
    let hash = passwords::hash(app, name, &set.password).await?;
    let keep = asker.session.as_deref().filter(|_| own);
    let found = app.store.set_password(name, &hash, keep).await?;
    app.sessions.changed();
    if !found {
        return Err(unknown(name));
    }
    note(app, asker, &format!("set the password of user {name}"), now).await;
    if name.as_str() == FIRST_USER {
        // The one of the first start is worth nothing any more.
        let path = password_file(&app.config.data);
        if let Err(error) = data_dir::remove(&path) {
            tracing::warn!(%error, "a password that is out of use could not be removed");
        }
    }
    Ok(())
}

/// A user that was changed just now; the list may be too long to show it.
async fn after(app: &App, name: &UserName, now: Timestamp) -> Result<UserView, Refusal> {
    let row = app.store.user(name, now).await?;
    let row = row.ok_or_else(|| unknown(name))?;
    let sessions = sessions::open(app, Some(name), now).await?.len();
    let locked = passwords::locked(app, now).await?.into_iter();
    Ok(view(
        row,
        sessions as u64,
        locked
            .collect::<HashMap<_, _>>()
            .get(name.as_str())
            .copied(),
    ))
}

fn view(row: UserRow, sessions: u64, locked_until: Option<Timestamp>) -> UserView {
    UserView {
        sessions,
        locked_until,
        role: row.role,
        has_password: row.password.is_some(),
        created_at: row.created_at,
        signed_in_at: row.signed_in_at,
        tokens: row.tokens,
        name: row.name,
    }
}

fn unknown(name: &UserName) -> Refusal {
    Refusal::not_found(format!("there is no user {name}"))
}

async fn note(app: &App, asker: &Asker, what: &str, now: Timestamp) {
    audit::note(app, asker.name.as_str(), what, now).await;
}
