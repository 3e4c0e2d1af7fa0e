//! The envelope that all TUF metadata comes in, as plain JSON.
//!
//! What we author is kept as JSON values rather than typed structs: fields that another publisher or a later version
//! put there survive every edit. What the signatures cover is the canonical form of `signed` (OLPC canonical JSON, as
//! the specification's reference implementation writes it), and the whole file is written in that form, so the same
//! content is always the same bytes.
//!
//! Reading here is no verification. Whoever needs trust goes through `check` or the client.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::keys::SigningKey;

/// The version of the TUF specification that our metadata follows.
pub(crate) const SPEC_VERSION: &str = "1.0.31";

/// The four top-level roles of a TUF repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Says which keys sign what. Kept offline.
    Root,
    /// Says which snapshot is the newest. Signed by the server, for a short time.
    Timestamp,
    /// Says which targets go together. Signed by the server.
    Snapshot,
    /// Lists the releases. Signed by the publisher.
    Targets,
}

impl Role {
    /// The role's name in metadata.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Timestamp => "timestamp",
            Self::Snapshot => "snapshot",
            Self::Targets => "targets",
        }
    }

    /// Largest metadata of the role that is made, accepted or fetched, in bytes. Root, timestamp and targets are as
    /// other TUF clients limit them; our snapshots hold one line, those of others one for each delegated role.
    #[must_use]
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Root => 512_000,
            Self::Timestamp => 16_384,
            Self::Snapshot => 2_000_000,
            Self::Targets => 5_000_000,
        }
    }

    /// The name of a version of the role's file in a repository with consistent snapshots: all but `timestamp.json`
    /// carry their version before the name (TUF 1.0.31, section 6.2).
    #[must_use]
    pub fn file_name(self, version: u64) -> String {
        match self {
            Self::Timestamp => self.plain_name(),
            _ => format!("{version}.{self}.json"),
        }
    }

    /// `root.json` and so on: the name under which a client keeps it.
    pub(crate) fn plain_name(self) -> String {
        format!("{self}.json")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What metadata says of itself. Nothing of it is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// Its version.
    pub version: u64,
    /// When it stops being valid.
    pub expires: Timestamp,
}

/// Reads version and expiry of metadata, without verifying anything.
///
/// # Errors
/// [`Error::Unreadable`] if the bytes are not metadata of `role`.
pub fn stated(role: Role, bytes: &[u8]) -> Result<Stated> {
    let envelope = Envelope::parse(role, bytes)?;
    Ok(Stated {
        version: envelope.version,
        expires: envelope.expires,
    })
}

/// One piece of metadata, taken apart.
pub(crate) struct Envelope {
    /// Whose it is.
    pub(crate) role: Role,
    /// What the signatures cover.
    pub(crate) signed: Map<String, Value>,
    /// The signatures as they stand in the file.
    signatures: Vec<Value>,
    pub(crate) version: u64,
    pub(crate) expires: Timestamp,
}

impl Envelope {
    /// Takes metadata apart. Checks the form, not the signatures.
    pub(crate) fn parse(role: Role, bytes: &[u8]) -> Result<Self> {
        let unreadable = |why: String| Error::Unreadable {
            file: role.plain_name(),
            why,
        };
        if bytes.len() > role.max_bytes() {
            return Err(Error::TooLong {
                file: role.plain_name(),
                max: role.max_bytes(),
            });
        }
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
        let Value::Object(mut document) = value else {
            return Err(unreadable("it is not a JSON object".into()));
        };
        let Some(Value::Object(signed)) = document.remove("signed") else {
            return Err(unreadable("it has no object \"signed\"".into()));
        };
        let Some(Value::Array(signatures)) = document.remove("signatures") else {
            return Err(unreadable("it has no list \"signatures\"".into()));
        };
        match signed.get("_type").and_then(Value::as_str) {
            Some(kind) if kind == role.as_str() => {}
            Some(kind) => {
                let kind: String = kind.chars().take(40).collect();
                return Err(unreadable(format!("it is metadata of the role {kind:?}")));
            }
            None => return Err(unreadable("it names no role in \"_type\"".into())),
        }
        let version = signed
            .get("version")
            .and_then(Value::as_u64)
            .filter(|&version| version > 0)
            .ok_or_else(|| unreadable("it has no positive \"version\"".into()))?;
        let expires = signed
            .get("expires")
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<Timestamp>().ok())
            .ok_or_else(|| unreadable("it has no time in \"expires\"".into()))?;
        Ok(Self {
            role,
            signed,
            signatures,
            version,
            expires,
        })
    }

    /// Begins metadata of a role: the fields that all roles have.
    pub(crate) fn new(role: Role, version: u64, expires: Timestamp) -> Self {
        let expires = whole_seconds(expires);
        let Value::Object(signed) = json!({
            "_type": role.as_str(),
            "spec_version": SPEC_VERSION,
            "version": version,
            "expires": expires.to_string(),
        }) else {
            unreachable!("an object was written just above")
        };
        Self {
            role,
            signed,
            signatures: Vec::new(),
            version,
            expires,
        }
    }

    /// Makes this the version after `self`: same content, next number, new expiry, no signatures.
    pub(crate) fn into_next(mut self, expires: Timestamp) -> Result<Self> {
        self.version = self.version.checked_add(1).ok_or_else(|| Error::Author {
            role: self.role,
            why: "its version cannot be counted any further".into(),
        })?;
        self.expires = whole_seconds(expires);
        self.signatures.clear();
        self.signed.insert("version".into(), json!(self.version));
        self.signed
            .insert("expires".into(), json!(self.expires.to_string()));
        self.signed
            .insert("spec_version".into(), json!(SPEC_VERSION));
        Ok(self)
    }

    /// Adds signatures, one for each key, and writes the file. A signature of the same key that is already there is
    /// replaced: a key that signs twice would make the file invalid.
    pub(crate) fn seal(mut self, signers: &[&SigningKey]) -> Result<Vec<u8>> {
        let canonical = canonical(self.role, &Value::Object(self.signed.clone()))?;
        for signer in signers {
            self.signatures
                .retain(|old| old.get("keyid").and_then(Value::as_str) != Some(signer.id()));
            self.signatures
                .push(json!({ "keyid": signer.id(), "sig": signer.sign(&canonical)? }));
        }
        let document = json!({ "signatures": self.signatures, "signed": self.signed });
        let bytes = canonical_file(self.role, &document)?;
        if bytes.len() > self.role.max_bytes() {
            return Err(Error::Author {
                role: self.role,
                why: format!(
                    "it would be {} bytes long, and clients read at most {}: withdraw old releases",
                    bytes.len(),
                    self.role.max_bytes()
                ),
            });
        }
        Ok(bytes)
    }
}

/// Canonical JSON of what is signed.
pub(crate) fn canonical(role: Role, value: &Value) -> Result<Vec<u8>> {
    sigstore_tuf::canonical_json::to_canonical_bytes(value).map_err(|error| Error::Author {
        role,
        why: error.to_string(),
    })
}

/// The file's bytes. Canonical JSON leaves control characters as they are, which JSON itself does not allow; no name
/// or version of ours can hold one, so this only refuses what came in through foreign fields.
fn canonical_file(role: Role, document: &Value) -> Result<Vec<u8>> {
    let bytes = canonical(role, document)?;
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(read) if &read == document => Ok(bytes),
        _ => Err(Error::Author {
            role,
            why: "it holds a control character".into(),
        }),
    }
}

/// TUF writes expiry in whole seconds (specification, section 4.2.1); the part below is cut off.
fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).expect("a timestamp's second is in range")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_follow_consistent_snapshots() {
        assert_eq!(Role::Root.file_name(3), "3.root.json");
        assert_eq!(Role::Targets.file_name(12), "12.targets.json");
        assert_eq!(Role::Timestamp.file_name(12), "timestamp.json");
    }

    #[test]
    fn a_sealed_file_reads_back_as_what_was_sealed() {
        let key = SigningKey::generate().unwrap();
        let expires: Timestamp = "2027-01-02T03:04:05.678Z".parse().unwrap();
        let mut envelope = Envelope::new(Role::Targets, 7, expires);
        envelope.signed.insert("targets".into(), json!({}));
        let once = envelope.seal(&[&key, &key]).unwrap();
        assert_eq!(
            stated(Role::Targets, &once).unwrap(),
            Stated {
                version: 7,
                expires: "2027-01-02T03:04:05Z".parse().unwrap()
            }
        );
        let again = Envelope::parse(Role::Targets, &once).unwrap();
        assert_eq!(again.signatures.len(), 1, "one key signs once");
        assert_eq!(
            again.seal(&[&key]).unwrap(),
            once,
            "sealing again changes nothing"
        );
    }

    #[test]
    fn each_refusal_says_what_is_wrong() {
        let why = |bytes: &[u8]| stated(Role::Root, bytes).unwrap_err().to_string();
        for (text, words) in [
            ("[]", "not a JSON object"),
            ("{}", "no object \"signed\""),
            (r#"{"signed":{}}"#, "no list \"signatures\""),
            (r#"{"signed":{},"signatures":[]}"#, "names no role"),
            (
                r#"{"signed":{"_type":"targets"},"signatures":[]}"#,
                "the role \"targets\"",
            ),
            (
                r#"{"signed":{"_type":"root","version":0},"signatures":[]}"#,
                "positive \"version\"",
            ),
            (
                r#"{"signed":{"_type":"root","version":1},"signatures":[]}"#,
                "\"expires\"",
            ),
        ] {
            assert!(
                why(text.as_bytes()).contains(words),
                "{text}: {}",
                why(text.as_bytes())
            );
        }
        assert!(matches!(
            stated(Role::Timestamp, &[b' '; 20_000]),
            Err(Error::TooLong { max: 16_384, .. })
        ));
    }

    #[test]
    fn control_characters_from_foreign_fields_are_refused() {
        let mut envelope = Envelope::new(Role::Targets, 1, Timestamp::UNIX_EPOCH);
        envelope.signed.insert("note".into(), json!("two\nlines"));
        let error = envelope.seal(&[]).unwrap_err().to_string();
        assert!(error.contains("control character"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(stated(Role::Root, &bytes).is_err());
        }

        #[test]
        fn what_parses_seals_to_bytes_that_parse_alike(
            version in 1..u64::MAX,
            second in 0i64..4_000_000_000,
            note in "[a-zA-Z0-9 \\\\\"{}äß\u{1f600}]{0,40}",
        ) {
            let mut envelope =
                Envelope::new(Role::Targets, version, Timestamp::from_second(second).unwrap());
            envelope.signed.insert("note".into(), json!(note));
            let bytes = envelope.seal(&[]).unwrap();
            let read = Envelope::parse(Role::Targets, &bytes).unwrap();
            prop_assert_eq!(read.version, version);
            prop_assert_eq!(read.signed.get("note"), Some(&json!(note)));
        }
    }
}
