//! `log:PATH`: how many lines that a pattern matches were written to a log since the last look.
//!
//! The first look begins at the end: what stood there before is not news. Later ones go on where the last one
//! stopped, through rotation (the old file is kept open and read to its end) and truncation. The position is
//! remembered in memory alone, so lines that are written while the agent is restarted are not seen.
//!
//! Which lines they were is not told, not even the last one: the path and the pattern come from the server, and who
//! has captured that could read a whole file line by line.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use regex_lite::Regex;

use super::permitted::{self, unread};
use super::reading::{Source, count, reading, the_item};
use super::{has_options, pattern};
use crate::probe::{Found, Order, Probe};

/// Most bytes that are read at one look; the next one goes on behind them.
const MOST_PER_LOOK: u64 = 1024 * 1024;
/// Of a longer line the pattern sees the beginning.
const LONGEST_LINE: usize = 16 * 1024;

/// The probe `log:PATH`, with the option `pattern`.
pub(super) fn log(order: &Order) -> Result<Arc<dyn Probe>, String> {
    has_options(order, &["pattern"])?;
    Ok(reading(
        order,
        Log {
            path: permitted::path(order)?,
            pattern: pattern(order)?,
            follower: Mutex::default(),
        },
    ))
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    pattern: Regex,
    follower: Mutex<Follower>,
}

/// How far a log has been read.
#[derive(Debug, Default)]
struct Follower {
    /// False before the first look.
    has_begun: bool,
    /// The file that is being read; none if the log was not there, or not readable, when it was last looked for.
    file: Option<File>,
    /// Which file that is or was: its device and its number there.
    id: (u64, u64),
    position: Position,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// The beginning of the first line that is not counted yet, or a place within an overlong one.
    offset: u64,
    /// True: everything up to the next line's end belongs to a line that is counted already.
    is_within_line: bool,
}

/// What may follow the last byte of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// More, so a line without an end is not complete.
    Open,
    /// Nothing: it was rotated away.
    Final,
}

impl Source for Log {
    fn read(&self, order: &Order, _: Timestamp) -> Result<Vec<Found>, String> {
        let mut follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = permitted::open(order, &self.path);
        let matching = follower.follow(opened, |line| {
            self.pattern.is_match(&String::from_utf8_lossy(line))
        });
        match matching {
            Ok(Ok(matching)) => Ok(the_item(order, count(matching), None)),
            Ok(Err(error)) => Err(unread(&self.path, &error)),
            Err(why) => Err(why),
        }
    }
}

impl Follower {
    /// Counts the lines since the last time. The outer error is why the log could not be opened and nothing was left
    /// to be read of the one before.
    fn follow(
        &mut self,
        opened: Result<(File, Metadata), String>,
        matches: impl Fn(&[u8]) -> bool,
    ) -> Result<io::Result<usize>, String> {
        let mut budget = MOST_PER_LOOK;
        let mut matching = 0;
        let is_same = |id| matches!(&opened, Ok((_, metadata)) if id_of(metadata) == id);
        if let Some(old) = &self.file
            && !is_same(self.id)
        {
            let rest = read_on(old, &mut self.position, &mut budget, End::Final, &matches);
            match rest {
                Ok(count) => matching += count,
                Err(error) => {
                    self.file = None;
                    return Ok(Err(error));
                }
            }
            if budget == 0 {
                return Ok(Ok(matching));
            }
            self.file = None;
        }
        let (file, metadata) = match opened {
            Ok(opened) => opened,
            // What was written before the log went away counts all the same.
            Err(_) if matching > 0 => return Ok(Ok(matching)),
            Err(why) => {
                self.has_begun = true;
                return Err(why);
            }
        };
        if !self.has_begun {
            self.has_begun = true;
            self.position = Position {
                offset: metadata.len(),
                is_within_line: false,
            };
        } else if id_of(&metadata) != self.id || metadata.len() < self.position.offset {
            self.position = Position::default();
        }
        self.id = id_of(&metadata);
        let new = read_on(&file, &mut self.position, &mut budget, End::Open, &matches);
        self.file = Some(file);
        Ok(new.map(|count| matching + count))
    }
}

fn id_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Reads from a position to the end of the file or of the budget, and counts the lines that match.
fn read_on(
    file: &File,
    position: &mut Position,
    budget: &mut u64,
    end: End,
    matches: &impl Fn(&[u8]) -> bool,
) -> io::Result<usize> {
    let mut buffer = vec![0; 64 * 1024];
    let mut line = Vec::new();
    let mut matching = 0;
    let mut at = position.offset;
    while *budget > 0 {
        let most = buffer
            .len()
            .min(usize::try_from(*budget).unwrap_or(usize::MAX));
        let length = file.read_at(&mut buffer[..most], at)?;
        if length == 0 {
            break;
        }
        *budget -= length as u64;
        for piece in buffer[..length].split_inclusive(|&byte| byte == b'\n') {
            at += piece.len() as u64;
            let (text, is_complete) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = LONGEST_LINE - line.len();
            line.extend_from_slice(&text[..text.len().min(room)]);
            if is_complete {
                matching += usize::from(!position.is_within_line && matches(&line));
                line.clear();
                *position = Position {
                    offset: at,
                    is_within_line: false,
                };
            }
        }
    }
    let is_final = end == End::Final && *budget > 0 && !line.is_empty();
    if is_final || line.len() == LONGEST_LINE || position.is_within_line {
        matching += usize::from(!position.is_within_line && matches(&line));
        *position = Position {
            offset: at,
            is_within_line: true,
        };
    }
    Ok(matching)
}

#[cfg(test)]
mod tests;
