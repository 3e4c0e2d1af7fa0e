//! Signing keys: Ed25519, in PKCS #8, and their public halves as TUF key objects.
//!
//! A publisher's keys rest encrypted (PBES2: scrypt and AES-256-CBC, RFC 8018 and RFC 7914), the server's online keys
//! plain in files that only the server reads. Both forms are what `openssl pkey` reads and writes, so a key can be
//! looked at, backed up and re-encrypted without us.

use std::fmt;

use aws_lc_rs::rand;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use pkcs8::der::{Decode as _, SecretDocument};
use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::pkcs5::{EncryptionScheme, scrypt};
use pkcs8::{EncryptedPrivateKeyInfo, LineEnding, PrivateKeyInfo};
use serde_json::{Value, json};
use sigstore_tuf::Key;

use crate::error::{Error, Result};
use crate::hash::sha256;
use crate::metadata::{Role, canonical};

/// An Ed25519 key that signs metadata.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// A public key as TUF metadata names it, of any scheme that the verifier knows.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: String,
    object: Value,
}

/// scrypt's cost: N = 2^14, r = 8, p = 5, about a quarter of a second. OpenSSL gives scrypt at most 32 MiB when it
/// reads a key, which rules out a larger N; p makes up for it.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 5;
/// Most memory that a key file may make scrypt take, in bytes.
const SCRYPT_MAX_MEMORY: u64 = 256 << 20;
/// Longest key file that is read, in bytes. Ours have about 400.
const LONGEST_PEM: usize = 16 * 1024;

impl SigningKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`Error::Cryptography`] if the system gives no random bytes.
    pub fn generate() -> Result<Self> {
        let pair = Ed25519KeyPair::generate().map_err(|_| Error::Cryptography("make a key"))?;
        Self::from_pair(pair)
    }

    /// The key's id: SHA-256 of the canonical form of its public key object, as other TUF tools compute it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.public.id
    }

    /// The TUF key object of the public half.
    #[must_use]
    pub fn public(&self) -> Value {
        self.public.object.clone()
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message`; the signature in hexadecimal digits, as metadata holds it.
    ///
    /// # Errors
    /// [`Error::Cryptography`] if the library refuses.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<String> {
        let signature = self
            .pair
            .try_sign(message)
            .map_err(|_| Error::Cryptography("sign"))?;
        Ok(hex::encode(signature.as_ref()))
    }

    /// The key as PKCS #8 PEM, not encrypted.
    ///
    /// # Errors
    /// [`Error::Cryptography`] if the library does not export it.
    pub fn to_pem(&self) -> Result<String> {
        let pem = self
            .to_document()?
            .to_pem("PRIVATE KEY", LineEnding::LF)
            .map_err(|_| Error::Cryptography("write a key as PEM"))?;
        Ok(pem.to_string())
    }

    /// Reads what [`SigningKey::to_pem`] or `openssl genpkey -algorithm ed25519` wrote.
    ///
    /// # Errors
    /// [`Error::ReadKey`] if it is something else.
    pub fn from_pem(pem: &str) -> Result<Self> {
        let (label, document) = read_pem(pem)?;
        match label {
            "PRIVATE KEY" => Self::from_pkcs8(document.as_bytes()),
            "ENCRYPTED PRIVATE KEY" => Err(Error::ReadKey {
                why: "it is encrypted, and no passphrase was given".into(),
            }),
            other => Err(wrong_label(other)),
        }
    }

    /// The key as encrypted PKCS #8 PEM. Takes about a quarter of a second, by intent.
    ///
    /// # Errors
    /// [`Error::ReadKey`] if the passphrase is empty; [`Error::Cryptography`] if the library fails.
    pub fn to_encrypted_pem(&self, passphrase: &str) -> Result<String> {
        if passphrase.is_empty() {
            return Err(Error::ReadKey {
                why: "an empty passphrase protects nothing".into(),
            });
        }
        let failed = |_| Error::Cryptography("encrypt a key");
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        rand::fill(&mut salt).map_err(failed)?;
        rand::fill(&mut iv).map_err(failed)?;
        let cost = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, 32)
            .expect("these parameters are in scrypt's range");
        let plain = self.to_document()?;
        let encrypted = Parameters::scrypt_aes256cbc(cost, &salt, &iv)
            .ok()
            .and_then(|parameters| {
                let key = PrivateKeyInfo::from_der(plain.as_bytes()).ok()?;
                key.encrypt_with_params(parameters, passphrase).ok()
            })
            .and_then(|document| {
                document
                    .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
                    .ok()
            });
        encrypted
            .map(|pem| pem.to_string())
            .ok_or(Error::Cryptography("encrypt a key"))
    }

    /// Opens what [`SigningKey::to_encrypted_pem`] or `openssl pkcs8 -topk8` wrote.
    ///
    /// # Errors
    /// [`Error::WrongPassphrase`], or [`Error::ReadKey`] if it is no encrypted key.
    pub fn from_encrypted_pem(pem: &str, passphrase: &str) -> Result<Self> {
        let (label, document) = read_pem(pem)?;
        if label != "ENCRYPTED PRIVATE KEY" {
            return Err(wrong_label(label));
        }
        let sealed = EncryptedPrivateKeyInfo::from_der(document.as_bytes()).map_err(|error| {
            Error::ReadKey {
                why: format!("it is not an encrypted PKCS #8 key ({error})"),
            }
        })?;
        check_cost(&sealed.encryption_algorithm)?;
        let opened = sealed
            .decrypt(passphrase)
            .map_err(|_| Error::WrongPassphrase)?;
        Self::from_pkcs8(opened.as_bytes())
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|error| Error::ReadKey {
            why: format!("it is not an Ed25519 key in PKCS #8 ({error})"),
        })?;
        Self::from_pair(pair)
    }

    fn from_pair(pair: Ed25519KeyPair) -> Result<Self> {
        let public = PublicKey::from_json(&json!({
            "keytype": "ed25519",
            "scheme": "ed25519",
            "keyval": { "public": hex::encode(pair.public_key().as_ref()) },
        }))?;
        Ok(Self { pair, public })
    }

    /// PKCS #8 version 1: OpenSSL 3 does not read version 2, which would carry the public key along.
    fn to_document(&self) -> Result<SecretDocument> {
        let der = self
            .pair
            .to_pkcs8v1()
            .map_err(|_| Error::Cryptography("write a key as PKCS #8"))?;
        SecretDocument::try_from(der.as_ref())
            .map_err(|_| Error::Cryptography("write a key as PKCS #8"))
    }
}

/// The secret stays out of logs.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Reads a TUF key object and computes its id.
    ///
    /// # Errors
    /// [`Error::PublicKey`] if no signature could ever be checked with it.
    pub fn from_json(object: &Value) -> Result<Self> {
        let key = usable(object)?;
        // Only these three fields make the id: others may be added without making it another key.
        let identity = json!({
            "keytype": key.keytype,
            "scheme": key.scheme,
            "keyval": { "public": key.keyval.public },
        });
        let id = hex::encode(sha256(&canonical(Role::Root, &identity)?).as_bytes());
        Ok(Self {
            id,
            object: object.clone(),
        })
    }

    /// Takes a key from metadata under the id that the metadata gives it, which is the publisher's choice.
    pub(crate) fn declared(id: &str, object: &Value) -> Result<Self> {
        usable(object)?;
        Ok(Self {
            id: id.into(),
            object: object.clone(),
        })
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key's TUF object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.object.clone()
    }

    /// What verifies: two objects with the same material are one key, whatever their ids.
    pub(crate) fn material(&self) -> &str {
        self.object["keyval"]["public"].as_str().unwrap_or_default()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

/// The verifier's view of a key object, if it can verify with it.
fn usable(object: &Value) -> Result<Key> {
    let refuse = |why: String| Error::PublicKey { why };
    let key: Key =
        serde_json::from_value(object.clone()).map_err(|error| refuse(error.to_string()))?;
    key.verification_key()
        .map_err(|error| refuse(crate::error::chain(&error)))?;
    Ok(key)
}

fn read_pem(pem: &str) -> Result<(&str, SecretDocument)> {
    if pem.len() > LONGEST_PEM {
        return Err(Error::ReadKey {
            why: format!("it is longer than {LONGEST_PEM} bytes"),
        });
    }
    SecretDocument::from_pem(pem).map_err(|error| Error::ReadKey {
        why: format!("it is not PEM ({error})"),
    })
}

fn wrong_label(label: &str) -> Error {
    let label: String = label.chars().take(40).collect();
    Error::ReadKey {
        why: format!("it holds {label:?}"),
    }
}

/// Refuses a key file that would take more memory to open than any honest one.
fn check_cost(scheme: &EncryptionScheme<'_>) -> Result<()> {
    let Some(parameters) = scheme.pbes2() else {
        return Err(Error::ReadKey {
            why: "it is encrypted by an outdated scheme (PBES1): convert it with openssl pkcs8"
                .into(),
        });
    };
    if let Kdf::Scrypt(cost) = &parameters.kdf {
        let memory = cost
            .cost_parameter
            .saturating_mul(u64::from(cost.block_size))
            .saturating_mul(128);
        if memory > SCRYPT_MAX_MEMORY || cost.parallelization > 64 {
            return Err(Error::ReadKey {
                why: format!("opening it would take {} MiB of memory", memory >> 20),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_survives_both_forms() {
        let key = SigningKey::generate().unwrap();
        let plain = key.to_pem().unwrap();
        let sealed = key.to_encrypted_pem("correct horse").unwrap();
        assert_eq!(SigningKey::from_pem(&plain).unwrap().id(), key.id());
        assert_eq!(
            SigningKey::from_encrypted_pem(&sealed, "correct horse")
                .unwrap()
                .id(),
            key.id()
        );
        assert_ne!(sealed, key.to_encrypted_pem("correct horse").unwrap());
        assert!(!format!("{key:?}").contains(plain.lines().nth(1).unwrap()));
    }

    #[test]
    fn what_does_not_open_says_why() {
        let key = SigningKey::generate().unwrap();
        let plain = key.to_pem().unwrap();
        let sealed = key.to_encrypted_pem("correct horse").unwrap();
        assert!(matches!(
            SigningKey::from_encrypted_pem(&sealed, "wrong"),
            Err(Error::WrongPassphrase)
        ));
        for (result, words) in [
            (SigningKey::from_pem(&sealed), "no passphrase was given"),
            (
                SigningKey::from_encrypted_pem(&plain, "x"),
                "holds \"PRIVATE KEY\"",
            ),
            (SigningKey::from_pem("hello"), "not PEM"),
            (SigningKey::from_pem(&"-".repeat(20_000)), "longer than"),
        ] {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(key.to_encrypted_pem("").is_err());
    }

    #[test]
    fn an_extravagant_cost_is_refused_before_it_is_paid() {
        let salt = [0; 16];
        let cost = scrypt::Params::new(24, 8, 1, 32).unwrap();
        let parameters = Parameters::scrypt_aes256cbc(cost, &salt, &salt).unwrap();
        let error = check_cost(&EncryptionScheme::Pbes2(parameters)).unwrap_err();
        assert!(error.to_string().contains("16384 MiB"), "{error}");
    }

    #[test]
    fn the_id_is_that_of_other_tools() {
        // Computed by python-securesystemslib for this key object.
        let object = json!({
            "keytype": "ed25519",
            "scheme": "ed25519",
            "keyval": { "public": "edcd0a32a07dce33f7c7873aaffbff36d20ea30787574ead335eefd337e4dacd" },
        });
        let key = PublicKey::from_json(&object).unwrap();
        assert_eq!(
            key.id(),
            "2345a90ad8d76f3677f9ad6695b0ba0b5c7b7fbf27fb0ed35fbdf7b71264a679"
        );
    }

    #[test]
    fn a_public_key_must_be_able_to_verify() {
        for object in [
            json!({}),
            json!({ "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": "ab" } }),
            json!({ "keytype": "x", "scheme": "md5", "keyval": { "public": "ab" } }),
        ] {
            assert!(matches!(
                PublicKey::from_json(&object),
                Err(Error::PublicKey { .. })
            ));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
            prop_assert!(SigningKey::from_pem(&text).is_err());
            prop_assert!(SigningKey::from_encrypted_pem(&text, "x").is_err());
        }
    }
}
