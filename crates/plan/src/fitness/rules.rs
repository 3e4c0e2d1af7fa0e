//! The default thresholds.
//!
//! They are distilled from the stock alarms of Netdata, the Linux template of Zabbix and the defaults of Xymon,
//! which ask for one value to enter a level and another to leave it. Those give none for leaving soso; here it is a
//! tenth or two points away.

use lockstep_model::Level;

/// How the values of one probe are judged.
#[derive(Debug)]
pub(super) struct Rule {
    /// The probe.
    pub(super) probe: &'static str,
    /// The unit its numbers must have.
    pub(super) unit: &'static str,
    /// Which direction is bad.
    pub(super) worse: Worse,
    /// The levels, best first; each one is entered at a worse value than the one before it.
    pub(super) steps: &'static [Step],
}

/// One level of a rule.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) level: Level,
    /// The level is entered at this value.
    pub(super) enter: f64,
    /// It is left behind this value, which is not worse than `enter`.
    pub(super) clear: f64,
}

/// Which direction is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worse {
    Higher,
    Lower,
}

impl Worse {
    /// True if `value` is as bad as `limit` or worse.
    pub(super) fn reaches(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Higher => value >= limit,
            Self::Lower => value <= limit,
        }
    }
}

const fn soso(enter: f64, clear: f64) -> Step {
    Step {
        level: Level::SOSO,
        enter,
        clear,
    }
}
const fn sick(enter: f64, clear: f64) -> Step {
    Step {
        level: Level::SICK,
        enter,
        clear,
    }
}
const fn critical(enter: f64, clear: f64) -> Step {
    Step {
        level: Level::CRITICAL,
        enter,
        clear,
    }
}

/// A million bytes, as [`lockstep_model::Value`] shows them.
const MB: f64 = 1e6;

/// A probe that is not named here, such as `uptime`, is always fine.
pub(super) const RULES: [Rule; 4] = [
    // The load of 15 minutes per processor. A high load alone wakes nobody, so there is no critical.
    Rule {
        probe: "cpu_load",
        unit: "",
        worse: Worse::Higher,
        steps: &[soso(1.0, 0.9), sick(2.0, 1.75)],
    },
    // What the kernel could hand out without swapping, of all memory.
    Rule {
        probe: "memory_available",
        unit: "%",
        worse: Worse::Lower,
        steps: &[soso(20.0, 22.0), sick(10.0, 15.0), critical(5.0, 10.0)],
    },
    // Zabbix asks for less than 5 GB free as well before it calls a file system critical. An item has one value, so
    // a very large disk is called critical early rather than a small one late.
    Rule {
        probe: "disk_usage",
        unit: "%",
        worse: Worse::Higher,
        steps: &[soso(80.0, 78.0), sick(90.0, 80.0), critical(98.0, 90.0)],
    },
    // Our own: an idle agent is to stay below 12 MB, so 96 MB is eight times too much and 384 MB a leak.
    Rule {
        probe: "agent_memory",
        unit: "bytes",
        worse: Worse::Higher,
        steps: &[
            soso(96.0 * MB, 86.4 * MB),
            sick(192.0 * MB, 172.8 * MB),
            critical(384.0 * MB, 345.6 * MB),
        ],
    },
];

/// The rule for a probe.
pub(super) fn rule_of(probe: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.probe == probe)
}
