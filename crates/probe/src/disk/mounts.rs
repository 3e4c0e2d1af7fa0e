//! Which mounts are file systems of this host that can fill up?
//!
//! Source: `/proc/self/mountinfo`, `proc_pid_mountinfo(5)`.

use std::collections::HashMap;

use procfs::process::MountInfo;

/// File systems of local disks that do not name a device file as their source.
const DISKS_BY_NAME: [&str; 3] = ["zfs", "btrfs", "bcachefs"];
/// Images that are full by design.
const IMAGES: [&str; 6] = ["squashfs", "iso9660", "udf", "erofs", "cramfs", "romfs"];

/// A mount that is looked at, unless a better one shows the same file system.
struct Mount {
    point: String,
    /// It shows the file system from its root, not one directory of it.
    whole: bool,
}

/// Where local file systems are mounted, each once, in the order of their names. `/` is always one of them, whatever
/// it is: in a container it is an overlay.
///
/// Network file systems are not: their server watches them, and each of a thousand clients would say the same.
pub(super) fn local(mountinfo: &[u8]) -> Vec<String> {
    // A later mount at the same point hides the earlier one.
    let mut visible: HashMap<String, MountInfo> = HashMap::new();
    for line in mountinfo.split(|&byte| byte == b'\n') {
        // The last line of a very long list may be cut off, and a point that is no UTF-8 cannot be an item.
        let Some(mount) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| MountInfo::from_line(line).ok())
        else {
            continue;
        };
        let Some(point) = mount.mount_point.to_str().and_then(unescape) else {
            continue;
        };
        visible.insert(point, mount);
    }
    let mut best: HashMap<String, Mount> = HashMap::new();
    for (point, info) in visible {
        if !is_local_disk(&point, &info) {
            continue;
        }
        let mount = Mount {
            point,
            whole: info.root == "/",
        };
        match best.get_mut(&info.majmin) {
            Some(known) if known.rank() <= mount.rank() => {}
            Some(known) => *known = mount,
            None => {
                best.insert(info.majmin, mount);
            }
        }
    }
    let mut points: Vec<String> = best.into_values().map(|mount| mount.point).collect();
    points.sort();
    points
}

impl Mount {
    /// The smaller, the better this mount stands for its file system: `/` before all, whole before a bind mount of a
    /// part, short before long.
    fn rank(&self) -> (bool, bool, usize, &str) {
        (
            self.point != "/",
            !self.whole,
            self.point.len(),
            &self.point,
        )
    }
}

fn is_local_disk(point: &str, mount: &MountInfo) -> bool {
    if IMAGES.contains(&mount.fs_type.as_str()) {
        return false;
    }
    let on_a_device = mount
        .mount_source
        .as_deref()
        .is_some_and(|source| source.starts_with("/dev/"));
    point == "/" || on_a_device || DISKS_BY_NAME.contains(&mount.fs_type.as_str())
}

/// Undoes the kernel's octal escapes of blanks, tabs, line ends, `#` and backslashes; none if the text holds
/// anything else behind a backslash.
fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('\\');
    let mut whole = parts.next()?.to_owned();
    for part in parts {
        let code = u8::from_str_radix(part.get(..3)?, 8)
            .ok()
            .filter(u8::is_ascii)?;
        whole.push(char::from(code));
        whole.push_str(&part[3..]);
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SERVER: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
24 27 0:6 / /dev rw,relatime - devtmpfs udev rw,size=12334460k
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 27 8:1 / /var rw,relatime shared:2 master:1 - xfs /dev/sda1 rw
31 27 8:1 /lib /srv/lib rw,relatime - xfs /dev/sda1 rw
32 27 8:1 / /a rw,relatime - xfs /dev/sda1 rw
33 27 7:0 / /snap/core/1 ro,nodev - squashfs /dev/loop0 ro
34 27 11:0 / /media/cd ro - iso9660 /dev/sr0 ro
35 27 0:45 / /mnt/nfs rw - nfs4 filer:/export rw
36 27 0:46 / /run rw - tmpfs tmpfs rw
37 27 0:47 / /tank rw - zfs tank rw
38 27 0:48 /@home /home rw - btrfs /dev/sdb rw
39 27 8:17 / /mnt/my\\040disk rw - ext4 /dev/sdc1 rw
40 27 8:33 / /mnt/hidden rw - ext4 /dev/sdd1 rw
41 27 0:49 / /mnt/hidden rw - tmpfs tmpfs rw
42 27 0:50 / /mnt/fuse rw - fuse.sshfs me@there:/ rw
43 27 8:49 / /mnt/ntfs rw - fuseblk /dev/sde1 rw
";

    #[test]
    fn local_file_systems_are_found_once() {
        assert_eq!(
            local(SERVER.as_bytes()),
            ["/", "/a", "/home", "/mnt/my disk", "/mnt/ntfs", "/tank"]
        );
    }

    #[test]
    fn the_root_of_a_container_counts() {
        let container = "\
1 0 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/x
2 1 254:1 /docker/hosts /etc/hosts rw - ext4 /dev/vda1 rw
3 1 254:1 /volumes/data /data rw - ext4 /dev/vda1 rw
";
        assert_eq!(local(container.as_bytes()), ["/", "/data"]);
    }

    #[test]
    fn the_root_stands_for_its_file_system() {
        let text =
            "1 0 0:30 /@ / rw - btrfs /dev/sda2 rw\n2 1 0:30 / /mnt rw - btrfs /dev/sda2 rw\n";
        assert_eq!(local(text.as_bytes()), ["/"]);
    }

    #[test]
    fn lines_that_are_no_mounts_are_passed_over() {
        let text = [
            b"\n\xff\xfe\n1 0 8:1".as_slice(),
            b"\n27 1 254:0 / / rw - ext4 /dev/vda rw\n28 1 8:1 / /va",
        ]
        .concat();
        assert_eq!(local(&text), ["/"]);
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape("/a\\040b\\134\\011").unwrap(), "/a b\\\t");
        for bad in ["/a\\", "/a\\04", "/a\\999", "/a\\377", "/\\0ä"] {
            assert_eq!(unescape(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "([0-9a-z:/,\\\\ -]|\\PC|\n){0,300}") {
            local(text.as_bytes());
        }

        #[test]
        fn lines_with_odd_fields_do_not_either(fields in proptest::collection::vec("[0-9a-z:/=,\\\\-]{0,6}", 0..14)) {
            local(fields.join(" ").as_bytes());
        }
    }
}
