//! Which file a path stands for, and of which kind it is.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Longest path that is looked for, in bytes.
const LONGEST: usize = 1_024;

/// A request's path (decoded, without the slash before it) as one below a tree. None where it leads elsewhere, names
/// nothing, or is no path. Dots and double slashes, as apt sends for repositories without a suite, are left out.
#[must_use]
pub fn below(path: &str) -> Option<PathBuf> {
    if path.len() > LONGEST || path.contains(['\0', '\\']) || path.ends_with('/') {
        return None;
    }
    let mut below = PathBuf::new();
    for part in Path::new(path.trim_start_matches('/')).components() {
        match part {
            Component::Normal(name) => below.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!below.as_os_str().is_empty()).then_some(below)
}

/// The file below a tree; not found if a link on the way leads out of it. It may read the disk for a moment.
pub(super) fn resolve(root: &Path, below: &Path) -> io::Result<PathBuf> {
    let root = root.canonicalize()?;
    let path = root.join(below).canonicalize()?;
    match path.starts_with(&root) {
        true => Ok(path),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

/// What a person's browser would show as text is `text/plain`, everything else is bytes. apt, dnf and their kin do not
/// look at it.
pub(super) fn content_type(path: &Path) -> &'static str {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let is_text = matches!(&*name, "Release" | "InRelease" | "Packages" | "Sources")
        || matches!(
            &*extension,
            "txt" | "key" | "asc" | "repo" | "list" | "sources"
        );
    match is_text {
        true => "text/plain",
        false => "application/octet-stream",
    }
}

/// True for a package file that has the release's version in its name, as in `serveragent_1.20.3-1_amd64.deb`: what a
/// client takes that installs this release.
pub(super) fn is_package_of(path: &Path, version: &str) -> bool {
    let extension = path.extension().unwrap_or_default();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stands_alone = |at: usize| {
        let before = stem[..at].chars().next_back();
        let after = stem[at + version.len()..].chars().next();
        let goes_on = |c: char| c.is_ascii_digit();
        // Neither 11.2 nor 1.2.3 is 1.2, but 1.2.noarch is.
        let digit_behind = stem[at + version.len()..]
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(goes_on));
        !before.is_some_and(|c| goes_on(c) || c == '.')
            && !after.is_some_and(goes_on)
            && !digit_behind
    };
    (extension == "deb" || extension == "rpm")
        && !version.is_empty()
        && stem.match_indices(version).any(|(at, _)| stands_alone(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below() {
        for (path, expected) in [
            ("debian/agentrepo.key", Some("debian/agentrepo.key")),
            (
                "/debian/./dists//serveragent/InRelease",
                Some("debian/dists/serveragent/InRelease"),
            ),
            ("a/../b", None),
            ("../etc/passwd", None),
            ("..", None),
            ("", None),
            (".", None),
            ("debian/", None),
            ("a\0b", None),
            ("..\\windows", None),
        ] {
            assert_eq!(below(path), expected.map(PathBuf::from), "{path:?}");
        }
        assert_eq!(below(&"a/".repeat(1_000)), None);
        assert_eq!(below(&"a".repeat(LONGEST + 1)), None);
    }

    #[test]
    fn links_lead_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("tree"), dir.path().join("outside"));
        std::fs::create_dir_all(root.join("dists/bookworm")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        for file in [
            root.join("dists/bookworm/InRelease"),
            outside.join("secret"),
        ] {
            std::fs::File::create(file).unwrap();
        }
        std::os::unix::fs::symlink("bookworm", root.join("dists/stable")).unwrap();
        std::os::unix::fs::symlink("../../outside", root.join("dists/out")).unwrap();
        let real = root.canonicalize().unwrap();
        let within = resolve(&root, Path::new("dists/stable/InRelease")).unwrap();
        assert_eq!(within, real.join("dists/bookworm/InRelease"));
        for path in ["dists/out/secret", "dists/none"] {
            let error = resolve(&root, Path::new(path)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{path}");
        }
    }

    #[test]
    fn kinds_of_files() {
        for (path, text) in [
            ("a/InRelease", true),
            ("a/Release.gpg", false),
            ("a/agentrepo.key", true),
            ("redhat/drivesrvr.repo", true),
            ("a/Packages", true),
            ("a/Packages.gz", false),
            ("a/x_1.0_all.deb", false),
        ] {
            let expected = if text {
                "text/plain"
            } else {
                "application/octet-stream"
            };
            assert_eq!(content_type(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn the_package_of_a_version_is_known_by_its_name() {
        for (name, version, expected) in [
            ("serveragent_1.20.3-1_amd64.deb", "1.20.3", true),
            ("drivesrvr-1.20.3-1.x86_64.rpm", "1.20.3", true),
            ("drivesrvr-1.20.3.x86_64.rpm", "1.20.3", true),
            ("agent-1.20.3.noarch.rpm", "1.20.3", true),
            ("serveragent_11.20.3_amd64.deb", "1.20.3", false),
            ("serveragent_1.20.30_amd64.deb", "1.20.3", false),
            ("serveragent_1.20.3.1_amd64.deb", "1.20.3", false),
            ("serveragent_0.1.20.3_amd64.deb", "1.20.3", false),
            ("serveragent_1.20.3_amd64.txt", "1.20.3", false),
        ] {
            assert_eq!(is_package_of(Path::new(name), version), expected, "{name}");
        }
    }
}
