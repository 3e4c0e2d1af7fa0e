//! Xymon's configuration files, read together with what they include.
//!
//! The grammar is that of Xymon 4.3.30, as its tools read `hosts.cfg`, `client-local.cfg` and all others: a backslash at
//! the end of a line joins it with the next; `include FILE` and `directory DIR` are replaced by what they name, with
//! `optional` before them silently when it is not there. Relative names begin at the directory of the first file.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of one file with all that it includes, at most.
const LARGEST: u64 = 16 * 1024 * 1024;
/// Files and directories that one file may include.
const MOST_FILES: usize = 1_000;
/// How deep includes go.
const DEEPEST: usize = 16;

/// A line with where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line without its newline; joined lines are one.
    pub text: Vec<u8>,
    /// Its file.
    pub file: Arc<Path>,
    /// Its number in there, from 1.
    pub number: usize,
}

impl Line {
    /// `FILE:NUMBER`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.number)
    }
}

/// A file as it was read.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// Its lines, includes resolved.
    pub lines: Vec<Line>,
    /// What was read, to see when it changes.
    pub seen: Seen,
    /// What is wrong with it, in words. A text with warnings is not whole.
    pub warnings: Vec<String>,
}

/// The state of files at the time when they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen(Vec<(PathBuf, Option<Stamp>)>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    size: u64,
    inode: u64,
}

impl Seen {
    /// Adds a file as it is now, or that it is not there.
    pub fn note(&mut self, path: &Path) {
        self.0.push((path.to_owned(), stamp(path)));
    }

    /// True if one of the files is another one now, has gone, or has come.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.0.iter().any(|(path, seen)| stamp(path) != *seen)
    }

    /// Adds what another text was read from.
    pub fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp {
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        size: metadata.size(),
        inode: metadata.ino(),
    })
}

/// Reads a file. What cannot be read is told in [`Text::warnings`]; a first file that is not there gives an empty text
/// without one.
#[must_use]
pub fn read(first: &Path) -> Text {
    let mut reading = Reading {
        base: first.parent().map(Path::to_owned).unwrap_or_default(),
        text: Text::default(),
        bytes: 0,
    };
    if first.exists() {
        reading.file(first, 0);
    } else {
        reading.text.seen.note(first);
    }
    reading.text
}

struct Reading {
    base: PathBuf,
    text: Text,
    bytes: u64,
}

impl Reading {
    fn warn(&mut self, warning: String) {
        self.text.warnings.push(warning);
    }

    fn file(&mut self, path: &Path, depth: usize) {
        self.text.seen.note(path);
        if depth > DEEPEST || self.text.seen.0.len() > MOST_FILES {
            return self.warn(format!(
                "{} is not read: includes go {DEEPEST} files deep and name {MOST_FILES} files at most",
                path.display()
            ));
        }
        let content = match content(path, LARGEST.saturating_sub(self.bytes)) {
            Ok(content) => content,
            Err(error) => return self.warn(format!("cannot read {}: {error}", path.display())),
        };
        self.bytes += content.len() as u64;
        let file: Arc<Path> = path.into();
        for (number, text) in logical_lines(&content) {
            let line = Line {
                text,
                file: Arc::clone(&file),
                number,
            };
            match directive(&line.text) {
                None => self.text.lines.push(line),
                Some(directive) => self.include(&directive, &line, depth),
            }
        }
    }

    fn include(&mut self, directive: &Directive, line: &Line, depth: usize) {
        let path = self.base.join(&directive.name);
        if !path.exists() {
            self.text.seen.note(&path);
            if directive.needed {
                self.warn(format!("{}: {} is not there", line.place(), path.display()));
            }
            return;
        }
        if directive.is_directory {
            self.directory(&path, depth + 1);
        } else {
            self.file(&path, depth + 1);
        }
    }

    fn directory(&mut self, path: &Path, depth: usize) {
        self.text.seen.note(path);
        if depth > DEEPEST || self.text.seen.0.len() > MOST_FILES {
            return self.warn(format!(
                "{} is not read: too deep or too many",
                path.display()
            ));
        }
        let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.warn(format!("cannot read {}: {error}", path.display())),
        };
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let mut below = Vec::new();
        for entry in entries {
            if !is_configuration(&entry.file_name().to_string_lossy()) {
                continue;
            }
            let path = entry.path();
            match std::fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => below.push(path),
                Ok(metadata) if metadata.is_file() => self.file(&path, depth),
                // Devices, sockets and links to nothing are no configuration.
                Ok(_) | Err(_) => {}
            }
        }
        for path in below {
            self.directory(&path, depth + 1);
        }
    }
}

fn content(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut content = Vec::new();
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    file.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::other(
            "with all includes it is larger than 16 MiB",
        ));
    }
    Ok(content)
}

/// Lines with their numbers, those that end with a backslash joined with the next.
fn logical_lines(content: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    if content.is_empty() {
        return lines;
    }
    for (index, physical) in content.split(|&byte| byte == b'\n').enumerate() {
        let (number, mut text) = open.take().unwrap_or((index + 1, Vec::new()));
        match physical.trim_ascii_end().strip_suffix(b"\\") {
            Some(begun) => {
                text.extend_from_slice(begun);
                open = Some((number, text));
            }
            None => {
                text.extend_from_slice(physical);
                lines.push((number, text));
            }
        }
    }
    lines.extend(open);
    lines
}

#[derive(Debug, PartialEq, Eq)]
struct Directive {
    name: PathBuf,
    is_directory: bool,
    needed: bool,
}

fn directive(line: &[u8]) -> Option<Directive> {
    let line = line.trim_ascii_start();
    let (needed, line) = match line.strip_prefix(b"optional") {
        Some(rest) => (false, rest.trim_ascii_start()),
        None => (true, line),
    };
    let (is_directory, rest) = if let Some(rest) = line.strip_prefix(b"include") {
        (false, rest)
    } else {
        (true, line.strip_prefix(b"directory")?)
    };
    if !rest.starts_with(b" ") && !rest.starts_with(b"\t") {
        return None;
    }
    let name = String::from_utf8_lossy(rest.trim_ascii()).into_owned();
    (!name.is_empty()).then(|| Directive {
        name: name.into(),
        is_directory,
        needed,
    })
}

/// What `directory` takes: not what editors and package managers leave behind (hosts.cfg(5)).
fn is_configuration(name: &str) -> bool {
    let ends = [
        "~",
        ",v",
        ".dpkg-new",
        ".dpkg-orig",
        ".rpmsave",
        ".rpmorig",
        ".rpmnew",
    ];
    !name.starts_with('.')
        && !name.starts_with("README")
        && name != "RCS"
        && !ends.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test's own files")]
    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn texts(text: &Text) -> Vec<String> {
        let lines = text.lines.iter();
        lines
            .map(|line| String::from_utf8_lossy(&line.text).into_owned())
            .collect()
    }

    #[test]
    fn includes_and_directories_stand_where_they_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        write(
            &at("a.cfg"),
            "one\ninclude b.cfg\n directory d\noptional include no.cfg\ninclude gone.cfg\ninclude\nlast",
        );
        write(&at("b.cfg"), "two\\\n and a half\n");
        write(&at("d/2.cfg"), "four\n");
        write(&at("d/1.cfg"), "three\n");
        write(&at("d/.hidden"), "x\n");
        write(&at("d/1.cfg~"), "x\n");
        write(&at("d/below/0.cfg"), "five\n");
        let text = read(&at("a.cfg"));
        assert_eq!(
            texts(&text),
            [
                "one",
                "two and a half",
                "three",
                "four",
                "five",
                "include",
                "last"
            ]
        );
        assert_eq!(text.warnings.len(), 1, "{:?}", text.warnings);
        assert!(text.warnings[0].contains("a.cfg:5") && text.warnings[0].contains("gone.cfg"));
        assert!(!text.seen.changed());
        write(&at("d/3.cfg"), "six\n");
        assert!(text.seen.changed(), "a file came into the directory");
        let text = read(&at("a.cfg"));
        write(&at("no.cfg"), "");
        assert!(text.seen.changed(), "what was optional is there");
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.cfg");
        write(&path, "x\ninclude a.cfg\ninclude a.cfg\n");
        let text = read(&path);
        assert!(!text.warnings.is_empty());
        assert!(text.lines.len() <= MOST_FILES + 1, "{}", text.lines.len());
    }
}
