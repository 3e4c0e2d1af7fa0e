//! The publisher's key directory, and the signed metadata that is made with it.
//!
//! The directory holds encrypted keys (`root-1.key`, `targets-1.key`, …) and `root.json`, the newest root that the
//! publisher knows. It stays with the publisher: the server gets signatures, never keys. Holders who keep their keys
//! apart each have a directory with some of them; commands take several directories.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use lockstep_host::fs::{self, Mode};
use lockstep_model::api::operator::SignedMetadata;
use lockstep_net::client::CallError;
use lockstep_trust::author::{RootPlan, TargetsEdit, next_targets};
use lockstep_trust::{
    PublicKey, Role, SigningKey, TargetsContent, check_next_roots, check_targets, stated,
};
use serde_json::Value;

use crate::operator::Operator;

/// The publisher's keys at hand, opened.
pub(crate) struct Publisher {
    dirs: Vec<PathBuf>,
    keys: Vec<NamedKey>,
}

/// A key with the file that it lies in.
pub(crate) struct NamedKey {
    /// The file.
    pub(crate) path: PathBuf,
    /// The key.
    pub(crate) key: SigningKey,
}

/// Largest key or metadata file that is read, in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// The same for what a server hands out.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Name of the newest root that the publisher knows.
const ROOT: &str = "root.json";
/// Name of the newest list of releases that was published from here.
const TARGETS: &str = "targets.json";

impl Publisher {
    /// Opens all keys of the directories.
    pub(crate) fn open(dirs: &[PathBuf], passphrase: &str) -> anyhow::Result<Self> {
        let mut keys = Vec::new();
        for path in dirs
            .iter()
            .map(|dir| key_files(dir))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
        {
            let pem = read(&path)?.with_context(|| format!("{} is gone", path.display()))?;
            let key = SigningKey::from_encrypted_pem(&String::from_utf8_lossy(&pem), passphrase)
                .with_context(|| format!("failed to open {}", path.display()))?;
            keys.push(NamedKey { path, key });
        }
        ensure!(
            !keys.is_empty(),
            "no key in {}; \"lockstep keys init DIR\" makes them",
            shown(dirs)
        );
        Ok(Self {
            dirs: dirs.to_vec(),
            keys,
        })
    }

    /// The root that these keys belong to.
    pub(crate) fn root(&self) -> anyhow::Result<Vec<u8>> {
        for dir in &self.dirs {
            if let Some(root) = read(&dir.join(ROOT))? {
                return Ok(root);
            }
        }
        bail!(
            "no {ROOT} in {}; \"lockstep keys init DIR\" makes it",
            shown(&self.dirs)
        )
    }

    /// The newest root: the one at hand, and every later one that the server hands out and that follows from it.
    /// Another holder may have rotated keys, or this one was cut off before it kept the root that it published.
    pub(crate) async fn newest_root(
        &self,
        operator: &Operator,
        now: Timestamp,
    ) -> anyhow::Result<Vec<u8>> {
        let mut root = self.root()?;
        loop {
            let next = format!("/api/v1/repo/metadata/{}.root.json", version_of(&root)? + 1);
            match operator.client().get_capped(&next, MAX_ANSWER).await {
                Ok(newer) => {
                    check_root(Some(&root), &newer, now)?;
                    self.keep_root(&newer)?;
                    root = newer;
                }
                Err(CallError::Refused { status: 404, .. }) => return Ok(root),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Keeps the newest root.
    pub(crate) fn keep_root(&self, root: &[u8]) -> anyhow::Result<()> {
        keep_root(&self.dirs[0], root)
    }

    /// The keys at hand that are among `wanted`.
    pub(crate) fn among(&self, wanted: &[PublicKey]) -> Vec<&SigningKey> {
        let ids: Vec<&str> = wanted.iter().map(PublicKey::id).collect();
        self.keys
            .iter()
            .map(|named| &named.key)
            .filter(|key| ids.contains(&key.id()))
            .collect()
    }

    /// All keys at hand.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &NamedKey> {
        self.keys.iter()
    }

    /// The first directory, where new keys go.
    pub(crate) fn dir(&self) -> &Path {
        &self.dirs[0]
    }

    /// What is listed now, by the publisher's own signature.
    pub(crate) async fn listed(
        &self,
        operator: &Operator,
        now: Timestamp,
    ) -> anyhow::Result<TargetsContent> {
        let root = self.newest_root(operator, now).await?;
        Ok(self.newest_list(operator, &root, now).await?.1)
    }

    /// The list that the server hands out, checked against the publisher's own root.
    async fn newest_list(
        &self,
        operator: &Operator,
        root: &[u8],
        now: Timestamp,
    ) -> anyhow::Result<(Vec<u8>, TargetsContent)> {
        let list = operator
            .client()
            .get_capped("/api/v1/repo/metadata/targets.json", MAX_ANSWER)
            .await?;
        let content = check_targets(root, &list, now)
            .context("the server's list of releases does not verify")?;
        self.check_not_older(&list)?;
        Ok((list, content))
    }

    /// Changes the list of releases, signs it, and has the server publish it.
    ///
    /// What the server hands out is checked against the publisher's own root first: a server that was taken must
    /// not get a signature under a list that the publisher never made.
    pub(crate) async fn edit_targets(
        &self,
        operator: &Operator,
        edit: &TargetsEdit,
        now: Timestamp,
        expires: Timestamp,
    ) -> anyhow::Result<()> {
        let root = self.newest_root(operator, now).await?;
        let plan = RootPlan::of(&root)?;
        let signers = self.among(&plan.targets_keys);
        ensure!(
            signers.len() >= plan.targets_threshold,
            "{} of the {} keys that must sign releases are in {}; add the other holders' directories with --keys",
            signers.len(),
            plan.targets_threshold,
            shown(&self.dirs)
        );
        let (old, _) = self.newest_list(operator, &root, now).await?;
        let new = next_targets(&old, edit, expires, &signers)?;
        let targets = String::from_utf8(new).context("metadata is text")?;
        let metadata = SignedMetadata {
            roots: Vec::new(),
            targets: Some(targets),
        };
        operator.post::<Value>("repo/metadata", &metadata).await?;
        let published = metadata.targets.unwrap_or_default();
        fs::write_durable(
            &self.dirs[0].join(TARGETS),
            published.as_bytes(),
            Mode::Public,
        )?;
        Ok(())
    }

    /// A server that was taken could hand out an old list, to have a withdrawal undone by the next signature. The
    /// list that was published from here last must not be newer than the one that is to be changed.
    fn check_not_older(&self, offered: &[u8]) -> anyhow::Result<()> {
        let offered = stated(Role::Targets, offered)?.version;
        for dir in &self.dirs {
            if let Some(kept) = read(&dir.join(TARGETS))? {
                let kept = stated(Role::Targets, &kept)?.version;
                ensure!(
                    offered >= kept,
                    "the server hands out version {offered} of the list of releases, but {} has version {kept}: \
                     nothing was signed; find out why the server went back before you publish",
                    dir.join(TARGETS).display()
                );
            }
        }
        Ok(())
    }
}

/// Makes a key and keeps it encrypted in `dir` as `NAME.key`; a file that exists is never overwritten.
pub(crate) fn make_key(dir: &Path, name: &str, passphrase: &str) -> anyhow::Result<NamedKey> {
    let path = dir.join(format!("{name}.key"));
    ensure!(
        !path.exists(),
        "{} exists; keys are never overwritten",
        path.display()
    );
    let key = SigningKey::generate()?;
    fs::write_durable(
        &path,
        key.to_encrypted_pem(passphrase)?.as_bytes(),
        Mode::Private,
    )?;
    Ok(NamedKey { path, key })
}

/// Keeps the newest root in a key directory.
pub(crate) fn keep_root(dir: &Path, root: &[u8]) -> anyhow::Result<()> {
    Ok(fs::write_durable(&dir.join(ROOT), root, Mode::Public)?)
}

/// The root in a key directory, if there is one.
pub(crate) fn root_in(dir: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    read(&dir.join(ROOT))
}

/// The files of a directory that hold keys, in the order of their names.
pub(crate) fn key_files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(dir).with_context(|| format!("failed to list {}", dir.display()))?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "key"));
    files.sort();
    Ok(files)
}

/// Checks a new root as every agent will.
pub(crate) fn check_root(
    current: Option<&[u8]>,
    root: &[u8],
    now: Timestamp,
) -> anyhow::Result<()> {
    let text = String::from_utf8(root.into()).context("the root is not text")?;
    check_next_roots(current, &[text], now).context("the new root would not be accepted")?;
    Ok(())
}

fn version_of(root: &[u8]) -> anyhow::Result<u64> {
    let root: Value = serde_json::from_slice(root).context("the root is not JSON")?;
    root["signed"]["version"]
        .as_u64()
        .context("the root has no version")
}

fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    Ok(fs::read_capped(path, MAX_BYTES)?)
}

fn shown(dirs: &[PathBuf]) -> String {
    dirs.iter()
        .map(|dir| dir.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
