//! Who is logged in.

use std::io::ErrorKind;
use std::path::Path;

use super::single::Reading;
use super::{Kernel, number, read};

/// Most sessions that are looked at.
const MOST_SESSIONS: usize = 1000;
/// `struct utmp` of Linux on all 64-bit platforms, in bytes; `utmp(5)`.
const RECORD_BYTES: usize = 384;
/// `ut_type` of a user's process.
const USER_PROCESS: i16 = 7;

/// Sessions of people, each as often as they are logged in. systemd knows them; without it, `utmp` does.
pub(super) fn count(kernel: &Kernel) -> Reading {
    let run = kernel.root.join("run");
    let count = match sessions(&run.join("systemd/sessions"))? {
        Some(count) => count,
        None => match read(&run.join("utmp")) {
            Ok(utmp) => records(&utmp),
            Err(unread) if unread.kind == ErrorKind::NotFound => {
                return Err("neither systemd nor utmp keeps a list of sessions here".into());
            }
            Err(unread) => return Err(unread.into()),
        },
    };
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Some(number(count.into(), "")))
}

/// The sessions of `systemd-logind`; none where it does not run.
fn sessions(dir: &Path) -> Result<Option<usize>, String> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{} cannot be read: {error}", dir.display())),
    };
    let texts = entries.take(MOST_SESSIONS).filter_map(|entry| {
        let entry = entry.ok()?;
        // Beside the files there are pipes, named after the session with .ref behind: reading one would hang.
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        is_file.then(|| read(&entry.path()).ok()).flatten()
    });
    Ok(Some(texts.filter(|text| is_a_person(text)).count()))
}

/// A session of a person that has not ended; greeters, cron and managers have sessions too.
fn is_a_person(session: &[u8]) -> bool {
    let has = |line: &[u8]| session.split(|&byte| byte == b'\n').any(|l| l == line);
    (has(b"CLASS=user") || has(b"CLASS=user-early") || has(b"CLASS=user-light"))
        && !has(b"STATE=closing")
}

/// Records of `utmp` that are sessions.
fn records(utmp: &[u8]) -> usize {
    let (records, _) = utmp.as_chunks::<RECORD_BYTES>();
    records
        .iter()
        .filter(|record| {
            let kind = i16::from_ne_bytes([record[0], record[1]]);
            // The name begins at byte 44. A record without one is left over.
            kind == USER_PROCESS && record[44] != 0
        })
        .count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::fake;

    fn record(kind: i16, name: &str) -> Vec<u8> {
        let mut record = vec![0; RECORD_BYTES];
        record[..2].copy_from_slice(&kind.to_ne_bytes());
        record[44..44 + name.len()].copy_from_slice(name.as_bytes());
        record
    }

    #[test]
    fn sessions_of_people_are_counted() {
        let machine = fake::machine();
        for (name, text) in [
            ("2", "UID=0\nSTATE=online\nCLASS=user\nTYPE=tty\n"),
            ("3", "STATE=closing\nCLASS=user\n"),
            ("c1", "STATE=active\nCLASS=greeter\n"),
            ("4", "STATE=active\nCLASS=background\n"),
            ("5", "\u{fffd}"),
        ] {
            machine.put(format!("run/systemd/sessions/{name}"), text);
        }
        assert_eq!(count(&machine.kernel()), Ok(Some(number(2.0, ""))));
    }

    #[test]
    fn without_systemd_utmp_knows() {
        let machine = fake::machine();
        std::fs::remove_dir_all(machine.path("run/systemd")).unwrap();
        let why = count(&machine.kernel()).unwrap_err();
        assert!(why.contains("neither"), "{why}");
        let records = [
            record(2, "reboot"),
            record(7, "ann"),
            record(7, "bob"),
            record(7, ""),
            record(8, "carl"),
            b"half a record".to_vec(),
        ];
        machine.put("run/utmp", records.concat());
        assert_eq!(count(&machine.kernel()), Ok(Some(number(2.0, ""))));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parsers(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(records(&bytes) <= bytes.len() / RECORD_BYTES);
            is_a_person(&bytes);
        }
    }
}
