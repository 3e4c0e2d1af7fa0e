//! A new slot: from a bundle, or from a bare program.
//!
//! Everything happens below a name that nothing reads (`.unpack-VERSION`); the last step gives the finished tree
//! its name. A crash anywhere before that leaves a worthless tree, which the next attempt removes.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lockstep_model::{
    BundleManifest, Content, ContentHash, PackageName, Platform, Preserve, Purge, Release,
    Requires, Version,
};

use super::kept::keep;
use super::origin::Origin;
use super::preserve::preserve;
use super::record::Record;
use super::{Slot, Slots};
use crate::error::{Attempt, Error, Result};
use crate::fault;
use crate::fs::{self, Dir, HashingReader, hash_file};

impl Slots {
    /// Unpacks a bundle into its slot, with what is to be preserved from an older slot, and returns it complete
    /// and durable. `now` is only remembered.
    ///
    /// The bundle's length and hash are checked against the release that the caller has verified, before it is
    /// unpacked and again while: what is unpacked is what was signed, even if the file changed since
    /// ([`Error::BundleChanged`], for which nobody blames the release).
    ///
    /// Re-entrant: killed at any instant it leaves either no slot or the complete one, and repeating it completes
    /// it. A complete slot with the release's hash is returned as it is. One with other bytes is replaced, unless
    /// `current` or `previous` point at it ([`Error::SlotTaken`]).
    pub fn install(
        &self,
        bundle: &Path,
        release: &Release,
        preserve_from: Option<&Slot>,
        now: Timestamp,
    ) -> Result<Slot> {
        self.install_from(Origin::Bundle(bundle), release, preserve_from, now)
    }

    /// The same from a bundle that is not the publisher's to the byte, but holds the archive that the release states
    /// ([`Content`]): a delta led to it. Only what is in it is checked, so no error blames the release.
    pub fn install_packed(
        &self,
        packed: &Path,
        release: &Release,
        preserve_from: Option<&Slot>,
        now: Timestamp,
    ) -> Result<Slot> {
        self.install_from(Origin::Packed(packed), release, preserve_from, now)
    }

    fn install_from(
        &self,
        from: Origin<'_>,
        release: &Release,
        preserve_from: Option<&Slot>,
        now: Timestamp,
    ) -> Result<Slot> {
        fault::point("slots.install");
        let details = &release.details;
        let is_wanted = |_: &Path, record: &Record| record.hash == Some(release.hash);
        let record = Record {
            package: details.package.clone(),
            version: details.version.clone(),
            hash: Some(release.hash),
            program: None,
            content: None,
            installed_at: now,
        };
        self.build(record, is_wanted, |build| {
            let length = std::fs::metadata(from.path()).reading(from.path())?.len();
            self.check_space_to_unpack(release, length)?;
            let unpacked = from.unpack(release, &build.path())?;
            let tree = build.open()?;
            if let Some(old) = preserve_from {
                preserve(old, &tree, &build.path(), &unpacked.manifest.preserve.paths)?;
            }
            keep(from.path(), &tree, &build.path())?;
            Ok((tree, Some(unpacked.content)))
        })
    }

    /// Makes a slot of the agent from a bare program, for a host that had none: the program becomes
    /// `bin/lockstep`. The caller makes it current. Re-entrant like [`install`](Self::install).
    pub fn adopt_program(&self, program: &Path, version: &Version, now: Timestamp) -> Result<Slot> {
        fault::point("slots.adopt-program");
        let package = PackageName::lockstep();
        let hash = hash_file(program)?;
        let is_wanted = |dir: &Path, record: &Record| {
            record.program == Some(hash)
                || hash_file(&dir.join(Slot::PROGRAM)).is_ok_and(|there| there == hash)
        };
        let record = Record {
            package: package.clone(),
            version: version.clone(),
            hash: None,
            program: Some(hash),
            content: None,
            installed_at: now,
        };
        let manifest = BundleManifest {
            package,
            version: version.clone(),
            platform: Platform::of_this_program(),
            requires: Requires::default(),
            preserve: Preserve::default(),
            purge: Purge::default(),
            service: None,
            check: None,
        };
        self.build(record, is_wanted, |build| {
            let length = std::fs::metadata(program).reading(program)?.len();
            super::space::check(&[(self.layout.slots_dir(), length)])?;
            let tree = build.create()?;
            copy_program(program, hash, &tree, &manifest).writing(&build.path())?;
            Ok((tree, None))
        })
    }

    /// Builds a slot by `fill`, unless the one that is wanted is there. `fill` returns the tree, and the archive that
    /// is kept in it.
    fn build(
        &self,
        mut record: Record,
        is_wanted: impl Fn(&Path, &Record) -> bool,
        fill: impl FnOnce(&Build<'_>) -> Result<(Dir, Option<Content>)>,
    ) -> Result<Slot> {
        let dir = self.layout.slot(&record.package, &record.version);
        if let Some(build) = self.begin(&record.package, &record.version, is_wanted)? {
            let built = fill(&build).and_then(|(tree, content)| {
                record.content = content;
                build.complete(&tree, &record)
            });
            if let Err(error) = built {
                build.discard();
                return Err(error);
            }
        }
        self.load(&dir)?.ok_or_else(|| Error::Nonsense {
            path: dir,
            why: "it was removed while it was installed".into(),
        })
    }

    /// Clears the place for a slot; `None` if the slot that is wanted is there.
    fn begin(
        &self,
        package: &PackageName,
        version: &Version,
        is_wanted: impl Fn(&Path, &Record) -> bool,
    ) -> Result<Option<Build<'_>>> {
        let dir = self.layout.slot(package, version);
        let package_dir = self.open_package_dir(package)?;
        if dir.exists() {
            match self.load(&dir) {
                Ok(Some(_)) if Record::read(&dir).is_ok_and(|record| is_wanted(&dir, &record)) => {
                    // Its rename may have been cut off from its sync.
                    package_dir.sync().syncing(&dir)?;
                    return Ok(None);
                }
                _ if self.linked_dirs(package)?.contains(&dir) => {
                    return Err(Error::SlotTaken { dir });
                }
                _ => self.remove_slot(&package_dir, package, version)?,
            }
        }
        let build = Build {
            slots: self,
            package_dir,
            package: package.clone(),
            version: version.clone(),
        };
        fs::remove_entry(&build.package_dir, build.name().as_ref()).removing(&build.path())?;
        Ok(Some(build))
    }
}

/// A slot being built.
struct Build<'a> {
    slots: &'a Slots,
    package_dir: Dir,
    package: PackageName,
    version: Version,
}

impl Build<'_> {
    fn name(&self) -> String {
        format!("{}{}", super::collect::UNPACK, self.version)
    }

    fn path(&self) -> PathBuf {
        self.slots
            .layout
            .package_dir(&self.package)
            .join(self.name())
    }

    fn create(&self) -> Result<Dir> {
        self.package_dir
            .create_dir(self.name().as_ref(), 0o755)
            .map_err(|source| Error::CreateDir {
                path: self.path(),
                source,
            })
    }

    fn open(&self) -> Result<Dir> {
        self.package_dir
            .open_dir(self.name().as_ref())
            .reading(&self.path())
    }

    /// Gives back the space of what will not become a slot. If that fails too, the next attempt does it.
    fn discard(&self) {
        if let Err(error) = fs::remove_entry(&self.package_dir, self.name().as_ref()) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(path = %self.path().display(), error, "cannot remove an unfinished slot yet");
        }
    }

    /// The record, then every name in the tree, then the slot's own name.
    fn complete(&self, tree: &Dir, record: &Record) -> Result<()> {
        record.write(tree).writing(&self.path())?;
        fs::sync_dirs(tree).syncing(&self.path())?;
        fault::point("slots.complete");
        let dir = self.slots.layout.slot(&self.package, &self.version);
        self.package_dir
            .rename(
                self.name().as_ref(),
                &self.package_dir,
                self.version.to_string().as_ref(),
            )
            .map_err(|source| Error::Rename {
                from: self.path(),
                to: dir.clone(),
                source,
            })?;
        self.package_dir.sync().syncing(&dir)
    }
}

fn copy_program(
    program: &Path,
    hash: ContentHash,
    tree: &Dir,
    manifest: &BundleManifest,
) -> io::Result<()> {
    let mut file = tree.create_file(BundleManifest::FILE.as_ref(), 0o644)?;
    file.write_all(manifest.to_toml().map_err(io::Error::other)?.as_bytes())?;
    file.sync()?;
    let bin = tree.create_dir("bin".as_ref(), 0o755)?;
    let mut copy = bin.create_file("lockstep".as_ref(), 0o755)?;
    let mut reader = HashingReader::new(File::open(program)?);
    io::copy(&mut reader, &mut copy)?;
    if reader.finish() != hash {
        return Err(io::Error::other(format!(
            "{} changed while it was copied",
            program.display()
        )));
    }
    copy.sync()
}
