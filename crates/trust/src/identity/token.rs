//! Tokens: what a person carries from the server to a new host, or to the command line.
//!
//! A token has an identity (public: the server finds it by that, and logs show it), and a secret of 128 random
//! bits, of which the server keeps only the SHA-256. That hash needs no salt and no slowness, because nobody can guess
//! the secret behind it. An enrolment token also carries the fingerprint of the server's certificate authority,
//! so that the new host knows whom to believe before it has seen anything else.
//!
//! The text forms are `lse1.ID.SECRET.FINGERPRINT`, `lso1.ID.SECRET` and `lsk1.ID.SECRET`, all parts lower-case hexadecimal.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{constant_time, rand};
use lockstep_model::ContentHash;

use super::{IdentityError, sha256};

const ENROLLMENT: &str = "lse1";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 16;
const FINGERPRINT_BYTES: usize = 32;

/// Why a text is not a token. It never repeats the text: that may be a secret with a slip of the pen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {what}: {why}")]
pub struct TokenError {
    what: &'static str,
    why: &'static str,
}

/// Lets a host enrol. `Display` gives the whole text with its secret, `Debug` does not.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrollmentToken {
    key: IdAndSecret,
    ca_fingerprint: ContentHash,
}

#[derive(Clone, PartialEq, Eq)]
struct IdAndSecret {
    id: String,
    secret: String,
}

impl EnrollmentToken {
    /// Makes a new token for the servers of the certificate authority with this fingerprint.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(ca_fingerprint: ContentHash) -> Result<Self, IdentityError> {
        Ok(Self {
            key: IdAndSecret::generate()?,
            ca_fingerprint,
        })
    }

    /// Parses `lse1.ID.SECRET.FINGERPRINT`; white space around it is ignored.
    ///
    /// # Errors
    /// Says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let refuse = |why| TokenError {
            what: "an enrolment token",
            why,
        };
        let parts: Vec<&str> = text.trim().splitn(5, '.').collect();
        let [ENROLLMENT, id, secret, fingerprint] = parts[..] else {
            return Err(refuse(
                "it has four parts with dots between them, the first of them \"lse1\"",
            ));
        };
        if !is_hex(fingerprint, FINGERPRINT_BYTES) {
            return Err(refuse(
                "its last part, the fingerprint, has 64 lower-case hexadecimal digits",
            ));
        }
        Ok(Self {
            key: IdAndSecret::parse(id, secret).map_err(refuse)?,
            ca_fingerprint: ContentHash::parse(fingerprint)
                .map_err(|_| refuse("its last part is not a fingerprint"))?,
        })
    }

    /// The token's identity: public, and the key to what the server knows of it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.key.id
    }

    /// The secret part.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.key.secret
    }

    /// What the server keeps of the secret: its SHA-256 in hexadecimal.
    #[must_use]
    pub fn secret_hash(&self) -> String {
        self.key.secret_hash()
    }

    /// SHA-256 of the certificate authority's certificate (DER).
    #[must_use]
    pub fn ca_fingerprint(&self) -> ContentHash {
        self.ca_fingerprint
    }
}

/// A token of three parts: which kind it is of, its identity, its secret.
macro_rules! token_of_three_parts {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name {
            key: IdAndSecret,
        }

        impl $name {
            /// Makes a new token.
            ///
            /// # Errors
            /// When the system gives no randomness.
            pub fn generate() -> Result<Self, IdentityError> {
                Ok(Self {
                    key: IdAndSecret::generate()?,
                })
            }

            #[doc = concat!("Parses `", $kind, ".ID.SECRET`; white space around it is ignored.")]
            ///
            /// # Errors
            /// Says which part is wrong.
            pub fn parse(text: &str) -> Result<Self, TokenError> {
                let refuse = |why| TokenError { what: $what, why };
                let parts: Vec<&str> = text.trim().splitn(4, '.').collect();
                let [$kind, id, secret] = parts[..] else {
                    return Err(refuse(concat!(
                        "it has three parts with dots between them, the first of them \"",
                        $kind,
                        "\""
                    )));
                };
                Ok(Self {
                    key: IdAndSecret::parse(id, secret).map_err(refuse)?,
                })
            }

            /// The token's identity: public, and the key to what the server knows of it.
            #[must_use]
            pub fn id(&self) -> &str {
                &self.key.id
            }

            /// What the server keeps of the secret: its SHA-256 in hexadecimal.
            #[must_use]
            pub fn secret_hash(&self) -> String {
                self.key.secret_hash()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let IdAndSecret { id, secret } = &self.key;
                write!(f, concat!($kind, ".{}.{}"), id, secret)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("id", &self.key.id)
                    .finish_non_exhaustive()
            }
        }

        impl FromStr for $name {
            type Err = TokenError;
            fn from_str(text: &str) -> Result<Self, TokenError> {
                Self::parse(text)
            }
        }
    };
}

token_of_three_parts!(
    /// Lets an operator use the operator API. `Display` gives the whole text with its secret, `Debug` does not.
    OperatorToken,
    "lso1",
    "an operator's token"
);
token_of_three_parts!(
    /// Lets a screen on a wall show the problems, and nothing else. `Display` gives the whole text with its secret, `Debug`
    /// does not.
    KioskToken,
    "lsk1",
    "a kiosk token"
);

/// 128 random bits in hexadecimal: a secret between processes of one machine.
///
/// # Errors
/// [`IdentityError::Random`].
pub fn new_secret() -> Result<String, IdentityError> {
    let mut secret = [0; 16];
    rand::fill(&mut secret).map_err(|_| IdentityError::Random)?;
    Ok(hex::encode(secret))
}

/// True if two secrets, or two hashes of secrets, are the same. How long it takes depends on their lengths alone.
#[must_use]
pub fn same_secret(one: &str, other: &str) -> bool {
    constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

impl IdAndSecret {
    fn generate() -> Result<Self, IdentityError> {
        let mut id = [0; ID_BYTES];
        let mut secret = [0; SECRET_BYTES];
        rand::fill(&mut id).map_err(|_| IdentityError::Random)?;
        rand::fill(&mut secret).map_err(|_| IdentityError::Random)?;
        Ok(Self {
            id: hex::encode(id),
            secret: hex::encode(secret),
        })
    }

    fn parse(id: &str, secret: &str) -> Result<Self, &'static str> {
        if !is_hex(id, ID_BYTES) {
            return Err("its second part, the identity, has 16 lower-case hexadecimal digits");
        }
        if !is_hex(secret, SECRET_BYTES) {
            return Err("its third part, the secret, has 32 lower-case hexadecimal digits");
        }
        Ok(Self {
            id: id.into(),
            secret: secret.into(),
        })
    }

    fn secret_hash(&self) -> String {
        sha256(self.secret.as_bytes()).to_string()
    }
}

/// One spelling for each token, so that texts can be compared: lower case only.
fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == 2 * bytes && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl fmt::Display for EnrollmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IdAndSecret { id, secret } = &self.key;
        write!(f, "{ENROLLMENT}.{id}.{secret}.{}", self.ca_fingerprint)
    }
}
impl fmt::Debug for EnrollmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrollmentToken")
            .field("id", &self.key.id)
            .field("ca_fingerprint", &self.ca_fingerprint)
            .finish_non_exhaustive()
    }
}
impl FromStr for EnrollmentToken {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Self, TokenError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fingerprint() -> ContentHash {
        ContentHash::from_digest([0xc4; 32])
    }

    #[test]
    fn a_token_survives_being_copied_by_hand() {
        let token = EnrollmentToken::generate(fingerprint()).unwrap();
        let copied = EnrollmentToken::parse(&format!("  {token}\n")).unwrap();
        assert_eq!(copied, token);
        assert_eq!(copied.ca_fingerprint(), fingerprint());
        assert!(same_secret(&copied.secret_hash(), &token.secret_hash()));

        let token = OperatorToken::generate().unwrap();
        assert_eq!(OperatorToken::parse(&token.to_string()), Ok(token));

        let token = KioskToken::generate().unwrap();
        let text = token.to_string();
        assert!(
            OperatorToken::parse(&text).is_err(),
            "each door has its own"
        );
        assert!(!format!("{token:?}").contains(&text[22..]));
        assert_eq!(KioskToken::parse(&text), Ok(token));
    }

    #[test]
    fn two_tokens_share_nothing() {
        let one = EnrollmentToken::generate(fingerprint()).unwrap();
        let other = EnrollmentToken::generate(fingerprint()).unwrap();
        assert_ne!(one.id(), other.id());
        assert!(!same_secret(one.secret(), other.secret()));
        assert!(!same_secret(one.secret(), &one.secret()[1..]));
    }

    #[test]
    fn the_hash_is_the_plain_sha_256() {
        let token = format!("lso1.{}.{}", "0".repeat(16), "0".repeat(32));
        assert_eq!(
            OperatorToken::parse(&token).unwrap().secret_hash(),
            // printf %032d 0 | sha256sum
            "84e0c0eafaa95a34c293f278ac52e45ce537bab5e752a00e6959a13ae103b65a"
        );
    }

    #[test]
    fn each_refusal_says_which_part() {
        let (id, secret, print) = ("a".repeat(16), "b".repeat(32), "c".repeat(64));
        let why = |text: String| EnrollmentToken::parse(&text).unwrap_err().to_string();
        assert!(why(String::new()).contains("four parts"));
        assert!(why(format!("lso1.{id}.{secret}")).contains("four parts"));
        assert!(why(format!("lse1.{id}.{secret}.{print}.x")).contains("four parts"));
        assert!(why(format!("lse1.{id}x.{secret}.{print}")).contains("identity"));
        assert!(why(format!("lse1.{id}.{}.{print}", secret.to_uppercase())).contains("the secret"));
        assert!(why(format!("lse1.{id}.{secret}.{}", &print[1..])).contains("fingerprint"));
    }

    #[test]
    fn neither_debug_nor_errors_show_the_secret() {
        let token = EnrollmentToken::generate(fingerprint()).unwrap();
        let operator = OperatorToken::generate().unwrap();
        let spoilt = token.to_string().replace("lse1", "lse2");
        for text in [
            format!("{token:?}"),
            format!("{:?}", EnrollmentToken::parse(&spoilt)),
        ] {
            assert!(!text.contains(token.secret()), "{text}");
        }
        assert!(!format!("{operator:?}").contains(&operator.key.secret));
    }

    proptest! {
        #[test]
        fn what_parses_prints_the_same(
            id in "[0-9a-f]{16}", secret in "[0-9a-f]{32}", print in "[0-9a-f]{64}",
        ) {
            let text = format!("lse1.{id}.{secret}.{print}");
            prop_assert_eq!(EnrollmentToken::parse(&text).unwrap().to_string(), text);
            let text = format!("lso1.{id}.{secret}");
            prop_assert_eq!(OperatorToken::parse(&text).unwrap().to_string(), text);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(ls[eo]1)?[.0-9a-fA-F\\PC]{0,140}") {
            if let Ok(token) = EnrollmentToken::parse(&text) {
                prop_assert_eq!(token.to_string(), text.trim());
            }
            if let Ok(token) = OperatorToken::parse(&text) {
                prop_assert_eq!(token.to_string(), text.trim());
            }
        }

        #[test]
        fn one_changed_character_is_never_the_same_token(at in 0_usize..119, to in "[0-9a-g.]") {
            let mut text = format!(
                "lse1.{}.{}.{}", "0a".repeat(8), "1b".repeat(16), "2c".repeat(32),
            );
            let token = EnrollmentToken::parse(&text).unwrap();
            prop_assume!(&text[at..=at] != to.as_str());
            text.replace_range(at..=at, &to);
            prop_assert_ne!(EnrollmentToken::parse(&text), Ok(token));
        }
    }
}
