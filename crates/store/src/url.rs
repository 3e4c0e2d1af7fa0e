//! Where the database is: `sqlite:/path/to/file` or `postgres://user:password@host/name`.
//!
//! What is printed of a url never holds its password: it is put together again from its other parts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use sqlx::postgres::PgConnectOptions;

use crate::Error;

/// The place of a database.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A SQLite file, made when it is not there.
    Sqlite(PathBuf),
    /// The url of a PostgreSQL database, with its password.
    Postgres(String),
}

/// Parameters of a PostgreSQL url that mean something to us. Others are refused rather than ignored.
const PARAMETERS: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

impl DatabaseUrl {
    /// Parses a url.
    ///
    /// # Errors
    /// [`Error::Url`] says what is wrong, without repeating more of the text than its scheme.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("sqlite:") {
            return parse_sqlite(path.strip_prefix("//").unwrap_or(path));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return parse_postgres(text);
        }
        refuse(
            "it must begin with \"sqlite:\" or \"postgres://\", as in \"sqlite:/var/lib/lockstep/server.db\"",
        )
    }

    /// `sqlite` or `postgres`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Error> {
    Err(Error::Url { why: why.into() })
}

fn parse_sqlite(path: &str) -> Result<DatabaseUrl, Error> {
    if path.is_empty() {
        return refuse("\"sqlite:\" must be followed by the path of a file");
    }
    if path == ":memory:" {
        return refuse("\":memory:\" would forget everything; name a file");
    }
    if path.contains(['?', '\0']) {
        return refuse("the path of a SQLite file takes no options and holds no \"?\"");
    }
    Ok(DatabaseUrl::Sqlite(Path::new(path).to_path_buf()))
}

fn parse_postgres(text: &str) -> Result<DatabaseUrl, Error> {
    // Without its parameters first: if a password with a "?" in it was not escaped, this fails before any part of
    // it can be taken for the name of a parameter.
    let (place, parameters) = text.split_once('?').unwrap_or((text, ""));
    options_of(place)?;
    for parameter in parameters.split('&').filter(|text| !text.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        if !PARAMETERS.contains(&name) {
            let plain =
                name.len() <= 30 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let name = if plain {
                format!(" {name:?}")
            } else {
                String::new()
            };
            return refuse(format!(
                "its parameter{name} is not known; known are {}",
                PARAMETERS.join(", ")
            ));
        }
    }
    match options_of(text)?.get_database() {
        // Where a password was not escaped, its end is taken for the name of the database.
        Some(name) if name.contains(['/', '@']) => refuse(
            "the name of the database holds \"/\" or \"@\"; special characters of a password are written as %XX",
        ),
        Some(name) if !name.is_empty() => Ok(DatabaseUrl::Postgres(text.to_owned())),
        _ => refuse("it names no database; write \"postgres://user:password@host/name\""),
    }
}

fn options_of(text: &str) -> Result<PgConnectOptions, Error> {
    PgConnectOptions::from_str(text).or_else(|error| refuse(words_of(&error)))
}

/// What the url parser says. It names what is wrong (for example an invalid port) and repeats nothing of the text.
fn words_of(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(source) => source.to_string(),
        _ => "it is not a url of PostgreSQL".into(),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Sqlite(path) => return write!(f, "sqlite:{}", path.display()),
            Self::Postgres(text) => text,
        };
        let Ok(options) = PgConnectOptions::from_str(text) else {
            return f.write_str("postgres://…");
        };
        let name = options.get_database().unwrap_or_default();
        let user = options.get_username();
        match options.get_socket() {
            Some(socket) => write!(
                f,
                "postgres:///{name}?host={}&user={user}",
                socket.display()
            ),
            None => {
                let (host, port) = (options.get_host(), options.get_port());
                write!(f, "postgres://{user}@{host}:{port}/{name}")
            }
        }
    }
}
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}
impl FromStr for DatabaseUrl {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}
impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_kinds_are_parsed() {
        for text in [
            "sqlite:/var/lib/lockstep/server.db",
            "sqlite:///var/lib/lockstep/server.db",
        ] {
            let url = DatabaseUrl::parse(text).unwrap();
            assert_eq!(
                url,
                DatabaseUrl::Sqlite("/var/lib/lockstep/server.db".into())
            );
            assert_eq!(url.to_string(), "sqlite:/var/lib/lockstep/server.db");
        }
        let url = DatabaseUrl::parse("postgres://me:s%40crEt@db.example.org:5433/fleet").unwrap();
        assert_eq!(url.kind(), "postgres");
        assert_eq!(url.to_string(), "postgres://me@db.example.org:5433/fleet");
        let url = DatabaseUrl::parse("postgres:///fleet?host=/run/pg&user=me&password=s@crEt");
        assert_eq!(
            format!("{:?}", url.unwrap()),
            "DatabaseUrl(postgres:///fleet?host=/run/pg&user=me)"
        );
    }

    #[test]
    fn each_refusal_says_why_and_keeps_the_secret() {
        let why = |text: &str| DatabaseUrl::parse(text).unwrap_err().to_string();
        for (text, part) in [
            ("", "must begin with"),
            ("mysql://root:s@crEt@db/x", "must begin with"),
            ("sqlite:", "path of a file"),
            ("sqlite::memory:", "forget"),
            ("sqlite:/x?mode=ro", "no options"),
            ("postgres://me:s@crEt@db:port/fleet", "port"),
            ("postgres://me:s@crEt@db", "names no database"),
            (
                "postgres://me@db/fleet?pasword=s@crEt",
                "\"pasword\" is not known",
            ),
            ("postgres://me:123/s@crEt@db/fleet", "%XX"),
            ("postgres://me@db/fleet?sslmode=s@crEt", "ssl"),
        ] {
            assert!(why(text).contains(part), "{text}: {}", why(text));
            if !text.contains("sslmode") {
                assert!(!why(text).contains("crEt"), "{}", why(text));
            }
        }
    }

    proptest! {
        #[test]
        fn a_password_is_never_shown(password in "[!-~]{6,30}") {
            let marked = format!("Qq{password}qQ");
            for text in [
                format!("postgres://me:{marked}@db.example.org/fleet"),
                format!("postgres://db.example.org/fleet?user=me&password={marked}"),
            ] {
                let shown = match DatabaseUrl::parse(&text) {
                    Ok(url) => format!("{url} {url:?}"),
                    Err(error) => error.to_string(),
                };
                prop_assert!(!shown.contains(&marked), "{}", shown);
            }
        }
    }
}
