//! The directory of a Xymon client on this host.

use std::path::{Path, PathBuf};

use lockstep_host::{Layout, fs};

use crate::Error;

/// Where the version stands, from the directory's root.
pub(super) const VERSION_FILE: &str = "etc/clientversion.cfg";
/// Largest file with a version, in bytes.
const LARGEST_VERSION: u64 = 4096;

/// A client's directory: a real one, that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// Takes a directory. A link is followed to what it names.
    ///
    /// # Errors
    /// If it is not there, or holds, or lies in, what the agent keeps for itself.
    pub fn open(path: &Path, layout: &Layout) -> Result<Self, Error> {
        let real = path.canonicalize().map_err(|source| {
            let path = path.into();
            lockstep_host::Error::Read { path, source }
        })?;
        let own = [
            layout.program_dir(),
            layout.state_dir(),
            layout.probes_dir(),
            layout.run_dir(),
            layout.root().join("etc/lockstep"),
        ];
        for own in own {
            // What does not exist cannot be reached by a link either.
            let own = own.canonicalize().unwrap_or(own);
            if real.starts_with(&own) || own.starts_with(&real) {
                return Err(Error::Refused(format!(
                    "{} cannot be the directory of a Xymon client: the agent keeps {} for itself",
                    path.display(),
                    own.display()
                )));
            }
        }
        if real.parent().is_none() || !real.is_dir() {
            return Err(Error::Refused(format!(
                "{} cannot be the directory of a Xymon client: it is not a directory of its own",
                path.display()
            )));
        }
        Ok(Self(real))
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The version that is installed: the first line of `etc/clientversion.cfg`. None if there is none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn version(&self) -> Result<Option<String>, Error> {
        let bytes = fs::read_capped(&self.0.join(VERSION_FILE), LARGEST_VERSION)?;
        let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
        let line = text.lines().next().unwrap_or_default().trim();
        Ok((!line.is_empty()).then(|| line.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_no_home() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::below(root.path());
        for dir in ["opt/lockstep/slots/x", "opt/xymon/etc", "etc/lockstep"] {
            std::fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        let link = root.path().join("link");
        std::os::unix::fs::symlink(layout.slots_dir(), &link).unwrap();
        for bad in [
            "opt",
            "opt/lockstep",
            "opt/lockstep/slots/x",
            "link",
            "etc",
            "",
            "missing",
        ] {
            assert!(
                Home::open(&root.path().join(bad), &layout).is_err(),
                "{bad}"
            );
        }
        assert!(Home::open(Path::new("/"), &layout).is_err());
        let home = Home::open(&root.path().join("opt/xymon"), &layout).unwrap();
        assert_eq!(home.version().unwrap(), None);
        let file = home.path().join(VERSION_FILE);
        for (text, version) in [("1.2\n", Some("1.2")), ("new", Some("new")), ("\n", None)] {
            fs::write_durable(&file, text.as_bytes(), fs::Mode::Public).unwrap();
            assert_eq!(home.version().unwrap().as_deref(), version);
        }
    }
}
