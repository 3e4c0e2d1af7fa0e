//! What a slot is unpacked from: a bundle that was verified, and is verified again while it is read.

use std::fs::File;
use std::path::Path;

use lockstep_model::{BundleManifest, Content, Release};

use crate::error::{Attempt, Error, Result};
use crate::fs::{HashingReader, hash_file};
use crate::unpack::{Limits, Unpacked, unpack};

/// What a slot is made from.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// The publisher's bundle.
    Bundle(&'a Path),
    /// Another bundle with the same archive.
    Packed(&'a Path),
}

impl<'a> Origin<'a> {
    pub(super) fn path(self) -> &'a Path {
        match self {
            Self::Bundle(path) | Self::Packed(path) => path,
        }
    }

    /// Unpacks it to `dest`, if it is the release.
    pub(super) fn unpack(self, release: &Release, dest: &Path) -> Result<Unpacked> {
        match self {
            Self::Bundle(bundle) => unpack_release(bundle, release, dest),
            Self::Packed(packed) => unpack_packed(packed, release, dest),
        }
    }
}

fn unpack_release(bundle: &Path, release: &Release, dest: &Path) -> Result<Unpacked> {
    let details = &release.details;
    let changed = |why: String| Error::BundleChanged {
        bundle: bundle.into(),
        why,
    };
    let file = File::open(bundle).reading(bundle)?;
    let length = file.metadata().reading(bundle)?.len();
    if length != release.length {
        return Err(changed(format!(
            "it has {length} bytes instead of {}",
            release.length
        )));
    }
    let check = |hash| {
        if hash == release.hash {
            return Ok(());
        }
        Err(changed(format!(
            "its hash is {hash} instead of {}",
            release.hash
        )))
    };
    // First without unpacking: what then goes wrong with these bytes is the release's fault and not the disk's.
    check(hash_file(bundle)?)?;
    let mut reader = HashingReader::new(file);
    let unpacked =
        unpack(&mut reader, dest, Limits::of(release)).map_err(|source| Error::Unpack {
            bundle: bundle.into(),
            source,
        })?;
    check(reader.finish())?;
    let other = |why| Error::OtherRelease {
        bundle: bundle.into(),
        package: details.package.clone(),
        version: details.version.clone(),
        why,
    };
    if let Some(signed) = details.content
        && signed != unpacked.content
    {
        return Err(other(archive_differs(&signed, &unpacked.content)));
    }
    is_of(&unpacked.manifest, release).map_err(other)?;
    Ok(unpacked)
}

fn unpack_packed(packed: &Path, release: &Release, dest: &Path) -> Result<Unpacked> {
    let changed = |why: String| Error::BundleChanged {
        bundle: packed.into(),
        why,
    };
    let file = File::open(packed).reading(packed)?;
    let unpacked = unpack(file, dest, Limits::of(release)).map_err(|source| {
        if source.blames_bundle() {
            return changed(format!("it cannot be unpacked: {source}"));
        }
        Error::Unpack {
            bundle: packed.into(),
            source,
        }
    })?;
    match release.details.content {
        Some(signed) if signed == unpacked.content => {}
        Some(signed) => return Err(changed(archive_differs(&signed, &unpacked.content))),
        None => return Err(changed("the release does not state its archive".into())),
    }
    is_of(&unpacked.manifest, release).map_err(changed)?;
    Ok(unpacked)
}

fn archive_differs(signed: &Content, found: &Content) -> String {
    format!(
        "its archive has SHA-256 {} and {} bytes, the publisher signed {} with {}",
        found.hash.short(),
        found.length,
        signed.hash.short(),
        signed.length
    )
}

/// Whether a bundle says that it is the release it should be.
fn is_of(manifest: &BundleManifest, release: &Release) -> std::result::Result<(), String> {
    let details = &release.details;
    if (&manifest.package, &manifest.version, &manifest.platform)
        == (&details.package, &details.version, &details.platform)
    {
        return Ok(());
    }
    Err(format!(
        "its bundle.toml says {} {} for {}",
        manifest.package, manifest.version, manifest.platform
    ))
}
