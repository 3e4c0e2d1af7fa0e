//! The files of an existing installation: `hosts.cfg`, `client-local.cfg`, what `config` shows, and `download/`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::client_local::ClientLocal;
use super::files::{self, Seen, Text};
use super::hosts_cfg::HostsCfg;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// The hosts.
    pub(super) hosts: HostsCfg,
    /// What they are told.
    pub(super) local: ClientLocal,
    seen: Seen,
}

/// How a look at the files ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// Nothing has changed.
    Same,
    /// The new files count now.
    Taken,
    /// They cannot be read whole; the old ones count.
    Kept,
}

/// The directory and what was read from it last. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Home {
    root: Option<PathBuf>,
    loaded: Arc<RwLock<Arc<Loaded>>>,
}

impl Home {
    /// Reads the files for the first time. What cannot be read of them is logged, and missing.
    #[must_use]
    pub(super) fn open(root: Option<PathBuf>) -> Self {
        let home = Self {
            root,
            loaded: Arc::default(),
        };
        let (loaded, _) = home.load();
        home.take(loaded);
        home
    }

    /// What counts now.
    #[must_use]
    pub(super) fn now(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again if one of them is another one. It blocks while it reads.
    #[must_use]
    pub(super) fn look(&self) -> Looked {
        if !self.now().seen.changed() {
            return Looked::Same;
        }
        let (mut loaded, whole) = self.load();
        if whole {
            self.take(loaded);
            return Looked::Taken;
        }
        // The same broken files are not told again; the next change is.
        let now = self.now();
        loaded.hosts = now.hosts.clone();
        loaded.local = now.local.clone();
        self.take(loaded);
        tracing::warn!(
            gateway = "xymon",
            "the files are not whole; what was read before stays in force"
        );
        Looked::Kept
    }

    fn take(&self, loaded: Loaded) {
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
    }

    /// The second part is false if anything could not be read.
    fn load(&self) -> (Loaded, bool) {
        let hosts = self.text("hosts.cfg");
        let local = self.text("client-local.cfg");
        let whole = hosts.warnings.is_empty() && local.warnings.is_empty();
        let (parsed_hosts, odd_hosts) = HostsCfg::parse(&hosts);
        let (parsed_local, odd_sections) = ClientLocal::parse(&local);
        let warnings = [hosts.warnings, local.warnings, odd_hosts, odd_sections];
        for warning in warnings.iter().flatten().take(100) {
            tracing::warn!(gateway = "xymon", "{warning}");
        }
        let mut seen = hosts.seen;
        seen.join(local.seen);
        let loaded = Loaded {
            hosts: parsed_hosts,
            local: parsed_local,
            seen,
        };
        (loaded, whole)
    }

    /// A configuration file: `etc/NAME`, else `NAME`.
    fn text(&self, name: &str) -> Text {
        let Some(root) = &self.root else {
            return Text::default();
        };
        let below = root.join("etc").join(name);
        let beside = root.join(name);
        let (first, other) = if beside.exists() && !below.exists() {
            (beside, below)
        } else {
            (below, beside)
        };
        let mut text = files::read(&first);
        // If the other one comes or goes, that is a change, too.
        text.seen.note(&other);
        text
    }

    /// What `config NAME` answers: a file `NAME.cfg` with all that it includes; none if it may not be shown. It blocks
    /// while it reads.
    #[must_use]
    pub(super) fn config(&self, name: &str) -> Option<Vec<u8>> {
        let cfg = name.get(name.len().checked_sub(4)?..)?;
        let is_cfg = name.len() >= 4 && cfg.eq_ignore_ascii_case(".cfg");
        if !is_cfg || !is_below(name) {
            return None;
        }
        let root = self.root.as_deref()?;
        let path = [root.join("etc"), root.to_owned()]
            .into_iter()
            .map(|directory| directory.join(name))
            .find(|path| is_plain(path))?;
        let text = files::read(&path);
        let mut answer = Vec::new();
        for line in &text.lines {
            answer.extend_from_slice(&line.text);
            answer.push(b'\n');
        }
        Some(answer)
    }

    /// The file that `download NAME` asks for; none if it is not there, is no file, or lies outside of the directory,
    /// links resolved. It blocks.
    #[must_use]
    pub(super) fn download(&self, name: &str) -> Option<PathBuf> {
        if !is_below(name) {
            return None;
        }
        let directory = self.root.as_ref()?.join("download").canonicalize().ok()?;
        let path = directory.join(name).canonicalize().ok()?;
        (path.starts_with(&directory) && path.is_file()).then_some(path)
    }
}

fn is_plain(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|it| it.is_file())
}

/// True for a relative name of plain parts.
fn is_below(name: &str) -> bool {
    let path = Path::new(name);
    let plain = |part| matches!(part, std::path::Component::Normal(_));
    !name.is_empty() && !name.contains('\0') && path.components().all(plain)
}

#[cfg(test)]
mod tests {
    use super::super::client_local::{Merge, select};
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test's own files")]
    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn told(home: &Home) -> String {
        let answer = select(&home.now().local, "h", None, "linux", Merge::First);
        String::from_utf8(answer).unwrap()
    }

    #[test]
    fn changed_files_count_and_broken_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let local = dir.path().join("client-local.cfg");
        let home = Home::open(Some(dir.path().into()));
        assert_eq!(home.look(), Looked::Same);
        write(&local, "[linux]\none\n");
        assert_eq!(
            (home.look(), told(&home).as_str()),
            (Looked::Taken, "one\n")
        );
        assert_eq!(home.look(), Looked::Same);
        write(&local, "[linux]\ntwo\ninclude gone.cfg\n");
        assert_eq!((home.look(), told(&home).as_str()), (Looked::Kept, "one\n"));
        assert_eq!(home.look(), Looked::Same);
        write(&dir.path().join("gone.cfg"), "three\n");
        assert_eq!(
            (home.look(), told(&home).as_str()),
            (Looked::Taken, "two\nthree\n")
        );
        write(&dir.path().join("etc/client-local.cfg"), "[linux]\nfour\n");
        assert_eq!(
            (home.look(), told(&home).as_str()),
            (Looked::Taken, "four\n")
        );
    }

    #[test]
    fn nothing_outside_of_its_directory_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("home");
        write(&root.join("etc/a.cfg"), "x\ninclude b.cfg\n");
        write(&root.join("etc/b.cfg"), "y\n");
        write(&root.join("etc/secret.txt"), "no\n");
        write(&root.join("download/d/new.tar"), "tar");
        write(&dir.path().join("outside"), "no");
        write(&dir.path().join("outside.cfg"), "no");
        std::os::unix::fs::symlink("../../outside", root.join("download/out")).unwrap();
        std::os::unix::fs::symlink("d/new.tar", root.join("download/in.tar")).unwrap();
        std::os::unix::fs::symlink("../../outside.cfg", root.join("etc/out.cfg")).unwrap();
        let home = Home::open(Some(root.clone()));
        assert_eq!(home.config("a.cfg"), Some(b"x\ny\n".to_vec()));
        assert!(home.download("d/new.tar").is_some() && home.download("in.tar").is_some());
        for name in [
            "",
            "out",
            "d",
            "../outside",
            "/etc/passwd",
            "d/../../x",
            "no",
            "a\0b",
        ] {
            assert_eq!(home.download(name), None, "{name:?}");
        }
        for name in [
            "",
            "cfg",
            "out.cfg",
            "../outside.cfg",
            "secret.txt",
            "\u{e4}cf",
            "no.cfg",
        ] {
            assert_eq!(home.config(name), None, "{name:?}");
        }
        let absolute = root.join("etc/a.cfg");
        assert_eq!(home.config(absolute.to_str().unwrap()), None);
    }
}
