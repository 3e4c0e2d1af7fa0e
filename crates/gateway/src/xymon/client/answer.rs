//! What the answer to a report says of versions.

use super::ClientError;

/// Longest version, in bytes.
const LONGEST: usize = 100;

/// The version that a server wants: the second field of the line `clientversion:VERSION`. None if there is no such line.
/// What stands behind a second colon (where Windows clients find their package) is passed over.
///
/// # Errors
/// If two lines want two versions, or a version cannot be the name of a file: Xymon's own client would make several
/// words of it, and the second one an option of its updater.
pub fn wanted_version(answer: &[u8]) -> Result<Option<&str>, ClientError> {
    let mut wanted: Option<&str> = None;
    for line in answer.split(|&byte| byte == b'\n') {
        let Some(rest) = line.strip_prefix(b"clientversion:") else {
            continue;
        };
        let field = rest.split(|&byte| byte == b':').next().unwrap_or_default();
        let version = std::str::from_utf8(field).unwrap_or("\u{fffd}").trim();
        if version.is_empty() {
            continue;
        }
        if !is_version(version) {
            let shown: String = version.chars().take(LONGEST).collect();
            return Err(ClientError::Answer(format!(
                "{shown:?} is no version: letters, digits and . _ - + are, at most {LONGEST}, with a letter or digit first"
            )));
        }
        match wanted {
            Some(other) if other != version => {
                return Err(ClientError::Answer(format!(
                    "it wants two versions at once, {other} and {version}"
                )));
            }
            _ => wanted = Some(version),
        }
    }
    Ok(wanted)
}

/// True for a version of a client that can be the name of a file, without its `.tar`, and a word of a command.
#[must_use]
pub fn is_version(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    text.len() <= LONGEST
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_line_says_the_version() {
        for (answer, version) in [
            ("", None),
            ("file:/etc/passwd\n", None),
            ("log:/x:10\nclientversion:1.2\nfile:/x\n", Some("1.2")),
            ("clientversion:1.2", Some("1.2")),
            ("clientversion: 1.2 \r\n", Some("1.2")),
            ("clientversion:\nclientversion:\n", None),
            ("clientversion:2.4:bb://x:SHA256:ab\n", Some("2.4")),
            ("clientversion:a\nclientversion:a\n", Some("a")),
            (" clientversion:1\nxclientversion:2", None),
        ] {
            let wanted = wanted_version(answer.as_bytes()).unwrap();
            assert_eq!(wanted, version, "{answer:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_file_is_refused() {
        for answer in [
            "clientversion:../../etc/passwd",
            "clientversion:a b",
            "clientversion:-x",
            "clientversion:.x",
            "clientversion:1\nclientversion:2",
        ] {
            assert!(wanted_version(answer.as_bytes()).is_err(), "{answer:?}");
        }
        assert!(wanted_version(b"clientversion:\xff\n").is_err());
        assert!(!is_version("") && !is_version(&"a".repeat(101)));
    }

    proptest! {
        #[test]
        fn what_is_wanted_is_a_version(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let answer = [b"clientversion:".as_slice(), &bytes].concat();
            if let Ok(Some(version)) = wanted_version(&answer) {
                prop_assert!(is_version(version));
            }
        }
    }
}
