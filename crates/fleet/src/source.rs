//! The texts of a fleet file, and places in them.

use std::fmt;

use serde::Serialize;

/// A stretch of one text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At {
    /// Which text.
    pub(crate) file: u16,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// A place as people name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// The file, as in `fleet.d/web.toml`.
    pub file: String,
    /// The line; the first one is 1.
    pub line: usize,
    /// The character in that line; the first one is 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One text.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    /// At which byte each line begins.
    lines: Vec<usize>,
}

/// All texts, in the order in which they are merged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    pub(crate) fn new(texts: Vec<(String, String)>) -> Self {
        let sources = texts.into_iter().map(|(name, text)| {
            let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
            let lines = std::iter::once(0).chain(breaks).collect();
            Source { name, text, lines }
        });
        Self(sources.collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    /// What stands there.
    pub(crate) fn text(&self, at: At) -> &str {
        let text = self.0.get(usize::from(at.file)).map(|it| it.text.as_str());
        text.and_then(|text| text.get(at.start as usize..at.end as usize))
            .unwrap_or_default()
    }

    /// The place as people name it.
    pub(crate) fn place(&self, at: At) -> Place {
        let Some(source) = self.0.get(usize::from(at.file)) else {
            return Place {
                file: String::new(),
                line: 1,
                column: 1,
            };
        };
        let (line, begin) = source.line_of(at.start as usize);
        let before = source.text.get(begin..at.start as usize);
        Place {
            file: source.name.clone(),
            line: line + 1,
            column: before.map_or(0, |before| before.chars().count()) + 1,
        }
    }

    /// The line in which the stretch begins, and how many of its characters the stretch covers.
    pub(crate) fn line(&self, at: At) -> (&str, usize) {
        let Some(source) = self.0.get(usize::from(at.file)) else {
            return ("", 0);
        };
        let (_, begin) = source.line_of(at.start as usize);
        let rest = source.text.get(begin..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let end = (at.end as usize).min(begin + line.len());
        let covered = source.text.get(at.start as usize..end);
        (line, covered.map_or(0, |covered| covered.chars().count()))
    }
}

impl Source {
    /// The number of the line in which a byte is, from 0, and where it begins.
    fn line_of(&self, byte: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|&begin| begin <= byte).max(1) - 1;
        (line, self.lines.get(line).copied().unwrap_or_default())
    }
}

/// The byte of the text at which a byte of a string's content stands: quotes and escapes lie between. `raw` is the
/// string as it is written, quotes included.
pub(crate) fn inside(raw: &str, content_byte: usize) -> usize {
    let quote = if raw.starts_with("\"\"\"") || raw.starts_with("'''") {
        // A line break directly behind the opening quotes is not part of the content.
        let behind = raw.get(3..).unwrap_or_default();
        3 + behind
            .strip_prefix("\r\n")
            .or_else(|| behind.strip_prefix('\n'))
            .map_or(0, |rest| behind.len() - rest.len())
    } else {
        1
    };
    if raw.starts_with('\'') {
        return (quote + content_byte).min(raw.len());
    }
    let mut content = 0;
    let mut chars = raw.char_indices().skip_while(|(at, _)| *at < quote);
    while let Some((at, c)) = chars.next() {
        if content >= content_byte {
            return at;
        }
        if c != '\\' {
            content += c.len_utf8();
            continue;
        }
        let digits = match chars.next().map(|(_, kind)| kind) {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            // A line break that is escaped ends the exact reckoning; the beginning is near enough.
            Some('\n' | '\r' | ' ' | '\t') | None => return 0,
            Some(_) => 0,
        };
        let code = raw
            .get(at + 2..at + 2 + digits)
            .and_then(|code| u32::from_str_radix(code, 16).ok());
        content += code
            .filter(|_| digits > 0)
            .and_then(char::from_u32)
            .map_or(1, char::len_utf8);
        for _ in 0..digits {
            chars.next();
        }
    }
    raw.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let sources = Sources::new(vec![("a.toml".into(), "ä = 1\nbö = 2\n".into())]);
        let at = |start, end| At {
            file: 0,
            start,
            end,
        };
        assert_eq!(sources.place(at(0, 2)).to_string(), "a.toml:1:1");
        assert_eq!(sources.place(at(13, 14)).to_string(), "a.toml:2:6");
        assert_eq!(sources.line(at(13, 14)), ("bö = 2", 1));
        assert_eq!(sources.place(at(15, 15)).to_string(), "a.toml:3:1");
        assert_eq!(sources.line(at(15, 15)), ("", 0));
    }

    #[test]
    fn bytes_of_the_content_are_found_behind_quotes_and_escapes() {
        assert_eq!(inside("\"> 80 x\"", 5), 6);
        assert_eq!(inside("'> 80 x'", 5), 6);
        assert_eq!(inside(r#""is \"a\" x""#, 7), 10);
        assert_eq!(inside("\"\\u00e9 x\"", 3), 8);
        assert_eq!(inside("\"\"\"\n> 8 x\"\"\"", 4), 8);
        assert_eq!(inside("\"ab\"", 99), 4);
    }
}
