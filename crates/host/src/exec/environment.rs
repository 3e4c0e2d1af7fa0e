//! The environment of what works for a run.

use std::ffi::OsString;
use std::path::Path;

use super::Exec;

/// Where programs are looked for, whatever this process was started with.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The language of messages that programs read, with all characters.
const LANGUAGE: &str = "C.UTF-8";

impl Exec {
    /// Passes on none of this process's own environment: the command starts in `/` with the usual `PATH`, the
    /// language `C.UTF-8`, a `HOME`, and whatever is added. So it does the same whoever started the agent.
    #[must_use]
    pub fn clean(self) -> Self {
        let home = home(
            std::env::var_os("HOME"),
            rustix::process::geteuid().is_root(),
        );
        self.clear_env()
            .env("PATH", PATH)
            .env("LANG", LANGUAGE)
            .env("LC_ALL", LANGUAGE)
            .env("HOME", home)
            .cwd("/")
    }
}

/// The user's home: service managers start root's daemons without one.
fn home(own: Option<OsString>, is_root: bool) -> OsString {
    match own {
        Some(own) if Path::new(&own).is_absolute() => own,
        _ if is_root => "/root".into(),
        _ => "/".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_home() {
        assert_eq!(home(Some("/home/eve".into()), false), "/home/eve");
        assert_eq!(home(None, true), "/root");
        assert_eq!(home(Some("".into()), true), "/root");
        assert_eq!(home(Some("here".into()), false), "/");
    }
}
