//! Files that tell a package manager about a repository, and its key.
//!
//! What gets into them comes from the fleet's file or from the host's own, and decides which software root installs. So
//! every value is checked against the few shapes that it can have, and nothing in it can begin a new line, a new field
//! or a new value. Signatures are always asked for: there is no way to write `trusted=yes` or `gpgcheck=0` here.

use std::path::Path;

use lockstep_model::{AptSource, DnfSource, PackageName, PackageRule};

use super::error::PackageError;
use crate::error::Result;
use crate::fs::{Mode, read_capped, write_durable};

/// How an armoured public key begins and ends (RFC 9580, 6.2).
const KEY_BEGINS: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const KEY_ENDS: &str = "-----END PGP PUBLIC KEY BLOCK-----";
/// Most components of a repository.
const MOST_COMPONENTS: usize = 20;

/// Writes a file that everybody may read, unless it is there already, the same and readable. True if it was written.
///
/// Everybody: apt reads keys and sources as the user `_apt`, which may read no more than any other user (apt.conf(5),
/// `APT::Sandbox::User`), and a key that is not readable is a key that is not there. Both are public anyway.
pub(super) fn ensure(path: &Path, text: &str) -> Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    let most = text.len() as u64 + 1;
    let same = matches!(read_capped(path, most), Ok(Some(bytes)) if bytes == text.as_bytes());
    let readable =
        std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o777 == 0o644);
    if same && readable {
        return Ok(false);
    }
    write_durable(path, text.as_bytes(), Mode::Public)?;
    Ok(true)
}

/// A repository in deb822 (sources.list(5)), with its key at `key`.
pub(super) fn deb822(
    package: &PackageName,
    source: &AptSource,
    key: &Path,
) -> std::result::Result<String, PackageError> {
    let check = Check { package };
    check.uri("uri", &source.uri, &[])?;
    check.plain("suite", &source.suite)?;
    let is_exact = source.suite.ends_with('/');
    if is_exact != source.components.is_empty() {
        let why = "has components if the suite is a code name, and none if it is a path that ends with a slash";
        return Err(check.refuse("components", why));
    }
    if source.components.len() > MOST_COMPONENTS {
        return Err(check.refuse(
            "components",
            format!("has more than {MOST_COMPONENTS} parts"),
        ));
    }
    for component in &source.components {
        check.plain("component", component)?;
        if component.ends_with('/') {
            return Err(check.refuse("component", "ends with a slash"));
        }
    }
    let mut text = format!(
        "# Written by Lockstep for {package}; what is changed here is written over.\nTypes: deb\nURIs: {}\nSuites: {}\n",
        source.uri, source.suite
    );
    if !is_exact {
        text += &format!("Components: {}\n", source.components.join(" "));
    }
    text += &format!("Signed-By: {}\n", key.display());
    Ok(text)
}

/// A repository in the format of dnf (dnf.conf(5)), with its key at `key`.
pub(super) fn repo(
    package: &PackageName,
    source: &DnfSource,
    key: &Path,
) -> std::result::Result<String, PackageError> {
    // `$` for the variables of dnf: $releasever, $basearch.
    Check { package }.uri("baseurl", &source.baseurl, b"${}")?;
    Ok(format!(
        "# Written by Lockstep for {package}; what is changed here is written over.\n[lockstep-{package}]\n\
         name={package} (Lockstep)\nbaseurl={}\nenabled=1\ngpgcheck=1\nrepo_gpgcheck={}\ngpgkey=file://{}\n",
        source.baseurl,
        u8::from(source.signed_metadata),
        key.display()
    ))
}

/// The key as it is written.
pub(super) fn key(package: &PackageName, key: &str) -> std::result::Result<String, PackageError> {
    let check = Check { package };
    let key = key.trim();
    if key.len() > PackageRule::LARGEST_KEY {
        return Err(check.refuse(
            "key",
            format!("is larger than {} bytes", PackageRule::LARGEST_KEY),
        ));
    }
    if key.contains("PRIVATE KEY") {
        return Err(check.refuse(
            "key",
            "is a private key; the public one is needed, and the private one is no secret any more",
        ));
    }
    if !key.starts_with(KEY_BEGINS) || !key.ends_with(KEY_ENDS) {
        return Err(check.refuse(
            "key",
            format!("is no public key in ASCII armour: {KEY_BEGINS} ..."),
        ));
    }
    if !key
        .bytes()
        .all(|byte| matches!(byte, b'\n' | b'\r' | b' '..=b'~'))
    {
        return Err(check.refuse("key", "holds what ASCII armour does not hold"));
    }
    Ok(format!("{}\n", key.replace('\r', "")))
}

struct Check<'a> {
    package: &'a PackageName,
}

impl Check<'_> {
    fn refuse(&self, part: &'static str, why: impl Into<String>) -> PackageError {
        PackageError::Source {
            package: self.package.clone(),
            part,
            why: why.into(),
        }
    }

    fn length(&self, part: &'static str, text: &str) -> std::result::Result<(), PackageError> {
        match text.len() {
            0 => Err(self.refuse(part, "is empty")),
            1..=PackageRule::LONGEST_TEXT => Ok(()),
            _ => Err(self.refuse(
                part,
                format!("is longer than {} bytes", PackageRule::LONGEST_TEXT),
            )),
        }
    }

    /// A URL that neither apt nor dnf can take for two, for options, or for anything but a place.
    fn uri(
        &self,
        part: &'static str,
        text: &str,
        also: &[u8],
    ) -> std::result::Result<(), PackageError> {
        self.length(part, text)?;
        let rest = ["https://", "http://", "file:/"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
            return Err(self.refuse(part, "begins with https://, http:// or file:/"));
        };
        let fits = |byte: u8| {
            byte.is_ascii_alphanumeric()
                || b"-._~:/%+?=&[]@".contains(&byte)
                || also.contains(&byte)
        };
        if !text.bytes().all(fits) {
            return Err(self.refuse(part, "holds characters that do not belong there"));
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|host| host.contains('@'))
        {
            let why =
                "holds a user's name; everybody could read it there: see apt_auth.conf(5) for apt";
            return Err(self.refuse(part, why));
        }
        Ok(())
    }

    /// A code name, a path or a component.
    fn plain(&self, part: &'static str, text: &str) -> std::result::Result<(), PackageError> {
        self.length(part, text)?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+:/".contains(&byte);
        if text.starts_with('-') || !text.bytes().all(fits) {
            let why = "has letters, digits and - . _ ~ + : / only, and does not begin with -";
            return Err(self.refuse(part, why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> PackageName {
        PackageName::parse("vendor-agent").unwrap()
    }

    fn apt(uri: &str, suite: &str, components: &[&str]) -> AptSource {
        AptSource {
            uri: uri.into(),
            suite: suite.into(),
            components: components.iter().map(|&text| text.into()).collect(),
            key: String::new(),
        }
    }

    #[test]
    fn a_source_of_apt_is_written_whole() {
        let key = Path::new("/etc/apt/keyrings/lockstep-vendor-agent.asc");
        let source = apt(
            "https://repo.example.org/debian",
            "bookworm",
            &["main", "non-free"],
        );
        assert_eq!(
            deb822(&name(), &source, key).unwrap(),
            "# Written by Lockstep for vendor-agent; what is changed here is written over.\nTypes: deb\n\
             URIs: https://repo.example.org/debian\nSuites: bookworm\nComponents: main non-free\n\
             Signed-By: /etc/apt/keyrings/lockstep-vendor-agent.asc\n"
        );
        let exact = deb822(&name(), &apt("file:/srv/repo", "./", &[]), key).unwrap();
        assert!(!exact.contains("Components"), "{exact}");
    }

    #[test]
    fn a_source_of_dnf_always_checks_signatures() {
        let source = DnfSource {
            baseurl: "https://repo.example.org/el$releasever/$basearch".into(),
            key: String::new(),
            signed_metadata: true,
        };
        let text = repo(&name(), &source, Path::new("/etc/pki/rpm-gpg/KEY")).unwrap();
        assert!(text.contains("\n[lockstep-vendor-agent]\n"), "{text}");
        assert!(
            text.contains("\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/KEY\n"),
            "{text}"
        );
    }

    #[test]
    fn nothing_can_be_smuggled_in() {
        let key = Path::new("/k");
        for uri in [
            "",
            "https://",
            "ftp://example.org",
            "cdrom:[x]/",
            "https://example.org\nTrusted: yes",
            "https://example.org\r",
            "https://example.org https://evil.example",
            "https://example.org,https://evil.example",
            "https://example.org/\u{7f}",
            "https://exämple.org",
            "https://user:secret@example.org/",
            "https://example.org/#x",
            "https://example.org/\"",
            &format!("https://example.org/{}", "x".repeat(1000)),
        ] {
            assert!(
                deb822(&name(), &apt(uri, "./", &[]), key).is_err(),
                "{uri:?}"
            );
            let source = DnfSource {
                baseurl: uri.into(),
                key: String::new(),
                signed_metadata: false,
            };
            assert!(repo(&name(), &source, key).is_err(), "{uri:?}");
        }
        for suite in ["", "-x", "a b", "a\nTrusted: yes", "[trusted=yes]", "a,b"] {
            assert!(
                deb822(&name(), &apt("https://e.org", suite, &["main"]), key).is_err(),
                "{suite:?}"
            );
            assert!(
                deb822(&name(), &apt("https://e.org", "stable", &[suite]), key).is_err(),
                "{suite:?}"
            );
        }
        assert!(deb822(&name(), &apt("https://e.org", "stable", &[]), key).is_err());
        assert!(deb822(&name(), &apt("https://e.org", "./", &["main"]), key).is_err());
    }

    #[test]
    fn only_public_keys_in_armour_are_taken() {
        let good = format!("\n{KEY_BEGINS}\r\n\r\nmDMEZ\r\n=abcd\r\n{KEY_ENDS}\r\n\r\n");
        assert_eq!(
            key(&name(), &good).unwrap(),
            format!("{KEY_BEGINS}\n\nmDMEZ\n=abcd\n{KEY_ENDS}\n")
        );
        let private = good.replace("PUBLIC", "PRIVATE");
        let binary = good.replace("mDMEZ", "mD\u{1}EZ");
        let large = good.replace("mDMEZ", &"x".repeat(40_000));
        for bad in ["", "mDMEZ", &private, &binary, &large] {
            assert!(key(&name(), bad).is_err(), "{bad:.60}");
        }
    }
}
