//! The probes that can be named in a fleet file, with the options that each one takes.
//!
//! This table and the probes themselves (crate `probe`) say the same thing twice, on purpose: the server must be able
//! to refuse a mistake before it reaches a host.

use lockstep_model::{Glob, Setting};

use crate::pattern;

/// A probe.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) name: &'static str,
    /// True if it can look at a host that has no agent.
    pub(crate) remote: bool,
    pub(crate) options: &'static [Opt],
}

/// An option of a probe.
#[derive(Debug)]
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// What an option's value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// A text with a regular expression.
    Pattern,
    Number,
    Flag,
    /// Several texts; a text or a number alone is a list of one.
    Texts,
}

use Kind::{Flag, Number, Pattern, Text, Texts};

const fn local(name: &'static str) -> Probe {
    with(name, &[])
}

const fn with(name: &'static str, options: &'static [Opt]) -> Probe {
    Probe {
        name,
        remote: false,
        options,
    }
}

const fn remote(name: &'static str, options: &'static [Opt]) -> Probe {
    Probe {
        name,
        remote: true,
        options,
    }
}

const fn opt(name: &'static str, kind: Kind) -> Opt {
    Opt { name, kind }
}

/// Every probe.
pub(crate) const PROBES: &[Probe] = &[
    local("agent_memory"),
    local("certificate"),
    local("clock_offset"),
    local("clock_synchronised"),
    local("cpu_busy"),
    local("cpu_iowait"),
    local("cpu_load"),
    local("cpu_steal"),
    local("disk_await"),
    local("disk_busy"),
    local("disk_forecast"),
    local("disk_free"),
    local("disk_read"),
    local("disk_usage"),
    local("disk_write"),
    local("file_age"),
    local("file_size"),
    local("inode_usage"),
    local("listening"),
    local("md"),
    local("memory_available"),
    local("network_errors"),
    local("network_in"),
    local("network_out"),
    local("oom_kills"),
    local("patch_age"),
    local("pending_updates"),
    local("pressure_cpu_some"),
    local("pressure_io_full"),
    local("pressure_io_some"),
    local("pressure_memory_full"),
    local("pressure_memory_some"),
    local("process"),
    local("processes"),
    local("reboot_required"),
    local("run"),
    local("security_updates"),
    local("swap_used"),
    local("temperature"),
    local("unit"),
    local("units_failed"),
    local("uptime"),
    local("users"),
    local("version_lag"),
    with("file_content", &[opt("pattern", Pattern)]),
    with("log", &[opt("pattern", Pattern)]),
    remote("script", &[opt("arguments", Texts)]),
    remote("plugin", &[opt("arguments", Texts)]),
    remote("certificate_expiry", &[opt("name", Text)]),
    remote(
        "dns",
        &[opt("server", Text), opt("type", Text), opt("expect", Texts)],
    ),
    remote(
        "http",
        &[
            opt("status", Texts),
            opt("body", Text),
            opt("not_body", Text),
            opt("method", Text),
            opt("ca", Text),
            opt("insecure", Flag),
            opt("auth", Text),
        ],
    ),
    remote("ntp", &[]),
    remote("ping", &[]),
    remote("ping_loss", &[]),
    remote(
        "prometheus",
        &[
            opt("metrics", Texts),
            opt("rate", Flag),
            opt("ca", Text),
            opt("insecure", Flag),
            opt("auth", Text),
        ],
    ),
    remote(
        "snmp",
        &[
            opt("unit", Text),
            opt("rate", Flag),
            opt("secret", Text),
            opt("version", Text),
            opt("port", Number),
        ],
    ),
    remote("ssh", &[]),
    remote("tcp", &[opt("send", Text), opt("expect", Text)]),
    remote(
        "tls",
        &[opt("ca", Text), opt("insecure", Flag), opt("name", Text)],
    ),
];

/// The probe of that name.
pub(crate) fn probe(name: &str) -> Option<&'static Probe> {
    PROBES.iter().find(|probe| probe.name == name)
}

/// The probes that an item's pattern can mean.
pub(crate) fn meant_by(pattern: &Glob) -> Vec<&'static Probe> {
    let name = pattern::probe(pattern);
    match Glob::parse(name) {
        Ok(name) if !name.is_plain() => {
            let meant = PROBES.iter().filter(|probe| name.matches(probe.name));
            meant.collect()
        }
        _ => probe(name).into_iter().collect(),
    }
}

impl Probe {
    pub(crate) fn option(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().find(|option| option.name == name)
    }
}

impl Kind {
    /// Says what is wrong with a value of this kind.
    pub(crate) fn check(self, setting: &Setting) -> Result<(), String> {
        match (self, setting) {
            (Text, Setting::Text(_))
            | (Number, Setting::Number(_))
            | (Flag, Setting::Flag(_))
            | (Texts, Setting::List(_) | Setting::Text(_) | Setting::Number(_)) => Ok(()),
            (Pattern, Setting::Text(text)) => regular_expression(text),
            _ => Err(format!("{} is expected", self.words())),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Text => "a text",
            Pattern => "a text with a regular expression",
            Number => "a number",
            Flag => "true or false",
            Texts => "a text or a list of texts",
        }
    }
}

/// Longest regular expression, in bytes, and most memory that it may take when compiled: what agents accept.
const LONGEST_PATTERN: usize = 1000;
const LARGEST_PATTERN: usize = 32 * 1024;

/// Says what is wrong with a regular expression.
pub(crate) fn regular_expression(text: &str) -> Result<(), String> {
    if text.len() > LONGEST_PATTERN {
        return Err(format!(
            "a regular expression has at most {LONGEST_PATTERN} bytes"
        ));
    }
    regex_lite::RegexBuilder::new(text)
        .size_limit(LARGEST_PATTERN)
        .build()
        .map(|_| ())
        .map_err(|error| format!("not a regular expression: {error}"))
}

#[cfg(test)]
mod tests {
    use lockstep_model::Work;

    use super::*;

    #[test]
    fn what_is_watched_by_default_is_known() {
        for item in Work::default().items {
            assert!(probe(pattern::probe(&item.name)).is_some(), "{}", item.name);
        }
    }

    /// Each module of probes opens with a table of its items: name, value, options.
    #[test]
    fn the_probes_say_of_themselves_what_stands_here() {
        let mut rows = 0;
        for room in ["system", "remote", "command"] {
            let path = format!("{}/../probe/src/{room}.rs", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            for line in text.lines().filter(|line| line.starts_with("//! | `")) {
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                let [_, name, _, options, _] = cells[..] else {
                    panic!("{room}: {line}");
                };
                let name = name.trim_matches('`').split(':').next().unwrap();
                let known = probe(name).unwrap_or_else(|| panic!("{room}: {name}"));
                assert_eq!(known.remote, room != "system", "{name}");
                if options == "the same" {
                    continue;
                }
                let mut options: Vec<&str> = options
                    .split(',')
                    .map(|it| it.trim().trim_matches('`'))
                    .collect();
                options.retain(|option| !option.is_empty());
                let here: Vec<&str> = known.options.iter().map(|option| option.name).collect();
                assert_eq!(here, options, "{name}");
                rows += 1;
            }
        }
        assert!(rows > 20, "only {rows} rows were found");
    }

    #[test]
    fn each_probe_stands_here_once() {
        for (index, probe) in PROBES.iter().enumerate() {
            let before = &PROBES[..index];
            assert!(
                before.iter().all(|other| other.name != probe.name),
                "{}",
                probe.name
            );
        }
    }

    #[test]
    fn a_pattern_means_the_probes_that_it_matches() {
        let meant = |text: &str| meant_by(&Glob::parse(text).unwrap()).len();
        assert_eq!(meant("disk_usage:/var"), 1);
        assert_eq!(meant("*"), PROBES.len());
        assert!(meant("disk_*:/var") > 2);
        assert_eq!(meant("disk_usge:*"), 0);
    }
}
