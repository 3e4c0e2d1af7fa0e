//! What must not survive a change: paths below a package's data directory, removed once the new version is proven.

use std::path::Path;

use lockstep_model::PackageName;

use super::Slots;
use crate::error::{Attempt, Error, Result};
use crate::fault;
use crate::fs::{self, Dir, split};

impl Slots {
    /// Removes files and whole directories below the package's data directory. A path whose last part is a link
    /// loses the link; one that leads through a link is refused, since it could lead anywhere. What is not there
    /// is fine, so repeating it after a cut removes the rest. Durable once it has returned.
    pub fn purge(&self, package: &PackageName, paths: &[String]) -> Result<()> {
        fault::point("slots.purge");
        let data_dir = self.layout.data_dir(package);
        let data = match Dir::open(&data_dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other.reading(&data_dir)?,
        };
        for path in paths {
            let refuse = |why: &str| Error::Purge {
                path: data_dir.join(path),
                why: why.into(),
            };
            let (parent, name) = split(Path::new(path))
                .map_err(|_| refuse("it names nothing below the directory"))?;
            let parent = match data.descend(&parent) {
                Ok(Some(parent)) => parent,
                Ok(None) => continue,
                Err(error) => {
                    return Err(refuse(&format!("its directory cannot be entered: {error}")));
                }
            };
            let whole = data_dir.join(path);
            fs::remove_entry(&parent, name).removing(&whole)?;
            parent.sync().syncing(&whole)?;
        }
        Ok(())
    }
}
