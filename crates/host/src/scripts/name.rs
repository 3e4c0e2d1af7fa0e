//! Names that are never a script's: what editors and package managers leave beside one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Endings of files that are kept or offered beside the real one.
const ENDINGS: &[(&str, &str)] = &[
    ("~", "an editor's backup"),
    (".bak", "a backup"),
    (".old", "a backup"),
    (".orig", "what patch or an editor kept"),
    (".rej", "what patch could not apply"),
    (".save", "what an editor kept"),
    (".swp", "an editor's working copy"),
    (".swo", "an editor's working copy"),
    (".rpmnew", "a file that rpm offers"),
    (".rpmsave", "a file that rpm kept"),
    (".rpmorig", "a file that rpm kept"),
];

/// Parts of names, followed by anything.
const PARTS: &[(&str, &str)] = &[
    (".dpkg-", "a file that dpkg kept or offers"),
    (".ucf-", "a file that ucf kept or offers"),
];

/// Why a file of this name is not a script; none if it may be one.
pub(super) fn leftover(name: &OsStr) -> Option<String> {
    let bytes = name.as_bytes();
    if bytes.starts_with(b".") {
        return Some("it is hidden: its name begins with a dot".into());
    }
    if bytes.iter().any(u8::is_ascii_control) {
        return Some("its name has control characters".into());
    }
    if bytes.len() > 1 && bytes.starts_with(b"#") && bytes.ends_with(b"#") {
        return Some("its name is that of an editor's working copy (#…#)".into());
    }
    let ends = |ending: &&(&str, &str)| bytes.ends_with(ending.0.as_bytes());
    if let Some((ending, what)) = ENDINGS.iter().find(ends) {
        return Some(format!("its name is that of {what} (*{ending})"));
    }
    let text = name.to_string_lossy();
    PARTS
        .iter()
        .find(|(part, _)| text.contains(part))
        .map(|(part, what)| format!("its name is that of {what} (*{part}*)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_known_by_their_names() {
        for name in [
            ".hidden",
            ".10-stop.swp",
            "10-stop~",
            "10-stop.dpkg-old",
            "10-stop.dpkg-dist",
            "10-stop.ucf-new",
            "10-stop.rpmnew",
            "10-stop.rpmsave",
            "10-stop.rpmorig",
            "#10-stop#",
            "10-stop.bak",
            "10\nstop",
        ] {
            assert!(leftover(OsStr::new(name)).is_some(), "{name:?}");
        }
    }

    #[test]
    fn scripts_may_have_any_other_name() {
        for name in [
            "10-stop",
            "10-stop.sh",
            "stop services.py",
            "#",
            "zażółć",
            "dpkg-stop",
        ] {
            assert_eq!(leftover(OsStr::new(name)), None, "{name:?}");
        }
        // Not even UTF-8.
        assert_eq!(leftover(OsStr::from_bytes(b"10-\xff")), None);
    }
}
