use proptest::prelude::*;

use super::*;

/// What Debian's client sent, with fewer lines.
const DEBIAN: &[u8] = include_bytes!("../../../tests/data/xymon-client-debian.txt");

fn found(os: &str, text: &[u8]) -> Vec<(String, Value)> {
    let samples = samples(os, &Message::parse(text), Timestamp::UNIX_EPOCH);
    assert!(samples.iter().all(|it| it.at == Timestamp::UNIX_EPOCH));
    let pair = |it: Sample| (it.item.to_string(), it.value);
    samples.into_iter().map(pair).collect()
}

fn numbers(os: &str, text: &str) -> Vec<(String, f64, String)> {
    let number = |(item, value)| match value {
        Value::Number { value, unit } => (item, value, unit),
        other => panic!("{item}: {other:?}"),
    };
    found(os, text.as_bytes()).into_iter().map(number).collect()
}

fn expected(expected: &[(&str, f64, &str)]) -> Vec<(String, f64, String)> {
    let owned =
        |&(item, value, unit): &(&str, f64, &str)| (item.to_owned(), value, unit.to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn debians_client_says_what_our_probes_would() {
    let text = std::str::from_utf8(DEBIAN).unwrap();
    assert_eq!(
        numbers("linux", text),
        expected(&[
            // Two processors, by the kernel's threads.
            ("cpu_load", 0.85, ""),
            ("uptime", 37_440.0, "s"),
            ("memory_available", 96.1, "%"),
            ("disk_usage:/", 42.0, "%"),
            ("disk_free:/", 55_296_692.0 * 1024.0, "bytes"),
            ("inode_usage:/", 3.0, "%"),
            ("processes", 8.0, ""),
            ("users", 1.0, ""),
            ("file_size:/var/log/dpkg.log", 407_506.0, "bytes"),
            ("file_age:/var/log/dpkg.log", 60.0, "s"),
            ("file_size:/etc/passwd", 1_349.0, "bytes"),
            ("file_age:/etc/passwd", 36_357.0, "s"),
        ])
    );
    let message = Message::parse(DEBIAN);
    assert_eq!(version(&message), Some("1.2.3"));
    assert_eq!(boot(&message), "about-2026-11-21T11:50:00Z");
    let facts = facts(&message);
    assert_eq!(facts.hostname, "www");
    assert_eq!(facts.os, "Debian GNU/Linux 12 (bookworm)");
    assert_eq!(facts.kernel, "6.1.0-39-amd64");
    assert_eq!(facts.platform.unwrap().as_str(), "linux-x86_64");
    assert_eq!(message.head().unwrap().class, Some("web"));
}

#[test]
fn a_host_with_many_processors_is_not_overloaded() {
    let text = "[uptime]\n 1:00:00 up 5 min,  0 users,  load average: 1, 2, 16\n[nproc]\n32\n";
    assert_eq!(
        numbers("linux", text)[0],
        ("cpu_load".into(), 0.5, String::new())
    );
    let faked = "[uptime]\n up 5 min, load average: 1, 2, 16\n[ps]\nPID PPID CMD\n9 1 [ksoftirqd/1]\n7 2 [ksoftirqd/0]\n";
    assert_eq!(numbers("linux", faked)[0].1, 8.0);
}

#[test]
fn older_tools_and_freebsd_say_the_same_in_other_words() {
    let old = "[free]\n             total       used       free     shared    buffers     cached\nMem:          1000        900        100          0         50        350\n-/+ buffers/cache:        500        500\nSwap:          400        100        300\n";
    assert_eq!(
        numbers("linux", old),
        expected(&[("swap_used", 25.0, "%"), ("memory_available", 50.0, "%")])
    );
    let bsd = "[uname]\nFreeBSD www 14.1-RELEASE FreeBSD 14.1-RELEASE GENERIC amd64\n[uptime]\n10:11PM  up 3 days,  4:05, 2 users, load averages: 0.10, 0.20, 0.30\n[df]\nFilesystem            Size    Used   Avail Capacity  Mounted on\nzroot/ROOT/default     20G     15G    5.0G    75%    /\ndevfs                 1.0k    1.0k      0B   100%    /dev\nzroot/home            5.5G    500M    5.0G     9%    /home\n[inode]\nFilesystem               itotal      iused      ifree      %iused Mounted\nzroot/ROOT/default         1000        250        750        25% /\n[mount]\nzroot/ROOT/default on / (zfs, local, noatime)\nzroot/home on /home (zfs, local)\ndevfs on /dev (devfs)\n[swapinfo]\nDevice          1K-blocks     Used    Avail Capacity\n/dev/ada0p3          1000      100      900    10%\n/dev/ada1p3          1000      300      700    30%\nTotal                2000      400     1600    20%\n[vmstat]\nprocs memory page disks faults cpu\n r b w avm fre flt re pi po fr sr ad0 in sy cs us sy id\n 0 0 0 1G 1G 1 0 0 0 1 0 0 1 900 1 90 5 5\n 0 0 0 1G 1G 1 0 0 0 1 0 0 1 900 1 7 3 90\n";
    assert_eq!(
        numbers("freebsd", bsd),
        expected(&[
            ("cpu_load", 0.15, ""),
            ("uptime", 273_900.0, "s"),
            ("swap_used", 20.0, "%"),
            ("disk_usage:/", 75.0, "%"),
            ("disk_free:/", 5e9, "bytes"),
            ("disk_usage:/home", 9.0, "%"),
            ("disk_free:/home", 5e9, "bytes"),
            ("inode_usage:/", 25.0, "%"),
            ("cpu_busy", 10.0, "%"),
        ])
    );
    let facts = facts(&Message::parse(bsd.as_bytes()));
    assert_eq!(facts.platform.unwrap().as_str(), "freebsd-x86_64");
}

#[test]
fn vmstat_counts_from_its_second_line_on() {
    let head = "[vmstat]\nprocs ---memory---\n r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st\n";
    let first = " 1  0      0   1   1   1    0    0     1     1    1    1 50 40  5  3  2\n";
    assert_eq!(numbers("linux", &format!("{head}{first}")), []);
    let second = " 1  0      0   1   1   1    0    0     1     1    1    1 10  5 80  4  1\n";
    assert_eq!(
        numbers("linux", &format!("{head}{first}{second}")),
        expected(&[
            ("cpu_busy", 15.0, "%"),
            ("cpu_iowait", 4.0, "%"),
            ("cpu_steal", 1.0, "%")
        ])
    );
}

#[test]
fn a_file_that_is_not_there_has_no_value_and_a_reason() {
    let text = b"[file:/x]\nERROR: No such file or directory\n[file:rel]\nsize:1\n[file:/dir]\ntype:40000 (directory)\nsize:9\nclock:5\nmtime:9\n";
    let none = Value::None("the host says: No such file or directory".into());
    let age = Value::Number {
        value: 0.0,
        unit: "s".into(),
    };
    assert_eq!(
        found("linux", text),
        [
            ("file_size:/x".to_owned(), none.clone()),
            ("file_age:/x".to_owned(), none),
            ("file_age:/dir".to_owned(), age),
        ]
    );
}

#[test]
fn windows_has_drives() {
    let text = "[cpu]\nup: 3 days, 2 users, 57 procs, load=12%\n[disk]\nFilesystem     1K-blocks     Used    Avail Capacity  Mounted  Summary(Total\\Avail GB)\nC   41943040   20971520   20971520   50%   /FIXED/C   40.00\\20.00\nD   1   1   0   100%   /CDROM/D   0\\0\n[memory]\nmemory    Total    Used\nphysical: 4000 1000\npage: 8000 2000\n[uptime]\nsec: 262800\n3 days\n";
    assert_eq!(
        numbers("powershell", text),
        expected(&[
            ("disk_usage:/FIXED/C", 50.0, "%"),
            ("disk_free:/FIXED/C", 20_971_520.0 * 1024.0, "bytes"),
            ("memory_available", 75.0, "%"),
            ("users", 2.0, ""),
            ("processes", 57.0, ""),
            ("cpu_busy", 12.0, "%"),
            ("uptime", 262_800.0, "s"),
        ])
    );
}

#[test]
fn a_message_has_so_many_samples_at_most() {
    let mut text =
        String::from("[df]\nFilesystem 1024-blocks Used Available Capacity Mounted on\n");
    for n in 0..1000 {
        text += &format!("/dev/sd{n} 100 50 50 50% /m{n}\n");
    }
    assert_eq!(numbers("linux", &text).len(), 64);
    for n in 0..900 {
        text += &format!("[file:/f{n}]\ntype:100000 (file)\nsize:1\nclock:1\nmtime:1\n");
    }
    let found = numbers("linux", &text);
    assert_eq!(found.len(), MOST);
    // What is said twice counts once.
    let twice = numbers(
        "linux",
        "[file:/f]\nclock:9\nmtime:1\n[file:/f]\nclock:9\nmtime:9\n",
    );
    assert_eq!(twice, expected(&[("file_age:/f", 8.0, "s")]));
}

proptest! {
    #[test]
    fn any_bytes_give_few_samples_and_only_numbers_that_are_some(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        windows in any::<bool>(),
    ) {
        let os = if windows { "powershell" } else { "linux" };
        check(os, &bytes);
    }

    #[test]
    fn so_does_a_real_message_with_damage(
        damage in proptest::collection::vec((0..DEBIAN.len(), any::<u8>()), 0..40),
        cut in 0..DEBIAN.len(),
    ) {
        let mut bytes = DEBIAN.to_vec();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        bytes.truncate(cut);
        check("linux", &bytes);
    }
}

fn check(os: &str, bytes: &[u8]) {
    let message = Message::parse(bytes);
    let found = samples(os, &message, Timestamp::UNIX_EPOCH);
    assert!(found.len() <= MOST);
    for sample in found {
        if let Value::Number { value, unit } = sample.value {
            assert!(value.is_finite(), "{}", sample.item);
            assert!(
                unit != "%" || (0.0..=100.0).contains(&value),
                "{}",
                sample.item
            );
        }
    }
    let facts = facts(&message);
    assert!(facts.os.len() <= 200 && facts.hostname.len() <= 200 && facts.kernel.len() <= 200);
    let _ = (boot(&message), version(&message));
}
