//! What machine this is.

mod size;

use std::path::Path;

use lockstep_model::Platform;
use lockstep_model::api::Facts;

use crate::error::{Error, Result};
use crate::{Layout, fs};

pub use size::{Size, size};

/// The kernel's identity of this boot: it changes with every restart of the machine (`random(4)`).
pub fn boot_id() -> Result<String> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let bytes = fs::read_capped(path, 256)?.ok_or(Error::Machine {
        what: "the boot id",
    })?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// The same below another root: tests, and hosts that live in a directory, may have one of their own there, as
/// `proc/sys/kernel/random/boot_id`.
pub fn boot_id_below(layout: &Layout) -> Result<String> {
    let path = layout.root().join("proc/sys/kernel/random/boot_id");
    match fs::read_capped(&path, 256)? {
        Some(bytes) => Ok(String::from_utf8_lossy(&bytes).trim().to_owned()),
        None => boot_id(),
    }
}

/// True if this is a container, which shares its kernel, and so its boot id, with others: what systemd
/// (<https://systemd.io/CONTAINER_INTERFACE>), Podman and Docker leave in it says so.
#[must_use]
pub fn is_container(layout: &Layout) -> bool {
    const MARKS: [&str; 3] = ["run/systemd/container", "run/.containerenv", ".dockerenv"];
    MARKS
        .iter()
        .any(|mark| layout.root().join(mark).symlink_metadata().is_ok())
}

/// The machine's own name for itself. It may be any text.
#[must_use]
pub fn hostname() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().into_owned()
}

/// What an agent says of its machine. What cannot be learned is left empty.
#[must_use]
pub fn facts() -> Facts {
    // The order is that of `os-release(5)`.
    let os = ["/etc/os-release", "/usr/lib/os-release"]
        .into_iter()
        .find_map(|path| fs::read_capped(Path::new(path), 64 * 1024).ok().flatten())
        .and_then(|bytes| pretty_name(&String::from_utf8_lossy(&bytes)))
        .unwrap_or_default();
    Facts {
        hostname: hostname(),
        os,
        kernel: rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned(),
        platform: Some(Platform::of_this_program()),
        gateway: None,
    }
}

/// The value of `PRETTY_NAME`, whose quotes and escapes are those of a shell.
fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release
        .lines()
        .find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?
        .trim();
    for quote in ['"', '\''] {
        if let Some(inner) = value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            return Some(if quote == '"' {
                unescape(inner)
            } else {
                inner.into()
            });
        }
    }
    Some(value.into())
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next()),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_systems_are_read_as_a_shell_would() {
        let name = |text: &str| pretty_name(text).unwrap();
        assert_eq!(
            name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"),
            "Debian GNU/Linux 12"
        );
        assert_eq!(name("PRETTY_NAME='It'"), "It");
        assert_eq!(name("PRETTY_NAME=Plain"), "Plain");
        assert_eq!(name(r#"PRETTY_NAME="A \"B\" \$C""#), r#"A "B" $C"#);
        assert_eq!(pretty_name("ID=x"), None);
    }

    #[test]
    fn this_machine_answers() {
        assert_eq!(boot_id().unwrap(), boot_id().unwrap());
        assert_eq!(boot_id().unwrap().len(), 36);
        let facts = facts();
        assert!(!facts.kernel.is_empty());
        assert_eq!(facts.hostname, hostname());
    }
}
