//! Public keys of repositories: in files beside the fleet file, or in the fleet file itself.
//!
//! What a file held when the fleet file was read becomes one of the fleet's texts, so that it goes wherever the fleet
//! file goes: into the database, to other servers, to whoever asks for the file in force.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lockstep_model::PackageRule;

/// Begins the names of texts that are no part of the fleet file but were read for it.
pub(crate) const PREFIX: &str = "key_file:";

/// Most key files of a fleet.
const MOST_FILES: usize = 64;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// Where key files come from, and those that were asked for.
#[derive(Debug)]
pub(crate) struct KeyFiles {
    from: From,
    used: RefCell<BTreeMap<String, String>>,
}

#[derive(Debug)]
enum From {
    /// From this directory, if their names are not whole paths.
    Directory(PathBuf),
    /// They came with the fleet file.
    Texts(BTreeMap<String, String>),
}

impl KeyFiles {
    /// Key files below a directory.
    pub(crate) fn beside(directory: &Path) -> Self {
        Self {
            from: From::Directory(directory.to_owned()),
            used: RefCell::default(),
        }
    }

    /// Takes the key files out of what [`crate::Fleet::texts`] gave.
    pub(crate) fn among(texts: &mut Vec<(String, String)>) -> Self {
        let (keys, others) = std::mem::take(texts)
            .into_iter()
            .partition(|(name, _)| name.starts_with(PREFIX));
        *texts = others;
        let keys: Vec<(String, String)> = keys;
        Self {
            from: From::Texts(keys.into_iter().collect()),
            used: RefCell::default(),
        }
    }

    /// The key in a file. What the file holds is never repeated: it may be the wrong one.
    pub(crate) fn read(&self, name: &str) -> Result<String, String> {
        let known = format!("{PREFIX}{name}");
        if let Some(key) = self.used.borrow().get(&known) {
            return Ok(key.clone());
        }
        if self.used.borrow().len() >= MOST_FILES {
            return Err(format!("there are at most {MOST_FILES} key files"));
        }
        let text = match &self.from {
            From::Directory(directory) => read(&directory.join(name))?,
            From::Texts(texts) => texts.get(&known).cloned().ok_or(
                "this file did not come with the fleet file; a key may also stand there itself, as key",
            )?,
        };
        let key = armoured(&text)?;
        self.used.borrow_mut().insert(known, key.clone());
        Ok(key)
    }

    /// All files that were read, by the names of their texts.
    pub(crate) fn into_used(self) -> BTreeMap<String, String> {
        self.used.into_inner()
    }
}

fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    // Before it is opened: to open a pipe is to wait for whoever writes into it.
    if !std::fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(cannot)?
        .take(PackageRule::LARGEST_KEY as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() > PackageRule::LARGEST_KEY {
        return Err(too_large());
    }
    String::from_utf8(bytes).map_err(|_| {
        "this is not in ASCII armour; gpg --armor --export KEY writes such a file".to_owned()
    })
}

fn too_large() -> String {
    format!("a key has at most {} bytes", PackageRule::LARGEST_KEY)
}

/// One public key in ASCII armour (RFC 9580, section 6.2), with the line ends of Unix and none before or behind it.
/// It ends up in files of package managers, so there is no line in it that could be anything else.
pub(crate) fn armoured(text: &str) -> Result<String, String> {
    if text.len() > PackageRule::LARGEST_KEY {
        return Err(too_large());
    }
    if text.contains("PRIVATE KEY") {
        return Err(
            "this is a private key, which has no place here, nor on any host; write down the public one, and replace this one if others could read it"
                .into(),
        );
    }
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    let [BEGIN, inner @ .., END] = lines.as_slice() else {
        return Err(format!(
            "this is not a public key in ASCII armour: it begins with {BEGIN:?} and ends with {END:?}"
        ));
    };
    let is_header = |line: &&&str| {
        let (key, _) = line.split_once(": ").unwrap_or((line, ""));
        !key.is_empty() && key.len() < line.len() && key.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let headers = inner.iter().take_while(is_header).count();
    let body: Vec<&&str> = inner[headers..]
        .iter()
        .skip_while(|line| line.is_empty())
        .collect();
    let is_printable = |line: &&str| line.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let is_body = |line: &&&str| {
        let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        !line.is_empty() && line.chars().all(base64)
    };
    if body.is_empty() || !inner.iter().all(is_printable) || !body.iter().all(is_body) {
        return Err(
            "this is not one public key in ASCII armour: between its first line and its last one stands something else"
                .into(),
        );
    }
    if begins_as_secret(body[0]) {
        return Err("this is a private key behind the words of a public one".into());
    }
    Ok(format!("{}\n", lines.join("\n")))
}

/// True if the first packet is a secret key or a secret subkey: tags 5 and 7 (RFC 9580, sections 4.2 and 5.5.1).
fn begins_as_secret(base64: &str) -> bool {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut digits = base64
        .bytes()
        .filter_map(|byte| DIGITS.iter().position(|&digit| digit == byte));
    let (Some(first), Some(second)) = (digits.next(), digits.next()) else {
        return false;
    };
    let byte = (first << 2) | (second >> 4);
    let tag = if byte & 0x40 == 0 {
        (byte >> 2) & 0x0f
    } else {
        byte & 0x3f
    };
    byte & 0x80 != 0 && matches!(tag, 5 | 7)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Looks like a key, and is none.
    pub(crate) const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ0000BYJKwYBBAHaRw8BAQdA\n=AbCd\n-----END PGP PUBLIC KEY BLOCK-----\n";

    #[test]
    fn a_public_key_is_taken_with_plain_line_ends() {
        assert_eq!(armoured(KEY).as_deref(), Ok(KEY));
        let odd = format!("\n{}  \n", KEY.replace('\n', " \r\n"));
        assert_eq!(armoured(&odd).as_deref(), Ok(KEY));
        let headers = KEY.replacen("\n\n", "\nVersion: GnuPG v2\nComment: x\n\n", 1);
        assert_eq!(armoured(&headers).as_deref(), Ok(headers.as_str()));
    }

    #[test]
    fn whatever_else_stands_there_is_refused_and_never_repeated() {
        let cases = [
            (KEY.replace("PUBLIC", "PRIVATE"), "is a private key"),
            (KEY.replace("mDMEZ", "lFgEZ"), "private key behind"),
            (KEY.replace("mDMEZ", "xVgEZ"), "private key behind"),
            (format!("{KEY}{KEY}"), "something else"),
            (KEY.replace("\n=", "\nSigned-By\n="), "something else"),
            (KEY.replace("\n=", "\n\n="), "something else"),
            (KEY.replace("mDMEZ", "mDM\u{e9}Z"), "something else"),
            (KEY.replacen("\n\n", "\nA: \u{7}\n\n", 1), "something else"),
            (format!("trusted=yes\n{KEY}"), "not a public key"),
            (KEY.lines().next().unwrap().into(), "not a public key"),
            (format!("{BEGIN}\n\n{END}"), "something else"),
            (String::new(), "not a public key"),
            (KEY.replace("mDMEZ", &"m".repeat(40_000)), "32768 bytes"),
        ];
        for (text, expected) in cases {
            let why = armoured(&text).unwrap_err();
            assert!(why.contains(expected), "{expected}: {why}");
            assert!(!why.contains("BYJKwYBBAHaRw8"), "{why}");
        }
    }

    #[test]
    fn only_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyFiles::beside(dir.path());
        std::fs::create_dir(dir.path().join("d")).unwrap();
        assert!(keys.read("d").unwrap_err().ends_with("is not a file"));
        assert!(keys.read("absent").unwrap_err().contains("cannot be read"));
    }
}
