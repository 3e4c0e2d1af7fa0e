//! Statements as values: what follows from an entry is worked out by plain functions, and run afterwards.

use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Database, Encode, Type, query};

/// A statement and what is bound to it. Its text is made of constants of this crate alone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    sql: String,
    binds: Vec<Bind>,
}

/// What is bound.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bind {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Bind {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}
impl From<String> for Bind {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<i64> for Bind {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Rows of one statement, at most. Only powers of two occur, so that a connection has few texts to remember.
const MOST_ROWS: usize = 32;

impl Statement {
    /// One statement.
    pub(crate) fn new(sql: &str, binds: Vec<Bind>) -> Self {
        Self {
            sql: sql.into(),
            binds,
        }
    }

    /// `head VALUES (row), (row) … tail`, in as few statements as many rows need. No two rows may have one key: a
    /// statement cannot write a row twice.
    pub(crate) fn for_rows<const N: usize>(
        head: &str,
        tail: &str,
        rows: impl IntoIterator<Item = [Bind; N]>,
    ) -> Vec<Self> {
        let mut rows: Vec<[Bind; N]> = rows.into_iter().collect();
        let mut statements = Vec::new();
        while !rows.is_empty() {
            let mut taken = MOST_ROWS;
            while taken > rows.len() {
                taken /= 2;
            }
            let places: Vec<String> = (0..taken)
                .map(|row| {
                    let row: Vec<String> = (1..=N)
                        .map(|column| format!("${}", row * N + column))
                        .collect();
                    format!("({})", row.join(", "))
                })
                .collect();
            statements.push(Self {
                sql: format!("{head} VALUES {} {tail}", places.join(", ")),
                binds: rows.drain(..taken).flatten().collect(),
            });
        }
        statements
    }

    /// The statement for a driver.
    pub(crate) fn query<'q, DB>(&self) -> Query<'q, DB, DB::Arguments>
    where
        DB: Database,
        String: Encode<'q, DB> + Type<DB> + 'q,
        i64: Encode<'q, DB> + Type<DB> + 'q,
    {
        self.binds.iter().fold(
            query(AssertSqlSafe(self.sql.clone())),
            |query, bind| match bind {
                Bind::Text(text) => query.bind(text.clone()),
                Bind::Number(number) => query.bind(*number),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_need_few_statements() {
        let rows = (0..39_i64).map(|number| [Bind::from("a"), Bind::from(number)]);
        let statements = Statement::for_rows("INSERT INTO t (a, b)", "ON CONFLICT", rows);
        let sizes: Vec<_> = statements.iter().map(|it| it.binds.len() / 2).collect();
        assert_eq!(sizes, [32, 4, 2, 1]);
        assert_eq!(
            statements[2].sql,
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT"
        );
        assert_eq!(statements[3].binds[1], Bind::Number(38));
        assert!(Statement::for_rows::<1>("", "", []).is_empty());
    }
}
