//! What both imports have in common: the files that may be read, and where the result goes.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use lockstep_fleet::import::{Files, Imported};
use lockstep_host::fs::{Mode, read_capped, write_durable};

use crate::exit::Exit;
use crate::out;

/// Where the fleet file goes.
#[derive(Debug, clap::Args)]
pub(super) struct OutArgs {
    /// Write the fleet file to this new file; standard output if left out
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Let --out replace a file that is there
    #[arg(long, requires = "out")]
    force: bool,
}

/// Largest file that is read, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;
/// Most files of a directory.
const MOST_FILES: usize = 1_000;

/// The files of an installation: those that were named, and what lies beside them or below.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// Files that a person named, by the name that is shown.
    named: BTreeMap<String, PathBuf>,
    /// Directories without links in their paths; the first one is where relative names begin.
    roots: Vec<PathBuf>,
}

impl Disk {
    /// Lets a file be read that a person named, and what lies below its directory. Returns the name that is shown.
    pub(super) fn name(&mut self, path: &Path) -> anyhow::Result<String> {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        self.root(parent.unwrap_or(Path::new(".")))?;
        let shown = path.display().to_string();
        self.named.insert(shown.clone(), path.to_owned());
        Ok(shown)
    }

    /// Lets what lies below a directory be read.
    pub(super) fn root(&mut self, directory: &Path) -> anyhow::Result<()> {
        let root = directory
            .canonicalize()
            .with_context(|| format!("{} cannot be looked into", directory.display()))?;
        if !self.roots.contains(&root) {
            self.roots.push(root);
        }
        Ok(())
    }

    /// The path that a name in the configuration means; none if nothing is there.
    fn path(&self, name: &str) -> Result<Option<PathBuf>, String> {
        if let Some(path) = self.named.get(name) {
            return Ok(Some(path.clone()));
        }
        let Some(base) = self.roots.first() else {
            return Ok(None);
        };
        let path = match base.join(name).canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("it cannot be looked at: {error}")),
        };
        if self.roots.iter().any(|root| path.starts_with(root)) {
            return Ok(Some(path));
        }
        Err(format!(
            "it lies outside of {}, so it is not read",
            base.display()
        ))
    }
}

impl Files for Disk {
    fn read(&self, name: &str) -> Result<Option<String>, String> {
        let Some(path) = self.path(name)? else {
            return Ok(None);
        };
        let bytes = read_capped(&path, LARGEST).map_err(|error| chain(&error))?;
        Ok(bytes.map(|bytes| {
            // Old configurations are often Latin-1, whose characters are those of Unicode.
            String::from_utf8(bytes)
                .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect())
        }))
    }

    fn list(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        let Some(path) = self.path(name)? else {
            return Ok(None);
        };
        let entries =
            std::fs::read_dir(&path).map_err(|error| format!("it cannot be listed: {error}"))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| format!("it cannot be listed: {error}"))?;
            if names.len() >= MOST_FILES {
                return Err(format!("it has more than {MOST_FILES} files"));
            }
            let file = entry.file_name().into_string();
            let file = file.map_err(|name| format!("{} is not UTF-8", name.display()))?;
            names.push(format!("{}/{file}", name.trim_end_matches('/')));
        }
        names.sort();
        Ok(Some(names))
    }
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Hands the fleet file out, and reports on standard error.
pub(super) fn hand_out(imported: &Imported, args: &OutArgs) -> anyhow::Result<Exit> {
    match &args.out {
        None => out::line(imported.text.trim_end()),
        Some(path) => {
            let there = path.symlink_metadata().is_ok();
            if there && !args.force {
                bail!("{} is there already; --force replaces it", path.display());
            }
            write_durable(path, imported.text.as_bytes(), Mode::Public).with_context(|| {
                format!("the fleet file cannot be written to {}", path.display())
            })?;
        }
    }
    let counts = imported
        .taken
        .iter()
        .map(|(what, count)| format!("{count} {what}"));
    let counts: Vec<String> = counts.collect();
    out::note(match counts.is_empty() {
        true => "taken over: nothing".to_owned(),
        false => format!("taken over: {}", counts.join(", ")),
    });
    if !imported.left.is_empty() {
        out::note(format_args!(
            "not taken over, or not exactly ({}); also in the fleet file, as comments:",
            imported.left.len()
        ));
    }
    for left in &imported.left {
        out::note(format_args!("  {}", out::printable(&left.to_string())));
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_what_was_named_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let put = |name: &str, bytes: &[u8]| {
            let mut file = std::fs::File::create(path(name)).unwrap();
            std::io::Write::write_all(&mut file, bytes).unwrap();
        };
        std::fs::create_dir_all(path("etc/d")).unwrap();
        put("secret", b"x");
        put("etc/hosts.cfg", b"h");
        put("etc/d/a.cfg", b"gr\xfcn");
        std::os::unix::fs::symlink(path("secret"), path("etc/link")).unwrap();
        let mut disk = Disk::default();
        let hosts = disk.name(&path("etc/hosts.cfg")).unwrap();
        assert_eq!(disk.read(&hosts), Ok(Some("h".into())));
        assert_eq!(disk.list("d/"), Ok(Some(vec!["d/a.cfg".into()])));
        assert_eq!(disk.read("d/a.cfg"), Ok(Some("gr\u{fc}n".into())));
        assert_eq!(disk.read("gone"), Ok(None));
        assert_eq!(disk.list("gone"), Ok(None));
        let secret = path("secret").display().to_string();
        for outside in [secret.as_str(), "../secret", "link", "d/../../secret"] {
            assert!(
                disk.read(outside).unwrap_err().contains("outside"),
                "{outside}"
            );
        }
        assert!(disk.list("..").unwrap_err().contains("outside"));
        assert!(disk.read("d").is_err());
        assert!(disk.list("d/a.cfg").is_err());
    }
}
