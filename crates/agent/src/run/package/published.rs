//! The version that the authors of a package have published.

use std::time::Duration;

use lockstep_model::{PackageVersion, RunReason};
use lockstep_net::client::Visit;

use super::super::system::failed;
use super::PackageUpdate;
use crate::words;

/// Longest text of a published version, in bytes.
const LONGEST_PUBLISHED: usize = 1024;
/// The server that publishes it may take so long.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(30);

impl PackageUpdate {
    /// Whether the published version is newer than one of the package manager's. What its authors publish has neither
    /// epoch nor revision, so those are left out of the other, too.
    pub(super) async fn is_published_after(
        &self,
        published: &PackageVersion,
        other: &PackageVersion,
    ) -> Result<bool, RunReason> {
        let other = match published.as_str().contains([':', '-']) {
            true => other.clone(),
            false => upstream(other),
        };
        let is_newer = self.packages.is_newer(published, &other).await;
        is_newer.map_err(|error| failed(&error))
    }

    /// The version that is published; none if none is to be looked at.
    pub(super) async fn published(&self) -> Result<Option<PackageVersion>, RunReason> {
        if self.rule.version.is_some() {
            // That one is wanted, whatever is published.
            return Ok(None);
        }
        let (Some(visitor), Some(url)) = (&self.published, &self.rule.published) else {
            return Ok(None);
        };
        let why = |why: String| RunReason::PackagesFailed {
            why: format!("the published version could not be read from {url}: {why}"),
        };
        let visit = Visit {
            method: "GET".into(),
            url: url.clone(),
            authorization: None,
            max_body: LONGEST_PUBLISHED,
        };
        let visited = tokio::time::timeout(PUBLISHED_WITHIN, visitor.ask(&visit)).await;
        let visited = match visited {
            Ok(Ok(visited)) => visited,
            Ok(Err(error)) => return Err(why(words(&error))),
            Err(_) => return Err(why(format!("no answer within {PUBLISHED_WITHIN:?}"))),
        };
        if visited.status != 200 || visited.cut {
            return Err(why(format!(
                "the answer has status {}{}",
                visited.status,
                if visited.cut { " and is too long" } else { "" }
            )));
        }
        let text = String::from_utf8_lossy(&visited.body);
        PackageVersion::parse(text.trim()).map(Some).map_err(why)
    }
}

/// A version as the authors of its program write it: without what those who package it put before and behind.
fn upstream(version: &PackageVersion) -> PackageVersion {
    let text = version.as_str();
    let text = text.split_once(':').map_or(text, |(_, behind)| behind);
    let text = text.rsplit_once('-').map_or(text, |(before, _)| before);
    PackageVersion::parse(text).unwrap_or_else(|_| version.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packagers_add_is_left_out() {
        for (version, authors) in [
            ("1.20.3", "1.20.3"),
            ("1.20.3-1ubuntu2", "1.20.3"),
            ("2:1.20.3-1.el9", "1.20.3"),
            ("1.0-rc1-2", "1.0-rc1"),
            ("1:-1", "1:-1"),
        ] {
            let parsed = PackageVersion::parse(version).unwrap();
            assert_eq!(upstream(&parsed).as_str(), authors);
        }
    }
}
