//! The host's own chain of what was changed on it: `records.jsonl`, one entry in each line.
//!
//! Lines are only added. A line that was cut off by a power cut is taken away at the next start, because nobody was told
//! of it yet: a record is sent after it was written here. When the file has grown large it becomes `records.1.jsonl`, and
//! the new one goes on with the same chain.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lockstep_host::{Layout, fs};
use lockstep_model::{ChainEntry, ChainLink, ChainSubject, HostName};

use crate::Error;

/// The file is begun anew when it has so many bytes: tens of thousands of records.
const LARGEST: u64 = 64 * 1024 * 1024;
/// So much of the end of the file is read to find its last line: JSON may write each byte of a body as six.
const TAIL: u64 = 6 * ChainEntry::LARGEST_BODY as u64 + 4096;

/// The chain on disk.
#[derive(Debug)]
pub struct HostChain {
    path: PathBuf,
}

impl HostChain {
    /// The chain below a root.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            path: layout.records(),
        }
    }

    /// Adds an entry, durably, and returns its place. Of several processes one adds at a time.
    pub fn append(&self, host: &HostName, body: String, at: Timestamp) -> Result<ChainLink, Error> {
        self.try_append(host, body, at)
            .map_err(|source| Error::Records {
                path: self.path.clone(),
                source,
            })
    }

    fn try_append(&self, host: &HostName, body: String, at: Timestamp) -> io::Result<ChainLink> {
        let mut file = self.lock()?;
        let mut head = head(&mut file)?;
        if head.is_none() {
            // A chain that was begun anew goes on from the old file.
            head = match File::open(self.aside()) {
                Ok(mut older) => last(&mut older)?.0,
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        let subject = ChainSubject::Run(host.clone());
        let entry = ChainEntry::after(head.as_ref(), at, subject, body);
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        file.seek(SeekFrom::End(0))?;
        file.write_all(&line)?;
        file.sync_all()?;
        if file.metadata()?.len() > LARGEST {
            fs::rename_durable(&self.path, &self.aside()).map_err(io::Error::other)?;
        }
        Ok(entry.link)
    }

    /// The file, locked until it is closed.
    fn lock(&self) -> io::Result<File> {
        loop {
            let file = open(&self.path)?;
            file.lock()?;
            // Whoever had it before may have begun a new file.
            let (ours, theirs) = (file.metadata()?, std::fs::metadata(&self.path));
            match theirs {
                Ok(theirs) if theirs.ino() == ours.ino() => return Ok(file),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }

    fn aside(&self) -> PathBuf {
        self.path.with_extension("1.jsonl")
    }
}

fn open(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if let Some(dir) = path.parent().filter(|_| is_new) {
        File::open(dir)?.sync_all()?;
    }
    Ok(file)
}

/// The place of the last entry. A line behind it that was cut off is taken away.
fn head(file: &mut File) -> io::Result<Option<ChainLink>> {
    let (link, end) = last(file)?;
    if end < file.metadata()?.len() {
        tracing::warn!("the last line of the host's records was cut off, and is taken away");
        file.set_len(end)?;
    }
    Ok(link)
}

/// The place of the last whole entry, and where it ends.
fn last(file: &mut File) -> io::Result<(Option<ChainLink>, u64)> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    let Some(end) = tail.iter().rposition(|&byte| byte == b'\n') else {
        return Ok((None, 0));
    };
    let begin = tail[..end]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    let entry: ChainEntry = serde_json::from_slice(&tail[begin..end]).map_err(|error| {
        io::Error::other(format!(
            "its last line is no entry ({error}); look at it with \"lockstep audit verify --file\", and move it aside"
        ))
    })?;
    Ok((Some(entry.link), from + end as u64 + 1))
}

#[cfg(test)]
mod tests {
    use lockstep_model::check_chain;

    use super::*;

    fn entries(path: &Path) -> Vec<ChainEntry> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn the_chain_goes_on_after_a_cut_and_in_a_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        fs::create_private_dir(&layout.state_dir()).unwrap();
        let host = HostName::parse("web1").unwrap();
        let at = Timestamp::from_second(1_000).unwrap();
        let chain = HostChain::new(&layout);
        let add = |body: &str| chain.append(&host, body.into(), at).unwrap();
        assert_eq!(add("one").number, 1);
        add("two\nlines");
        let whole = std::fs::metadata(layout.records()).unwrap().len();
        add("three");
        // The power went in the middle of the third line.
        let file = OpenOptions::new()
            .write(true)
            .open(layout.records())
            .unwrap();
        file.set_len(whole + 20).unwrap();
        assert_eq!(add("three again").number, 3);
        let kept = entries(&layout.records());
        let head = check_chain(None, &kept).unwrap().unwrap();
        assert_eq!((head.number, kept.len()), (3, 3));

        fs::rename_durable(&layout.records(), &chain.aside()).unwrap();
        let four = add("four");
        assert_eq!((four.number, four.before), (4, head.hash));
    }
}
