//! When a fault happens: points are counted, traced, and one of them may be the last.
//!
//! Debug builds only. A mistake in the environment variables ends the process loudly, because a fault that never
//! happens would let a test pass that proves nothing.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process};

use super::ledger;

const TRACE: &str = "LOCKSTEP_FAULT_TRACE";
const FAULT: &str = "LOCKSTEP_FAULT";
/// Counts of the program that executed this one in its place: `PID ROLE NAME NTH;ROLE NAME NTH;…`.
const PASSED: &str = "LOCKSTEP_FAULT_PASSED";

static ROLE: Mutex<&'static str> = Mutex::new("agent");
static PARTNER: AtomicU32 = AtomicU32::new(0);
static SWITCH: OnceLock<Option<Switch>> = OnceLock::new();

/// Passages so far, by role and point.
type Passages = BTreeMap<(String, String), u64>;

struct Switch {
    trace: Option<File>,
    fault: Option<Fault>,
    passages: Mutex<Passages>,
}

#[derive(Debug, PartialEq)]
struct Fault {
    role: String,
    name: String,
    nth: u64,
    power: Power,
}

/// What a fault takes back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Power {
    /// Nothing: the process is killed, the machine lives on.
    Stays,
    /// Everything that is not durable.
    Cut,
    /// What the seed draws of it.
    CutInPart(u64),
}

/// A place where the agent may die. `name` has no colons; in debug builds with the environment
/// variables of [this module](super) set it is traced, and may not return.
pub fn point(name: &'static str) {
    if UNCOUNTED.get() {
        return;
    }
    let Some(switch) = switch() else { return };
    let role = *locked(&ROLE);
    let nth = {
        let mut passages = locked(&switch.passages);
        let count = passages.entry((role.into(), name.into())).or_default();
        *count += 1;
        *count
    };
    if let Some(mut trace) = switch.trace.as_ref() {
        trace
            .write_all(format!("{role} {name} {nth}\n").as_bytes())
            .expect("a trace that was asked for can be written");
    }
    match &switch.fault {
        Some(fault)
            if (fault.role.as_str(), fault.name.as_str(), fault.nth) == (role, name, nth) =>
        {
            strike(fault.power)
        }
        _ => {}
    }
}

thread_local! {
    static UNCOUNTED: Cell<bool> = const { Cell::new(false) };
}

/// Does work whose passages come in another number each time, such as what samples bring, without counting them: they
/// would hide the points of the story that is being cut. Such work has tests of its own.
pub fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    let before = UNCOUNTED.replace(true);
    let done = work();
    UNCOUNTED.set(before);
    done
}

/// Says what this process is, for the trace and for faults: `supervisor`, `worker`. `agent` until then.
pub fn set_role(role: &'static str) {
    *locked(&ROLE) = role;
}

/// Names the process that dies together with this one when a fault strikes.
pub fn set_partner(pid: u32) {
    PARTNER.store(pid, Ordering::SeqCst);
}

/// What the program that this one executes in its place must know, so that counting goes on.
pub(crate) fn carried() -> Option<(&'static str, OsString)> {
    let switch = switch()?;
    let counts: Vec<String> = locked(&switch.passages)
        .iter()
        .map(|((role, name), nth)| format!("{role} {name} {nth}"))
        .collect();
    let text = format!("{} {}", std::process::id(), counts.join(";"));
    Some((PASSED, text.into()))
}

/// True if effects must be recorded, because a power cut may have to take them back.
pub(super) fn records_effects() -> bool {
    switch()
        .and_then(|switch| switch.fault.as_ref())
        .is_some_and(|fault| fault.power != Power::Stays)
}

fn switch() -> Option<&'static Switch> {
    SWITCH.get_or_init(read_environment).as_ref()
}

fn read_environment() -> Option<Switch> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let trace = variable(TRACE).map(|path| {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap_or_else(|error| panic!("{TRACE}={path:?} cannot be opened: {error}"))
    });
    let fault = variable(FAULT).map(|text| {
        let text = text.to_string_lossy();
        Fault::parse(&text).unwrap_or_else(|| {
            panic!("{FAULT}={text:?} is not ROLE:NAME:NTH, ROLE:NAME:NTH:powercut or ROLE:NAME:NTH:powercut-SEED")
        })
    });
    if trace.is_none() && fault.is_none() {
        return None;
    }
    let passed = variable(PASSED).unwrap_or_default();
    Some(Switch {
        trace,
        fault,
        passages: Mutex::new(passages_before(&passed.to_string_lossy())),
    })
}

impl Fault {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (role, name, nth) = (parts.next()?, parts.next()?, parts.next()?);
        let power = match parts.next() {
            None => Power::Stays,
            Some("powercut") => Power::Cut,
            Some(other) => Power::CutInPart(other.strip_prefix("powercut-")?.parse().ok()?),
        };
        if role.is_empty() || name.is_empty() || parts.next().is_some() {
            return None;
        }
        Some(Self {
            role: role.into(),
            name: name.into(),
            nth: nth.parse().ok().filter(|&nth| nth > 0)?,
            power,
        })
    }
}

/// Children inherit the variable too; the pid tells that it was meant for somebody else.
fn passages_before(text: &str) -> Passages {
    let Some((pid, counts)) = text.split_once(' ') else {
        return Passages::new();
    };
    if pid != std::process::id().to_string() {
        return Passages::new();
    }
    let count = |line: &str| {
        let (role, line) = line.split_once(' ')?;
        let (name, nth) = line.rsplit_once(' ')?;
        Some(((role.to_owned(), name.to_owned()), nth.parse().ok()?))
    };
    counts.split(';').filter_map(count).collect()
}

/// Ends the whole agent. The partner is stopped before effects are taken back, so that it can neither see nor
/// change what a dead machine would not have; and killed only afterwards, because a worker dies with its
/// supervisor and would not get to the end of this function.
fn strike(power: Power) -> ! {
    let partner = i32::try_from(PARTNER.load(Ordering::SeqCst))
        .ok()
        .and_then(Pid::from_raw);
    if let Some(partner) = partner {
        // It may be gone already, which is as good as stopped.
        let _ = kill_process(partner, Signal::STOP);
        wait_until_stopped(partner);
    }
    match power {
        Power::Stays => {}
        Power::Cut => ledger::take_back(None),
        Power::CutInPart(seed) => ledger::take_back(Some(seed)),
    }
    if let Some(partner) = partner {
        let _ = kill_process(partner, Signal::KILL);
    }
    let _ = kill_process(getpid(), Signal::KILL);
    loop {
        std::thread::park();
    }
}

/// Waits until `/proc/PID/stat` says stopped or dead (`proc_pid_stat(5)`), at most a second.
fn wait_until_stopped(pid: Pid) {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    for _ in 0..1000 {
        let Ok(stat) = std::fs::read_to_string(&path) else {
            return;
        };
        let state = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.trim_start().chars().next());
        if matches!(state, Some('T' | 't' | 'Z' | 'X') | None) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_strictly() {
        let fault = |power| Fault {
            role: "worker".into(),
            name: "fs.rename".into(),
            nth: 3,
            power,
        };
        assert_eq!(
            Fault::parse("worker:fs.rename:3"),
            Some(fault(Power::Stays))
        );
        assert_eq!(
            Fault::parse("worker:fs.rename:3:powercut"),
            Some(fault(Power::Cut))
        );
        assert_eq!(
            Fault::parse("worker:fs.rename:3:powercut-17"),
            Some(fault(Power::CutInPart(17)))
        );
        for bad in [
            "",
            "worker",
            "worker:fs.rename",
            "worker:fs.rename:0",
            "worker::1",
            ":a:1",
            "a:b:x",
            "a:b:1:power",
            "a:b:1:powercut-",
            "a:b:1:powercut:x",
        ] {
            assert_eq!(Fault::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn counts_are_taken_over_by_the_same_process_only() {
        let own = format!(
            "{} worker fs.rename 3;supervisor old worker stopped 1",
            std::process::id()
        );
        let passages = passages_before(&own);
        assert_eq!(passages[&("worker".into(), "fs.rename".into())], 3);
        assert_eq!(
            passages[&("supervisor".into(), "old worker stopped".into())],
            1
        );
        assert_eq!(passages.len(), 2);
        assert!(passages_before("1 worker fs.rename 3").is_empty());
        assert!(passages_before("").is_empty());
    }
}
