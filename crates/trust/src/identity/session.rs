//! The secret of a session: what a browser shows on every request.
//!
//! 256 random bits; the server keeps their SHA-256 alone, which is the session's id. The token against forged requests
//! (CSRF) is an HMAC-SHA256 of the word `csrf` under the secret, as OWASP's cheat sheet has it: bound to the session,
//! nothing to keep, and of no use without the cookie.

use std::fmt;

use aws_lc_rs::{hmac, rand};

use super::{IdentityError, sha256};

const BYTES: usize = 32;

/// A session's secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionSecret([u8; BYTES]);

impl SessionSecret {
    /// Makes a new one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, IdentityError> {
        let mut secret = [0; BYTES];
        rand::fill(&mut secret).map_err(|_| IdentityError::Random)?;
        Ok(Self(secret))
    }

    /// Parses what [`SessionSecret::reveal`] gave; none if it is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.bytes().all(|b| !b.is_ascii_uppercase());
        let mut secret = [0; BYTES];
        hex::decode_to_slice(text, &mut secret).ok()?;
        lower.then_some(Self(secret))
    }

    /// The secret as text, 64 lower-case hexadecimal digits: for the cookie and nothing else.
    #[must_use]
    pub fn reveal(&self) -> String {
        hex::encode(self.0)
    }

    /// What the server keeps: the SHA-256 in hexadecimal.
    #[must_use]
    pub fn id(&self) -> String {
        sha256(&self.0).to_string()
    }

    /// What the session's forms carry, in hexadecimal.
    #[must_use]
    pub fn csrf(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        hex::encode(hmac::sign(&key, b"csrf"))
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionSecret({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_survives_its_way_through_a_browser() {
        let secret = SessionSecret::generate().unwrap();
        let again = SessionSecret::parse(&secret.reveal()).unwrap();
        assert_eq!((again.id(), again.csrf()), (secret.id(), secret.csrf()));
        let shown = [secret.id(), secret.csrf(), format!("{secret:?}")];
        assert!(shown.iter().all(|text| !text.contains(&secret.reveal())));
        assert_ne!(secret.id(), secret.csrf());
        assert_ne!(SessionSecret::generate().unwrap(), secret);
    }

    #[test]
    fn there_is_one_spelling() {
        let text = "0a".repeat(32);
        assert!(SessionSecret::parse(&text).is_some());
        for wrong in [
            "",
            &text[1..],
            &text[2..],
            &text.to_uppercase(),
            &format!("{text}00"),
        ] {
            assert_eq!(SessionSecret::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hash_and_hmac_are_the_plain_ones() {
        let secret = SessionSecret::parse(&"00".repeat(32)).unwrap();
        // head -c 32 /dev/zero | sha256sum
        assert_eq!(
            secret.id(),
            "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
        );
        // printf csrf | openssl dgst -sha256 -mac HMAC -macopt hexkey:00…
        assert_eq!(
            secret.csrf(),
            "fd830a6a108d4ab6ad423f7360cc3e72e451da5341d6f576b063c9f36f4f65ec"
        );
    }
}
