//! A `/proc` for tests.

use std::path::Path;

use tempfile::TempDir;

/// A machine with four processors, half of its memory in use, and one disk.
pub(crate) fn proc() -> TempDir {
    let proc = tempfile::tempdir().unwrap();
    put(&proc, "loadavg", "9.00 7.00 2.52 3/456 12345\n");
    put(
        &proc,
        "stat",
        "cpu  1 2 3\ncpu0 1\ncpu1 1\ncpu2 1\ncpu3 1\nintr 99\nctxt 5\n",
    );
    put(&proc, "meminfo", include_str!("fake/meminfo"));
    put(&proc, "uptime", "123456.78 99.00\n");
    put(
        &proc,
        "self/mountinfo",
        "27 1 254:0 / / rw - ext4 /dev/vda rw\n",
    );
    proc
}

/// Writes a file below it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's file need not survive a power cut"
)]
pub(crate) fn put(proc: &TempDir, path: impl AsRef<Path>, text: &str) {
    let path = proc.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Adds a process.
pub(crate) fn process(proc: &TempDir, pid: u32, name: &str, group: u32, pages: u64) {
    put(
        proc,
        format!("{pid}/stat"),
        &stat_line(pid, name, group, pages),
    );
}

/// A line of `/proc/PID/stat`.
pub(crate) fn stat_line(pid: u32, name: &str, group: u32, pages: u64) -> String {
    // Fields 6 to 23 and those behind 24 do not matter here.
    let between = (6..24).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    format!("{pid} ({name}) S 1 {group} {between} {pages} 18446744073709551615 1 1 0\n")
}
