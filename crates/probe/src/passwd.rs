//! The users of a machine, see passwd(5): `NAME:PASSWORD:UID:GID:…`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use lockstep_host::process::User;

/// Largest file of users that is read, in bytes; what lies behind it is not seen.
const LARGEST: u64 = 1024 * 1024;

/// The file's text; bytes that are not UTF-8 are replaced.
pub(crate) fn read(root: &Path) -> io::Result<String> {
    let mut text = Vec::new();
    File::open(root.join("etc/passwd"))?
        .take(LARGEST)
        .read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The user of this name.
pub(crate) fn user_of(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(User { uid, gid })
    })
}

/// The name of the user with this number.
pub(crate) fn name_of(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let is_it = fields.nth(1)?.parse() == Ok(uid);
        is_it.then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let passwd = "root:x:0:0::/:/bin/sh\nnobody2:x:7:7:::\nnobody:x:65534:65533:::\nodd:x:\n";
        let user = user_of(passwd, "nobody");
        assert_eq!(
            user,
            Some(User {
                uid: 65534,
                gid: 65533
            })
        );
        assert_eq!(user_of(passwd, "odd"), None);
        assert_eq!(user_of(passwd, ""), None);
    }

    #[test]
    fn users_are_named_where_they_have_a_name() {
        let passwd = "root:x:0:0::/:/bin/sh\nodd\nwww:x:33:33:::\n";
        assert_eq!(name_of(passwd, 33), Some("www"));
        assert_eq!(name_of(passwd, 34), None);
    }
}
