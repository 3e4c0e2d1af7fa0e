//! Which entry of the stream an address means: each kind has permanent ones, `/events?id=KEY`.

use std::fmt;

use jiff::Timestamp;
use lockstep_model::HostName;

/// The identity of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// An event of an item, by its identity.
    Item(String),
    /// A message, by when it was decided and its delivery's identity.
    Message(Timestamp, String),
    /// What a person did, by when and the identity in the audit trail.
    Deed(Timestamp, String),
    /// What was changed on a host at a moment.
    Change(Timestamp, HostName),
}

impl Key {
    /// Reads a key. Identities are letters and digits; moments are milliseconds of Unix time.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |id: &str| {
            let is_plain =
                !id.is_empty() && id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric());
            is_plain.then(|| id.to_owned())
        };
        let mut parts = text.splitn(3, '-');
        let (first, at, rest) = (parts.next()?, parts.next(), parts.next());
        let (Some(at), Some(rest)) = (at, rest) else {
            return plain(text).map(Self::Item);
        };
        let at = Timestamp::from_millisecond(at.parse().ok()?).ok()?;
        match first {
            "message" => Some(Self::Message(at, plain(rest)?)),
            "deed" => Some(Self::Deed(at, plain(rest)?)),
            "change" => Some(Self::Change(at, HostName::parse(rest).ok()?)),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(id) => f.write_str(id),
            Self::Message(at, id) => write!(f, "message-{}-{id}", at.as_millisecond()),
            Self::Deed(at, id) => write!(f, "deed-{}-{id}", at.as_millisecond()),
            Self::Change(at, host) => write!(f, "change-{}-{host}", at.as_millisecond()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_nothing_else_is_one() {
        let at: Timestamp = "2026-11-22T12:00:00.5Z".parse().unwrap();
        let host = HostName::parse("web-1.example.org").unwrap();
        for key in [
            Key::Item("0192abc".into()),
            Key::Message(at, "0a1b".into()),
            Key::Deed(at, "ff00".into()),
            Key::Change(at, host),
        ] {
            assert_eq!(Key::parse(&key.to_string()), Some(key));
        }
        for strange in [
            "",
            "a-b",
            "x'",
            "deed-1-",
            "deed-x-1",
            "change-1-a/b",
            "other-1-a",
            &"a".repeat(65),
        ] {
            assert_eq!(Key::parse(strange), None, "{strange:?}");
        }
    }
}
