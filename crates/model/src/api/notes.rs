//! What an agent says beside the states of its items: the programs that it asks, and who was at work when something
//! went wrong.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ContentHash, HostName, ItemName, Level, Value, WishSeen};

/// Notes of an agent, in its report. Agents before it send none, and servers before it leave them aside.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Notes {
    /// The plugins and scripts that this agent runs, as they ended last; at most [`Notes::MOST_PROGRAMS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<ProgramSeen>,
    /// Who was at work when an item of the machine went wrong; sent until the server has stored it, then no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<ProcessesSeen>,
    /// Where the wishes stand that this agent has heard of; at most [`Notes::MOST_WISHES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wishes: Vec<WishSeen>,
}

impl Notes {
    /// Most programs in one report.
    pub const MOST_PROGRAMS: usize = 64;
    /// Most wishes in one report.
    pub const MOST_WISHES: usize = 8;

    /// True if there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.processes.is_none() && self.wishes.is_empty()
    }

    /// Cuts what is longer than it may be: a server keeps no more than this, whoever sends it.
    pub fn cut(&mut self) {
        self.programs.truncate(Self::MOST_PROGRAMS);
        for program in &mut self.programs {
            cut(&mut program.path, ProgramSeen::LONGEST_PATH);
            cut(&mut program.ended, ProgramSeen::LONGEST_ENDED);
        }
        self.wishes.truncate(Self::MOST_WISHES);
        for wish in &mut self.wishes {
            cut(&mut wish.words, WishSeen::LONGEST_WORDS);
        }
        if let Some(seen) = &mut self.processes {
            for list in [&mut seen.by_cpu, &mut seen.by_memory] {
                list.truncate(ProcessesSeen::MOST);
                for process in list {
                    cut(&mut process.name, ProcessSeen::LONGEST_NAME);
                    cut(&mut process.user, ProcessSeen::LONGEST_NAME);
                    if !process.cpu.is_finite() {
                        process.cpu = 0.0;
                    }
                }
            }
        }
    }
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
    }
}

/// A plugin or script of a host, as it ended last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramSeen {
    /// Its own item: `plugin:NAME` or `script:NAME`.
    pub item: ItemName,
    /// The host whom it is about, if that is a watched one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// The program's file; empty if none was found.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// SHA-256 of the file; none where it could not be read, or is larger than the agent reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<ContentHash>,
    /// Its exit status; none if it came to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// How it ended where it has no exit status: killed, or why it did not run. Empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ended: String,
    /// How long it ran, in milliseconds.
    pub took_ms: u64,
    /// When it was started.
    pub at: Timestamp,
}

impl ProgramSeen {
    /// Longest path, in bytes.
    pub const LONGEST_PATH: usize = 256;
    /// Longest words on its end, in bytes.
    pub const LONGEST_ENDED: usize = 200;
}

/// The busiest processes of a host at a moment at which an item went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessesSeen {
    /// When they were looked at, by the host's clock.
    pub at: Timestamp,
    /// The item that went wrong.
    pub item: ItemName,
    /// Its level from then on.
    pub level: Level,
    /// Those that took most of the processors, the most first; at most [`ProcessesSeen::MOST`].
    pub by_cpu: Vec<ProcessSeen>,
    /// Those that held most memory, the most first; at most [`ProcessesSeen::MOST`].
    pub by_memory: Vec<ProcessSeen>,
}

impl ProcessesSeen {
    /// Most processes of each list.
    pub const MOST: usize = 10;
}

/// One process. Its arguments are not told: people write secrets there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessSeen {
    /// Its number.
    pub pid: u32,
    /// The kernel's name for it, at most 15 bytes: `comm` of proc(5).
    pub name: String,
    /// Whose it is: the user's name, or the number where `/etc/passwd` has none.
    pub user: String,
    /// Time of processors that it took meanwhile, in per cent of one processor.
    pub cpu: f64,
    /// Memory that it holds, in bytes: the resident set.
    pub memory: u64,
}

impl ProcessSeen {
    /// Longest name of a process or user, in bytes.
    pub const LONGEST_NAME: usize = 64;
}

/// Which item's value is wanted now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NowQuery {
    /// The watched host whose item it is; none for the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// The item.
    pub item: ItemName,
}

/// An item as it is now; also the answer to `GET /api/v1/hosts/NAME/items/ITEM/now`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemNow {
    /// The item.
    pub item: ItemName,
    /// Its value.
    pub value: Value,
    /// The level that it would have with this value.
    pub level: Level,
    /// When the value was measured, by the host's clock.
    pub at: Timestamp,
    /// True if it was measured because it was asked for; false for the newest one of the item's own interval.
    pub fresh: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_and_the_rest_stays() {
        let at = Timestamp::UNIX_EPOCH;
        let process = ProcessSeen {
            pid: 7,
            name: "ä".repeat(100),
            user: "root".into(),
            cpu: f64::NAN,
            memory: 4096,
        };
        let program = ProgramSeen {
            item: ItemName::parse("plugin:a").unwrap(),
            host: None,
            path: "/x".repeat(1000),
            hash: None,
            exit: Some(0),
            ended: String::new(),
            took_ms: 3,
            at,
        };
        let mut notes = Notes {
            programs: vec![program; 100],
            processes: Some(ProcessesSeen {
                at,
                item: ItemName::parse("cpu_load").unwrap(),
                level: Level::SICK,
                by_cpu: vec![process.clone(); 30],
                by_memory: vec![process],
            }),
            ..Notes::default()
        };
        notes.cut();
        assert_eq!(notes.programs.len(), Notes::MOST_PROGRAMS);
        assert_eq!(notes.programs[0].path.len(), ProgramSeen::LONGEST_PATH);
        let seen = notes.processes.as_ref().unwrap();
        assert_eq!((seen.by_cpu.len(), seen.by_memory.len()), (10, 1));
        assert_eq!((seen.by_cpu[0].name.len(), seen.by_cpu[0].cpu), (64, 0.0));
        let json = serde_json::to_string(&notes).unwrap();
        assert_eq!(serde_json::from_str::<Notes>(&json).unwrap(), notes);
    }

    #[test]
    fn whoever_says_nothing_says_so_in_no_bytes() {
        assert_eq!(serde_json::to_string(&Notes::default()).unwrap(), "{}");
        assert!(
            serde_json::from_str::<Notes>("{\"later\":1}")
                .unwrap()
                .is_empty()
        );
    }
}
