//! The built-in fitness functions.
//!
//! They are distilled from the stock alarms of Netdata, the Linux template of Zabbix and the defaults of Xymon,
//! which ask for one value to enter a level and another to leave it. Those give none for leaving soso; here it is
//! about a tenth away.

use std::sync::{Arc, LazyLock};

use lockstep_model::{Fitness, Interval, Level};

use super::function::Function;

const SOSO: Level = Level::SOSO;
const SICK: Level = Level::SICK;
const CRITICAL: Level = Level::CRITICAL;
const DEAD: Level = Level::DEAD;

/// How the items of one probe are judged.
pub(super) struct Row {
    pub(super) probe: &'static str,
    /// Minutes over which the mean is judged; 0 for the newest value.
    pub(super) mean_m: u64,
    pub(super) rules: &'static [(Level, &'static str)],
}

const fn newest(probe: &'static str, rules: &'static [(Level, &'static str)]) -> Row {
    mean(0, probe, rules)
}

const fn mean(mean_m: u64, probe: &'static str, rules: &'static [(Level, &'static str)]) -> Row {
    Row {
        probe,
        mean_m,
        rules,
    }
}

/// A probe that is not named here has no level but the one that it gives itself: `unit`, `md` and
/// `clock_synchronised` judge what they see. How many updates are pending says nothing (`pending_updates`,
/// `security_updates`); for how long the oldest one has been waiting does (`patch_age`).
#[rustfmt::skip]
pub(super) const DEFAULTS: &[Row] = &[
    // Processor. The time spent busy leaves out what is waited for disks, and what the hypervisor took.
    mean(10, "cpu_busy", &[
        (SOSO,     ">= 70% clear 65%"),
        (SICK,     ">= 85% clear 75% after 15m"),
        (CRITICAL, ">= 95% clear 85% after 15m"),
    ]),
    mean(10, "cpu_iowait", &[
        (SOSO,     ">= 20% clear 18%"),
        (SICK,     ">= 40% for 30m clear 20% after 30m"),
    ]),
    // The noise of neighbours on a virtual machine.
    mean(20, "cpu_steal", &[
        (SOSO,     ">= 5% clear 4%"),
        (SICK,     ">= 10% clear 5% after 60m"),
    ]),
    // The load of 15 minutes per processor. A high load alone wakes nobody, so there is no critical.
    newest("cpu_load", &[
        (SOSO,     ">= 1 clear 0.9"),
        (SICK,     ">= 2 for 1m clear 1.75 after 15m"),
    ]),

    // Memory. What the kernel could hand out without swapping, of all.
    newest("memory_available", &[
        (SOSO,     "<= 20% clear 22%"),
        (SICK,     "<= 10% for 5m clear 15% after 15m"),
        (CRITICAL, "<= 5% for 5m clear 10% after 15m"),
    ]),
    // The part of the last minute in which nothing ran because all waited for memory.
    newest("pressure_memory_full", &[
        (SOSO,     ">= 2% clear 1.5%"),
        (SICK,     ">= 10% for 2m clear 5% after 15m"),
        (CRITICAL, ">= 25% for 2m clear 10% after 15m"),
    ]),
    newest("swap_used", &[
        (SOSO,     ">= 50% clear 45%"),
        (SICK,     ">= 90% for 30s clear 80% after 15m"),
        (CRITICAL, ">= 98% for 30s clear 90% after 15m"),
    ]),
    newest("oom_kills", &[
        (SICK,     "> 0 after 10m"),
    ]),

    // Disks. On a large one 98 % leaves plenty, so critical asks for the bytes as well; where `disk_free` is not
    // watched, the part alone decides.
    newest("disk_usage", &[
        (SOSO,     ">= 80% clear 78%"),
        (SICK,     ">= 90% for 1m clear 80% after 15m"),
        (CRITICAL, ">= 98% and disk_free < 5GB for 1m clear 90% after 15m"),
    ]),
    // The time until it is full: days are for planning, less than one is work of today, four hours may wake somebody.
    newest("disk_forecast", &[
        (SOSO,     "< 72h for 10m"),
        (SICK,     "< 24h for 10m clear 48h after 15m"),
        (CRITICAL, "< 4h for 10m clear 24h after 15m"),
    ]),
    newest("inode_usage", &[
        (SOSO,     ">= 80% clear 78%"),
        (SICK,     ">= 90% for 1m clear 80% after 15m"),
        (CRITICAL, ">= 98% for 1m clear 90% after 15m"),
    ]),
    mean(10, "disk_busy", &[
        (SOSO,     ">= 90% clear 85%"),
        (SICK,     ">= 98% clear 70% after 15m"),
    ]),
    newest("disk_await", &[
        (SOSO,     ">= 20ms clear 18ms"),
        (SICK,     ">= 50ms for 5m clear 20ms after 15m"),
        (CRITICAL, ">= 200ms for 5m clear 50ms after 15m"),
    ]),

    // Errors and drops, of all packets.
    newest("network_errors", &[
        (SOSO,     ">= 0.5% clear 0.4%"),
        (SICK,     ">= 2% for 1m clear 1% after 60m"),
    ]),

    // TLS breaks at some minutes; what compares times of several hosts breaks long before.
    newest("clock_offset", CLOCK),
    newest("ntp", CLOCK),

    // The system and its age.
    newest("units_failed", &[
        (SICK,     ">= 1 after 5m"),
    ]),
    newest("reboot_required", &[
        (SOSO,     "> 1d"),
        (SICK,     "> 14d"),
        (CRITICAL, "> 45d"),
    ]),
    newest("patch_age", &[
        (SOSO,     "> 1d"),
        (SICK,     "> 7d"),
        (CRITICAL, "> 30d"),
    ]),
    newest("version_lag", &[
        (SOSO,     "> 1d"),
        (SICK,     "> 7d"),
    ]),
    // A restart is worth a look, whoever asked for it; nobody is woken, because the machine is back.
    newest("uptime", &[
        (SOSO,     "< 10m"),
    ]),
    newest("certificate", CERTIFICATE),
    newest("certificate_expiry", CERTIFICATE),

    // Processes and ports that should be there, by their number.
    newest("process", &[
        (SICK,     "< 1"),
    ]),
    newest("listening", &[
        (SICK,     "< 1"),
    ]),
    // Lines that matched since the last look. A line is there for one look only, so the level lasts longer than it.
    newest("log", &[
        (SOSO,     "> 0 after 10m"),
    ]),

    // Services of this host and of others: they are dead when nobody answers three times.
    newest("http", SERVICE),
    newest("tcp", SERVICE),
    newest("tls", SERVICE),
    newest("ssh", SERVICE),
    newest("dns", SERVICE),
    newest("ping", SERVICE),

    // Our own: an idle agent is to stay below 12 MB, so 96 MB is eight times too much and 384 MB a leak.
    newest("agent_memory", &[
        (SOSO,     ">= 96MB clear 86.4MB"),
        (SICK,     ">= 192MB clear 172.8MB"),
        (CRITICAL, ">= 384MB clear 345.6MB"),
    ]),
];

/// How far a clock is off, in either direction.
const CLOCK: &[(Level, &str)] = &[
    (SOSO, "outside -0.1:0.1"),
    (SICK, "outside -1:1 for 5m after 5m"),
    (CRITICAL, "outside -30:30 for 5m after 5m"),
];

/// The time until a certificate expires.
const CERTIFICATE: &[(Level, &str)] = &[
    (SOSO, "< 21d"),
    (SICK, "< 14d"),
    (CRITICAL, "< 3d"),
    (DEAD, "<= 0s"),
];

/// The time that an answer takes.
const SERVICE: &[(Level, &str)] = &[(SOSO, "> 1s for 2"), (DEAD, "none for 3")];

struct BuiltIn {
    probe: &'static str,
    function: Arc<Function>,
}

static BUILT_IN: LazyLock<Vec<BuiltIn>> = LazyLock::new(|| {
    // A sentence that does not parse is left out here and found by a test: a mistake in this table must not keep an
    // agent from starting.
    DEFAULTS
        .iter()
        .filter_map(|row| {
            let fitness = parse(row).ok()?;
            Some(BuiltIn {
                probe: row.probe,
                function: Arc::new(Function::built_in(fitness)),
            })
        })
        .collect()
});

/// What judges an item of which nothing is known but its name: no sample at all makes it soso, and its probe's
/// verdict counts.
static VERDICT_ALONE: LazyLock<Arc<Function>> =
    LazyLock::new(|| Arc::new(Function::built_in(Fitness::default())));

pub(super) fn parse(row: &Row) -> Result<Fitness, lockstep_model::ConditionError> {
    let fitness = Fitness::of(row.rules.iter().copied())?;
    Ok(match row.mean_m {
        0 => fitness,
        minutes => fitness.mean_of(Interval::from_secs(minutes * 60)),
    })
}

/// The built-in function for the items of a probe.
#[must_use]
pub fn default_for(probe: &str) -> Option<&'static Fitness> {
    find(probe).map(|built_in| built_in.function.fitness())
}

/// The same, ready to judge.
pub(super) fn function_for(probe: &str) -> Arc<Function> {
    Arc::clone(find(probe).map_or(&*VERDICT_ALONE, |built_in| &built_in.function))
}

fn find(probe: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|built_in| built_in.probe == probe)
}
