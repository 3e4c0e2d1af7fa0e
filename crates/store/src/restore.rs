//! Taking a dump back, whichever database it came from. All of it in one transaction: after a failure the store is
//! as empty as before.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, query, query_scalar};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::db::Kind;
use crate::dump::{FORMAT, Line};
use crate::tables::{Column, TABLES, Table};
use crate::{Error, Store, migrations};

/// Longest line, in bytes: a repository file of the largest size with every character escaped.
const MAX_LINE: u64 = 64 * 1024 * 1024;

/// What becomes of what a restored store may not go on with, because it may have been ended since the dump: wishes that are
/// open, of which hosts would be told again, and everybody's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WasOpen {
    /// It is as it was: the dump goes to another database, and nothing happened in between.
    Stays,
    /// It is over.
    Ends,
}

/// What ends it.
const ENDS: [&str; 2] = [
    "UPDATE host_wishes SET open_until = 0 WHERE open_until > 0",
    "DELETE FROM sessions",
];

impl Store {
    /// Fills an empty store from a dump. Returns the number of rows of the dump.
    ///
    /// # Errors
    /// [`Error::NotEmpty`]; [`Error::Dump`] with the line that is wrong; [`Error::DumpFile`] when the reader fails. The store
    /// is empty then.
    pub async fn restore<R: AsyncBufRead + Unpin>(
        &self,
        reader: &mut R,
        was_open: WasOpen,
    ) -> Result<u64, Error> {
        let mut lines = Lines { reader, number: 0 };
        lines.expect_header().await?;
        let inserts: HashMap<&str, String> = TABLES
            .iter()
            .map(|table| (table.name, table.insert()))
            .collect();
        write_tx!(self.db(), Kind::Once, "restore a dump", tx => {
            for table in &TABLES {
                let row: Option<i32> =
                    query_scalar(AssertSqlSafe(table.any())).fetch_optional(&mut *tx).await?;
                if row.is_some() {
                    return Err(Error::NotEmpty { table: table.name }.into());
                }
            }
            let mut count = 0;
            while let Some((table, mut values)) = lines.next_row(count).await? {
                let mut insert = query(AssertSqlSafe(inserts[table.name].clone()));
                for column in table.columns {
                    let value = values.remove(column.name());
                    insert = match column {
                        Column::Text(name) => insert.bind(lines.text(name, value)?),
                        Column::Number(name) => insert.bind(lines.number(name, value)?),
                    };
                }
                lines.nothing_left(table, &values)?;
                insert
                    .execute(&mut *tx)
                    .await
                    .map_err(|error| lines.wrong(format!("it does not fit into {}: {error}", table.name)))?;
                count += 1;
            }
            if was_open == WasOpen::Ends {
                for end in ENDS {
                    query(end).execute(&mut *tx).await?;
                }
            }
            Ok(count)
        })
    }
}

/// The lines of a dump, for messages with their number.
struct Lines<'a, R> {
    reader: &'a mut R,
    number: u64,
}

impl<R: AsyncBufRead + Unpin> Lines<'_, R> {
    fn wrong(&self, why: impl Into<String>) -> Error {
        Error::Dump {
            line: self.number,
            why: why.into(),
        }
    }

    async fn next(&mut self) -> Result<Option<Line>, Error> {
        let mut text = Vec::new();
        self.number += 1;
        let read = (&mut *self.reader)
            .take(MAX_LINE)
            .read_until(b'\n', &mut text)
            .await
            .map_err(|error| Error::DumpFile {
                what: "read the dump",
                source: Arc::new(error),
            })?;
        if read == 0 {
            return Ok(None);
        }
        if text.last() != Some(&b'\n') && text.len() as u64 >= MAX_LINE {
            return Err(self.wrong(format!("it is longer than {MAX_LINE} bytes")));
        }
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| self.wrong(format!("it is not a line of a dump: {error}")))
    }

    async fn expect_header(&mut self) -> Result<(), Error> {
        let known = migrations::NEWEST;
        match self.next().await? {
            Some(Line::Dump {
                format: FORMAT,
                step,
            }) if step == known => Ok(()),
            Some(Line::Dump {
                format: FORMAT,
                step,
            }) => Err(self.wrong(format!(
                "the dump was made at step {step} of the tables, this program is at step {known}; \
                 restore it with the version that made it, and update then"
            ))),
            Some(Line::Dump { format, .. }) => Err(self.wrong(format!(
                "the dump has format {format}, this program reads format {FORMAT}"
            ))),
            Some(_) | None => Err(self.wrong("a dump begins with a line \"dump\"")),
        }
    }

    /// The next row; none behind the last one.
    async fn next_row(
        &mut self,
        count: u64,
    ) -> Result<Option<(&'static Table, Map<String, Value>)>, Error> {
        match self.next().await? {
            Some(Line::Row { table, values }) => match Table::named(&table) {
                Some(table) => Ok(Some((table, values))),
                None => Err(self.wrong(format!("there is no table {table:?}"))),
            },
            Some(Line::End { rows }) if rows == count => Ok(None),
            Some(Line::End { rows }) => {
                Err(self.wrong(format!("the dump had {rows} rows, {count} are left")))
            }
            Some(Line::Dump { .. }) => Err(self.wrong("a second dump begins here")),
            None => Err(self.wrong(format!(
                "the dump is cut off after {count} rows, its line \"end\" is missing"
            ))),
        }
    }

    fn text(&self, column: &str, value: Option<Value>) -> Result<Option<String>, Error> {
        match value {
            Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.contains('\0') => {
                Err(self.wrong(format!("{column} holds a NUL character")))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(format!("{column} is not a text"))),
            None => Err(self.wrong(format!("{column} is missing"))),
        }
    }

    fn number(&self, column: &str, value: Option<Value>) -> Result<Option<i64>, Error> {
        match value {
            Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_i64()
                .map(Some)
                .ok_or_else(|| self.wrong(format!("{column} is not a whole number"))),
            None => Err(self.wrong(format!("{column} is missing"))),
        }
    }

    fn nothing_left(&self, table: &Table, values: &Map<String, Value>) -> Result<(), Error> {
        match values.keys().next() {
            Some(column) => Err(self.wrong(format!("{} has no column {column:?}", table.name))),
            None => Ok(()),
        }
    }
}
