//! Saved views: pages with their filters, which users have kept under a name.

use jiff::Timestamp;
use lockstep_model::UserName;
use lockstep_model::api::operator::{NewView, SavedView};
use sqlx::{FromRow, query, query_as, query_scalar};

use crate::db::Kind;
use crate::records::{Place, check_text, limit, milliseconds, rows};
use crate::{Error, Store};

/// Longest name, in bytes; the server's own bound is in characters.
const MAX_NAME: usize = 4 * SavedView::LONGEST_NAME;
/// Views in one list, at most.
const MAX_LIST: u32 = 1_000;

/// One's own first, so that what others share never pushes them out.
const SELECT: &str = "SELECT id, owner, name, address, shared, created_at FROM saved_views \
    WHERE owner = $1 OR shared = 1 ORDER BY CASE WHEN owner = $1 THEN 0 ELSE 1 END, name, owner, id LIMIT $2";

#[derive(FromRow)]
struct Record {
    id: String,
    owner: String,
    name: String,
    address: String,
    shared: i64,
    created_at: i64,
}

impl Record {
    fn read(self) -> Result<SavedView, Error> {
        let place = Place {
            table: "saved_views",
            key: &self.id,
        };
        Ok(SavedView {
            owner: place.parse("owner", &self.owner)?,
            address: place.parse("address", &self.address)?,
            shared: self.shared != 0,
            created_at: place.time("created_at", self.created_at)?,
            name: self.name,
            id: self.id,
        })
    }
}

impl Store {
    /// Keeps a view of a user; one of the same page and name is replaced, and keeps its identity. None if there is no
    /// such user any more.
    ///
    /// # Errors
    /// [`Error::TooManyViews`] if the user has [`SavedView::MOST`] others; [`Error::TooLarge`], [`Error::Database`], [`Error::Damaged`] and [`Error::Busy`].
    pub async fn keep_view(
        &self,
        owner: &UserName,
        view: &NewView,
        at: Timestamp,
    ) -> Result<Option<SavedView>, Error> {
        check_text("the name of a view", &view.name, MAX_NAME)?;
        let (page, address) = (view.address.page().path(), view.address.to_string());
        // Unique without asking the database.
        let id = format!("{:016x}", fastrand::u64(..));
        let found: Option<(String,)> = write_tx!(self.db(), Kind::Serializable, "keep a view", tx => {
            let is_there: i64 =
                query_scalar("SELECT COUNT(*) FROM users WHERE name = $1 AND removed_at IS NULL")
                    .bind(owner.as_str())
                    .fetch_one(&mut *tx)
                    .await?;
            let others: i64 = query_scalar(
                "SELECT COUNT(*) FROM saved_views WHERE owner = $1 AND NOT (page = $2 AND name = $3)",
            )
            .bind(owner.as_str())
            .bind(page)
            .bind(&view.name)
            .fetch_one(&mut *tx)
            .await?;
            if is_there == 0 {
                return Ok(None);
            }
            if others.unsigned_abs() >= SavedView::MOST as u64 {
                let most = SavedView::MOST as u64;
                return Err(Error::TooManyViews { user: owner.clone(), most }.into());
            }
            let row: (String,) = query_as(
                "INSERT INTO saved_views (id, owner, page, name, address, shared, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) \
                 ON CONFLICT (owner, page, name) DO UPDATE SET address = excluded.address, \
                 shared = excluded.shared, created_at = excluded.created_at RETURNING id",
            )
            .bind(&id)
            .bind(owner.as_str())
            .bind(page)
            .bind(&view.name)
            .bind(&address)
            .bind(i64::from(view.shared))
            .bind(milliseconds(at))
            .fetch_one(&mut *tx)
            .await?;
            Ok(Some(row))
        })?;
        Ok(found.map(|(id,)| SavedView {
            id,
            name: view.name.clone(),
            address: view.address.clone(),
            owner: owner.clone(),
            shared: view.shared,
            created_at: at,
        }))
    }

    /// The views of a user and those that others share, the user's own first, by name; at most 1000. Those that
    /// cannot be read are left out, and the log says so.
    ///
    /// # Errors
    /// [`Error::Database`], and [`Error::Damaged`] for a row that is none.
    pub async fn views(&self, of: &UserName) -> Result<Vec<SavedView>, Error> {
        let found: Vec<Record> = on!(self.db(), "list the saved views", pool => {
            let found = query(SELECT)
                .bind(of.as_str())
                .bind(limit(MAX_LIST, MAX_LIST))
                .fetch_all(pool)
                .await?;
            Ok(rows("saved_views", &found)?)
        })?;
        // One that cannot be read, of another version perhaps, must not take the others with it, nor the pages that list them.
        let read = |record: Record| match record.read() {
            Ok(view) => Some(view),
            Err(error) => {
                tracing::warn!(%error, "a saved view is left out");
                None
            }
        };
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// Forgets a view: of this user, or with `of_all` one that anybody shares as well. False if there is none such.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn forget_view(&self, id: &str, of: &UserName, of_all: bool) -> Result<bool, Error> {
        write_tx!(self.db(), Kind::Statements, "forget a view", tx => {
            let gone = query(
                "DELETE FROM saved_views WHERE id = $1 AND (owner = $2 OR (shared = 1 AND $3 = 1))",
            )
            .bind(id)
            .bind(of.as_str())
            .bind(i64::from(of_all))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            Ok(gone > 0)
        })
    }
}
