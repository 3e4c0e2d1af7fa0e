//! What was taken over, and what was not.

use std::collections::BTreeMap;

use super::lines::Line;

/// A fleet file, and what became of the configuration that it was made from.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The fleet file.
    pub text: String,
    /// How much was taken over, by what it is: `hosts`, `groups`, `checks` …
    pub taken: BTreeMap<&'static str, usize>,
    /// What was not taken over, or not exactly, file by file, in the order of the lines.
    pub left: Vec<Left>,
}

/// A line, or a part of one, that was not taken over, or not exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The file, as it was named.
    pub file: String,
    /// The line; the first one is 1.
    pub line: usize,
    /// What stands there, cut to what fits into a line. Passwords are left out.
    pub text: String,
    /// Why, and where possible what to write instead.
    pub why: String,
}

/// Longest piece of foreign text that is repeated, in characters.
const LONGEST_TEXT: usize = 200;

/// Collects while lines are read.
#[derive(Debug, Default)]
pub(super) struct Report {
    taken: BTreeMap<&'static str, usize>,
    left: Vec<Left>,
}

impl Report {
    /// One more was taken over.
    pub(super) fn take(&mut self, what: &'static str) {
        *self.taken.entry(what).or_default() += 1;
    }

    /// Something was left. Returns the comment that goes into the fleet file.
    pub(super) fn leave(&mut self, line: &Line, text: &str, why: impl Into<String>) -> String {
        let left = Left {
            file: line.file.to_string(),
            line: line.number,
            text: shown(text),
            why: why.into(),
        };
        let comment = left.to_string();
        self.left.push(left);
        comment
    }

    pub(super) fn with(mut self, text: String) -> Imported {
        // Some of it was noticed late. Files stay in the order in which they were read.
        let mut files: Vec<String> = Vec::new();
        for left in &self.left {
            if !files.contains(&left.file) {
                files.push(left.file.clone());
            }
        }
        let place = |left: &Left| (files.iter().position(|file| *file == left.file), left.line);
        self.left.sort_by_cached_key(place);
        Imported {
            text,
            taken: self.taken,
            left: self.left,
        }
    }
}

impl std::fmt::Display for Left {
    /// As compilers do it: `hosts.cfg:12: rpc=mount: there is no such probe`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            file,
            line,
            text,
            why,
        } = self;
        write!(f, "{file}:{line}: {text}: {why}")
    }
}

/// A foreign text as it may be shown: in one line, not too long, and without what looks like a password.
fn shown(text: &str) -> String {
    let text = without_passwords(text.trim());
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = text.chars().take(LONGEST_TEXT).map(plain).collect();
    if text.chars().count() > LONGEST_TEXT {
        shown.push('…');
    }
    shown
}

/// Xymon knows passwords in addresses (`http://USER:PASSWORD@HOST/`), in `ldaplogin=`, in headers, and in the data that
/// is posted; a word of a configuration may be any of these.
fn without_passwords(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        for (begins, keep) in [
            ("ldaplogin=", 0),
            ("httphdr=", 0),
            ("post", 2),
            ("nopost", 2),
            ("soap", 2),
            ("nosoap", 2),
        ] {
            if !word.to_ascii_lowercase().starts_with(begins) {
                continue;
            }
            // `post=COLUMN;URL;DATA;EXPECTED`: what stands behind the address is left out.
            let end = match keep {
                0 => Some(begins.len()),
                parts => word.match_indices(';').nth(parts - 1).map(|(at, _)| at + 1),
            };
            return match end {
                Some(end) => format!("{}***", without_user(&word[..end])),
                None => without_user(word),
            };
        }
        without_user(word)
    });
    words.collect::<Vec<_>>().join(" ")
}

fn without_user(word: &str) -> String {
    let mut clean = String::new();
    let mut rest = word;
    while let Some((before, behind)) = rest.split_once("://") {
        clean.push_str(before);
        clean.push_str("://");
        let end = behind.find(['/', '?', ';']).unwrap_or(behind.len());
        rest = behind;
        if let Some(at) = behind[..end].rfind('@') {
            clean.push_str("***");
            rest = &behind[at..];
        }
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_repeated() {
        let is = |text: &str, expected: &str| assert_eq!(shown(text), expected);
        is("http://a.example/x@y", "http://a.example/x@y");
        is("https://ann:pa@ss@a.example/x", "https://***@a.example/x");
        is("cont;http://u:p@a/;ok", "cont;http://***@a/;ok");
        is(
            "post=c;http://u:p@a/;user=x&pw=y;ok",
            "post=c;http://***@a/;***",
        );
        is("x ldaplogin=cn=a:secret y", "x ldaplogin=*** y");
        is("a\tb\u{1b}[1m", "a b [1m");
        assert_eq!(shown(&"ä".repeat(300)).chars().count(), 201);
    }
}
