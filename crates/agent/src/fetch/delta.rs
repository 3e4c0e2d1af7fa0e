//! A release by a delta from a slot that is here: a few percent of its bundle are fetched.
//!
//! The slot keeps the bundle that it came from. The archive in that, and the delta, give the archive of the new bundle,
//! which must have the hash that the publisher signed. It is compressed again for the slot to keep: the bytes differ from
//! the publisher's bundle, the archive does not.
//!
//! Nothing of this can fail a fetch. Whatever goes wrong is said in one line of the log, and the whole bundle is fetched
//! instead. Only a connection that breaks in the middle is worth another try, because it would break a whole bundle too.

use std::fs::File;
use std::path::{Path, PathBuf};

use lockstep_host::slots::{Slot, Slots};
use lockstep_host::{fault, fs};
use lockstep_model::{Content, Delta, Release};
use lockstep_net::client::{CallError, HttpClient};
use lockstep_trust::delta::apply_packed;
use lockstep_trust::{bundle, consistent_delta_path};
use tracing::{info, warn};

use super::download::{Names, hash_of, keep_only};
use super::mirror::{self, Ask};
use super::transfer::{Broken, Wanted};
use super::{Place, Unready};
use crate::repository::Repository;
use crate::words;

/// Why a delta does not help.
enum Miss {
    /// The whole bundle is fetched instead.
    Whole(String),
    /// It is tried again later, as a bundle would be.
    Later(Unready),
}

/// Where the release's archive lies, packed, after a delta led to it; none if the whole bundle is to be fetched.
pub(super) async fn bring(
    release: &Release,
    place: &Place,
    client: &HttpClient,
) -> Result<Option<PathBuf>, Unready> {
    let dir = place.layout.downloads();
    let names = Names::of(release, &dir);
    let Some(content) = release.details.content else {
        return Ok(None);
    };
    // A whole bundle that is on its way goes on.
    if is_there(&names.part()) || is_there(&names.bundle()) {
        return Ok(None);
    }
    let Some((delta, from)) = choose(release, place, client).await else {
        return Ok(None);
    };
    let version = &release.details.version;
    match by(&delta, &from, release, content, place, client).await {
        Ok(packed) => {
            info!(%version, from = %from.version(), bytes = delta.length, instead_of = release.length, "a delta led to the release");
            Ok(Some(packed))
        }
        Err(Miss::Later(unready)) => Err(unready),
        Err(Miss::Whole(why)) => {
            warn!(%version, from = %from.version(), why, "the delta does not help, the whole bundle is fetched");
            clean(&names, Some(&delta));
            Ok(None)
        }
    }
}

/// Removes what is left of a release's delta, once it is a slot or does not become one.
pub(super) fn clean(names: &Names, delta: Option<&Delta>) {
    let mut left = vec![
        names.with("old"),
        names.with("packing"),
        names.with("packed"),
    ];
    left.extend(delta.map(|delta| part(names, delta)));
    for path in left {
        if path.exists()
            && let Err(error) = fs::remove_durable(&path)
        {
            warn!(
                error = words(&error),
                "what is left of a delta could not be removed"
            );
        }
    }
}

/// The smallest delta that leads here from a slot that keeps its bundle.
async fn choose(release: &Release, place: &Place, client: &HttpClient) -> Option<(Delta, Slot)> {
    // The list that was verified a moment ago.
    let repository = Repository::open(&place.layout, client, place.clock.now()).await;
    let deltas = repository.ok()?.deltas_to(release);
    if deltas.is_empty() {
        return None;
    }
    let slots = Slots::new(place.layout.clone()).list().ok()?;
    deltas.into_iter().find_map(|delta| {
        let from = slots.iter().find(|slot| {
            *slot.package() == release.details.package
                && slot.content == Some(delta.details.from.content)
                && slot.kept_bundle().is_some()
        })?;
        Some((delta, from.clone()))
    })
}

async fn by(
    delta: &Delta,
    from: &Slot,
    release: &Release,
    content: Content,
    place: &Place,
    client: &HttpClient,
) -> Result<PathBuf, Miss> {
    let whole = |error: lockstep_host::Error| Miss::Whole(words(&error));
    let dir = place.layout.downloads();
    fs::create_private_dir(&dir).map_err(whole)?;
    let names = Names::of(release, &dir);
    keep_only(&dir, release.details.package.as_str(), &names);
    let (packed, part) = (names.with("packed"), part(&names, delta));
    // Killed behind the last step, it is not done again.
    if holds(&packed, content).await {
        return Ok(packed);
    }
    let have = std::fs::metadata(&part).map_or(0, |metadata| metadata.len());
    let rest = delta.length.saturating_sub(have);
    let needed = [rest, delta.details.from.content.length, content.length];
    let needed = needed.into_iter().fold(0, u64::saturating_add);
    let slots = Slots::new(place.layout.clone());
    slots.check_space_by_delta(release, needed).map_err(whole)?;

    let wanted = Wanted {
        path: &format!("/repo/targets/{}", consistent_delta_path(delta)),
        length: delta.length,
    };
    if let Err(broken) = mirror::bring(wanted, Ask::Both, place, client, &part).await {
        let now = std::fs::metadata(&part).map_or(0, |metadata| metadata.len());
        return Err(match is_worth_a_retry(&broken, now > have) {
            true => Miss::Later(broken.unready(place)),
            false => Miss::Whole(words(&broken)),
        });
    }
    if hash_of(&part).await != Some(delta.hash) {
        return Err(Miss::Whole("its bytes are not the signed ones".into()));
    }
    fault::point("delta downloaded");
    let kept = from.kept_bundle();
    let kept = kept.ok_or_else(|| Miss::Whole("the slot's bundle is gone".into()))?;
    let (delta, to) = (delta.clone(), packed.clone());
    let apply = move || lead(&delta, &kept, &part, &names, &to);
    match tokio::task::spawn_blocking(apply).await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => return Err(Miss::Whole(why)),
        Err(error) => return Err(Miss::Whole(format!("applying it broke off: {error}"))),
    }
    fault::point("delta applied");
    Ok(packed)
}

/// From the kept bundle to the packed new archive, durable under its name.
fn lead(
    delta: &Delta,
    kept: &Path,
    part: &Path,
    names: &Names,
    packed: &Path,
) -> Result<(), String> {
    let failed = |what: &str, path: &Path, error: &dyn std::fmt::Display| {
        format!("failed to {what} {}: {error}", path.display())
    };
    let (old, packing) = (names.with("old"), names.with("packing"));
    let before = delta.details.from.content;
    let reader = File::open(kept).map_err(|error| failed("open", kept, &error))?;
    let archive = anew(&old).map_err(|error| failed("make", &old, &error))?;
    let found = bundle::extract(reader, before.length, &archive).map_err(|error| {
        format!(
            "the kept bundle of the old version is damaged: {}",
            words(&error)
        )
    })?;
    if found != before {
        return Err("the kept bundle of the old version is not what it was".into());
    }
    let patch = File::open(part).map_err(|error| failed("open", part, &error))?;
    let out = anew(&packing).map_err(|error| failed("make", &packing, &error))?;
    apply_packed(&delta.details, &archive, &patch, &out).map_err(|error| words(&error))?;
    fs::sync_file(&packing)
        .and_then(|()| fs::rename_durable(&packing, packed))
        .and_then(|()| fs::remove_durable(&old))
        .and_then(|()| fs::remove_durable(part))
        .map_err(|error| words(&error))
}

/// A new file to write and read, in the place of one that a crash may have left.
fn anew(path: &Path) -> std::io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
}

/// True if a packed archive is there and holds what it should.
async fn holds(packed: &Path, content: Content) -> bool {
    let packed = packed.to_owned();
    let look = move || {
        let file = File::open(packed).ok()?;
        bundle::extract(file, content.length, std::io::sink()).ok()
    };
    let found = tokio::task::spawn_blocking(look).await.ok().flatten();
    found == Some(content)
}

/// A connection that broke after something had come, and a server that asks for patience. What the server does not
/// have, or sends wrong, it will not have the next time either.
fn is_worth_a_retry(broken: &Broken, came_nearer: bool) -> bool {
    match broken {
        Broken::Call(CallError::Refused {
            status,
            retry_after,
            ..
        }) => retry_after.is_some() || *status == 403,
        Broken::Call(_) | Broken::TooLittle(..) => came_nearer,
        Broken::TooMuch(_) | Broken::Write { .. } => false,
    }
}

fn part(names: &Names, delta: &Delta) -> PathBuf {
    names.with(&format!("{}.delta", delta.hash.short()))
}

fn is_there(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry_after: Option<u64>) -> Broken {
        Broken::Call(CallError::Refused {
            url: "https://server/".into(),
            status,
            problem: None,
            retry_after: retry_after.map(std::time::Duration::from_secs),
        })
    }

    #[test]
    fn only_what_may_get_better_is_tried_again() {
        let cut = || {
            Broken::Call(CallError::Unreachable {
                url: "u".into(),
                why: "cut".into(),
            })
        };
        for (broken, came_nearer, again) in [
            (refused(404, None), false, false),
            (refused(500, None), true, false),
            // An operator switched updates off; many hosts are served already.
            (refused(403, None), false, true),
            (refused(503, Some(5)), false, true),
            (cut(), true, true),
            (cut(), false, false),
            (Broken::TooLittle(1, 2), true, true),
            (Broken::TooMuch(2), true, false),
        ] {
            assert_eq!(is_worth_a_retry(&broken, came_nearer), again, "{broken}");
        }
    }
}
