//! The repository: its signed files, byte for byte, and the releases that its newest targets list.

use lockstep_model::{PackageName, Platform, Release, Version};
use sqlx::{FromRow, query, query_as, query_scalar};

use crate::db::Kind;
use crate::records::{MAX_DOCUMENT, Place, check_text, rows, stored_number, to_json};
use crate::{Error, Store};

/// What is published together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Publication {
    /// The version of the targets that this was made from; none if there were none.
    pub expected_targets_version: Option<u64>,
    /// The revision of the repository ([`Store::repo_revision`]) that this was made from. It also tells when only
    /// the timestamp was renewed meanwhile. None if that does not matter.
    pub expected_revision: Option<u64>,
    /// Names and bodies of new or changed files.
    pub files: Vec<(String, String)>,
    /// The version of the new targets, if there are new ones.
    pub targets_version: Option<u64>,
    /// All releases that the new targets list, if there are new ones.
    pub releases: Option<Vec<Release>>,
}

/// Largest file of the repository, in bytes.
const MAX_FILE: usize = 8 * 1024 * 1024;
/// Longest name of a file, in bytes.
const MAX_NAME: usize = 256;
/// Releases that are listed, at most.
const MAX_RELEASES: usize = 10_000;

#[derive(FromRow)]
struct Record {
    key: String,
    document: String,
}

impl Record {
    fn read(self) -> Result<Release, Error> {
        let place = Place {
            table: "releases",
            key: &self.key,
        };
        place.json("document", &self.document)
    }
}

impl Store {
    /// Publishes in one transaction: all of it is seen from one moment on, or nothing.
    ///
    /// A file whose name begins with a digit (`3.targets.json`) belongs to one version for ever, because clients
    /// keep it (TUF 1.0.31, section 6.2); it is never replaced by another text.
    ///
    /// # Errors
    /// [`Error::PublishConflict`] if the repository is not what the publication was made from.
    pub async fn publish(&self, publication: Publication) -> Result<(), Error> {
        let prepared = Prepared::check(&publication)?;
        write_tx!(self.db(), Kind::Serializable, "publish", tx => {
            let state: Option<(i64, Option<i64>)> =
                query_as("SELECT revision, targets_version FROM repo_state WHERE id = 'repo'")
                    .fetch_optional(&mut *tx)
                    .await?;
            let (revision, targets_version) = state.unwrap_or((0, None));
            prepared.compare(revision, targets_version)?;
            for (name, body) in &publication.files {
                let is_one_version = name.starts_with(|c: char| c.is_ascii_digit());
                let written = query(if is_one_version {
                    "INSERT INTO repo_files (name, body) VALUES ($1, $2) \
                     ON CONFLICT (name) DO UPDATE SET body = excluded.body \
                     WHERE repo_files.body = excluded.body"
                } else {
                    "INSERT INTO repo_files (name, body) VALUES ($1, $2) \
                     ON CONFLICT (name) DO UPDATE SET body = excluded.body"
                })
                .bind(name)
                .bind(body)
                .execute(&mut *tx)
                .await?
                .rows_affected();
                if written == 0 {
                    let why = format!("{name} was published before with another text");
                    return Err(Error::PublishConflict { why }.into());
                }
            }
            if let Some(releases) = &prepared.releases {
                query("DELETE FROM releases").execute(&mut *tx).await?;
                for (release, document) in releases {
                    query(
                        "INSERT INTO releases (package, version, platform, document) \
                         VALUES ($1, $2, $3, $4)",
                    )
                    .bind(release.details.package.as_str())
                    .bind(release.details.version.to_string())
                    .bind(release.details.platform.as_str())
                    .bind(document)
                    .execute(&mut *tx)
                    .await?;
                }
            }
            query(
                "INSERT INTO repo_state (id, revision, targets_version) VALUES ('repo', $1, $2) \
                 ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, \
                 targets_version = excluded.targets_version",
            )
            .bind(revision.saturating_add(1))
            .bind(prepared.targets_version.or(targets_version))
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// A file of the repository.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn repo_file(&self, name: &str) -> Result<Option<String>, Error> {
        on!(self.db(), "read a file of the repository", pool => {
            Ok(query_scalar("SELECT body FROM repo_files WHERE name = $1")
                .bind(name)
                .fetch_optional(pool)
                .await?)
        })
    }

    /// How often something was published; what was read at one revision is the whole truth while it stays.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn repo_revision(&self) -> Result<u64, Error> {
        let revision: Option<i64> = on!(self.db(), "read the repository's revision", pool => {
            Ok(query_scalar("SELECT revision FROM repo_state WHERE id = 'repo'")
                .fetch_optional(pool)
                .await?)
        })?;
        STATE.number("revision", revision.unwrap_or_default())
    }

    /// The version of the newest targets; none while there are none.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn targets_version(&self) -> Result<Option<u64>, Error> {
        let version: Option<Option<i64>> = on!(self.db(), "read the version of the targets", pool => {
            Ok(query_scalar("SELECT targets_version FROM repo_state WHERE id = 'repo'")
                .fetch_optional(pool)
                .await?)
        })?;
        version
            .flatten()
            .map(|version| STATE.number("targets_version", version))
            .transpose()
    }

    /// All releases that the newest targets list, by package, version in its order, and platform.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn releases(&self) -> Result<Vec<Release>, Error> {
        let found: Vec<Record> = on!(self.db(), "list the releases", pool => {
            let found = query(
                "SELECT package || ' ' || version || ' ' || platform AS key, document FROM releases",
            )
            .fetch_all(pool)
            .await?;
            Ok(rows("releases", &found)?)
        })?;
        let mut releases: Vec<Release> = found
            .into_iter()
            .map(Record::read)
            .collect::<Result<_, _>>()?;
        releases.sort_by(|a, b| {
            let (a, b) = (&a.details, &b.details);
            (&a.package, &a.version, &a.platform).cmp(&(&b.package, &b.version, &b.platform))
        });
        Ok(releases)
    }

    /// One release, exactly for this platform.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn release(
        &self,
        package: &PackageName,
        version: &Version,
        platform: &Platform,
    ) -> Result<Option<Release>, Error> {
        let version = version.to_string();
        let found: Vec<Record> = on!(self.db(), "read a release", pool => {
            let found = query(
                "SELECT package || ' ' || version || ' ' || platform AS key, document FROM releases \
                 WHERE package = $1 AND version = $2 AND platform = $3",
            )
            .bind(package.as_str())
            .bind(&version)
            .bind(platform.as_str())
            .fetch_all(pool)
            .await?;
            Ok(rows("releases", &found)?)
        })?;
        found.into_iter().next().map(Record::read).transpose()
    }
}

/// The one row of the repository's state.
const STATE: Place<'static> = Place {
    table: "repo_state",
    key: "repo",
};

/// A publication whose parts were checked and written out before the transaction.
struct Prepared<'a> {
    expected_targets_version: Option<i64>,
    expected_revision: Option<i64>,
    targets_version: Option<i64>,
    releases: Option<Vec<(&'a Release, String)>>,
}

impl<'a> Prepared<'a> {
    fn check(publication: &'a Publication) -> Result<Self, Error> {
        for (name, body) in &publication.files {
            check_text("the name of a repository file", name, MAX_NAME)?;
            check_text("a repository file", body, MAX_FILE)?;
        }
        let number = |what, number: Option<u64>| {
            number.map(|number| stored_number(what, number)).transpose()
        };
        Ok(Self {
            expected_targets_version: number(
                "a version of targets",
                publication.expected_targets_version,
            )?,
            expected_revision: number("a revision", publication.expected_revision)?,
            targets_version: number("a version of targets", publication.targets_version)?,
            releases: publication.releases.as_deref().map(write_out).transpose()?,
        })
    }

    fn compare(&self, revision: i64, targets_version: Option<i64>) -> Result<(), Error> {
        if self.expected_targets_version != targets_version {
            let named = |version: Option<i64>| match version {
                Some(version) => format!("targets version {version}"),
                None => "no targets".into(),
            };
            let (is, was) = (named(targets_version), named(self.expected_targets_version));
            return Err(Error::PublishConflict {
                why: format!("it has {is}, this was made from {was}"),
            });
        }
        match self.expected_revision {
            Some(expected) if expected != revision => Err(Error::PublishConflict {
                why: format!("it is at revision {revision}, this was made from {expected}"),
            }),
            _ => Ok(()),
        }
    }
}

fn write_out(releases: &[Release]) -> Result<Vec<(&Release, String)>, Error> {
    if releases.len() > MAX_RELEASES {
        return Err(Error::NotStorable {
            what: "the list of releases",
            why: format!(
                "it has {} entries, at most {MAX_RELEASES} are kept",
                releases.len()
            ),
        });
    }
    releases
        .iter()
        .map(|release| Ok((release, to_json("a release", release, MAX_DOCUMENT)?)))
        .collect()
}
