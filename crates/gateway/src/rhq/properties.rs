//! Properties as Java's `java.util.Properties` reads them: the form of RHQ's version body, and of the file in each
//! agent's jar that says which version it is.
//!
//! Source: the documentation of `Properties.load(InputStream)`, Java SE 17. Bytes are ISO 8859-1; what that has not is
//! written as `\uXXXX`.

use std::collections::BTreeMap;

/// Largest text that is read, in bytes.
pub const LARGEST: usize = 64 * 1024;

/// Why a text holds no properties.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotProperties {
    /// It is longer than [`LARGEST`].
    #[error("it has more than {LARGEST} bytes")]
    TooLong,
    /// `\u` without four hexadecimal digits behind it, which Java refuses as well.
    #[error("\\u needs four hexadecimal digits")]
    Unicode,
}

/// Reads a text. Of a key that is there twice the last value counts.
///
/// # Errors
/// For a text that is too long, and for one that Java's own reader refuses.
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<String, String>, NotProperties> {
    if bytes.len() > LARGEST {
        return Err(NotProperties::TooLong);
    }
    let mut found = BTreeMap::new();
    let mut lines = natural_lines(bytes);
    while let Some(line) = lines.next() {
        let first = trimmed(line);
        if first.is_empty() || first[0] == b'#' || first[0] == b'!' {
            continue;
        }
        let mut whole = first.to_vec();
        while ends_with_escape(&whole) {
            whole.pop();
            match lines.next() {
                Some(next) => whole.extend_from_slice(trimmed(next)),
                None => break,
            }
        }
        let (key, value) = split(&whole);
        found.insert(unescaped(key)?, unescaped(value)?);
    }
    Ok(found)
}

/// One line `KEY=VALUE`, without its end.
#[must_use]
pub fn line(key: &str, value: &str) -> String {
    let mut line = String::new();
    for c in key.chars() {
        if matches!(c, ' ' | '=' | ':' | '#' | '!') {
            line.push('\\');
        }
        escape(c, &mut line);
    }
    line.push('=');
    // Blanks before a value belong to the sign before it.
    if value.starts_with(' ') {
        line.push('\\');
    }
    for c in value.chars() {
        escape(c, &mut line);
    }
    line
}

fn escape(c: char, to: &mut String) {
    match c {
        '\\' => to.push_str("\\\\"),
        '\t' => to.push_str("\\t"),
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\u{c}' => to.push_str("\\f"),
        ' '..='~' => to.push(c),
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                to.push_str(&format!("\\u{unit:04X}"));
            }
        }
    }
}

/// Lines end with a line feed, a carriage return, or both.
fn natural_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(bytes);
    std::iter::from_fn(move || {
        let text = left?;
        match text.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            None => {
                left = None;
                Some(text)
            }
            Some(end) => {
                let both = text[end..].starts_with(b"\r\n");
                left = Some(&text[end + 1 + usize::from(both)..]);
                Some(&text[..end])
            }
        }
    })
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0c)
}

fn trimmed(line: &[u8]) -> &[u8] {
    let first = line.iter().position(|byte| !is_blank(*byte));
    &line[first.unwrap_or(line.len())..]
}

fn ends_with_escape(line: &[u8]) -> bool {
    let slashes = line.iter().rev().take_while(|byte| **byte == b'\\');
    slashes.count() % 2 == 1
}

/// The key ends at the first blank, `=` or `:` that is not escaped. Blanks around one such sign belong to nobody.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while at < line.len() && !is_blank(line[at]) && !matches!(line[at], b'=' | b':') {
        at += if line[at] == b'\\' { 2 } else { 1 };
    }
    let at = at.min(line.len());
    let rest = trimmed(&line[at..]);
    let value = match rest.first() {
        Some(b'=' | b':') => trimmed(&rest[1..]),
        _ => rest,
    };
    (&line[..at], value)
}

fn unescaped(text: &[u8]) -> Result<String, NotProperties> {
    // Java's characters are units of UTF-16, and so are its escapes.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut left = text.iter();
    while let Some(&byte) = left.next() {
        if byte != b'\\' {
            units.push(byte.into());
            continue;
        }
        match left.next() {
            None => {}
            Some(b't') => units.push(0x09),
            Some(b'n') => units.push(0x0a),
            Some(b'r') => units.push(0x0d),
            Some(b'f') => units.push(0x0c),
            Some(b'u') => {
                let mut unit: u32 = 0;
                for _ in 0..4 {
                    let digit = left.next().and_then(|it| char::from(*it).to_digit(16));
                    unit = unit * 16 + digit.ok_or(NotProperties::Unicode)?;
                }
                units.push(unit as u16);
            }
            Some(&other) => units.push(other.into()),
        }
    }
    Ok(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> (String, String) {
        let found = parse(text.as_bytes()).unwrap();
        assert_eq!(found.len(), 1, "{text:?}: {found:?}");
        found.into_iter().next().unwrap()
    }

    #[test]
    fn what_the_documentation_of_java_shows() {
        for text in [
            "Truth = Beauty",
            " Truth:Beauty",
            "Truth                    :Beauty",
            "Truth Beauty",
        ] {
            assert_eq!(one(text), ("Truth".into(), "Beauty".into()), "{text:?}");
        }
        let fruits = "fruits                           apple, banana, pear, \\\n                                 \
                      cantaloupe, watermelon, \\\n                                 kiwi, mango";
        let list = "apple, banana, pear, cantaloupe, watermelon, kiwi, mango";
        assert_eq!(one(fruits), ("fruits".into(), list.into()));
        assert_eq!(one("cheeses\n"), ("cheeses".into(), String::new()));
        assert_eq!(one("\\:\\= x"), (":=".into(), "x".into()));
    }

    #[test]
    fn lines_comments_and_escapes() {
        for (text, key, value) in [
            ("# a=b\r\n! c=d\r\r  \t\n\u{c} e=f", "e", "f"),
            ("a=b\\", "a", "b"),
            ("a=b\\\\", "a", "b\\"),
            ("a=b\\\r\n#c", "a", "b#c"),
            ("a=b\\\n\n", "a", "b"),
            ("\\\n a=b", "a", "b"),
            ("a==b", "a", "=b"),
            ("a= :b", "a", ":b"),
            ("a\\ b=c\\u00e4\\z", "a b", "cäz"),
            ("a=\\ud83d\\ude00", "a", "😀"),
            ("a=b  ", "a", "b  "),
            ("=b", "", "b"),
            ("a=1\na=2", "a", "2"),
        ] {
            assert_eq!(one(text), (key.into(), value.into()), "{text:?}");
        }
        assert_eq!(parse(b"a=\xe4").unwrap()["a"], "ä", "ISO 8859-1");
    }

    #[test]
    fn what_java_refuses_is_refused() {
        assert_eq!(parse(b"a=\\u12g4"), Err(NotProperties::Unicode));
        assert_eq!(parse(b"a=\\u12"), Err(NotProperties::Unicode));
        assert_eq!(parse(&vec![b'a'; LARGEST + 1]), Err(NotProperties::TooLong));
    }

    #[test]
    fn ordinary_lines_are_written_as_they_are() {
        assert_eq!(
            line("rhq-agent.latest.md5", "0af"),
            "rhq-agent.latest.md5=0af"
        );
        assert_eq!(line("a b", " \\d+\nä"), "a\\ b=\\ \\\\d+\\n\\u00E4");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(key in ".{0,20}", value in ".{0,40}") {
            let text = format!("{}\nlast=1\n", line(&key, &value));
            prop_assert!(text.is_ascii() && !text.contains('\r'));
            let found = parse(text.as_bytes()).unwrap();
            let expected = if key == "last" { "1" } else { &value };
            prop_assert_eq!(&found[&key], expected);
        }

        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
