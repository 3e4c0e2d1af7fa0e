//! The identity of bytes.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The SHA-256 of a file's bytes, written as 64 lower-case hexadecimal digits. A release is remembered by it: two
/// releases with one version but other bytes are two things.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

/// A text is not a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a SHA-256: 64 hexadecimal digits are expected")]
pub struct ContentHashError(String);

impl ContentHash {
    /// Wraps a digest that was just computed.
    #[must_use]
    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The SHA-256 of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(hash)
    }

    /// Parses 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, ContentHashError> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest)
            .map_err(|_| ContentHashError(text.chars().take(80).collect()))?;
        Ok(Self(digest))
    }

    /// The digest's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve digits: enough to tell releases apart in a line of text.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}
impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.short())
    }
}
impl FromStr for ContentHash {
    type Err = ContentHashError;
    fn from_str(text: &str) -> Result<Self, ContentHashError> {
        Self::parse(text)
    }
}
impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}
impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_digest_are_one() {
        let hash = ContentHash::from_digest([0xab; 32]);
        assert_eq!(ContentHash::parse(&hash.to_string()), Ok(hash));
        assert_eq!(hash.short(), "abababababab");
        assert!(ContentHash::parse("ab").is_err());
        // The first example of FIPS 180-2.
        assert!(
            ContentHash::of(b"abc")
                .to_string()
                .starts_with("ba7816bf8f01cfea")
        );
        assert!(ContentHash::parse(&"g".repeat(64)).is_err());
    }
}
