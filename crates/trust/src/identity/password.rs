//! Passwords of users: what is a good one, and what the server keeps of it.
//!
//! Kept is an Argon2id hash (RFC 9106) with the parameters of OWASP's Password Storage Cheat Sheet, m = 19 MiB, t = 2,
//! p = 1, as a PHC string, so that hashes with other parameters can be verified later on. What a password must be follows
//! NIST SP 800-63B, section 3.1.1.2: long, and nothing that is guessed first; no rules about kinds of characters.

use argon2::password_hash::phc::{PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use aws_lc_rs::rand;
use lockstep_model::UserName;
use lockstep_model::api::operator::Password;

use super::IdentityError;

/// Memory in KiB, passes, lanes.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// Bytes of salt, as RFC 9106, section 3.1, recommends.
const SALT: usize = 16;
/// A hash that no password has: verifying against it takes as long as against any other.
const OF_NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Letters and digits of passwords that are made here; none of them looks like another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// It has too few characters.
    #[error("a password needs at least {least} characters; several words make a good one", least = Password::LEAST)]
    Short,
    /// It has too many bytes.
    #[error("a password has at most {most} bytes", most = Password::MOST)]
    Long,
    /// It is the user's name, once or more often.
    #[error("the password must not be the user's name")]
    Name,
    /// It is one character.
    #[error("the password must not be one repeated character")]
    Repeated,
}

/// Checks a new password of a user.
///
/// # Errors
/// [`BadPassword`].
pub fn check(password: &Password, user: &UserName) -> Result<(), BadPassword> {
    let text = password.0.as_str();
    if text.chars().count() < Password::LEAST {
        return Err(BadPassword::Short);
    }
    if text.len() > Password::MOST {
        return Err(BadPassword::Long);
    }
    let mut characters = text.chars();
    let first = characters.next();
    if characters.all(|character| Some(character) == first) {
        return Err(BadPassword::Repeated);
    }
    let name = user.as_str();
    if text.to_lowercase().replace(name, "").trim().is_empty() {
        return Err(BadPassword::Name);
    }
    Ok(())
}

/// The hash of a password with a new salt, a PHC string. It takes some tens of milliseconds of a processor.
///
/// # Errors
/// [`IdentityError::Random`] and [`IdentityError::Password`].
pub fn hash(password: &Password) -> Result<String, IdentityError> {
    let mut salt = [0; SALT];
    rand::fill(&mut salt).map_err(|_| IdentityError::Random)?;
    let salt = Salt::new(&salt).map_err(failed)?;
    let hashed: PasswordHash = hasher()?
        .hash_password_with_salt(password.0.as_bytes(), &salt)
        .map_err(failed)?;
    Ok(hashed.to_string())
}

/// True if `hash` is the password's. Without a hash, because there is no such user or no password, it is false after the
/// same time. A password that is longer than any can be is not looked at.
///
/// # Errors
/// [`IdentityError::Password`] if the hash is none.
pub fn verify(password: &Password, hash: Option<&str>) -> Result<bool, IdentityError> {
    if password.0.len() > Password::MOST {
        return Ok(false);
    }
    let kept = PasswordHash::new(hash.unwrap_or(OF_NOBODY)).map_err(failed)?;
    match hasher()?.verify_password(password.0.as_bytes(), &kept) {
        Ok(()) => Ok(hash.is_some()),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// A new password of 125 random bits, in groups that can be typed.
///
/// # Errors
/// [`IdentityError::Random`].
pub fn generate() -> Result<Password, IdentityError> {
    let mut bytes = [0; 25];
    rand::fill(&mut bytes).map_err(|_| IdentityError::Random)?;
    let groups: Vec<String> = bytes
        .chunks(5)
        .map(|group| {
            let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
            group.iter().map(letter).collect()
        })
        .collect();
    Ok(Password(groups.join("-")))
}

fn hasher() -> Result<Argon2<'static>, IdentityError> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn failed(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Password {
        why: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password(text.into())
    }

    #[test]
    fn a_hash_is_of_one_password() {
        let good = password("correct horse battery staple");
        let kept = hash(&good).unwrap();
        assert!(
            kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{kept}"
        );
        assert!(verify(&good, Some(&kept)).unwrap());
        let other = password("correct horse battery stapler");
        assert!(!verify(&other, Some(&kept)).unwrap());
        assert_ne!(hash(&good).unwrap(), kept, "each has a salt of its own");
        assert!(verify(&good, Some("$1$md5")).is_err());
    }

    #[test]
    fn who_has_no_password_costs_the_same_and_never_passes() {
        assert!(!verify(&password("anything at all"), None).unwrap());
        // The same cost: the same parameters, salt and length.
        let parts = |hash: &str| -> Vec<usize> { hash.split('$').map(str::len).collect() };
        let some = hash(&password("correct horse battery staple")).unwrap();
        assert_eq!(parts(&some), parts(OF_NOBODY));
        assert_eq!(some[..30], OF_NOBODY[..30]);
    }

    #[test]
    fn bad_passwords_are_refused_with_the_reason() {
        let user = UserName::parse("administrator.ann").unwrap();
        let check = |text: &str| check(&password(text), &user);
        assert_eq!(check("fourteen chars"), Err(BadPassword::Short));
        assert_eq!(check("äöüäöüäöüäöüäö"), Err(BadPassword::Short));
        assert_eq!(check(&"ab".repeat(129)), Err(BadPassword::Long));
        assert_eq!(check(&"x".repeat(20)), Err(BadPassword::Repeated));
        assert_eq!(check("Administrator.Ann"), Err(BadPassword::Name));
        assert_eq!(check(&"ab".repeat(128)), Ok(()));
        assert_eq!(check("administrator.ann!"), Ok(()));
        assert_eq!(check("fifteen letters"), Ok(()));
    }

    #[test]
    fn made_passwords_are_good_and_differ() {
        let one = generate().unwrap();
        assert_eq!(one.0.len(), 29);
        assert_eq!(check(&one, &UserName::parse("admin").unwrap()), Ok(()));
        assert_ne!(one, generate().unwrap());
        assert_eq!(format!("{one:?}"), "Password(…)");
    }
}
