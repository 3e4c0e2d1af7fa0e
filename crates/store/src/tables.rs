//! All tables and their columns, for what must know them all: dump and restore. A test holds it against what the
//! migrations make.

/// A table.
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its columns.
    pub(crate) columns: &'static [Column],
    /// The columns of its key, in which order it is dumped.
    pub(crate) key: &'static str,
}

/// A column, by the only two types that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Column {
    /// TEXT.
    Text(&'static str),
    /// BIGINT.
    Number(&'static str),
}

use Column::{Number, Text};

/// Every table, those that others refer to first.
pub(crate) const TABLES: [Table; 42] = [
    Table {
        name: "hosts",
        columns: &[
            Text("name"),
            Text("key"),
            Text("facts"),
            Number("enrolled_at"),
            Number("removed_at"),
        ],
        key: "name",
    },
    Table {
        name: "foreign_hosts",
        columns: &[Text("host"), Text("speaks"), Text("document")],
        key: "host",
    },
    Table {
        name: "host_processes",
        columns: &[Text("host"), Number("received_at"), Text("document")],
        key: "host",
    },
    Table {
        name: "certificates",
        columns: &[
            Text("serial"),
            Text("host"),
            Text("key"),
            Number("issued_at"),
            Number("not_after_at"),
            Number("revoked_at"),
        ],
        key: "serial",
    },
    Table {
        name: "tokens",
        columns: &[
            Text("id"),
            Text("secret_hash"),
            Number("uses"),
            Number("used"),
            Number("expires_at"),
            Text("host"),
            Text("created_by"),
            Number("revoked"),
        ],
        key: "id",
    },
    Table {
        name: "token_uses",
        columns: &[Text("token"), Text("key"), Text("host"), Number("used_at")],
        key: "token, key, host",
    },
    Table {
        name: "operators",
        columns: &[
            Text("id"),
            Text("name"),
            Text("secret_hash"),
            Number("created_at"),
            Number("revoked_at"),
            Text("role"),
            Text("label"),
            Number("expires_at"),
            Number("used_at"),
        ],
        key: "id",
    },
    Table {
        name: "kiosks",
        columns: &[
            Text("id"),
            Text("secret_hash"),
            Text("label"),
            Text("made_by"),
            Number("created_at"),
            Number("expires_at"),
            Number("revoked_at"),
            Number("used_at"),
            Text("used_from"),
        ],
        key: "id",
    },
    Table {
        name: "users",
        columns: &[
            Text("name"),
            Text("role"),
            Text("password"),
            Number("created_at"),
            Number("signed_in_at"),
            Number("removed_at"),
        ],
        key: "name",
    },
    Table {
        name: "saved_views",
        columns: &[
            Text("id"),
            Text("owner"),
            Text("page"),
            Text("name"),
            Text("address"),
            Number("shared"),
            Number("created_at"),
        ],
        key: "id",
    },
    Table {
        name: "sessions",
        columns: &[
            Text("id"),
            Text("name"),
            Number("created_at"),
            Number("used_at"),
            Number("expires_at"),
            Text("came_from"),
        ],
        key: "id",
    },
    Table {
        name: "sign_in_failures",
        columns: &[Text("who"), Number("failures"), Number("last_at")],
        key: "who",
    },
    Table {
        name: "reports",
        columns: &[
            Text("host"),
            Number("received_at"),
            Text("brief"),
            Text("report"),
        ],
        key: "host",
    },
    Table {
        name: "runs",
        columns: &[
            Text("id"),
            Text("host"),
            Number("generation"),
            Text("outcome"),
            Number("record_at"),
            Number("received_at"),
            Text("record"),
        ],
        key: "id",
    },
    Table {
        name: "repo_files",
        columns: &[Text("name"), Text("body")],
        key: "name",
    },
    Table {
        name: "repo_state",
        columns: &[Text("id"), Number("revision"), Number("targets_version")],
        key: "id",
    },
    Table {
        name: "releases",
        columns: &[
            Text("package"),
            Text("version"),
            Text("platform"),
            Text("document"),
        ],
        key: "package, version, platform",
    },
    Table {
        name: "rollouts",
        columns: &[
            Number("id"),
            Text("package"),
            Text("version"),
            Text("channel"),
            Text("state"),
            Text("document"),
        ],
        key: "id",
    },
    Table {
        name: "channels",
        columns: &[
            Text("channel"),
            Text("package"),
            Text("version"),
            Number("rollout"),
        ],
        key: "channel, package",
    },
    Table {
        name: "decisions",
        columns: &[
            Number("rollout"),
            Number("number"),
            Number("decided_at"),
            Text("words"),
        ],
        key: "rollout, number",
    },
    Table {
        name: "baselines",
        columns: &[Number("rollout"), Number("number"), Text("document")],
        key: "rollout, number",
    },
    Table {
        name: "suspects",
        columns: &[Text("package"), Text("version"), Text("document")],
        key: "package, version",
    },
    Table {
        name: "leases",
        columns: &[
            Text("name"),
            Text("holder"),
            Number("number"),
            Number("expires_at"),
        ],
        key: "name",
    },
    Table {
        name: "settings",
        columns: &[Text("name"), Text("value")],
        key: "name",
    },
    Table {
        name: "audit",
        columns: &[Text("id"), Number("done_at"), Text("who"), Text("what")],
        key: "id",
    },
    Table {
        name: "events",
        columns: &[
            Text("id"),
            Text("via"),
            Text("series"),
            Number("number"),
            Text("host"),
            Text("item"),
            Number("level"),
            Number("happened_at"),
            Number("received_at"),
            Text("document"),
        ],
        key: "id",
    },
    Table {
        name: "event_series",
        columns: &[
            Text("via"),
            Text("series"),
            Number("base"),
            Number("through"),
            Number("updated_at"),
        ],
        key: "via, series",
    },
    Table {
        name: "reporters",
        columns: &[
            Text("host"),
            Number("told_at"),
            Number("received_at"),
            Text("boot_id"),
        ],
        key: "host",
    },
    Table {
        name: "troubles",
        columns: &[Text("host"), Text("item"), Text("via"), Text("document")],
        key: "host, item",
    },
    Table {
        name: "watched",
        columns: &[
            Text("host"),
            Text("via"),
            Number("received_at"),
            Text("items"),
        ],
        key: "host",
    },
    Table {
        name: "snapshots",
        columns: &[
            Text("host"),
            Number("slot"),
            Number("taken_at"),
            Text("items"),
        ],
        key: "host, slot",
    },
    Table {
        name: "changes",
        columns: &[
            Text("host"),
            Text("what"),
            Number("happened_at"),
            Text("document"),
        ],
        key: "host, what",
    },
    Table {
        name: "silences",
        columns: &[
            Text("id"),
            Number("ends_at"),
            Text("ended_by"),
            Text("document"),
        ],
        key: "id",
    },
    Table {
        name: "acks",
        columns: &[
            Text("host"),
            Text("item"),
            Number("given_at"),
            Number("until_at"),
            Text("document"),
        ],
        key: "host, item",
    },
    Table {
        name: "alert_book",
        columns: &[Text("name"), Text("entry")],
        key: "name",
    },
    Table {
        name: "deliveries",
        columns: &[
            Text("id"),
            Text("receiver"),
            Text("state"),
            Number("attempts"),
            Number("created_at"),
            Number("due_at"),
            Number("claimed_until_at"),
            Text("lane"),
            Text("way"),
            Text("notice"),
            Text("error"),
        ],
        key: "id",
    },
    Table {
        name: "fleet_versions",
        columns: &[
            Number("version"),
            Number("accepted_at"),
            Text("accepted_by"),
            Text("hash"),
            Text("files"),
        ],
        key: "version",
    },
    Table {
        name: "locks",
        columns: &[Text("name"), Number("fence"), Text("state")],
        key: "name",
    },
    Table {
        name: "run_commands",
        columns: &[
            Text("run"),
            Text("host"),
            Number("number"),
            Text("document"),
        ],
        key: "run",
    },
    Table {
        name: "host_wishes",
        columns: &[
            Text("host"),
            Text("verb"),
            Number("number"),
            Number("open_until"),
            Text("document"),
        ],
        key: "host, verb",
    },
    Table {
        name: "chain",
        columns: &[
            Number("number"),
            Text("before_hash"),
            Text("hash"),
            Number("written_at"),
            Text("subject"),
            Text("body"),
        ],
        key: "number",
    },
    Table {
        name: "chain_head",
        columns: &[
            Text("id"),
            Number("number"),
            Text("before_hash"),
            Text("hash"),
        ],
        key: "id",
    },
];

impl Table {
    /// The table of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.name == name)
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| column.name()).collect();
        names.join(", ")
    }

    /// Reads all of it, in the order of its key.
    pub(crate) fn select(&self) -> String {
        let (names, name, key) = (self.names(), self.name, self.key);
        format!("SELECT {names} FROM {name} ORDER BY {key}")
    }

    /// Finds one row, if there is any.
    pub(crate) fn any(&self) -> String {
        format!("SELECT 1 FROM {} LIMIT 1", self.name)
    }

    /// Adds one row.
    pub(crate) fn insert(&self) -> String {
        let places: Vec<_> = (1..=self.columns.len())
            .map(|number| format!("${number}"))
            .collect();
        let (name, names, places) = (self.name, self.names(), places.join(", "));
        format!("INSERT INTO {name} ({names}) VALUES ({places})")
    }
}

impl Column {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Text(name) | Number(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::query_as;

    use super::*;
    use crate::db::Db;
    use crate::{DatabaseUrl, Store};

    #[tokio::test]
    async fn the_list_is_what_the_migrations_make() {
        let directory = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(directory.path().join("db"));
        let store = Store::open(&url).await.unwrap();
        let Db::Sqlite(file) = store.db() else {
            panic!("opened something else");
        };
        let made: Vec<(String, String, String)> = query_as(
            "SELECT t.name, c.name, c.type FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND t.name <> '_sqlx_migrations'",
        )
        .fetch_all(&file.readers)
        .await
        .unwrap();
        let mut made: Vec<_> = made
            .into_iter()
            .map(|(table, column, kind)| format!("{table}.{column} {kind}"))
            .collect();
        let mut listed: Vec<_> = TABLES
            .iter()
            .flat_map(|table| {
                table.columns.iter().map(|column| match column {
                    Text(name) => format!("{}.{name} TEXT", table.name),
                    Number(name) => format!("{}.{name} BIGINT", table.name),
                })
            })
            .collect();
        made.sort();
        listed.sort();
        assert_eq!(made, listed);
    }
}
