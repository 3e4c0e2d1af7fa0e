//! A client message: the line that says whose it is, then sections, each under a head of its own.
//!
//! ```text
//! client www,example,org.linux web
//! [uptime]
//!  22:11:11 up 10:24,  1 user,  load average: 1.67, 1.63, 1.69
//! [clientversion]
//! 1.2.3
//! ```
//!
//! The format is that of Xymon 4.3 (`xymonclient.sh`). Whatever the bytes are, reading them costs one pass and holds
//! nothing but places in them.

mod builder;

use std::borrow::Cow;

pub use builder::Builder;

/// Most sections of one message; further ones are not looked at. A real client sends about twenty, and one for each
/// file and log that it watches.
pub const MOST_SECTIONS: usize = 1_000;
/// Longest name of a section, in bytes; a longer one is text.
const LONGEST_NAME: usize = 512;

/// A client message, split. It borrows the bytes that it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Message<'a> {
    /// What stands before the first section: the command's line.
    pub first: &'a [u8],
    sections: Vec<Section<'a>>,
}

/// One section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    /// What stands between the brackets: `uptime`, `file:/etc/passwd`.
    pub name: &'a str,
    /// All lines up to the next head.
    pub body: &'a [u8],
}

/// The line of a client message that says whose it is: `client[/COLLECTOR] HOST,WITH,COMMAS.OS [CLASS]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'a> {
    /// Which program of the host speaks; none for the ordinary client.
    pub collector: Option<&'a str>,
    /// The host's name, with dots.
    pub host: String,
    /// Its kind of operating system: `linux`.
    pub os: &'a str,
    /// The class of its configuration; a collector has none.
    pub class: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// Splits a message, with its first line or without. Any bytes are a message.
    ///
    /// A head is a line that is nothing but `[NAME]`. A section that shows a log may hold such a line: the format
    /// cannot tell the two apart, and neither can Xymon.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Self {
        let mut sections: Vec<Section<'a>> = Vec::new();
        let mut first = bytes;
        let mut begin = None;
        let mut at = 0;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let next = at + line.len();
            if let Some(name) = head(line) {
                close(&mut sections, &mut first, begin, bytes, at);
                if sections.len() == MOST_SECTIONS {
                    return Self { first, sections };
                }
                sections.push(Section { name, body: &[] });
                begin = Some(next);
            }
            at = next;
        }
        close(&mut sections, &mut first, begin, bytes, bytes.len());
        Self { first, sections }
    }

    /// The first section of a name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.sections.iter().find(|it| it.name == name);
        found.map(|it| it.body)
    }

    /// The last one. What the client itself adds at its message's end is looked for so: logs, in which anybody may have
    /// written a head, stand before it.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.sections.iter().rfind(|it| it.name == name);
        found.map(|it| it.body)
    }

    /// All sections in their order, those of one name as often as they are there.
    pub fn sections(&self) -> impl Iterator<Item = Section<'a>> + '_ {
        self.sections.iter().copied()
    }

    /// Whose it is.
    #[must_use]
    pub fn head(&self) -> Option<Head<'a>> {
        Head::parse(self.first)
    }
}

/// Ends the section under way, or what stands before the first one, at a place.
fn close<'a>(
    sections: &mut [Section<'a>],
    first: &mut &'a [u8],
    begin: Option<usize>,
    bytes: &'a [u8],
    end: usize,
) {
    match (begin, sections.last_mut()) {
        (Some(begin), Some(section)) => section.body = &bytes[begin..end],
        _ => *first = &bytes[..end],
    }
}

/// The name in a line that is a head.
fn head(line: &[u8]) -> Option<&str> {
    let name = line
        .trim_ascii_end()
        .strip_prefix(b"[")?
        .strip_suffix(b"]")?;
    let plain = |byte: &u8| !matches!(byte, b'[' | b']') && !byte.is_ascii_control();
    if name.is_empty() || name.len() > LONGEST_NAME || !name.iter().all(plain) {
        return None;
    }
    std::str::from_utf8(name).ok()
}

impl<'a> Head<'a> {
    /// Parses the first line of a message; none if it is not that of a client.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let line = text.split(|&byte| byte == b'\n').next()?;
        let line = std::str::from_utf8(line).ok()?;
        let mut words = line.split_ascii_whitespace();
        let collector = match words.next()? {
            "client" => None,
            word => Some(word.strip_prefix("client/")?),
        };
        let (host, os) = words.next()?.rsplit_once('.')?;
        if host.is_empty() || os.is_empty() {
            return None;
        }
        Some(Self {
            collector,
            host: host.replace(',', "."),
            os,
            class: words.next().filter(|_| collector.is_none()),
        })
    }
}

/// The lines of a section as text, without their ends; what is no UTF-8 is replaced.
pub(crate) fn lines(body: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    let whole = body.strip_suffix(b"\n").unwrap_or(body);
    let lines = (!body.is_empty()).then(|| whole.split(|&byte| byte == b'\n'));
    lines
        .into_iter()
        .flatten()
        .map(|line| String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &[u8] = b"client www,example,org.linux web\n[uptime]\nup\n[df]\r\na\nb\n[who]\n[msgs:/x]\n[2026] no head\n [free]\n[df]\nc";

    #[test]
    fn sections_end_where_the_next_head_is() {
        let message = Message::parse(TEXT);
        let names: Vec<_> = message.sections().map(|it| it.name).collect();
        assert_eq!(names, ["uptime", "df", "who", "msgs:/x", "df"]);
        assert_eq!(message.section("uptime"), Some(&b"up\n"[..]));
        assert_eq!(message.section("df"), Some(&b"a\nb\n"[..]));
        assert_eq!(message.last("df"), Some(&b"c"[..]));
        assert_eq!(message.section("who"), Some(&b""[..]));
        assert_eq!(message.section("free"), None);
        let log = message.section("msgs:/x").unwrap();
        assert_eq!(
            lines(log).collect::<Vec<_>>(),
            ["[2026] no head", " [free]"]
        );
        assert_eq!(
            message.head(),
            Some(Head {
                collector: None,
                host: "www.example.org".into(),
                os: "linux",
                class: Some("web"),
            })
        );
    }

    #[test]
    fn a_collector_cannot_say_its_class() {
        let head = Head::parse(b"client/vm a.b.aix web\n").unwrap();
        assert_eq!((head.collector, head.class), (Some("vm"), None));
        assert_eq!((head.host.as_str(), head.os), ("a.b", "aix"));
        for no_head in [
            "",
            "client",
            "client ",
            "client host",
            "client .os",
            "status a.b",
            "clientlog a.b",
            "x/y a.b",
        ] {
            assert_eq!(Head::parse(no_head.as_bytes()), None, "{no_head}");
        }
    }

    #[test]
    fn sections_without_end_are_bounded() {
        let text = "[a]\nb\n".repeat(MOST_SECTIONS + 5);
        let message = Message::parse(text.as_bytes());
        assert_eq!(message.sections().count(), MOST_SECTIONS);
        assert!(message.sections().all(|it| it.body == b"b\n"));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(text in "(client a.b\n)?((\\[[a-z]{1,3}\\]|[a-z\\[\\] ]{0,9})\n?){0,12}") {
            let message = Message::parse(text.as_bytes());
            let lines = text.as_bytes().split_inclusive(|&byte| byte == b'\n');
            let heads = lines.filter(|line| head(line).is_some()).map(<[u8]>::len).sum::<usize>();
            let bodies = message.sections().map(|it| it.body.len()).sum::<usize>();
            prop_assert_eq!(message.first.len() + heads + bodies, text.len());
        }

        #[test]
        fn any_bytes_are_a_message(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let message = Message::parse(&bytes);
            let _ = message.head();
            for section in message.sections() {
                prop_assert!(lines(section.body).count() <= section.body.len());
            }
        }
    }
}
