//! Our items in Xymon's words: sections in the formats that its server reads the load, the memory and the disks from.
//!
//! What an item has as a part of a whole is written as that part of the real whole where that is known: the machine's
//! memory and swap; and of a file system where `disk_free:PATH` is watched, too. Otherwise the whole has 100,000 blocks.
//! There is no list of processes, since that would tell every command line in plain text.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lockstep_gateway::xymon::message::Builder;
use lockstep_host::machine::Size;
use lockstep_model::api::Facts;
use lockstep_model::{ItemState, Value};

/// The blocks of a file system whose size is not known.
const NOMINAL: f64 = 100_000.0;

/// What a message is made of.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// The name under which the server knows the host.
    pub(crate) host: &'a str,
    pub(crate) class: &'a str,
    pub(crate) states: &'a [ItemState],
    pub(crate) facts: &'a Facts,
    pub(crate) size: &'a Size,
    /// The version of the Xymon client on this host, or ours.
    pub(crate) version: &'a str,
    pub(crate) now: Timestamp,
}

/// The whole message.
pub(crate) fn message(from: &Sources<'_>) -> Vec<u8> {
    let at = from.now.to_zoned(TimeZone::UTC);
    let system = std::env::consts::OS;
    let name = match system {
        "linux" => "Linux",
        other => other,
    };
    let facts = from.facts;
    let machine = std::env::consts::ARCH;
    let mut message = Builder::new(from.host, system, from.class)
        .section("date", &at.strftime("%a %b %d %H:%M:%S UTC %Y").to_string())
        .section(
            "uname",
            &format!("{name} {} {} {machine}", facts.hostname, facts.kernel),
        )
        .section("osversion", &facts.os)
        .section(
            "uptime",
            &uptime(from, &at.strftime("%H:%M:%S").to_string()),
        );
    for (section, text) in [
        ("df", df(from.states)),
        ("inode", inode(from.states)),
        ("free", free(from.states, from.size)),
    ] {
        if let Some(text) = text {
            message = message.section(section, &text);
        }
    }
    let seconds = from.now.as_second();
    let shown = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    message
        .section("nproc", &from.size.processors.to_string())
        .section("local:lockstep", &items(from.states))
        .section("clientversion", from.version)
        .section(
            "clock",
            &format!("epoch: {seconds}\nlocal: {shown} UTC\nUTC: {shown} GMT"),
        )
        .finish()
}

/// As `uptime` has it.
fn uptime(from: &Sources<'_>, time: &str) -> String {
    let minutes = from.size.uptime.as_secs() / 60;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let users = number(from.states, "users").unwrap_or(0.0);
    let [one, five, fifteen] = from.size.load;
    format!(
        " {time} up {days} days, {hours:2}:{minutes:02},  {users:.0} users,  load average: {one:.2}, {five:.2}, {fifteen:.2}"
    )
}

/// As `df -P` has it; nothing without file systems.
fn df(states: &[ItemState]) -> Option<String> {
    let head = "Filesystem 1024-blocks Used Available Capacity Mounted on";
    rows(states, "disk_usage", head, |point, part| {
        let free = number(states, &format!("disk_free:{point}"));
        match free {
            // The rest of what is free is what is used.
            Some(free) if part < 100.0 => {
                let free = free / 1024.0;
                (free / (1.0 - part / 100.0) * (part / 100.0), free)
            }
            _ => (NOMINAL * part / 100.0, NOMINAL * (100.0 - part) / 100.0),
        }
    })
}

/// As `df -Pi` has it.
fn inode(states: &[ItemState]) -> Option<String> {
    let head = "Filesystem Inodes IUsed IFree IUse% Mounted on";
    rows(states, "inode_usage", head, |_, part| {
        (NOMINAL * part / 100.0, NOMINAL * (100.0 - part) / 100.0)
    })
}

fn rows(
    states: &[ItemState],
    probe: &str,
    head: &str,
    split: impl Fn(&str, f64) -> (f64, f64),
) -> Option<String> {
    let mut text = format!("{head}\n");
    let mut some = false;
    for state in states.iter().filter(|state| state.item.probe() == probe) {
        let (Some(point), Some(part)) = (state.item.object(), value(state)) else {
            continue;
        };
        let (used, free) = split(point, part);
        let source = point.replace(char::is_whitespace, "_");
        // Rounded up, as `df` does.
        let capacity = part.ceil();
        let total = used + free;
        let _ = writeln!(
            text,
            "{source} {total:.0} {used:.0} {free:.0} {capacity:.0}% {point}"
        );
        some = true;
    }
    some.then_some(text)
}

/// As `free` has it, in kilobytes; nothing if it is not known how much memory is left.
fn free(states: &[ItemState], size: &Size) -> Option<String> {
    let part = number(states, "memory_available")?;
    let total = size.memory / 1024;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of the memory in kilobytes"
    )]
    let of = |whole: u64, part: f64| (whole as f64 * part.clamp(0.0, 100.0) / 100.0) as u64;
    let available = of(total, part);
    let used = total.saturating_sub(available);
    let swap = size.swap / 1024;
    let swapped = of(swap, number(states, "swap_used").unwrap_or(0.0));
    Some(format!(
        "       total used free shared buff/cache available\nMem: {total} {used} {available} 0 0 {available}\nSwap: {swap} {swapped} {}",
        swap.saturating_sub(swapped)
    ))
}

/// All items, for people.
fn items(states: &[ItemState]) -> String {
    let mut text = String::new();
    for state in states {
        let shown = match &state.value {
            Value::Number { value, unit } => format!("{value} {unit}"),
            Value::Text(text) => text.clone(),
            Value::None(why) => format!("no value: {why}"),
        };
        let shown: String = shown
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        let rank = state.level.rank();
        let _ = writeln!(text, "{} {rank} {}", state.item, shown.trim_end());
    }
    text
}

fn number(states: &[ItemState], item: &str) -> Option<f64> {
    value(states.iter().find(|state| state.item.as_str() == item)?)
}

fn value(state: &ItemState) -> Option<f64> {
    match state.value {
        Value::Number { value, .. } if !state.no_data => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lockstep_gateway::xymon::message::Message;
    use lockstep_gateway::xymon::sections;
    use lockstep_model::{ItemName, Level};

    use super::*;

    fn state(item: &str, value: f64, unit: &str) -> ItemState {
        ItemState {
            item: ItemName::parse(item).unwrap(),
            value: Value::Number {
                value,
                unit: unit.into(),
            },
            level: Level::FINE,
            since: Timestamp::UNIX_EPOCH,
            why: String::new(),
            no_data: false,
            flapping: false,
            pending: None,
        }
    }

    #[test]
    fn what_is_sent_is_read_again_as_what_it_was() {
        let states = [
            state("disk_usage:/", 42.0, "%"),
            state("disk_free:/", 580_000_000.0, "bytes"),
            state("disk_usage:/srv/a b", 12.5, "%"),
            state("inode_usage:/", 3.0, "%"),
            state("memory_available", 96.1, "%"),
            state("swap_used", 25.0, "%"),
            state("users", 2.0, ""),
        ];
        let size = Size {
            memory: 16 << 30,
            swap: 2 << 30,
            load: [0.1, 0.2, 1.0],
            processors: 4,
            uptime: Duration::from_secs(90_061),
        };
        let bytes = message(&Sources {
            host: "www.example.org",
            class: "web",
            states: &states,
            facts: &Facts {
                hostname: "www".into(),
                os: "Debian GNU/Linux 12".into(),
                kernel: "6.1.0".into(),
                platform: None,
                gateway: None,
            },
            size: &size,
            version: "1.2.3",
            now: "2026-11-21T22:11:11Z".parse().unwrap(),
        });
        let message = Message::parse(&bytes);
        let now = Timestamp::UNIX_EPOCH;
        let found: Vec<_> = sections::samples("linux", &message, now)
            .into_iter()
            .map(|sample| match sample.value {
                Value::Number { value, .. } => {
                    (sample.item.to_string(), (value * 100.0).round() / 100.0)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [
            ("cpu_load", 0.25),
            ("uptime", 90_060.0),
            ("swap_used", 25.0),
            ("memory_available", 96.1),
            ("disk_usage:/", 42.0),
            // To the block.
            ("disk_free:/", 579_999_744.0),
            ("disk_usage:/srv/a b", 12.5),
            ("disk_free:/srv/a b", 89_600_000.0),
            ("inode_usage:/", 3.0),
        ];
        assert_eq!(
            found,
            expected.map(|(item, value)| (item.to_owned(), value))
        );
        assert_eq!(sections::version(&message), Some("1.2.3"));
        assert_eq!(sections::boot(&message), "about-2026-11-20T21:10:00Z");
        assert_eq!(sections::facts(&message).os, "Debian GNU/Linux 12");
        let head = message.head().unwrap();
        assert_eq!(
            (head.host.as_str(), head.class),
            ("www.example.org", Some("web"))
        );
        let date = message.section("date").unwrap();
        assert_eq!(date, b"Sat Nov 21 22:11:11 UTC 2026\n");
    }
}
