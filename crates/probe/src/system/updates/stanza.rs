//! Files of stanzas, as `dpkg` and `apt` keep them, read little by little: one of them has 60 MB.
//!
//! Source: `deb822(5)`. A stanza is lines `Field: value`; lines that begin with a blank go on with the value above,
//! and an empty line ends the stanza.

use std::io::{self, BufRead, Read};

/// Longer lines are cut: no field that is looked at is as long, and lists of dependencies are not looked at.
const LONGEST_LINE: u64 = 1024;

/// What is looked at of a package; a field that is not there is empty.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Stanza {
    pub(super) package: String,
    pub(super) version: String,
    pub(super) architecture: String,
    /// Three words in the status file of `dpkg`.
    pub(super) status: String,
    /// Ubuntu: the part of all machines that shall have this version by now.
    pub(super) phased: String,
}

/// Reads stanza after stanza.
pub(super) struct Stanzas<R> {
    reader: R,
    line: Vec<u8>,
}

impl<R: BufRead> Stanzas<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            line: Vec::new(),
        }
    }

    /// Reads the next one in place of what `stanza` held; false at the end.
    pub(super) fn next(&mut self, stanza: &mut Stanza) -> io::Result<bool> {
        stanza.clear();
        let mut has_begun = false;
        while self.read_line()? {
            if self.line.trim_ascii().is_empty() {
                if has_begun {
                    return Ok(true);
                }
                continue;
            }
            has_begun = true;
            stanza.take(&self.line);
        }
        Ok(has_begun)
    }

    /// The next line, or its beginning; false at the end of the file.
    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        let mut bounded = (&mut self.reader).take(LONGEST_LINE);
        let length = bounded.read_until(b'\n', &mut self.line)?;
        if length as u64 == LONGEST_LINE && self.line.last() != Some(&b'\n') {
            self.reader.skip_until(b'\n')?;
        }
        Ok(length > 0)
    }
}

impl Stanza {
    fn clear(&mut self) {
        let Self {
            package,
            version,
            architecture,
            status,
            phased,
        } = self;
        for field in [package, version, architecture, status, phased] {
            field.clear();
        }
    }

    /// A line of the stanza. Lines that go on with a value begin with a blank, and so are no field.
    fn take(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().take(32).position(|&byte| byte == b':') else {
            return;
        };
        let field = match &line[..colon] {
            b"Package" => &mut self.package,
            b"Version" => &mut self.version,
            b"Architecture" => &mut self.architecture,
            b"Status" => &mut self.status,
            b"Phased-Update-Percentage" => &mut self.phased,
            _ => return,
        };
        field.clear();
        let value = line[colon + 1..].trim_ascii();
        // Whatever is no text is no name and no version either.
        field.push_str(std::str::from_utf8(value).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &[u8]) -> Vec<Stanza> {
        let mut stanzas = Stanzas::new(text);
        let mut one = Stanza::default();
        let mut all = Vec::new();
        while stanzas.next(&mut one).unwrap() {
            all.push(one.clone());
        }
        all
    }

    fn stanza(package: &str, version: &str) -> Stanza {
        Stanza {
            package: package.into(),
            version: version.into(),
            ..Stanza::default()
        }
    }

    #[test]
    fn stanzas_are_told_apart() {
        let long = "x".repeat(5000);
        let text = format!(
            "\n\nPackage: a\nDepends: {long}\nDescription: of a\n Version: no\n .\nVersion: 1\n\n \nPackage:b\nX\nVersion: \
             2:2-1 \n"
        );
        assert_eq!(
            all(text.as_bytes()),
            [stanza("a", "1"), stanza("b", "2:2-1")]
        );
        assert_eq!(all(b""), []);
        assert_eq!(all(b"\xff\xfe: x\nPackage: \xff\n"), [Stanza::default()]);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(text in "(Package|Version|Status|: |\n|\\PC| ){0,60}") {
            all(text.as_bytes());
        }

        #[test]
        fn what_was_written_is_read(packages in proptest::collection::vec(("[a-z]{1,9}", "[0-9.]{1,9}"), 0..20), between in "\n{1,3}") {
            let text: String = packages
                .iter()
                .map(|(name, version)| format!("Package: {name}\nMaintainer: M\n more\nVersion: {version}\n{between}"))
                .collect();
            let expected: Vec<Stanza> = packages.iter().map(|(name, version)| stanza(name, version)).collect();
            prop_assert_eq!(all(text.as_bytes()), expected);
        }
    }
}
