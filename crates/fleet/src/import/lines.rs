//! Lines of configuration files, with those of the files that they include.

use std::rc::Rc;

use super::ImportError;
use super::report::Report;

/// Where configuration files come from. Names are as they are written in the configuration; which of them may be read
/// is for the implementation to say.
pub trait Files {
    /// The text of a file; none if there is no such file.
    ///
    /// # Errors
    /// Why it cannot, or must not, be read.
    fn read(&self, name: &str) -> Result<Option<String>, String>;

    /// The names of the files in a directory, as [`Files::read`] takes them, in order; none if there is no such
    /// directory.
    ///
    /// # Errors
    /// Why it cannot, or must not, be listed.
    fn list(&self, name: &str) -> Result<Option<Vec<String>>, String>;
}

/// One line, without what continues it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) file: Rc<str>,
    /// The first one is 1.
    pub(super) number: usize,
    pub(super) text: String,
}

/// How many files include each other at most.
const DEEPEST: usize = 8;
/// Most files, and most bytes of all of them.
const MOST_FILES: usize = 500;
/// A fleet file has a mebibyte, so of more than this nothing could be made.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The text of a file that was named by a person.
pub(super) fn named(files: &dyn Files, name: &str) -> Result<String, ImportError> {
    let refused = |why: String| ImportError::Read {
        name: name.into(),
        why,
    };
    match files.read(name) {
        Ok(Some(text)) if text.len() <= MOST_BYTES => Ok(text),
        Ok(Some(_)) => Err(refused(format!("it is larger than {MOST_BYTES} bytes"))),
        Ok(None) => Err(refused("there is no such file".into())),
        Err(why) => Err(refused(why)),
    }
}

/// The lines of a file of Xymon, without blank ones and comments. A backslash at the end continues a line; `include`,
/// `directory` and `optional` before them are followed. What could not be followed is returned as comments.
pub(super) fn of_xymon(
    files: &dyn Files,
    name: &str,
    report: &mut Report,
) -> Result<(Vec<Line>, Vec<String>), ImportError> {
    let text = named(files, name)?;
    let mut walk = Walk {
        files,
        report,
        open: vec![name.to_owned()],
        seen: 1,
        bytes: text.len(),
        lines: Vec::new(),
        remarks: Vec::new(),
    };
    walk.text(name, &text);
    Ok((walk.lines, walk.remarks))
}

/// The lines of a text: number of the first one, and what a backslash continues joined to it.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim_end();
        let (line, continued) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        match lines.last_mut() {
            Some((_, last)) if goes_on => last.push_str(line.trim_start()),
            _ => lines.push((index + 1, line.to_owned())),
        }
        goes_on = continued;
    }
    lines.retain(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    lines
}

struct Walk<'a> {
    files: &'a dyn Files,
    report: &'a mut Report,
    /// The files that are being read, each of which included the next one.
    open: Vec<String>,
    seen: usize,
    bytes: usize,
    lines: Vec<Line>,
    remarks: Vec<String>,
}

impl Walk<'_> {
    fn text(&mut self, name: &str, text: &str) {
        let file: Rc<str> = name.into();
        for (number, text) in joined(text) {
            let line = Line {
                file: file.clone(),
                number,
                text,
            };
            match self.directive(&line) {
                None => self.lines.push(line),
                Some(Ok(())) => {}
                Some(Err(why)) => {
                    let remark = self.report.leave(&line, &line.text, why);
                    self.remarks.push(remark);
                }
            }
        }
    }

    /// Follows a line that names other files; none if it does not.
    fn directive(&mut self, line: &Line) -> Option<Result<(), String>> {
        let mut words = line.text.split_whitespace();
        let mut word = words.next()?;
        let optional = word == "optional";
        if optional {
            word = words.next()?;
        }
        let directory = match word {
            "include" | "dispinclude" | "netinclude" => false,
            "directory" => true,
            _ => return None,
        };
        let Some(name) = words.next() else {
            return Some(Err("it names no file".into()));
        };
        let followed = match directory {
            true => self.directory(name),
            false => self.file(name),
        };
        Some(match followed {
            Ok(true) => Ok(()),
            Ok(false) if optional => Ok(()),
            Ok(false) => Err("there is no such file".into()),
            Err(why) => Err(why),
        })
    }

    fn directory(&mut self, name: &str) -> Result<bool, String> {
        let Some(names) = self.files.list(name)? else {
            return Ok(false);
        };
        let mut wrong = Vec::new();
        for name in names {
            // Xymon leaves these out: hidden files, and those that editors and package managers leave behind.
            let base = name.rsplit('/').next().unwrap_or_default();
            let leftover = [
                "~",
                ",v",
                ".bak",
                ".dpkg-old",
                ".dpkg-new",
                ".dpkg-dist",
                ".rpmsave",
                ".rpmnew",
                ".swp",
            ];
            if base.starts_with('.') || leftover.iter().any(|end| base.ends_with(end)) {
                continue;
            }
            if let Err(why) = self.file(&name) {
                wrong.push(format!("{name}: {why}"));
            }
        }
        match wrong.is_empty() {
            true => Ok(true),
            false => Err(wrong.join("; ")),
        }
    }

    fn file(&mut self, name: &str) -> Result<bool, String> {
        if self.open.iter().any(|open| open == name) {
            return Err("it includes itself".into());
        }
        if self.open.len() > DEEPEST {
            return Err(format!("more than {DEEPEST} files include each other"));
        }
        if self.seen >= MOST_FILES {
            return Err(format!("more than {MOST_FILES} files are included"));
        }
        let Some(text) = self.files.read(name)? else {
            return Ok(false);
        };
        self.seen += 1;
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > MOST_BYTES {
            return Err(format!(
                "all files together have more than {MOST_BYTES} bytes"
            ));
        }
        self.open.push(name.to_owned());
        self.text(name, &text);
        self.open.pop();
        Ok(true)
    }
}

/// The lines of a file of dmon: `#` at the beginning or behind a blank begins a comment, and an indented line goes on
/// with the one before it. Tabs are blanks.
pub(super) fn of_dmon(name: &str, text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let line = raw.replace('\t', " ");
        let line = line.split(" #").next().unwrap_or_default();
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some(last) if line.starts_with(' ') => {
                last.text.push(' ');
                last.text.push_str(line.trim());
            }
            _ => lines.push(Line {
                file: name.into(),
                number: index + 1,
                text: line.trim().to_owned(),
            }),
        }
    }
    lines
}
