//! Users: who may do what, how they sign in, and by which tokens their programs do.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Interval, Role, UserName};

/// A password as it is typed; nothing prints it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

impl Password {
    /// Fewest characters of a password, as NIST SP 800-63B, section 3.1.1.2, asks where nothing else guards the door.
    pub const LEAST: usize = 15;
    /// Most bytes of a password.
    pub const MOST: usize = 256;
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// `GET /api/v1/me`: who asks, and by what right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// The user.
    pub name: UserName,
    /// What this request's token or session may do; never more than the user.
    pub role: Role,
    /// `token` or `session`.
    pub by: String,
    /// The server's version.
    pub server: crate::Version,
}

/// One user in `GET /api/v1/users`, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// The name, as the audit trail shows it.
    pub name: UserName,
    /// What the user may do.
    pub role: Role,
    /// False if the user cannot sign in to the pages, but by tokens only.
    pub has_password: bool,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When the user signed in last.
    pub signed_in_at: Option<Timestamp>,
    /// Until when nobody can sign in as this user, because too many have guessed.
    pub locked_until: Option<Timestamp>,
    /// Sessions that are open.
    pub sessions: u64,
    /// API tokens that are worth something.
    pub tokens: u64,
}

/// `POST /api/v1/users`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewUser {
    /// The name.
    pub name: UserName,
    /// What the user may do.
    pub role: Role,
    /// What the user signs in with; none for one that works by tokens only.
    #[serde(default)]
    pub password: Option<Password>,
}

/// `PUT /api/v1/users/NAME/role`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct SetRole {
    /// What the user may do from now on, and every token of the user at most.
    pub role: Role,
}

/// `PUT /api/v1/users/NAME/password`: by an admin, or by the user. It ends the user's other sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetPassword {
    /// The new one.
    pub password: Password,
    /// The one before; needed from users who change their own.
    #[serde(default)]
    pub old: Option<Password>,
}

/// One API token in `GET /api/v1/api-tokens`, newest first: one's own, or all for admins. Nothing of its secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiTokenView {
    /// Its identity, for `DELETE /api/v1/api-tokens/ID`.
    pub id: String,
    /// Whose it is.
    pub user: UserName,
    /// What it may do; where the user may do less, that counts.
    pub role: Role,
    /// What it is for, in words.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is worth nothing; none if it has no end.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to within minutes.
    pub used_at: Option<Timestamp>,
}

/// `POST /api/v1/api-tokens`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewApiToken {
    /// For whom; none for whoever asks. Only admins make tokens for others.
    #[serde(default)]
    pub user: Option<UserName>,
    /// What it may do: no more than the user, and no more than whoever asks.
    pub role: Role,
    /// What it is for, in words; at most 200 bytes.
    pub label: String,
    /// For how long; none for one without an end.
    #[serde(default)]
    pub valid_for: Option<Interval>,
}

/// The answer: the only time the secret is shown.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreatedApiToken {
    /// Its identity.
    pub id: String,
    /// The whole token, for `authorization: Bearer …`.
    pub token: String,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
    /// An `operator.toml` with it, by which the command line reaches this server.
    pub operator_file: String,
}

impl std::fmt::Debug for CreatedApiToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedApiToken")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// One open session in `GET /api/v1/sessions`, newest first: one's own, or all for admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its identity, for `DELETE /api/v1/sessions/ID`; not what the browser shows.
    pub id: String,
    /// Whose it is.
    pub user: UserName,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was used last, to within minutes.
    pub used_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// Where the user signed in from.
    pub from: String,
}

/// One kiosk token in `GET /api/v1/kiosks`, newest first. Nothing of its secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KioskView {
    /// Its identity, for `DELETE /api/v1/kiosks/ID`.
    pub id: String,
    /// Which screen it is for, in words.
    pub label: String,
    /// The user who made it.
    pub made_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is worth nothing; none if it has no end.
    pub expires_at: Option<Timestamp>,
    /// When a screen showed something by it last, to within minutes.
    pub used_at: Option<Timestamp>,
    /// Where that screen was; empty for a token that was not used.
    #[serde(default)]
    pub used_from: String,
}

/// `POST /api/v1/kiosks`: a token for screens on walls. It is good for the page `/kiosk` and nothing else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewKiosk {
    /// Which screen it is for, in words; at most 200 bytes.
    pub label: String,
    /// For how long; none for one without an end.
    #[serde(default)]
    pub valid_for: Option<Interval>,
}

/// The answer: the only time the secret is shown.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreatedKiosk {
    /// Its identity.
    pub id: String,
    /// The address that the screen opens, with the whole token in it.
    pub address: String,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for CreatedKiosk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedKiosk")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
