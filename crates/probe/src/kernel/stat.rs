//! What `/proc/PID/stat` says of a process, see `proc_pid_stat(5)`.

use std::path::Path;

use super::read;

/// A process at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    /// The kernel's name of it: any bytes, 15 at most; those that are not UTF-8 are replaced.
    pub(crate) name: String,
    /// Its process group.
    pub(crate) group: u32,
    /// Time of processors that it has taken, in ticks.
    pub(crate) ticks: u64,
    /// When it was started, in ticks since the boot: a number that is used again has another one.
    pub(crate) started: u64,
    /// Resident memory, in pages.
    pub(crate) pages: u64,
}

impl Stat {
    /// Reads it; none if the process is not there.
    pub(crate) fn of(proc: &Path, pid: u32) -> Option<Self> {
        Self::parse(&read(&proc.join(pid.to_string()).join("stat")).ok()?)
    }

    /// `PID (NAME) STATE …`; the name may hold anything, blanks, brackets and line breaks too.
    fn parse(line: &[u8]) -> Option<Self> {
        let begin = line.iter().position(|&byte| byte == b'(')?;
        let end = line.iter().rposition(|&byte| byte == b')')?;
        let name = line.get(begin + 1..end)?;
        let rest = std::str::from_utf8(&line[end + 1..]).ok()?;
        // The first field behind the name is number 3, the state.
        let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3);
        let number = |at: usize| field(at)?.parse::<u64>().ok();
        Some(Self {
            pid: std::str::from_utf8(&line[..begin])
                .ok()?
                .trim()
                .parse()
                .ok()?,
            name: String::from_utf8_lossy(name).into_owned(),
            group: field(5)?.parse().ok()?,
            ticks: number(14)?.saturating_add(number(15)?),
            started: number(22)?,
            pages: number(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::fake::stat_line;

    #[test]
    fn a_name_with_brackets_is_read_whole() {
        let line = "7 (a) (b) S 1 5 1 0 -1 0 0 0 0 0 250 3 0 0 20 0 1 0 77 9999 3 0\n";
        let read = Stat::parse(line.as_bytes()).unwrap();
        let expected = Stat {
            pid: 7,
            name: "a) (b".into(),
            group: 5,
            ticks: 253,
            started: 77,
            pages: 3,
        };
        assert_eq!(read, expected);
        assert_eq!(Stat::parse(b"7 (sh) S 1 2 3"), None);
        assert_eq!(Stat::parse(b"7 )sh( S 1 2 3"), None);
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_parser(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Stat::parse(&line);
        }

        #[test]
        fn any_name_is_passed_over(name in "[ ()a-z0-9]{0,15}", group: u32, pages: u64) {
            let line = stat_line(1, &name, group, pages);
            let read = Stat::parse(line.as_bytes()).unwrap();
            prop_assert_eq!((read.name, read.group, read.pages), (name, group, pages));
        }
    }
}
