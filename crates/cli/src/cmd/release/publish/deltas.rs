//! Deltas to a release that is about to be published: from which versions, made, checked, uploaded.
//!
//! Nothing here fails a publication: a delta that cannot be made, or is not worth it, is not listed, and hosts fetch the
//! whole bundle.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use indicatif::ProgressBar;
use lockstep_host::fs::hash_file;
use lockstep_model::api::operator::{ReleaseView, StoredArtifact};
use lockstep_model::{
    Content, ContentHash, Delta, DeltaAlgorithm, DeltaDetails, DeltaEnd, Release,
};
use lockstep_net::client::HttpClient;
use lockstep_trust::delta::{MAX_ARCHIVE_BYTES, Made, apply, make};
use lockstep_trust::{TargetsContent, bundle, consistent_target_path};
use tempfile::TempDir;

use crate::operator::{MOST, Operator};
use crate::out;

/// What a delta may have of the whole bundle at most, in percent; more is not worth another file.
const WORTH: u64 = 80;

/// Makes deltas to `release`, whose bundle is `file`, from the versions that hosts run most and from the newest before
/// it, and uploads them. `listed` is the signed list: the server says who runs what, the publisher's own word says which
/// bytes that is.
pub(super) async fn make_all(
    operator: &Operator,
    listed: &TargetsContent,
    release: &Release,
    file: &Path,
    most: usize,
) -> anyhow::Result<Vec<Delta>> {
    if let Some(before) = listed
        .releases
        .iter()
        .find(|it| it.target == release.target)
        && before.details.content != release.details.content
    {
        out::note("no deltas: this version was listed before releases stated what deltas lead to");
        return Ok(Vec::new());
    }
    let views: Vec<ReleaseView> = operator.list("releases", MOST).await?;
    let chosen = choose(listed, &views, release, most);
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let dir = tempfile::tempdir().context("failed to make a temporary directory")?;
    let new = match Archive::of(file, dir.path(), "new") {
        Ok(new) => new,
        Err(error) => {
            out::note(format_args!("no deltas: {error:#}"));
            return Ok(Vec::new());
        }
    };
    let mut deltas = Vec::new();
    for from in chosen {
        let version = &from.details.version;
        let spinner = ProgressBar::new_spinner().with_message(format!("a delta from {version}"));
        spinner.enable_steady_tick(std::time::Duration::from_millis(200));
        let made = one(operator, from, release, &new, &dir).await;
        spinner.finish_and_clear();
        match made {
            Ok((delta, made)) => {
                out::line(format_args!(
                    "delta from {version}: {}",
                    words(&made, release)
                ));
                deltas.push(delta);
            }
            Err(error) => out::note(format_args!("no delta from {version}: {error:#}")),
        }
    }
    Ok(deltas)
}

/// The releases that deltas lead from: those of the same package and platform that most hosts run, and the newest one
/// before the new one whoever runs it; without those that lead to it already, for a delta never changes.
fn choose<'a>(
    listed: &'a TargetsContent,
    views: &[ReleaseView],
    release: &Release,
    most: usize,
) -> Vec<&'a Release> {
    let (to, leads) = (&release.details, &listed.deltas);
    let leads_already = |from: &Release| {
        leads.iter().any(|delta| {
            let known = &delta.details;
            known.package == to.package
                && known.platform == to.platform
                && known.to.version == to.version
                && known.from.version == from.details.version
        })
    };
    let hosts = |release: &Release| {
        let mut views = views.iter();
        let view = views.find(|view| view.release.target == release.target);
        view.map_or(0, |view| view.hosts)
    };
    let mut fitting: Vec<&Release> = listed
        .releases
        .iter()
        .filter(|from| {
            let from = &from.details;
            from.package == to.package && from.platform == to.platform && from.version != to.version
        })
        .collect();
    // The newest first, and so among those that as many hosts run.
    fitting.sort_by(|one, other| other.details.version.cmp(&one.details.version));
    let before = fitting
        .iter()
        .find(|from| from.details.version < to.version);
    let mut chosen: Vec<&Release> = fitting
        .iter()
        .filter(|from| hosts(from) > 0)
        .copied()
        .collect();
    chosen.sort_by_key(|from| std::cmp::Reverse(hosts(from)));
    chosen.truncate(most);
    if let Some(before) = before
        && !chosen.iter().any(|from| from.target == before.target)
    {
        chosen.push(before);
    }
    chosen.retain(|from| !leads_already(from));
    chosen
}

/// The archive of a bundle, in a file and in memory.
struct Archive {
    file: File,
    bytes: Arc<Vec<u8>>,
    content: Content,
}

impl Archive {
    fn of(bundle: &Path, dir: &Path, name: &str) -> anyhow::Result<Self> {
        let reader =
            File::open(bundle).with_context(|| format!("failed to open {}", bundle.display()))?;
        let path = dir.join(name);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .with_context(|| format!("failed to make {}", path.display()))?;
        let content = match bundle::extract(reader, MAX_ARCHIVE_BYTES, &mut file) {
            Ok(content) => content,
            Err(bundle::BundleError::TooMuch { limit, .. }) => bail!(
                "the archive is larger than {} MiB, the most that deltas are made of",
                limit >> 20
            ),
            Err(error) => return Err(error.into()),
        };
        file.rewind()?;
        let mut bytes = Vec::with_capacity(content.length as usize);
        std::io::Read::read_to_end(&mut file, &mut bytes)?;
        Ok(Self {
            file,
            bytes: Arc::new(bytes),
            content,
        })
    }
}

/// One delta: made, applied once for a check, and uploaded.
async fn one(
    operator: &Operator,
    from: &Release,
    to: &Release,
    new: &Archive,
    dir: &TempDir,
) -> anyhow::Result<(Delta, Made)> {
    let old = fetch(operator.client(), from, dir.path()).await?;
    let old = Archive::of(&old, dir.path(), "old")?;
    if let Some(stated) = from.details.content {
        ensure!(
            stated == old.content,
            "its bundle does not hold the archive that was signed"
        );
    }
    // In a thread of its own: the connection to the server is to be kept meanwhile.
    let (before, after) = (Arc::clone(&old.bytes), Arc::clone(&new.bytes));
    let made = tokio::task::spawn_blocking(move || make(&before, &after)).await??;
    let length = made.bytes.len() as u64;
    ensure!(
        is_worth_it(length, to.length),
        "it would have {length} bytes, {} of the bundle",
        share(length, to.length)
    );
    let end = |release: &Release, content| DeltaEnd {
        version: release.details.version.clone(),
        content,
    };
    let details = DeltaDetails {
        package: to.details.package.clone(),
        platform: to.details.platform.clone(),
        from: end(from, old.content),
        to: end(to, new.content),
        algorithm: made.algorithm,
    };
    let path = dir.path().join("patch");
    let mut patch = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    patch.write_all(&made.bytes)?;
    apply(&details, &old.file, &patch, std::io::sink()).context("it does not lead there")?;
    let delta = Delta {
        target: details.target_path(),
        details,
        length,
        hash: ContentHash::of(&made.bytes),
    };
    let target = format!("/api/v1/artifacts/{}", delta.hash);
    let file = tokio::fs::File::open(&path).await?;
    operator
        .client()
        .put_file::<StoredArtifact>(&target, file, |_| {})
        .await?;
    Ok((delta, made))
}

/// A listed bundle, fetched from the server's repository and held against what was signed.
async fn fetch(client: &HttpClient, release: &Release, dir: &Path) -> anyhow::Result<PathBuf> {
    let path = dir.join("bundle");
    let mut file = File::create(&path)?;
    let target = format!("/api/v1/repo/targets/{}", consistent_target_path(release));
    let mut download = client.download_from(&target, 0, release.length).await?;
    while let Some(chunk) = download.chunk().await? {
        file.write_all(&chunk)?;
    }
    let (length, hash) = (file.metadata()?.len(), hash_file(&path)?);
    ensure!(
        (length, hash) == (release.length, release.hash),
        "the server's bundle is not the signed one"
    );
    Ok(path)
}

fn is_worth_it(delta: u64, whole: u64) -> bool {
    delta.saturating_mul(100) <= whole.saturating_mul(WORTH)
}

fn words(made: &Made, release: &Release) -> String {
    let length = made.bytes.len() as u64;
    let other = match (made.algorithm, made.zstd) {
        (DeltaAlgorithm::Bsdiff, Some(zstd)) => format!(" (zstd: {zstd})"),
        (DeltaAlgorithm::Bsdiff, None) => " (too large for zstd)".into(),
        _ => format!(" (bsdiff: {})", made.bsdiff),
    };
    format!(
        "{length} bytes, {} of the bundle, by {}{other}",
        share(length, release.length),
        made.algorithm
    )
}

/// One length of another, in percent.
pub(in crate::cmd::release) fn share(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use lockstep_model::{PackageName, Platform, ReleaseDetails, Requires, Version, target_path};

    fn release(version: &str, platform: &str) -> Release {
        let (package, platform) = (PackageName::lockstep(), Platform::parse(platform).unwrap());
        let version = Version::parse(version).unwrap();
        let hash = ContentHash::of(version.to_string().as_bytes());
        Release {
            target: target_path(&package, &version, &platform),
            length: 1000,
            hash,
            details: ReleaseDetails {
                package,
                version,
                platform,
                unpacked_bytes: 1,
                entries: 1,
                requires: Requires::default(),
                content: Some(Content { hash, length: 2000 }),
            },
        }
    }

    fn delta(from: &Release, to: &Release) -> Delta {
        let end = |release: &Release| DeltaEnd {
            version: release.details.version.clone(),
            content: release.details.content.unwrap(),
        };
        let details = DeltaDetails {
            package: to.details.package.clone(),
            platform: to.details.platform.clone(),
            from: end(from),
            to: end(to),
            algorithm: DeltaAlgorithm::Zstd,
        };
        let target = details.target_path();
        Delta {
            details,
            target,
            length: 10,
            hash: to.hash,
        }
    }

    #[test]
    fn deltas_lead_from_what_hosts_run_and_from_the_one_before() {
        let mut other = release("1.4.0", "linux-x86_64");
        other.details.package = PackageName::parse("other").unwrap();
        other.target = target_path(
            &other.details.package,
            &other.details.version,
            &other.details.platform,
        );
        // Version, and how many hosts run it.
        let running = [
            ("1.0.0", 7),
            ("1.1.0", 0),
            ("1.2.0", 7),
            ("1.3.0", 1),
            ("1.4.0", 0),
            ("2.0.0", 2),
        ];
        let releases: Vec<Release> = running
            .iter()
            .map(|(version, _)| release(version, "linux-x86_64"))
            .collect();
        let view = |release: &Release, hosts| ReleaseView {
            release: release.clone(),
            channels: Vec::new(),
            hosts,
            failed: 0,
            suspect: None,
            deltas: Vec::new(),
        };
        let views: Vec<ReleaseView> = releases
            .iter()
            .zip(running)
            .map(|(release, (_, hosts))| view(release, hosts))
            .collect();
        let mut listed = TargetsContent {
            version: 1,
            expires: Timestamp::UNIX_EPOCH,
            releases,
            deltas: Vec::new(),
            floors: Default::default(),
        };
        listed
            .releases
            .extend([release("1.4.1", "linux-aarch64"), other]);
        let new = release("1.5.0", "linux-x86_64");
        let chosen = |listed: &TargetsContent, most| {
            let chosen = choose(listed, &views, &new, most).into_iter();
            chosen
                .map(|release| release.details.version.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            chosen(&listed, 4),
            ["1.2.0", "1.0.0", "2.0.0", "1.3.0", "1.4.0"]
        );
        assert_eq!(chosen(&listed, 2), ["1.2.0", "1.0.0", "1.4.0"]);
        // Given again: what leads to it already is not made again.
        listed.deltas.push(delta(&listed.releases[2], &new));
        listed.releases.push(new.clone());
        assert_eq!(chosen(&listed, 2), ["1.0.0", "1.4.0"]);
    }

    #[test]
    fn a_delta_must_be_worth_another_file() {
        assert!(is_worth_it(80, 100));
        assert!(!is_worth_it(81, 100));
        assert_eq!(share(1, 32), "3.1 %");
    }
}
