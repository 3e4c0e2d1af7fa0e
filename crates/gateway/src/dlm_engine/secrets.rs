//! The file of secrets: who may speak, and for which hosts.

use std::collections::HashMap;
use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time;
use lockstep_model::{ContentHash, Glob, HostName};

/// Largest file of secrets, in bytes.
const LARGEST: u64 = 1024 * 1024;
/// Most clients in it.
const MOST: usize = 10_000;
/// Longest secret and longest id, in bytes.
const LONGEST: usize = 1_000;

/// What clients must know. Only hashes of their secrets are kept.
#[derive(Clone, Default)]
pub struct Secrets {
    clients: HashMap<String, Client>,
}

/// One who may speak.
#[derive(Clone)]
struct Client {
    /// SHA-256 of its secret.
    secret: ContentHash,
    hosts: Pattern,
}

/// The hosts for which a client may speak: a name, in which `*` stands for any characters and `?` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Glob);

/// Why a file of secrets is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// It cannot be read.
    #[error("read the secrets in {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others than its owner can read it, or write it.
    #[error("{}: its mode is {mode:o}; others must not read secrets: chmod 600", path.display())]
    Mode {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is too large.
    #[error("{}: it is larger than {LARGEST} bytes", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// A line is not understood. The line itself is not repeated, for there may be a secret in it.
    #[error("line {line} of the secrets: {why}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
}

impl Secrets {
    /// Reads a file that nobody but its owner may read.
    ///
    /// # Errors
    /// Where it cannot be read, is not kept secret, or says nonsense.
    pub fn load(path: &Path) -> Result<Self, SecretsError> {
        let read = |source| SecretsError::Read {
            path: path.into(),
            source,
        };
        let file = std::fs::File::open(path).map_err(read)?;
        let mode = file.metadata().map_err(read)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretsError::Mode {
                path: path.into(),
                mode,
            });
        }
        let mut bytes = Vec::new();
        file.take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(read)?;
        if bytes.len() as u64 > LARGEST {
            return Err(SecretsError::TooLarge { path: path.into() });
        }
        Self::parse(&bytes)
    }

    /// Parses lines `SECRET-ID SECRET [HOST-PATTERN]`. Empty lines and those that begin with `#` say nothing. Without a
    /// pattern a client may speak for every known host.
    ///
    /// # Errors
    /// For a line that says something else, or an id that is there twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, SecretsError> {
        let mut clients = HashMap::new();
        for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let refuse = |why| SecretsError::Line { line: at + 1, why };
            let line = std::str::from_utf8(line).map_err(|_| refuse("it is not text"))?;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_whitespace();
            let (Some(id), Some(secret)) = (words.next(), words.next()) else {
                return Err(refuse("an id and a secret are expected"));
            };
            if id.len() > LONGEST || secret.len() > LONGEST {
                return Err(refuse("its id or secret is longer than 1000 bytes"));
            }
            let hosts = Pattern::parse(words.next().unwrap_or("*")).map_err(refuse)?;
            if words.next().is_some() {
                return Err(refuse("there is more than an id, a secret and a pattern"));
            }
            let client = Client {
                secret: ContentHash::of(secret.as_bytes()),
                hosts,
            };
            if clients.insert(id.to_owned(), client).is_some() {
                return Err(refuse("its id is there twice"));
            }
            if clients.len() > MOST {
                return Err(refuse("there are more than 10000 clients"));
            }
        }
        Ok(Self { clients })
    }

    /// The hosts for which someone may speak who knows this secret; none if it is not the id's. What is compared are
    /// hashes, in constant time, and one is compared for an id that does not exist, too.
    #[must_use]
    pub fn hosts(&self, id: &[u8], secret: &[u8]) -> Option<&Pattern> {
        let client = std::str::from_utf8(id)
            .ok()
            .and_then(|id| self.clients.get(id));
        let given = ContentHash::of(secret);
        let nobody = ContentHash::from_digest([0; 32]);
        let expected = client.map_or(&nobody, |client| &client.secret);
        let same = constant_time::verify_slices_are_equal(given.as_bytes(), expected.as_bytes());
        client.filter(|_| same.is_ok()).map(|client| &client.hosts)
    }

    /// How many clients there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// True if nobody may speak.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets of {} clients", self.clients.len())
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const NO_PATTERN: &str = "its pattern is no host's name with * or ? in it";
        // With letters for what stands for others it must be a name: a slip of the pen would match nothing for ever.
        if HostName::parse(&text.replace(['*', '?'], "a")).is_err() {
            return Err(NO_PATTERN);
        }
        Glob::parse(text).map(Self).map_err(|_| NO_PATTERN)
    }

    /// True for a host that it means.
    #[must_use]
    pub fn means(&self, host: &HostName) -> bool {
        self.0.matches(host.as_str())
    }

    /// The host, where it means one only.
    #[must_use]
    pub fn one(&self) -> Option<HostName> {
        HostName::parse(self.0.as_str()).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(name: &str) -> HostName {
        HostName::parse(name).unwrap()
    }

    #[test]
    fn whoever_knows_the_secret_speaks_for_its_hosts() {
        let text =
            b"# clients\n\nweb s3cret web*.example.org\n  one hush db1.example.org\nall open\n";
        let secrets = Secrets::parse(text).unwrap();
        assert_eq!(secrets.len(), 3);
        let web = secrets.hosts(b"web", b"s3cret").unwrap();
        assert!(web.means(&host("web1.example.org")) && !web.means(&host("db1.example.org")));
        assert_eq!(web.one(), None);
        let one = secrets.hosts(b"one", b"hush").unwrap();
        assert_eq!(one.one(), Some(host("db1.example.org")));
        assert!(secrets.hosts(b"all", b"open").unwrap().means(&host("x")));
        for (id, secret) in [
            (&b"web"[..], &b"hush"[..]),
            (b"web", b""),
            (b"", b""),
            (b"nobody", b"s3cret"),
            (b"\xff", b"s3cret"),
        ] {
            assert!(secrets.hosts(id, secret).is_none());
        }
        assert!(!format!("{secrets:?}").contains("s3cret"));
    }

    #[test]
    fn a_line_that_is_not_understood_is_named_and_not_repeated() {
        for (text, line) in [
            (&b"web"[..], 1),
            (b"a b\nweb s3cret * more", 2),
            (b"a b\na s3cret", 2),
            (b"web s3cret Web*", 1),
            (b"web s3cret web/*", 1),
            (b"\xff s3cret", 1),
        ] {
            let error = Secrets::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("line {line} ")), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets");
        std::fs::File::create(&path).unwrap();
        let chmod =
            |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        chmod(0o640);
        let error = Secrets::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("640") && error.contains("chmod 600"),
            "{error}"
        );
        chmod(0o600);
        assert!(Secrets::load(&path).unwrap().is_empty());
        let missing = Secrets::load(&dir.path().join("missing"));
        assert!(matches!(missing, Err(SecretsError::Read { .. })));
    }

    proptest! {
        #[test]
        fn whatever_the_file_says_it_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(secrets) = Secrets::parse(&bytes) {
                prop_assert!(secrets.hosts(b"", b"").is_none());
            }
        }
    }
}
