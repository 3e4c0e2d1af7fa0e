//! What can go wrong with history, in the words of what was being attempted.

use std::io;
use std::path::{Path, PathBuf};

use lockstep_model::ItemName;
use sqlx::sqlite::SqliteError;

/// What lies beneath an error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why history could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not let itself be opened, and it is not known to be damaged.
    #[error("failed to open the history {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The database's words.
        #[source]
        source: Cause,
    },
    /// Something with the file beside its content.
    #[error("failed to {what} {}", path.display())]
    File {
        /// What was being attempted.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        #[source]
        source: io::Error,
    },
    /// A statement failed. Trying again later is right: the disk may be full.
    #[error("failed to {what} in the history")]
    Database {
        /// What was being attempted.
        what: &'static str,
        /// The database's words.
        #[source]
        source: Cause,
    },
    /// The file is damaged. Opening it again moves it aside and begins a new one.
    #[error("failed to {what}: the history is damaged, it must be opened again")]
    Damaged {
        /// What was being attempted.
        what: &'static str,
        /// The database's words.
        #[source]
        source: Cause,
    },
    /// There is no history of the item.
    #[error("there is no history of {item}")]
    Unknown {
        /// The item.
        item: ItemName,
    },
    /// A stretch of time that does not end behind its beginning.
    #[error("the time asked for ends at {to}, which is not after its beginning at {from}")]
    Backwards {
        /// The beginning.
        from: jiff::Timestamp,
        /// The end.
        to: jiff::Timestamp,
    },
}

impl Error {
    pub(crate) fn file<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::File {
            what,
            path: path.into(),
            source,
        }
    }

    pub(crate) fn during(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |error| {
            if is_damage(&error) {
                let source = Box::new(error);
                return Self::Damaged { what, source };
            }
            Self::Database {
                what,
                source: Box::new(error),
            }
        }
    }
}

/// SQLITE_CORRUPT and SQLITE_NOTADB, with their extended forms.
pub(crate) fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| {
        error.try_downcast_ref::<SqliteError>()?;
        error.code()?.parse::<i32>().ok()
    });
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}
