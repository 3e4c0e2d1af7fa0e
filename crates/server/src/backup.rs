//! Backup and restore: everything a server cannot make anew, in one file.
//!
//! A backup is a `tar.zst` with entries in this order:
//!
//! ```text
//! backup.json                     what this is: format, version, number of artifacts
//! ca/ca.pem  ca/ca.key            the certificate authority
//! keys/snapshot.pem  keys/timestamp.pem
//! operator.toml                   if it is still there
//! database.jsonl                  the dump of the database: hosts, tokens, rollouts, metadata, all
//! artifacts/SHA256                the bundles
//! ```
//!
//! It can be made while the server runs. It holds the keys of the fleet and is worth as much as the server itself.
//! Either database can take a dump from the other, so this is also the way from SQLite to PostgreSQL.
//!
//! A restore believes nothing: only these names, each once and of bounded size; artifacts must have the hash that
//! names them; authority and keys must be usable; the dump must be whole. It happens beside the data directory, which
//! appears by one rename at the end, or not at all.

use std::collections::HashSet;
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use lockstep_model::{ContentHash, Version};
use lockstep_store::{Artifacts, DatabaseUrl, Store, WasOpen};
use lockstep_trust::SigningKey;
use lockstep_trust::identity::CertificateAuthority;
use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempDir};
use tokio::runtime::Handle;

use crate::config::ServerConfig;
use crate::services::health::BACKUP;
use crate::{Error, data_dir};

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// How the entries are to be read: 1.
    pub format: u32,
    /// The version of the server that made it.
    pub version: Version,
    /// When.
    pub made_at: Timestamp,
    /// How many artifacts follow.
    pub artifacts: u64,
}

const FORMAT: u32 = 1;
const ABOUT: &str = "backup.json";
const DATABASE: &str = "database.jsonl";
/// Small files that must be there.
const NEEDED: [&str; 4] = [
    "ca/ca.pem",
    "ca/ca.key",
    "keys/snapshot.pem",
    "keys/timestamp.pem",
];
const OPERATOR: &str = "operator.toml";
const ARTIFACTS: &str = "artifacts/";
/// Largest small file, in bytes.
const SMALL: u64 = 1024 * 1024;
/// Largest dump, in bytes.
const LARGEST_DUMP: u64 = 64 * 1024 * 1024 * 1024;
/// The compressor's look-back that is allowed, as a power of two (128 MiB), so that a file cannot claim all memory.
const WINDOW_LOG: u32 = 27;

/// Writes a backup of the server whose data the configuration names. The server may run.
///
/// # Errors
/// [`Error::Backup`] says what could not be read or written; [`Error::Database`] if the dump fails.
pub async fn backup<W: Write + Send + 'static>(
    config: &ServerConfig,
    writer: W,
    now: Timestamp,
) -> Result<Contents, Error> {
    let data = config.data.clone();
    let missing = NEEDED.iter().find(|name| !data.join(name).is_file());
    if let Some(name) = missing {
        return Err(Error::Backup {
            doing: format!("back up {}", data.display()),
            why: format!(
                "there is no {name}; is this the data directory of a server that was started?"
            ),
        });
    }
    let store = Store::open(&config.database_url())
        .await
        .map_err(Error::database("opening it"))?;
    let dumped = dump(&store, &data).await;
    store.close().await;
    let dump = dumped?;
    // The dump comes first: a bundle that is listed in it was there before, and bundles are never changed.
    let packed = tokio::task::spawn_blocking(move || pack(&data, dump.path(), writer, now)).await;
    joined(packed, "write the backup")
}

/// Notes in the store that a backup is made and in its place, so that pages can say how old it is.
///
/// # Errors
/// [`Error::Database`].
pub async fn note(config: &ServerConfig, made_at: Timestamp) -> Result<(), Error> {
    let store = Store::open(&config.database_url())
        .await
        .map_err(Error::database("opening it"))?;
    let noted = store.set_setting(BACKUP, &made_at.to_string()).await;
    store.close().await;
    noted.map_err(Error::database("noting the backup"))
}

async fn dump(store: &Store, data: &Path) -> Result<NamedTempFile, Error> {
    let file = NamedTempFile::new_in(data).map_err(failed("write the backup"))?;
    let handle = file
        .as_file()
        .try_clone()
        .map_err(failed("write the backup"))?;
    let mut writer = tokio::io::BufWriter::new(tokio::fs::File::from_std(handle));
    store
        .dump(&mut writer)
        .await
        .map_err(Error::database("dumping it"))?;
    Ok(file)
}

fn pack<W: Write>(data: &Path, dump: &Path, writer: W, now: Timestamp) -> Result<Contents, Error> {
    let doing = || failed("write the backup");
    let mut artifacts = artifacts_in(&data.join("artifacts")).map_err(doing())?;
    artifacts.sort();
    let contents = Contents {
        format: FORMAT,
        version: Version::of_this_program(),
        made_at: now,
        artifacts: artifacts.len() as u64,
    };
    let mut encoder = zstd::Encoder::new(writer, 3).map_err(doing())?;
    encoder.include_checksum(true).map_err(doing())?;
    let mut tar = tar::Builder::new(encoder);
    let about = serde_json::to_vec_pretty(&contents).unwrap_or_default();
    append(&mut tar, ABOUT, about.len() as u64, about.as_slice()).map_err(doing())?;
    for name in NEEDED.into_iter().chain([OPERATOR]) {
        let path = data.join(name);
        if name == OPERATOR && !path.is_file() {
            continue;
        }
        append_file(&mut tar, name, &path).map_err(doing())?;
    }
    append_file(&mut tar, DATABASE, dump).map_err(doing())?;
    for hash in artifacts {
        let name = format!("{ARTIFACTS}{hash}");
        append_file(&mut tar, &name, &data.join(&name)).map_err(doing())?;
    }
    let mut writer = tar
        .into_inner()
        .and_then(zstd::Encoder::finish)
        .map_err(doing())?;
    writer.flush().map_err(doing())?;
    Ok(contents)
}

fn artifacts_in(directory: &Path) -> io::Result<Vec<ContentHash>> {
    let mut hashes = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        // What is still coming in has another name.
        if let Some(hash) = entry?
            .file_name()
            .to_str()
            .and_then(|name| ContentHash::parse(name).ok())
        {
            hashes.push(hash);
        }
    }
    Ok(hashes)
}

fn append_file<W: Write>(tar: &mut tar::Builder<W>, name: &str, path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    append(tar, name, length, file.take(length))
}

fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    name: &str,
    length: u64,
    bytes: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(length);
    header.set_mode(0o600);
    header.set_entry_type(tar::EntryType::Regular);
    tar.append_data(&mut header, name, bytes)
}

/// Brings a server back from a backup, into the data directory and the database that the configuration names. The
/// directory must be empty or not there, and the database empty. What was open is over, for it may have been ended since:
/// sessions, and wishes of hosts.
///
/// # Errors
/// [`Error::Backup`] says what is wrong with the backup or in the way; nothing is left behind then.
pub async fn restore<R: Read + Send + 'static>(
    config: &ServerConfig,
    reader: R,
) -> Result<Contents, Error> {
    let doing = || format!("restore into {}", config.data.display());
    let data = std::path::absolute(&config.data).map_err(failed("find the data directory"))?;
    if let Ok(mut entries) = std::fs::read_dir(&data)
        && entries.next().is_some()
    {
        return Err(Error::Backup {
            doing: doing(),
            why: "the directory is not empty; name another one, or move it away".into(),
        });
    }
    let parent = data.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent).map_err(failed("make the directory above"))?;
    let staging = tempfile::Builder::new()
        .prefix(".lockstep-restore-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(failed("make a directory for the restore"))?;

    let max = config.limits.artifact_bytes;
    let root = staging.path().to_owned();
    let artifacts = Artifacts::in_directory(root.join("artifacts"))
        .await
        .map_err(Error::database("opening the artifacts"))?;
    let handle = Handle::current();
    let unpacked = tokio::task::spawn_blocking(move || {
        unpack(reader, &root, |hash, bytes| {
            handle
                .block_on(artifacts.put(chunks(bytes), &hash, max))
                .map(|_| ())
                .map_err(|error| error.to_string())
        })
    })
    .await;
    let contents = joined(unpacked, "read the backup")?;
    check_keys(staging.path())?;
    restore_database(config, &data, staging.path()).await?;
    appear(staging, &data)?;
    Ok(contents)
}

/// Reads all entries, and puts each where it belongs below `root`.
fn unpack<R: Read>(
    reader: R,
    root: &Path,
    store: impl Fn(ContentHash, &mut dyn Read) -> Result<(), String>,
) -> Result<Contents, Error> {
    let wrong = |why: String| Error::Backup {
        doing: "read the backup".into(),
        why,
    };
    let unreadable = |error: io::Error| wrong(format!("it is damaged or no backup: {error}"));
    let mut decoder = zstd::Decoder::new(reader).map_err(unreadable)?;
    decoder.window_log_max(WINDOW_LOG).map_err(unreadable)?;
    let mut archive = tar::Archive::new(decoder);
    let mut contents: Option<Contents> = None;
    let mut seen: HashSet<String> = HashSet::new();
    let mut artifacts = 0;
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = entry.path_bytes().into_owned();
        let name =
            String::from_utf8(name).map_err(|_| wrong("it holds a name that is no text".into()))?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(wrong(format!("{name:?} is not a plain file")));
        }
        if !seen.insert(name.clone()) {
            return Err(wrong(format!("{name:?} is in it twice")));
        }
        let length = entry.size();
        let Some(known) = &contents else {
            let bytes = (name == ABOUT).then(|| read_small(&mut entry, length));
            let about = bytes
                .transpose()
                .map_err(wrong)?
                .and_then(|bytes| serde_json::from_slice::<Contents>(&bytes).ok())
                .ok_or_else(|| wrong(format!("it does not begin with {ABOUT}")))?;
            if about.format != FORMAT {
                return Err(wrong(format!(
                    "it has format {}, this program reads format {FORMAT}; use version {}",
                    about.format, about.version
                )));
            }
            contents = Some(about);
            continue;
        };
        if let Some(hash) = name.strip_prefix(ARTIFACTS) {
            artifacts += 1;
            if artifacts > known.artifacts {
                return Err(wrong(format!(
                    "it holds more than {} artifacts",
                    known.artifacts
                )));
            }
            let hash = ContentHash::parse(hash).map_err(|error| wrong(error.to_string()))?;
            store(hash, &mut entry).map_err(wrong)?;
        } else if name == DATABASE {
            write_stream(&root.join(DATABASE), &mut entry, length).map_err(wrong)?;
        } else if NEEDED.contains(&name.as_str()) || name == OPERATOR {
            let bytes = read_small(&mut entry, length).map_err(wrong)?;
            let text = String::from_utf8(bytes).map_err(|_| wrong(format!("{name} is no text")))?;
            let path = root.join(&name);
            data_dir::create(path.parent().unwrap_or(root))?;
            match name.as_str() {
                "ca/ca.pem" => data_dir::write_public(&path, &text)?,
                _ => data_dir::write_private(&path, &text)?,
            }
        } else {
            return Err(wrong(format!("{name:?} does not belong into a backup")));
        }
    }
    let contents = contents.ok_or_else(|| wrong("it is empty".into()))?;
    // Only what was read to its end was held against the checksum.
    nothing_behind(archive.into_inner()).map_err(unreadable)?;
    if let Some(missing) = NEEDED
        .into_iter()
        .chain([DATABASE])
        .find(|name| !seen.contains(*name))
    {
        return Err(wrong(format!("{missing} is missing")));
    }
    if artifacts != contents.artifacts {
        let why = format!("{artifacts} of {} artifacts are in it", contents.artifacts);
        return Err(wrong(why));
    }
    Ok(contents)
}

/// Reads what is left: zeros that fill up the last block, and no more of them than a block has.
fn nothing_behind(rest: impl Read) -> io::Result<()> {
    const BLOCK: u64 = 64 * 1024;
    let mut left = Vec::new();
    rest.take(BLOCK).read_to_end(&mut left)?;
    if left.len() as u64 == BLOCK || left.iter().any(|&byte| byte != 0) {
        return Err(io::Error::other("something follows behind its end"));
    }
    Ok(())
}

fn read_small(entry: &mut impl Read, length: u64) -> Result<Vec<u8>, String> {
    if length > SMALL {
        return Err(format!("a key or a text in it has {length} bytes"));
    }
    let mut bytes = Vec::new();
    entry
        .take(SMALL)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("it is damaged: {error}"))?;
    Ok(bytes)
}

fn write_stream(path: &Path, entry: &mut impl Read, length: u64) -> Result<(), String> {
    if length > LARGEST_DUMP {
        return Err(format!(
            "the dump has {length} bytes, more than {LARGEST_DUMP}"
        ));
    }
    let copied = File::create_new(path).and_then(|mut file| io::copy(entry, &mut file));
    copied
        .map(|_| ())
        .map_err(|error| format!("the dump cannot be unpacked: {error}"))
}

/// The bytes of an entry in pieces. It blocks where it is polled, so it is only polled on a thread for that.
fn chunks(bytes: &mut dyn Read) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    futures_util::stream::iter(std::iter::from_fn(move || {
        let mut chunk = vec![0; 64 * 1024];
        match bytes.read(&mut chunk) {
            Ok(0) => None,
            Ok(count) => {
                chunk.truncate(count);
                Some(Ok(chunk.into()))
            }
            Err(error) => Some(Err(error)),
        }
    }))
}

fn check_keys(root: &Path) -> Result<(), Error> {
    let wrong = |why: String| Error::Backup {
        doing: "use what is in the backup".into(),
        why,
    };
    let text = |name: &str| {
        let text = data_dir::read(&root.join(name))?;
        text.ok_or_else(|| wrong(format!("{name} is missing")))
    };
    CertificateAuthority::load(&text("ca/ca.pem")?, &text("ca/ca.key")?)
        .map_err(|error| wrong(format!("ca/: {error}")))?;
    for name in ["keys/snapshot.pem", "keys/timestamp.pem"] {
        SigningKey::from_pem(&text(name)?).map_err(|error| wrong(format!("{name}: {error}")))?;
    }
    Ok(())
}

/// Restores the dump. A SQLite file that belongs into the data directory is made in the staging directory, and
/// appears with it.
async fn restore_database(config: &ServerConfig, data: &Path, staging: &Path) -> Result<(), Error> {
    let url = match config.database_url() {
        DatabaseUrl::Sqlite(path) => {
            let path = std::path::absolute(path).map_err(failed("find the database"))?;
            let inside = path.strip_prefix(data).map(|inside| staging.join(inside));
            DatabaseUrl::Sqlite(inside.unwrap_or(path))
        }
        postgres => postgres,
    };
    let dump = staging.join(DATABASE);
    let file = tokio::fs::File::open(&dump)
        .await
        .map_err(failed("read the dump"))?;
    let store = Store::open(&url)
        .await
        .map_err(Error::database("opening it"))?;
    let mut reader = tokio::io::BufReader::new(file);
    let restored = store.restore(&mut reader, WasOpen::Ends).await;
    store.close().await;
    restored.map_err(Error::database("restoring it"))?;
    std::fs::remove_file(&dump).map_err(failed("remove the dump"))
}

/// Gives the staging directory its name.
#[expect(
    clippy::disallowed_methods,
    reason = "a whole directory is renamed, and what is in it and above it is synced here"
)]
fn appear(staging: TempDir, data: &Path) -> Result<(), Error> {
    let sync = |path: &Path| File::open(path).and_then(|directory| directory.sync_all());
    let parent = data.parent().unwrap_or(Path::new("/"));
    sync(staging.path()).map_err(failed("sync the restored directory"))?;
    std::fs::rename(staging.path(), data).map_err(|error| Error::Backup {
        doing: format!("give its name to {}", data.display()),
        why: format!("{error}; if it is a mount point, restore into a directory below it"),
    })?;
    // It has another name now, so there is nothing to remove.
    let _: PathBuf = staging.keep();
    sync(parent).map_err(failed("sync the directory above"))
}

fn failed(doing: &str) -> impl FnOnce(io::Error) -> Error {
    let doing = doing.to_owned();
    move |error| Error::Backup {
        doing,
        why: error.to_string(),
    }
}

fn joined<T>(
    outcome: Result<Result<T, Error>, tokio::task::JoinError>,
    doing: &str,
) -> Result<T, Error> {
    outcome.unwrap_or_else(|error| {
        Err(Error::Backup {
            doing: doing.into(),
            why: error.to_string(),
        })
    })
}
