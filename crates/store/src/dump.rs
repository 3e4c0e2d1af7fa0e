//! The dump: everything that the database holds, as lines of JSON that either database can take back.
//!
//! ```text
//! {"dump":{"format":1,"step":3}}
//! {"row":{"table":"hosts","values":{"name":"web1", … }}}
//! {"end":{"rows":1}}
//! ```
//!
//! The last line is what tells a whole dump from one that was cut off. Artifacts are files of their own and not
//! part of it. Of secrets it holds hashes alone, except for those that somebody wrote into the fleet file, as part of
//! the address of a webhook for example.

use std::io;
use std::sync::Arc;

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Row, Type, query};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::db::Db;
use crate::tables::{Column, TABLES, Table};
use crate::{Error, Store, migrations};

/// One line of a dump.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Line {
    /// The first.
    Dump {
        /// How lines are to be read: [`FORMAT`].
        format: u32,
        /// The migration that the tables were at.
        step: i64,
    },
    /// One row.
    Row {
        /// Of which table.
        table: String,
        /// Its columns.
        values: Map<String, Value>,
    },
    /// The last.
    End {
        /// How many rows came before.
        rows: u64,
    },
}

/// The format of the lines.
pub(crate) const FORMAT: u32 = 1;

impl Store {
    /// Writes everything as it is at one moment, while others go on writing. Returns the number of rows.
    ///
    /// # Errors
    /// [`Error::DumpFile`] when the writer fails; [`Error::Database`] and [`Error::Damaged`].
    pub async fn dump<W: AsyncWrite + Unpin>(&self, writer: &mut W) -> Result<u64, Error> {
        // One transaction that sees one moment, and on PostgreSQL may take longer than other statements.
        let begin = match self.db() {
            Db::Sqlite(_) => "BEGIN",
            Db::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        let step = migrations::NEWEST;
        write_line(
            writer,
            &Line::Dump {
                format: FORMAT,
                step,
            },
        )
        .await?;
        let mut count = 0;
        on!(self.db(), "dump the database", pool => {
            let mut tx = pool.begin_with(begin).await?;
            if self.kind() == "postgres" {
                query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
            }
            for table in &TABLES {
                let select = query(AssertSqlSafe(table.select()));
                let mut found = select.fetch(&mut *tx);
                while let Some(row) = found.try_next().await? {
                    let values = values(table, &row)?;
                    write_line(writer, &Line::Row { table: table.name.into(), values }).await?;
                    count += 1;
                }
            }
            tx.commit().await?;
            Ok(())
        })?;
        write_line(writer, &Line::End { rows: count }).await?;
        writer.flush().await.map_err(cannot_write)?;
        Ok(count)
    }
}

fn values<R>(table: &Table, row: &R) -> Result<Map<String, Value>, Error>
where
    R: Row,
    usize: ColumnIndex<R>,
    String: Type<R::Database> + for<'r> Decode<'r, R::Database>,
    i64: Type<R::Database> + for<'r> Decode<'r, R::Database>,
{
    let read = |(index, column): (usize, &Column)| {
        let value = match column {
            Column::Text(_) => row.try_get::<Option<String>, _>(index).map(Value::from),
            Column::Number(_) => row.try_get::<Option<i64>, _>(index).map(Value::from),
        };
        value
            .map(|value| (column.name().to_owned(), value))
            .map_err(|error| Error::Damaged {
                table: table.name,
                key: row.try_get(0).unwrap_or_else(|_| "?".into()),
                why: error.to_string(),
            })
    };
    table.columns.iter().enumerate().map(read).collect()
}

async fn write_line<W: AsyncWrite + Unpin>(writer: &mut W, line: &Line) -> Result<(), Error> {
    let mut text = serde_json::to_vec(line)
        .map_err(|error| cannot_write(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    text.push(b'\n');
    writer.write_all(&text).await.map_err(cannot_write)
}

fn cannot_write(error: io::Error) -> Error {
    Error::DumpFile {
        what: "write the dump",
        source: Arc::new(error),
    }
}
