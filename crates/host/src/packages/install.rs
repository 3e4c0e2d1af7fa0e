//! What an install does, whatever the package manager: look, decide, act, look again.

use lockstep_model::{PackageName, PackageVersion};

use super::error::PackageError;
use super::{Output, PackageManager, changes};
use crate::error::{Error, Result};

/// How a version gets onto the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It is new, or newer.
    Forward,
    /// It is there, but not whole.
    Again,
    /// It is older.
    Back,
}

/// Most versions that an error names.
const MOST_NAMED: usize = 10;

/// What is known of a package before anything is done.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// What is there, whole or not.
    pub(super) present: Option<PackageVersion>,
    /// Whether its last change came to its end.
    pub(super) whole: bool,
    pub(super) candidate: Option<PackageVersion>,
    pub(super) available: Vec<PackageVersion>,
    pub(super) held: bool,
}

/// Whether an older version than the installed one may be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backwards {
    Allowed,
    Refused,
}

impl PackageManager {
    /// Brings a package to a version, or to the candidate; see [`PackageManager::install`].
    pub(super) async fn bring(
        &self,
        name: &PackageName,
        version: Option<&PackageVersion>,
        backwards: Backwards,
    ) -> Result<Output> {
        let repaired = self.repair_interrupted().await;
        if let Err(error @ Error::Packages(PackageError::Busy { .. })) = repaired {
            return Err(error);
        }
        if let Err(error) = &repaired {
            // The new version may be what mends it; if not, the install fails and says why.
            let error = error as &dyn std::error::Error;
            tracing::warn!(package = %name, error, "going on although an interrupted change is not repaired");
        }
        let facts = self.facts(name).await?;
        let wanted = wanted(name, version, &facts)?;
        let is_older = match &facts.present {
            Some(present) => self.is_newer(present, &wanted).await?,
            None => false,
        };
        let Some(how) = decide(
            name,
            version.is_some(),
            &wanted,
            is_older,
            &facts,
            backwards,
        )?
        else {
            return Ok(Output::default());
        };
        let before = self.list().await?;
        let done = self.apply(name, &wanted, how).await;
        let reached = self.facts_present(name).await?;
        let is_reached = reached.whole && reached.present.as_ref() == Some(&wanted);
        let (text, broken) = match done {
            Ok(text) => (text, Vec::new()),
            // Others were not whole before, could not be repaired, and are all that is wrong now.
            Err(error) if is_reached && repaired.is_err() => {
                (error.to_string(), self.broken().await?)
            }
            Err(error) => {
                // What was killed for its slowness would be as slow again; the next call completes it.
                if !matches!(
                    &error,
                    Error::Packages(PackageError::Tool {
                        timed_out: true,
                        ..
                    })
                ) {
                    self.tidy(name).await;
                }
                return Err(error);
            }
        };
        if !is_reached {
            let installed = reached.present.filter(|_| reached.whole);
            let package = name.clone();
            return Err(PackageError::NotReached {
                package,
                wanted,
                installed,
            }
            .into());
        }
        let changed = changes(&before, &self.list().await?);
        Ok(Output {
            changed,
            text,
            broken,
        })
    }

    /// Completes what a failed change left behind, as far as that is possible: other packages of the same change are not
    /// left half done because of one.
    async fn tidy(&self, name: &PackageName) {
        if let Err(error) = self.repair_interrupted().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(package = %name, error, "a failed change is not tidied up whole");
        }
    }
}

fn wanted(
    name: &PackageName,
    version: Option<&PackageVersion>,
    facts: &Facts,
) -> Result<PackageVersion> {
    if let Some(version) = version {
        return Ok(version.clone());
    }
    let package = name.clone();
    let absent = || PackageError::NoCandidate { package }.into();
    facts.candidate.clone().ok_or_else(absent)
}

/// Decides what is to be done; none for nothing.
fn decide(
    name: &PackageName,
    is_exact: bool,
    wanted: &PackageVersion,
    is_older: bool,
    facts: &Facts,
    backwards: Backwards,
) -> std::result::Result<Option<How>, PackageError> {
    let package = name.clone();
    let is_there = facts.present.as_ref() == Some(wanted);
    if facts.whole && (is_there || (is_older && !is_exact)) {
        return Ok(None);
    }
    if facts.held && !is_there {
        let how = "a hold of apt-mark(8), or a lock or exclude of dnf";
        return Err(PackageError::Held { package, how });
    }
    if let Some(installed) = facts.present.clone()
        && is_older
        && backwards == Backwards::Refused
    {
        let wanted = wanted.clone();
        return Err(PackageError::Older {
            package,
            installed,
            wanted,
        });
    }
    if !facts.available.contains(wanted) {
        let wanted = wanted.clone();
        let available = facts.available.iter().take(MOST_NAMED).cloned().collect();
        return Err(PackageError::NoVersion {
            package,
            wanted,
            available,
        });
    }
    Ok(Some(match (is_there, is_older) {
        (true, _) => How::Again,
        (false, true) => How::Back,
        (false, false) => How::Forward,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> PackageVersion {
        PackageVersion::parse(text).unwrap()
    }

    fn facts(present: Option<&str>) -> Facts {
        Facts {
            present: present.map(version),
            whole: present.is_some(),
            candidate: Some(version("2")),
            available: vec![version("2"), version("1")],
            held: false,
        }
    }

    fn decided(
        wanted: &str,
        is_older: bool,
        facts: &Facts,
        backwards: Backwards,
    ) -> std::result::Result<Option<How>, PackageError> {
        let name = PackageName::parse("a").unwrap();
        decide(&name, true, &version(wanted), is_older, facts, backwards)
    }

    #[test]
    fn what_is_there_and_whole_is_left_alone() {
        use Backwards::Refused;
        assert_eq!(
            decided("2", false, &facts(Some("2")), Refused).unwrap(),
            None
        );
        assert_eq!(
            decided("2", false, &facts(Some("1")), Refused).unwrap(),
            Some(How::Forward)
        );
        assert_eq!(
            decided("2", false, &facts(None), Refused).unwrap(),
            Some(How::Forward)
        );
        let mut half = facts(Some("2"));
        half.whole = false;
        assert_eq!(
            decided("2", false, &half, Refused).unwrap(),
            Some(How::Again)
        );
        // Also where it is held: that the hold is for this version.
        half.held = true;
        assert_eq!(
            decided("2", false, &half, Refused).unwrap(),
            Some(How::Again)
        );
    }

    #[test]
    fn back_is_only_gone_when_that_is_wanted() {
        let name = PackageName::parse("a").unwrap();
        let newer = facts(Some("3"));
        let refused = decided("2", true, &newer, Backwards::Refused);
        assert!(
            matches!(refused, Err(PackageError::Older { .. })),
            "{refused:?}"
        );
        assert_eq!(
            decided("2", true, &newer, Backwards::Allowed).unwrap(),
            Some(How::Back)
        );
        // A repository that is behind is nobody's wish.
        let behind = decide(
            &name,
            false,
            &version("2"),
            true,
            &newer,
            Backwards::Allowed,
        );
        assert_eq!(behind.unwrap(), None);
    }

    #[test]
    fn holds_and_missing_versions_are_named() {
        let mut held = facts(Some("1"));
        held.held = true;
        assert!(matches!(
            decided("2", false, &held, Backwards::Refused),
            Err(PackageError::Held { .. })
        ));
        let missing = decided("9", false, &facts(Some("1")), Backwards::Refused).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "no repository of this host has a 9; they have 2, 1"
        );
    }
}
