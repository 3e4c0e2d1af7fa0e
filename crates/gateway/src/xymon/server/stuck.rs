//! Did a client take what it was told to take?
//!
//! A client that cannot use a package fetches it again at each of its reports, for ever, and says nothing about it: all
//! that its server can see is that it fetched a version and still reports another.

/// A version that a client has fetched and does not report yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What it fetched, `PACKAGE-VERSION`.
    pub id: String,
    /// How often it has reported another version since.
    pub reports: u32,
}

/// What is to be thought of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course {
    /// It runs what it fetched, or something else is wanted by now: there is nothing to remember.
    Over,
    /// It may still be at it.
    Trying(Attempt),
    /// It has reported another version too often.
    Stuck(Attempt),
}

/// Reports of another version behind a download, from which on a client is stuck. The first may have been on its way.
pub const PATIENCE: u32 = 2;

/// What to remember after a client fetched `id`. Fetching the same again is no new attempt.
#[must_use]
pub fn fetched(before: Option<Attempt>, id: &str) -> Attempt {
    match before {
        Some(attempt) if attempt.id == id => attempt,
        _ => Attempt {
            id: id.to_owned(),
            reports: 0,
        },
    }
}

/// What to think of a client that reports a version while `wanted` is what it shall run.
#[must_use]
pub fn stuck(attempt: Attempt, wanted: Option<&str>, reported: &str) -> Course {
    if wanted != Some(attempt.id.as_str()) || reported == attempt.id {
        return Course::Over;
    }
    let attempt = Attempt {
        reports: attempt.reports.saturating_add(1),
        ..attempt
    };
    if attempt.reports >= PATIENCE {
        Course::Stuck(attempt)
    } else {
        Course::Trying(attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_reports_of_another_version_behind_a_download_are_too_many() {
        let attempt = fetched(None, "p-2.0.0");
        let Course::Trying(attempt) = stuck(attempt, Some("p-2.0.0"), "p-1.0.0") else {
            panic!("the first report may have been on its way");
        };
        let attempt = fetched(Some(attempt), "p-2.0.0");
        assert_eq!(attempt.reports, 1, "fetching again is no excuse");
        let course = stuck(attempt.clone(), Some("p-2.0.0"), "p-1.0.0");
        assert!(matches!(course, Course::Stuck(_)), "{course:?}");
        for (wanted, reported) in [
            (Some("p-2.0.0"), "p-2.0.0"),
            (Some("p-3.0.0"), "p-1.0.0"),
            (None, "p-1.0.0"),
        ] {
            assert_eq!(stuck(attempt.clone(), wanted, reported), Course::Over);
        }
        assert_eq!(fetched(Some(attempt), "p-3.0.0").reports, 0);
    }
}
