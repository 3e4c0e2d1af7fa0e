//! Sessions: users who have signed in to the pages. The id of one is the hash of the secret that the browser has.

use jiff::Timestamp;
use lockstep_model::{Role, UserName};
use sqlx::{FromRow, query};

use crate::db::Kind;
use crate::records::{Place, check_text, milliseconds, rows, sentence};
use crate::{Error, SignInKeys, Store};

/// A session that begins.
#[derive(Debug, Clone)]
pub struct NewSession<'a> {
    /// The hash of its secret.
    pub id: &'a str,
    /// Whose it is.
    pub name: &'a UserName,
    /// The hash of the password that was good; one that was changed meanwhile opens nothing.
    pub password: &'a str,
    /// Now.
    pub at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// Where the user is.
    pub from: &'a str,
    /// What the attempt was counted under.
    pub counted: &'a SignInKeys,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The hash of its secret.
    pub id: String,
    /// Whose it is.
    pub name: UserName,
    /// What the user may do now.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was used last, as far as it was noted.
    pub used_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// Where the user signed in from.
    pub from: String,
}

/// Longest identity, in bytes.
const MAX_ID: usize = 256;
/// Longest place that a user came from, in bytes; longer ones are cut.
const MAX_FROM: usize = 64;
/// Sessions that one user has at once; with one more the one goes that was not used for the longest time.
const MOST: i64 = 50;
/// Sessions in the list, at most.
const MAX_LIST: i64 = 1000;

/// `$1` and `$2` are the one session and the one user, or nothing; `$3` is how many.
const SELECT: &str = "SELECT s.id, s.name, u.role, s.created_at, s.used_at, s.expires_at, s.came_from \
    FROM sessions s JOIN users u ON u.name = s.name \
    WHERE u.removed_at IS NULL AND (s.id = $1 OR $1 = '') AND (s.name = $2 OR $2 = '') \
    ORDER BY s.created_at DESC, s.id LIMIT $3";

#[derive(FromRow)]
struct Stored {
    id: String,
    name: String,
    role: String,
    created_at: i64,
    used_at: i64,
    expires_at: i64,
    came_from: String,
}

impl Stored {
    fn read(self) -> Result<SessionRow, Error> {
        let place = Place {
            table: "sessions",
            key: &self.id,
        };
        Ok(SessionRow {
            name: place.parse("name", &self.name)?,
            role: place.parse("role", &self.role)?,
            created_at: place.time("created_at", self.created_at)?,
            used_at: place.time("used_at", self.used_at)?,
            expires_at: place.time("expires_at", self.expires_at)?,
            from: self.came_from,
            id: self.id,
        })
    }
}

impl Store {
    /// Begins a session for a user whose password was good, and takes the attempt from the count of failures. False if
    /// the user is no more, or has another password.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Database`] and [`Error::Busy`].
    pub async fn create_session(&self, new: &NewSession<'_>) -> Result<bool, Error> {
        check_text("the hash of a session", new.id, MAX_ID)?;
        let from = sentence(new.from, MAX_FROM);
        write_tx!(self.db(), Kind::Serializable, "begin a session", tx => {
            let found = query(
                "UPDATE users SET signed_in_at = $3 \
                 WHERE name = $1 AND password = $2 AND removed_at IS NULL",
            )
            .bind(new.name.as_str())
            .bind(new.password)
            .bind(milliseconds(new.at))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if found == 0 {
                return Ok(false);
            }
            query(
                "INSERT INTO sessions (id, name, created_at, used_at, expires_at, came_from) \
                 VALUES ($1, $2, $3, $3, $4, $5)",
            )
            .bind(new.id)
            .bind(new.name.as_str())
            .bind(milliseconds(new.at))
            .bind(milliseconds(new.expires_at))
            .bind(&from)
            .execute(&mut *tx)
            .await?;
            query(
                "DELETE FROM sessions WHERE name = $1 AND id NOT IN \
                 (SELECT id FROM sessions WHERE name = $1 ORDER BY used_at DESC, created_at DESC, id LIMIT $2)",
            )
            .bind(new.name.as_str())
            .bind(MOST)
            .execute(&mut *tx)
            .await?;
            forgive!(tx, new.counted);
            Ok(true)
        })
    }

    /// The session of this id, if its user is there; perhaps one that is over.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn session(&self, id: &str) -> Result<Option<SessionRow>, Error> {
        if id.is_empty() {
            return Ok(None);
        }
        Ok(self.find_sessions(id, "").await?.pop())
    }

    /// A user's sessions, or all, newest first, at most 1000; those among them that are over were not forgotten yet.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn sessions(&self, of: Option<&UserName>) -> Result<Vec<SessionRow>, Error> {
        self.find_sessions("", of.map_or("", UserName::as_str))
            .await
    }

    async fn find_sessions(&self, id: &str, name: &str) -> Result<Vec<SessionRow>, Error> {
        let found: Vec<Stored> = on!(self.db(), "look up sessions", pool => {
            let found =
                query(SELECT).bind(id).bind(name).bind(MAX_LIST).fetch_all(pool).await?;
            Ok(rows("sessions", &found)?)
        })?;
        found.into_iter().map(Stored::read).collect()
    }

    /// Notes that a session is in use.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn note_session(&self, id: &str, at: Timestamp) -> Result<(), Error> {
        write_tx!(self.db(), Kind::Statements, "note that a session is in use", tx => {
            query("UPDATE sessions SET used_at = $2 WHERE id = $1 AND used_at < $2")
                .bind(id)
                .bind(milliseconds(at))
                .execute(&mut *tx)
                .await?;
            Ok(())
        })
    }

    /// Ends a session; with `of` only if it is this user's. False if there is none.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn end_session(&self, id: &str, of: Option<&UserName>) -> Result<bool, Error> {
        write_tx!(self.db(), Kind::Statements, "end a session", tx => {
            let ended = query("DELETE FROM sessions WHERE id = $1 AND (name = $2 OR $2 = '')")
                .bind(id)
                .bind(of.map_or("", UserName::as_str))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            Ok(ended > 0)
        })
    }
}
