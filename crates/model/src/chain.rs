//! The chain of records: what was done, so that nobody can change or leave out a part of it afterwards.
//!
//! Each entry names the hash of the one before it. Whoever has noted the newest hash at some time can prove later that
//! nothing of what was there then was changed. The host keeps a chain of its own runs, the server one of every record that
//! it was told and of everything that operators did.
//!
//! The hash is SHA-256 of six lines: `lockstep-chain-1`, the number, the hash before in hexadecimal digits, the time in
//! milliseconds since 1970, the subject as JSON, and the body; the body may have more lines.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ContentHash, HostName};

/// The place of an entry in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainLink {
    /// Counted from 1.
    pub number: u64,
    /// The hash of the entry before it; all zeros for the first one.
    pub before: ContentHash,
    /// The hash of the entry.
    pub hash: ContentHash,
}

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainSubject {
    /// A record of a run of this host.
    Run(HostName),
    /// Something that was done by somebody: an operator, a token, the server itself.
    Deed(String),
}

/// An entry of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainEntry {
    /// Its place.
    #[serde(flatten)]
    pub link: ChainLink,
    /// When it was written.
    pub at: Timestamp,
    /// What it is about.
    pub subject: ChainSubject,
    /// The JSON of the record or the words of the deed, byte for byte as they were hashed.
    pub body: String,
}

impl ChainEntry {
    /// Largest body, in bytes.
    pub const LARGEST_BODY: usize = 256 * 1024;

    /// The entry that follows the one at `head`, or the first one.
    #[must_use]
    pub fn after(
        head: Option<&ChainLink>,
        at: Timestamp,
        subject: ChainSubject,
        body: String,
    ) -> Self {
        let zeros = ContentHash::from_digest([0; 32]);
        let (number, before) = head.map_or((1, zeros), |head| (head.number + 1, head.hash));
        // What is kept has no more than milliseconds.
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        let hash = hash(number, &before, at, &subject, &body);
        let link = ChainLink {
            number,
            before,
            hash,
        };
        Self {
            link,
            at,
            subject,
            body,
        }
    }
}

fn hash(
    number: u64,
    before: &ContentHash,
    at: Timestamp,
    subject: &ChainSubject,
    body: &str,
) -> ContentHash {
    let subject = serde_json::to_string(subject).expect("names and texts become JSON");
    let at = at.as_millisecond();
    let text = format!("lockstep-chain-1\n{number}\n{before}\n{at}\n{subject}\n{body}");
    ContentHash::of(text.as_bytes())
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainBreak {
    /// The number that was expected there.
    pub number: u64,
    /// What is wrong.
    pub why: &'static str,
}

impl fmt::Display for ChainBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the chain is broken at entry {}: {}",
            self.number, self.why
        )
    }
}
impl std::error::Error for ChainBreak {}

/// Checks entries that follow the one at `head`, and returns where they end. Without a head the first of them is taken
/// as it is: what was before it may have been forgotten.
pub fn check_chain(
    mut head: Option<ChainLink>,
    entries: &[ChainEntry],
) -> Result<Option<ChainLink>, ChainBreak> {
    for entry in entries {
        let link = entry.link;
        let number = head.map_or(link.number, |head| head.number + 1);
        let broken = |why| Err(ChainBreak { number, why });
        if link.number != number {
            return broken("an entry is missing");
        }
        if head.is_some_and(|head| head.hash != link.before) {
            return broken("it does not follow the one before it");
        }
        if hash(
            link.number,
            &link.before,
            entry.at,
            &entry.subject,
            &entry.body,
        ) != link.hash
        {
            return broken("its contents were changed");
        }
        head = Some(link);
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(bodies: &[&str]) -> Vec<ChainEntry> {
        let mut entries: Vec<ChainEntry> = Vec::new();
        for body in bodies {
            let head = entries.last().map(|entry| entry.link);
            let subject = ChainSubject::Deed("ann".into());
            let at = Timestamp::from_millisecond(1_000).unwrap();
            entries.push(ChainEntry::after(
                head.as_ref(),
                at,
                subject,
                (*body).into(),
            ));
        }
        entries
    }

    #[test]
    fn nothing_can_be_changed_left_out_or_turned_around() {
        let entries = chain(&["one", "two", "three"]);
        let head = check_chain(None, &entries).unwrap().unwrap();
        assert_eq!(head.number, 3);
        assert_eq!(
            check_chain(Some(entries[0].link), &entries[1..]),
            Ok(Some(head))
        );
        let json = serde_json::to_string(&entries).unwrap();
        assert_eq!(
            serde_json::from_str::<Vec<ChainEntry>>(&json).unwrap(),
            entries
        );

        let why = |entries: &[ChainEntry]| check_chain(None, entries).unwrap_err().to_string();
        let mut changed = entries.clone();
        changed[1].body = "2".into();
        assert_eq!(
            why(&changed),
            "the chain is broken at entry 2: its contents were changed"
        );
        let mut without = entries.clone();
        without.remove(1);
        assert_eq!(
            why(&without),
            "the chain is broken at entry 2: an entry is missing"
        );
        let mut forged = chain(&["one", "zwei", "three"]);
        forged[0] = entries[0].clone();
        forged[2] = entries[2].clone();
        assert_eq!(
            why(&forged),
            "the chain is broken at entry 3: it does not follow the one before it"
        );
    }
}
