//! The list of releases: adding, withdrawing, deltas, floors.

use jiff::Timestamp;
use lockstep_model::{Delta, DeltaEnd, PackageName, Release, Version, target_path};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::keys::SigningKey;
use crate::metadata::{Envelope, Role};
use crate::releases::{DELTA, EXTRA, TargetsContent, releases_in};

/// Changes to the list of releases, made in the order in which they are asked for.
#[derive(Debug, Clone, Default)]
pub struct TargetsEdit {
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Add(Release),
    AddDelta(Delta),
    Withdraw(PackageName, Version),
    Floor(PackageName, Version),
}

impl TargetsEdit {
    /// No change.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists a release. Listing the very same again changes nothing; other bytes under a listed version are refused.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "a release is added to a list, not to an edit"
    )]
    pub fn add(mut self, release: Release) -> Self {
        self.steps.push(Step::Add(release));
        self
    }

    /// Lists a delta between two releases that are listed. Listing the very same again changes nothing; a delta
    /// between versions that have one already is refused.
    #[must_use]
    pub fn add_delta(mut self, delta: Delta) -> Self {
        self.steps.push(Step::AddDelta(delta));
        self
    }

    /// Takes a version off the list, on all platforms, and with it all deltas from and to it.
    #[must_use]
    pub fn withdraw(mut self, package: PackageName, version: Version) -> Self {
        self.steps.push(Step::Withdraw(package, version));
        self
    }

    /// States the lowest version of a package that any host may install. It may also be lowered again: that is the
    /// publisher's word, like the rest of the list.
    #[must_use]
    pub fn set_floor(mut self, package: PackageName, version: Version) -> Self {
        self.steps.push(Step::Floor(package, version));
        self
    }
}

/// Makes the first, empty list of releases, version 1.
///
/// # Errors
/// [`Error::Cryptography`] if signing fails.
pub fn new_targets(expires: Timestamp, signers: &[&SigningKey]) -> Result<Vec<u8>> {
    let mut envelope = Envelope::new(Role::Targets, 1, expires);
    envelope.signed.insert("targets".into(), json!({}));
    envelope
        .signed
        .insert(EXTRA.into(), json!({ "floors": {} }));
    envelope.seal(signers)
}

/// Makes the list after `old`, with the changes applied. An empty edit renews the expiry.
///
/// # Errors
/// [`Error::Edit`] if a change contradicts the list; [`Error::Unreadable`] if `old` is no list of ours.
pub fn next_targets(
    old: &[u8],
    edit: &TargetsEdit,
    expires: Timestamp,
    signers: &[&SigningKey],
) -> Result<Vec<u8>> {
    let envelope = Envelope::parse(Role::Targets, old)?;
    let mut content = releases_in(&envelope)?;
    let mut next = envelope.into_next(expires)?;
    for step in &edit.steps {
        match step {
            Step::Add(release) => add(&mut next.signed, &mut content, release)?,
            Step::AddDelta(delta) => add_delta(&mut next.signed, &mut content, delta)?,
            Step::Withdraw(package, version) => {
                withdraw(&mut next.signed, &mut content, package, version)?;
            }
            Step::Floor(package, version) => {
                content.floors.insert(package.clone(), version.clone());
                object(&mut next.signed, EXTRA)?.insert("floors".into(), json!(content.floors));
            }
        }
    }
    next.seal(signers)
}

fn add(
    signed: &mut Map<String, Value>,
    content: &mut TargetsContent,
    release: &Release,
) -> Result<()> {
    let details = &release.details;
    let refuse = |why: String| Err(Error::Edit { why });
    let path = target_path(&details.package, &details.version, &details.platform);
    if release.target != path {
        return refuse(format!("{:?} must have the path {path:?}", release.target));
    }
    if release.length == 0 {
        return refuse(format!("{path:?} is empty"));
    }
    if let Some(floor) = content.floors.get(&details.package)
        && &details.version < floor
    {
        return refuse(format!(
            "{} {} is below the floor {floor}: lower the floor first",
            details.package, details.version
        ));
    }
    if let Some(listed) = content.releases.iter().find(|listed| listed.target == path) {
        if is_the_same(listed, release) {
            return Ok(());
        }
        return refuse(format!(
            "{} {} for {} is listed already with SHA-256 {}, and a version never changes: give the new bytes a new version",
            details.package,
            details.version,
            details.platform,
            listed.hash.short(),
        ));
    }
    let targets = object(signed, "targets")?;
    if targets.contains_key(&path) {
        return refuse(format!("{path:?} is listed already, and not as a release"));
    }
    targets.insert(
        path,
        json!({
            "length": release.length,
            "hashes": { "sha256": release.hash },
            "custom": { EXTRA: release.details },
        }),
    );
    content.releases.push(release.clone());
    Ok(())
}

/// True if a release is the one that is listed. One that was listed before releases stated their content says nothing
/// of it.
fn is_the_same(listed: &Release, release: &Release) -> bool {
    let mut release = release.clone();
    if listed.details.content.is_none() {
        release.details.content = None;
    }
    listed == &release
}

fn add_delta(
    signed: &mut Map<String, Value>,
    content: &mut TargetsContent,
    delta: &Delta,
) -> Result<()> {
    let refuse = |why: String| Err(Error::Edit { why });
    let (details, path) = (&delta.details, delta.details.target_path());
    if delta.target != path {
        return refuse(format!("{:?} must have the path {path:?}", delta.target));
    }
    if delta.length == 0 {
        return refuse(format!("{path:?} is empty"));
    }
    if details.from.version == details.to.version {
        return refuse(format!("{path:?} leads nowhere"));
    }
    for (end, may_be_silent) in [(&details.from, true), (&details.to, false)] {
        let DeltaEnd {
            version,
            content: archive,
        } = end;
        let release = target_path(&details.package, version, &details.platform);
        let mut releases = content.releases.iter();
        let Some(listed) = releases.find(|listed| listed.target == release) else {
            return refuse(format!("{path:?} needs {release:?}, which is not listed"));
        };
        match &listed.details.content {
            Some(stated) if stated == archive => {}
            None if may_be_silent => {}
            _ => {
                return refuse(format!(
                    "{path:?} does not fit the archive that {release:?} states"
                ));
            }
        }
    }
    if let Some(listed) = content.deltas.iter().find(|listed| listed.target == path) {
        if listed == delta {
            return Ok(());
        }
        return refuse(format!(
            "{path:?} is listed already with SHA-256 {}, and a delta never changes",
            listed.hash.short()
        ));
    }
    let targets = object(signed, "targets")?;
    if targets.contains_key(&path) {
        return refuse(format!("{path:?} is listed already, and not as a delta"));
    }
    targets.insert(
        path,
        json!({
            "length": delta.length,
            "hashes": { "sha256": delta.hash },
            "custom": { DELTA: details },
        }),
    );
    content.deltas.push(delta.clone());
    Ok(())
}

fn withdraw(
    signed: &mut Map<String, Value>,
    content: &mut TargetsContent,
    package: &PackageName,
    version: &Version,
) -> Result<()> {
    let (gone, kept): (Vec<_>, Vec<_>) = content.releases.drain(..).partition(|release| {
        &release.details.package == package && &release.details.version == version
    });
    content.releases = kept;
    if gone.is_empty() {
        return Err(Error::Edit {
            why: format!("{package} {version} is not listed"),
        });
    }
    let targets = object(signed, "targets")?;
    for release in gone {
        targets.remove(&release.target);
    }
    content.deltas.retain(|delta| {
        let details = &delta.details;
        let is_of = &details.package == package
            && (&details.from.version == version || &details.to.version == version);
        if is_of {
            targets.remove(&delta.target);
        }
        !is_of
    });
    Ok(())
}

/// The object under `name`, made if it is missing.
fn object<'a>(
    signed: &'a mut Map<String, Value>,
    name: &str,
) -> Result<&'a mut Map<String, Value>> {
    signed
        .entry(name)
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .ok_or_else(|| Error::Unreadable {
            file: Role::Targets.plain_name(),
            why: format!("{name:?} is not an object"),
        })
}
