//! The unit that a bundle brings: a file below `etc/systemd/system`, which is ours or is left alone.

use std::path::Path;
use std::time::Duration;

use lockstep_host::Layout;
use lockstep_host::fs::{self, Mode};
use lockstep_host::service::Manager;
use lockstep_host::slots::Slot;
use lockstep_model::{PackageName, RunReason};
use tracing::info;

use super::daemon::Daemon;
use crate::words;

/// Largest unit file that is read, in bytes.
const MAX_UNIT: u64 = 64 * 1024;
/// systemd may take so long to read its units again.
const RELOAD: Duration = Duration::from_secs(90);

/// The unit of a slot and the text that its file shall have; none if the bundle brings none.
fn wanted(slot: &Slot) -> Result<Option<(String, Vec<u8>)>, RunReason> {
    let service = slot.manifest.service.as_ref();
    let Some((unit, file)) = service.and_then(|it| Some((it.unit.clone()?, it.unit_file.clone()?)))
    else {
        return Ok(None);
    };
    let refused = |why: String| RunReason::UnitRefused {
        unit: unit.clone(),
        why,
    };
    let path = slot.dir.join(&file);
    let text = fs::read_capped(&path, MAX_UNIT).map_err(|error| refused(words(&error)))?;
    let text = text.ok_or_else(|| refused(format!("the bundle holds no {file}")))?;
    let mut whole = mark(slot.package()).into_bytes();
    whole.extend(text);
    Ok(Some((unit, whole)))
}

/// By this line a unit is known for ours.
fn mark(package: &PackageName) -> String {
    format!(
        "# Unit of the package {package}, kept by lockstep: changes here are lost; use a drop-in.\n"
    )
}

fn is_ours(path: &Path, package: &PackageName) -> Result<bool, lockstep_host::Error> {
    let text = fs::read_capped(path, MAX_UNIT)?;
    Ok(text.is_none_or(|text| text.starts_with(mark(package).as_bytes())))
}

/// Whether the unit that a slot brings may be put in its place. Asked before anything is done to the host.
pub(super) fn check(layout: &Layout, slot: &Slot) -> Result<(), RunReason> {
    let Some((unit, _)) = wanted(slot)? else {
        return Ok(());
    };
    let path = layout.unit_file(&unit);
    let why = match is_ours(&path, slot.package()) {
        Ok(true) => return Ok(()),
        Ok(false) => format!(
            "{} is there and was not made by this package; remove it, or leave unit_file out of the bundle",
            path.display()
        ),
        Err(error) => words(&error),
    };
    Err(RunReason::UnitRefused { unit, why })
}

/// Leads from the unit of one slot to that of another, and has systemd read them. Entered as often as it takes.
pub(super) async fn switch(
    layout: &Layout,
    from: Option<&Slot>,
    to: Option<&Slot>,
) -> Result<(), RunReason> {
    let host_failed = |error: lockstep_host::Error| RunReason::HostFailed { why: words(&error) };
    let old = from.map(wanted).transpose()?.flatten();
    let new = to.map(wanted).transpose()?.flatten();
    let mut has_changed = false;
    if let (Some(slot), Some((unit, _))) = (from, &old)
        && new.as_ref().is_none_or(|(name, _)| name != unit)
    {
        let path = layout.unit_file(unit);
        if path.exists() && is_ours(&path, slot.package()).map_err(host_failed)? {
            if let Some(daemon) = Daemon::of(layout, slot).map_err(host_failed)? {
                daemon.disable().await.map_err(host_failed)?;
            }
            fs::remove_durable(&path).map_err(host_failed)?;
            info!(unit, "its package does not bring it any more; removed");
            has_changed = true;
        }
    }
    if let (Some(slot), Some((unit, text))) = (to, &new) {
        check(layout, slot)?;
        let path = layout.unit_file(unit);
        let now = fs::read_capped(&path, MAX_UNIT).map_err(host_failed)?;
        if now.as_ref() != Some(text) {
            fs::write_durable(&path, text, Mode::Public).map_err(host_failed)?;
            info!(unit, path = %path.display(), "the unit of the package is put in its place");
            has_changed = true;
        }
    }
    // After a kill nobody knows whether systemd was told; once more does no harm.
    if has_changed || new.is_some() {
        let manager = Manager::of(layout.root());
        manager.reload(RELOAD).await.map_err(host_failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lockstep_model::BundleManifest;

    use super::*;

    /// A slot whose bundle brings a unit.
    fn slot(layout: &Layout, version: &str, unit: &str) -> Slot {
        let dir = layout.slots_dir().join("pigeon").join(version);
        let text = format!("[Service]\nExecStart=/opt/pigeon {version}\n");
        fs::create_dir(&dir.join("systemd")).unwrap();
        fs::write_durable(&dir.join("systemd/x"), text.as_bytes(), Mode::Public).unwrap();
        let manifest = format!(
            "package = \"pigeon\"\nversion = \"{version}\"\nplatform = \"any\"\n\
             [service]\nunit = \"{unit}\"\nunit_file = \"systemd/x\"\n"
        );
        Slot {
            dir,
            manifest: BundleManifest::parse(&manifest).unwrap(),
            hash: None,
            content: None,
            installed_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn text(path: &Path) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }

    #[tokio::test]
    async fn a_unit_comes_follows_its_version_and_goes() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::below(root.path());
        let units = layout.unit_file("x");
        fs::create_dir(units.parent().unwrap()).unwrap();
        let (one, two) = (
            slot(&layout, "1.0.0", "pigeon.service"),
            slot(&layout, "2.0.0", "dove.service"),
        );
        let (pigeon, dove) = (
            layout.unit_file("pigeon.service"),
            layout.unit_file("dove.service"),
        );
        for _ in 0..2 {
            switch(&layout, None, Some(&one)).await.unwrap();
            assert!(text(&pigeon).unwrap().contains("/opt/pigeon 1.0.0"));
        }
        // A version with another unit takes the old one along, and back again.
        for _ in 0..2 {
            switch(&layout, Some(&one), Some(&two)).await.unwrap();
            assert!(text(&pigeon).is_none() && text(&dove).is_some());
        }
        switch(&layout, Some(&two), Some(&one)).await.unwrap();
        assert!(text(&pigeon).is_some() && text(&dove).is_none());
        switch(&layout, Some(&one), None).await.unwrap();
        assert!(text(&pigeon).is_none());
    }

    #[tokio::test]
    async fn a_unit_of_somebody_else_is_left_alone_and_that_is_said() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::below(root.path());
        let path = layout.unit_file("pigeon.service");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let one = slot(&layout, "1.0.0", "pigeon.service");
        assert_eq!(check(&layout, &one), Ok(()));
        fs::write_durable(&path, b"[Unit]\n", Mode::Public).unwrap();
        let refused = check(&layout, &one).unwrap_err().to_string();
        assert!(refused.contains("remove it"), "{refused}");
        assert!(switch(&layout, None, Some(&one)).await.is_err());
        assert_eq!(text(&path).as_deref(), Some("[Unit]\n"));
        // Nor is it removed on the way back.
        switch(&layout, Some(&one), None).await.unwrap();
        assert_eq!(text(&path).as_deref(), Some("[Unit]\n"));
    }
}
