//! Publishing: metadata that was signed elsewhere becomes what the fleet sees.
//!
//! What comes in is checked as a client would check it, and every bundle and delta that it lists must be here. Then snapshot
//! and timestamp are signed, and everything appears in one transaction: no agent ever sees half of a publication.
//! The same publication again is a success that changes nothing.
//!
//! The newest of each role also stands under its plain name (`root.json`, `targets.json`, `snapshot.json`), for
//! people and for the publisher's next step; agents use the names with versions.

use std::collections::HashMap;

use jiff::Timestamp;
use lockstep_model::ContentHash;
use lockstep_model::api::operator::SignedMetadata;
use lockstep_store::Publication;
use lockstep_trust::{
    Role, TargetsContent, author, check_next_roots, check_next_targets, check_online_keys,
    check_targets, stated,
};

use super::audit;
use crate::app::App;
use crate::web::Refusal;

/// Name and text of one file of the repository.
type File = (String, String);

/// Checks and publishes.
pub(crate) async fn publish(
    app: &App,
    metadata: &SignedMetadata,
    who: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let _one_at_a_time = app.publishing.lock().await;
    if metadata.roots.is_empty() && metadata.targets.is_none() {
        return Err(Refusal::bad_request(
            "the publication is empty: it needs roots, targets or both",
        ));
    }
    if is_published(app, metadata).await? {
        return Ok(());
    }
    let revision = app.store.repo_revision().await?;
    let current_root = app.store.repo_file("root.json").await?;
    let current_targets = app.store.repo_file("targets.json").await?;
    let targets_version = app.store.targets_version().await?;

    let mut files = Vec::new();
    if !metadata.roots.is_empty() {
        let current = current_root.as_deref().map(str::as_bytes);
        check_next_roots(current, &metadata.roots, now).map_err(refused)?;
        for root in &metadata.roots {
            let version = stated(Role::Root, root.as_bytes())
                .map_err(refused)?
                .version;
            files.push((Role::Root.file_name(version), root.clone()));
        }
    }
    let newest_root = metadata
        .roots
        .last()
        .or(current_root.as_ref())
        .ok_or_else(|| {
            Refusal::conflict(
                "the repository has no root yet; publish roots with the first targets",
            )
        })?;
    let (snapshot_key, timestamp_key) = (
        app.online.snapshot.public_key(),
        app.online.timestamp.public_key(),
    );
    check_online_keys(newest_root.as_bytes(), snapshot_key, timestamp_key).map_err(refused)?;
    files.push(("root.json".into(), newest_root.clone()));

    let current = current_targets.as_deref().map(str::as_bytes);
    let (root, current_root) = (newest_root.as_bytes(), current_targets.as_ref());
    let content = match (&metadata.targets, current_root) {
        (Some(new), _) => {
            let content =
                check_next_targets(root, current, new.as_bytes(), now).map_err(refused)?;
            files.push((Role::Targets.file_name(content.version), new.clone()));
            files.push(("targets.json".into(), new.clone()));
            Some(content)
        }
        // A new root may have taken the old list's keys away.
        (None, Some(current)) => {
            Some(check_targets(root, current.as_bytes(), now).map_err(refused)?)
        }
        (None, None) => None,
    };
    if let Some(content) = &content {
        files_are_here(app, content).await?;
        let targets = metadata.targets.as_ref().or(current_targets.as_ref());
        let targets = targets.map(String::as_bytes).unwrap_or_default();
        files.extend(sign_online(app, targets, now).await?);
    }
    let what = words(metadata, content.as_ref().map(|content| content.version));
    app.store
        .publish(Publication {
            expected_targets_version: targets_version,
            expected_revision: Some(revision),
            files,
            targets_version: content.as_ref().map(|content| content.version),
            releases: content.map(|content| content.releases),
        })
        .await?;
    app.standing.forget();
    app.freshness.look_again();
    audit::note(app, who, &what, now).await;
    Ok(())
}

/// True if all of it is in the repository already, byte for byte: the answer to the first attempt was lost.
async fn is_published(app: &App, metadata: &SignedMetadata) -> Result<bool, Refusal> {
    let mut named = Vec::new();
    for root in &metadata.roots {
        let version = stated(Role::Root, root.as_bytes())
            .map_err(refused)?
            .version;
        named.push((Role::Root.file_name(version), root));
    }
    if let Some(targets) = &metadata.targets {
        let version = stated(Role::Targets, targets.as_bytes())
            .map_err(refused)?
            .version;
        named.push((Role::Targets.file_name(version), targets));
    }
    for (name, text) in named {
        if app.store.repo_file(&name).await?.as_ref() != Some(text) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Every bundle and every delta that is listed must be here whole, before an agent can be told to fetch it; and what is
/// listed keeps its bytes.
async fn files_are_here(app: &App, content: &TargetsContent) -> Result<(), Refusal> {
    let (releases, deltas) = (app.store.releases().await?, app.deltas.listed(app).await?);
    let before: HashMap<&str, &ContentHash> = releases
        .iter()
        .map(|release| (release.target.as_str(), &release.hash))
        .chain(
            deltas
                .iter()
                .map(|delta| (delta.target.as_str(), &delta.hash)),
        )
        .collect();
    for release in &content.releases {
        let (path, hash) = (&release.target, &release.hash);
        match before.get(path.as_str()) {
            Some(before) if *before == hash => {}
            Some(before) => {
                return Err(Refusal::conflict(format!(
                    "{path} is listed with SHA-256 {before}, and a version never changes; give the new bytes a new version"
                )));
            }
            None => is_here(app, "bundle", path, hash, release.length).await?,
        }
    }
    for delta in &content.deltas {
        let (path, hash) = (&delta.target, &delta.hash);
        match before.get(path.as_str()) {
            Some(before) if *before == hash => {}
            Some(before) => {
                return Err(Refusal::conflict(format!(
                    "{path} is listed with SHA-256 {before}, and a delta never changes"
                )));
            }
            None => is_here(app, "delta", path, hash, delta.length).await?,
        }
    }
    Ok(())
}

async fn is_here(
    app: &App,
    what: &str,
    path: &str,
    hash: &ContentHash,
    length: u64,
) -> Result<(), Refusal> {
    match app.artifacts.open(hash).await? {
        Some((_, found)) if found == length => Ok(()),
        Some((_, found)) => Err(Refusal::bad_request(format!(
            "{path} is listed with {length} bytes, but the {what} {hash} has {found}"
        ))),
        None => Err(Refusal::bad_request(format!(
            "the {what} of {path} is not here; upload it first, to /api/v1/artifacts/{hash}"
        ))),
    }
}

/// Signs a snapshot of this list, and a timestamp of that snapshot, each one version higher than the last.
pub(crate) async fn sign_online(
    app: &App,
    targets: &[u8],
    now: Timestamp,
) -> Result<Vec<File>, Refusal> {
    let version = next_version(app, Role::Snapshot, now).await?;
    let expires = now + app.config.metadata.snapshot.duration();
    let snapshot =
        author::snapshot(targets, version, expires, &app.online.snapshot).map_err(failed)?;
    let mut files = sign_timestamp(app, &snapshot, now).await?;
    let snapshot = text(snapshot)?;
    files.push((Role::Snapshot.file_name(version), snapshot.clone()));
    files.push(("snapshot.json".into(), snapshot));
    Ok(files)
}

/// Signs a timestamp of this snapshot.
pub(crate) async fn sign_timestamp(
    app: &App,
    snapshot: &[u8],
    now: Timestamp,
) -> Result<Vec<File>, Refusal> {
    let version = next_version(app, Role::Timestamp, now).await?;
    let expires = now + app.config.metadata.timestamp.duration();
    let timestamp =
        author::timestamp(snapshot, version, expires, &app.online.timestamp).map_err(failed)?;
    Ok(vec![("timestamp.json".into(), text(timestamp)?)])
}

/// One more than the last, and never less than the time in seconds: a server that was brought back from a backup
/// does not know what it has signed since, and clients refuse what is older than they have seen.
async fn next_version(app: &App, role: Role, now: Timestamp) -> Result<u64, Refusal> {
    let time = u64::try_from(now.as_second()).unwrap_or_default();
    match app.store.repo_file(&format!("{role}.json")).await? {
        Some(current) => {
            let last = stated(role, current.as_bytes()).map_err(failed)?.version;
            Ok(last.saturating_add(1).max(time))
        }
        None => Ok(time.max(1)),
    }
}

fn text(bytes: Vec<u8>) -> Result<String, Refusal> {
    String::from_utf8(bytes).map_err(|error| Refusal::internal("signing metadata", &error))
}

fn words(metadata: &SignedMetadata, targets_version: Option<u64>) -> String {
    let mut parts = Vec::new();
    if !metadata.roots.is_empty() {
        parts.push(format!("{} roots", metadata.roots.len()));
    }
    if let (Some(_), Some(version)) = (&metadata.targets, targets_version) {
        parts.push(format!("version {version} of the list of releases"));
    }
    format!("published {}", parts.join(" and "))
}

/// The publisher's metadata is refused: a version that does not follow is a conflict, everything else is wrong.
fn refused(error: lockstep_trust::Error) -> Refusal {
    use lockstep_trust::Error as Trust;
    let words = full(&error);
    match error {
        Trust::WrongVersion { .. } | Trust::Rollback { .. } => Refusal::conflict(words),
        _ => Refusal::bad_request(words),
    }
}

/// Our own metadata cannot be made or read.
fn failed(error: lockstep_trust::Error) -> Refusal {
    Refusal::internal("signing metadata", &error)
}

fn full(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}
