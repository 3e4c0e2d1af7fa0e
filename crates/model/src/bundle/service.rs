//! `[service]`: the daemon of a package of others, and how it is started and stopped.

use serde::{Deserialize, Serialize};

use super::stays_inside;

/// `[service]`: a package with a daemon. Either the service manager of the host starts and stops it (`unit`), or programs
/// of the bundle do (`start`, `stop` and `status`, all three).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The systemd unit, or the script of System V, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// A file of the bundle that becomes the unit below `etc/systemd/system`, as in `systemd/x.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_file: Option<String>,
    /// Program (relative to the slot) and arguments that start the daemon, and end once it is started. One that runs
    /// already must not mind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Vec<String>>,
    /// The same to stop it. One that does not run must not mind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    /// The same to ask whether it runs: exit status 0 if it does, and as LSB says otherwise (1 to 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Vec<String>>,
    /// A file that is there while the daemon must not be disturbed, by its absolute path on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_lock: Option<String>,
}

impl Service {
    /// Most parts of one command, the program among them.
    pub const MOST_WORDS: usize = 64;
    /// Longest name of a unit, in bytes (systemd's `UNIT_NAME_MAX`).
    const LONGEST_UNIT: usize = 255;

    /// Refuses what nobody could carry out, or what would reach out of the slot.
    pub(super) fn check(&self) -> Result<(), String> {
        let commands = [
            ("start", &self.start),
            ("stop", &self.stop),
            ("status", &self.status),
        ];
        for (key, command) in commands {
            let Some(command) = command else { continue };
            match command.first() {
                Some(program) if stays_inside(program) => {}
                Some(program) => {
                    return Err(format!(
                        "[service] {key}: the program {program:?} must be a path inside the bundle"
                    ));
                }
                None => return Err(format!("[service] {key} names no program")),
            }
            if command.len() > Self::MOST_WORDS || command.iter().any(|word| word.contains('\0')) {
                return Err(format!(
                    "[service] {key}: at most {} words, none of them with a zero byte",
                    Self::MOST_WORDS
                ));
            }
        }
        let given = commands.iter().filter(|(_, it)| it.is_some()).count();
        if given > 0 && self.unit.is_some() {
            return Err(
                "[service] names a unit and commands: the host's service manager starts a unit, so leave one of them out"
                    .into(),
            );
        }
        if given > 0 && given < commands.len() {
            return Err("[service] needs start, stop and status, or a unit instead".into());
        }
        if let Some(unit) = &self.unit
            && !is_unit(unit)
        {
            return Err(format!("[service] unit {unit:?} is no name of a unit"));
        }
        self.check_unit_file()?;
        match &self.idle_lock {
            Some(path) if !path.trim_start_matches('/').is_empty() && path.starts_with('/') => {
                match stays_inside(path.trim_start_matches('/')) {
                    true => Ok(()),
                    false => Err(format!("[service] idle_lock {path:?} must not hold \"..\"")),
                }
            }
            Some(path) => Err(format!(
                "[service] idle_lock {path:?} must be an absolute path"
            )),
            None => Ok(()),
        }
    }

    fn check_unit_file(&self) -> Result<(), String> {
        let Some(file) = &self.unit_file else {
            return Ok(());
        };
        let Some(unit) = &self.unit else {
            return Err("[service] unit_file without a unit".into());
        };
        if !unit.ends_with(".service") {
            return Err(format!(
                "[service] unit {unit:?} must end in .service, because a file for it is in the bundle"
            ));
        }
        match stays_inside(file) {
            true => Ok(()),
            false => Err(format!(
                "[service] unit_file {file:?} must be a path inside the bundle"
            )),
        }
    }

    /// True if there is something that can be started and stopped.
    #[must_use]
    pub fn has_daemon(&self) -> bool {
        self.unit.is_some() || self.start.is_some()
    }

    /// The service in one word, for people: the unit, or the program that starts it.
    #[must_use]
    pub fn name(&self) -> &str {
        let start = || self.start.as_ref()?.first().map(String::as_str);
        self.unit.as_deref().or_else(start).unwrap_or("-")
    }
}

/// True for what systemd allows in names, but for backslashes; also a single part of a path, and never an option.
fn is_unit(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"@:._-".contains(&byte);
    let first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.len() <= Service::LONGEST_UNIT
        && name.bytes().all(allowed)
        && name.bytes().next().is_some_and(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        toml::from_str::<Service>(text).unwrap().check()
    }

    #[test]
    fn a_unit_or_three_commands() {
        for good in [
            "unit = \"x.service\"\nunit_file = \"systemd/x.service\"",
            "unit = \"x\"",
            "start = [\"bin/x\", \"start\"]\nstop = [\"bin/x\", \"stop\"]\nstatus = [\"bin/x\", \"status\"]",
            "idle_lock = \"/var/cache/x/busy\"",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, says) in [
            ("start = [\"bin/x\"]", "start, stop and status"),
            (
                "start = []\nstop = [\"a\"]\nstatus = [\"a\"]",
                "start names no program",
            ),
            (
                "unit = \"x\"\nstart = [\"a\"]\nstop = [\"a\"]\nstatus = [\"a\"]",
                "a unit and commands",
            ),
            (
                "start = [\"/bin/sh\"]\nstop = [\"a\"]\nstatus = [\"a\"]",
                "inside the bundle",
            ),
            (
                "start = [\"a\"]\nstop = [\"../a\"]\nstatus = [\"a\"]",
                "stop: the program \"../a\"",
            ),
            ("unit = \"--now\"", "no name of a unit"),
            ("unit = \"../x.service\"", "no name of a unit"),
            ("unit_file = \"x.service\"", "without a unit"),
            ("unit = \"x\"\nunit_file = \"x\"", "end in .service"),
            (
                "unit = \"x.service\"\nunit_file = \"/etc/x\"",
                "inside the bundle",
            ),
            ("idle_lock = \"var/x\"", "absolute"),
            ("idle_lock = \"/var/../x\"", ".."),
        ] {
            let error = check(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}
