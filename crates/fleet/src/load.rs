//! From the disk.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::fault::Errors;
use crate::fleet::Fleet;
use crate::keys::KeyFiles;

/// The directory with the fragments, beside the fleet file.
const FRAGMENTS: &str = "fleet.d";

impl Fleet {
    /// Reads a fleet file and the fragments `fleet.d/*.toml` beside it, in the order of their names.
    /// So are the key files that they name; a name that is no whole path is one beside the fleet file.
    ///
    /// # Errors
    /// Everything that is wrong with them, be it that they cannot be read.
    pub fn load(path: &Path) -> Result<Self, Errors> {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let mut texts = vec![(name.to_string_lossy().into_owned(), read(path))];
        let directory = path.parent().unwrap_or(Path::new(""));
        match fragments(&directory.join(FRAGMENTS)) {
            Ok(paths) => texts.extend(paths.into_iter().map(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                (format!("{FRAGMENTS}/{name}"), read(&path))
            })),
            Err(why) => texts.push((FRAGMENTS.into(), Err(why))),
        }
        Self::parse_read(texts, KeyFiles::beside(directory))
    }
}

fn fragments(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |error: std::io::Error| format!("it cannot be listed: {error}");
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(cannot)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        // Editors leave hidden copies beside what they edit.
        if path.extension() == Some(OsStr::new("toml")) && !hidden {
            paths.push(path);
        }
        if paths.len() > Fleet::MOST_FILES {
            return Err(format!("there are more than {} files", Fleet::MOST_FILES));
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("it cannot be read: {error}");
    let file = File::open(path).map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err("it is not a file".into());
    }
    let mut bytes = Vec::new();
    // One byte more than is allowed shows that there is more; what that means is said where texts are parsed.
    file.take(Fleet::LARGEST_FILE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() > Fleet::LARGEST_FILE {
        return Err(format!("it is larger than {} bytes", Fleet::LARGEST_FILE));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count()
            + 1;
        format!("it is not UTF-8; see line {line}")
    })
}
