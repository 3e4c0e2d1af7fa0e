//! `md:NAME`: how an array of disks (Linux software RAID) stands.
//!
//! Source: `/proc/mdstat`, `md(4)`. An array may lack a member (critical: the next disk takes the data with it), be
//! rebuilding one (so-so), or be checked or given another shape (fine).

use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{Level, Value};

use super::reading::{Source, one_of, reading, verdict};
use super::{has_options, object};
use crate::kernel;
use crate::probe::{Found, Order, Probe};

/// Most arrays that are told of.
const MOST_ARRAYS: usize = 64;

/// The probe `md:NAME`, or `md:*` for all arrays.
pub(super) fn md(order: &Order) -> Result<Arc<dyn Probe>, String> {
    has_options(order, &[])?;
    object(order)?;
    Ok(reading(order, Mdstat))
}

#[derive(Debug)]
struct Mdstat;

impl Source for Mdstat {
    fn read(&self, order: &Order, _: Timestamp) -> Result<Vec<Found>, String> {
        let path = order.proc.join("mdstat");
        let missing = |why: &str| {
            let why = why.to_owned();
            // A kernel without arrays has none, which is no failure.
            if order.name.is_plain() {
                Err(why)
            } else {
                Ok(Vec::new())
            }
        };
        if !path.exists() {
            return missing("this kernel has no software RAID");
        }
        let text = kernel::read(&path)?;
        let found: Vec<Found> = parse(&String::from_utf8_lossy(&text))
            .into_iter()
            .filter_map(|array| {
                let (text, level, why) = array.state();
                one_of(order, &array.name, Value::Text(text), verdict(level, why))
            })
            .collect();
        if found.is_empty() {
            return missing(&format!("{} names no such array", path.display()));
        }
        Ok(found)
    }
}

/// What `/proc/mdstat` says of one array.
#[derive(Debug, Default, Clone, PartialEq)]
struct Array {
    name: String,
    is_active: bool,
    /// Members that have failed and are still listed.
    failed: Vec<String>,
    /// How many members it should have, and how many of them work; none for arrays without spare copies.
    members: Option<(u32, u32)>,
    /// What is being done, and how much of it is done in per cent; none if it waits for its turn.
    work: Option<(Work, Option<f64>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Recovery,
    Resync,
    Check,
    Reshape,
}

impl Array {
    fn state(&self) -> (String, Level, String) {
        let lacks = self
            .members
            .filter(|(wanted, working)| working < wanted)
            .map(|(wanted, working)| format!("{working} of {wanted} members work"));
        let failed = match &self.failed[..] {
            [] => String::new(),
            names => format!("failed: {}", names.join(", ")),
        };
        let why = |first: Option<String>| {
            let parts = [first.unwrap_or_default(), failed.clone()];
            let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            parts.join("; ")
        };
        if !self.is_active {
            let first = Some("the array is not running".to_owned());
            return ("inactive".into(), Level::CRITICAL, why(first));
        }
        match (self.work, lacks) {
            (Some((Work::Recovery, Some(done))), lacks) => {
                (format!("recovering {done:.0} %"), Level::SOSO, why(lacks))
            }
            (_, Some(lacks)) => ("degraded".into(), Level::CRITICAL, why(Some(lacks))),
            (Some((Work::Recovery, None)), None) => {
                ("recovering later".into(), Level::SOSO, why(None))
            }
            (Some((work, done)), None) => {
                let doing = match work {
                    Work::Check => "checking",
                    Work::Reshape => "reshaping",
                    Work::Resync | Work::Recovery => "resyncing",
                };
                let text = match done {
                    Some(done) => format!("{doing} {done:.0} %"),
                    None => format!("{doing} later"),
                };
                // After an unclean shutdown the copies may differ until they are written anew.
                let level = match work {
                    Work::Check => self.level_of_members(),
                    Work::Recovery | Work::Resync | Work::Reshape => Level::SOSO,
                };
                (text, level, why(None))
            }
            (None, None) => ("clean".into(), self.level_of_members(), why(None)),
        }
    }

    /// A spare that failed harms nothing yet.
    fn level_of_members(&self) -> Level {
        if self.failed.is_empty() {
            Level::FINE
        } else {
            Level::SOSO
        }
    }
}

/// Reads all arrays; what is not understood is passed over.
fn parse(text: &str) -> Vec<Array> {
    let mut arrays: Vec<Array> = Vec::new();
    let mut is_within = false;
    for line in text.lines() {
        if !line.starts_with([' ', '\t']) {
            let begun = begin(line).filter(|_| arrays.len() < MOST_ARRAYS);
            is_within = begun.is_some();
            arrays.extend(begun);
        } else if let Some(array) = arrays.last_mut().filter(|_| is_within) {
            go_on(array, line);
        }
    }
    arrays
}

/// `md0 : active raid1 sdb1[1](F) sda1[0]`
fn begin(line: &str) -> Option<Array> {
    let (name, rest) = line.split_once(" : ")?;
    let state = rest.split_ascii_whitespace().next()?;
    if !matches!(state, "active" | "inactive" | "broken") || name.contains(char::is_whitespace) {
        return None;
    }
    let failed = rest
        .split_ascii_whitespace()
        .filter(|word| word.ends_with("(F)"))
        .filter_map(|word| word.split('[').next())
        .take(16);
    Some(Array {
        name: name.into(),
        is_active: state == "active",
        failed: failed.map(String::from).collect(),
        ..Array::default()
    })
}

/// `1046528 blocks super 1.2 [2/1] [U_]`, `[==>....]  recovery = 37.1% (388864/1046528) finish=0.0min`, and
/// `resync=DELAYED`.
fn go_on(array: &mut Array, line: &str) {
    let words = || line.split_ascii_whitespace();
    if words().nth(1) == Some("blocks") {
        array.members = words().find_map(|word| {
            let (wanted, working) = word.strip_prefix('[')?.strip_suffix(']')?.split_once('/')?;
            Some((wanted.parse().ok()?, working.parse().ok()?))
        });
        return;
    }
    let work = |name: &str| match name {
        "recovery" => Some(Work::Recovery),
        "resync" => Some(Work::Resync),
        "check" | "repair" => Some(Work::Check),
        "reshape" => Some(Work::Reshape),
        _ => None,
    };
    for (word, next) in words().zip(words().skip(1).chain([""])) {
        if let Some((name, "PENDING" | "DELAYED" | "REMOTE")) = word.split_once('=') {
            array.work = work(name).map(|work| (work, None)).or(array.work);
        } else if let (Some(work), "=") = (work(word), next) {
            let done = words()
                .find_map(|word| word.strip_suffix('%')?.parse::<f64>().ok())
                .filter(|done| (0.0..=100.0).contains(done));
            array.work = Some((work, done));
        } else if let Some((name, done)) = word.split_once('=')
            && let (Some(work), Some(done)) = (work(name), done.strip_suffix('%'))
        {
            array.work = Some((work, done.parse().ok()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::world::{World, lines};
    use proptest::prelude::*;

    const MDSTAT: &str = "\
Personalities : [raid1] [raid6] [raid5] [raid4]
md0 : active raid1 sdb1[1] sda1[0]
      1046528 blocks super 1.2 [2/2] [UU]
      bitmap: 0/1 pages [0KB], 65536KB chunk

md1 : active raid5 sdd1[3] sdc1[1](F) sda2[0]
      2093056 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/2] [U_U]

md2 : active raid1 sdf1[2] sde1[0]
      1046528 blocks super 1.2 [2/1] [U_]
      [=======>.............]  recovery = 37.1% (388864/1046528) finish=0.0min speed=194432K/sec

md3 : active (auto-read-only) raid1 sdh1[1] sdg1[0]
      1046528 blocks super 1.2 [2/2] [UU]
        resync=PENDING

md4 : active raid1 sdj1[1] sdi1[0] sdk1[2](F)
      1046528 blocks super 1.2 [2/2] [UU]
      [>....................]  check =  2.0% (20000/1046528) finish=1.0min speed=10000K/sec

md5 : active raid0 sdm1[1] sdl1[0]
      2093056 blocks super 1.2 512k chunks

md127 : inactive sdn1[0](S)
      1046528 blocks super 1.2

md6 : active raid1 sdp1[2] sdo1[0]
      1046528 blocks super 1.2 [2/1] [U_]
        recovery=DELAYED

unused devices: <none>
";

    #[tokio::test]
    async fn arrays_are_found_and_judged() {
        let world = World::new();
        world.put("proc/mdstat", MDSTAT);
        assert_eq!(
            lines(&world.look("md:*", 0).await),
            [
                "md:md0 = clean [fine]",
                "md:md1 = degraded [critical] 2 of 3 members work; failed: sdc1",
                "md:md2 = recovering 37 % [soso] 1 of 2 members work",
                "md:md3 = resyncing later [soso]",
                "md:md4 = checking 2 % [soso] failed: sdk1",
                "md:md5 = clean [fine]",
                "md:md127 = inactive [critical] the array is not running",
                "md:md6 = degraded [critical] 1 of 2 members work",
            ]
        );
        assert_eq!(
            lines(&world.look("md:md0", 0).await),
            ["md:md0 = clean [fine]"]
        );
        assert_eq!(world.look("md:md?", 0).await.len(), 7);
        assert!(world.value("md:md9", 0).await.contains("no such array"));
    }

    #[tokio::test]
    async fn a_host_without_arrays_has_none() {
        let world = World::new();
        assert_eq!(world.look("md:*", 0).await, []);
        assert_eq!(
            world.value("md:md0", 0).await,
            "none (this kernel has no software RAID)"
        );
        world.put("proc/mdstat", "Personalities : \nunused devices: <none>\n");
        assert_eq!(world.look("md:*", 0).await, []);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(md0 : active|[0-9]+ blocks|\\[[0-9]/[0-9]\\]|recovery =|[0-9.]+%|\\PC|[ \n=])*") {
            for array in parse(&text) {
                array.state();
            }
        }

        #[test]
        fn an_array_that_lacks_a_member_is_never_fine(wanted in 1u32..20, working in 0u32..20, work in "( *(check|resync|recovery|reshape) = 5.0% \n)?") {
            let text = format!("md0 : active raid6 sda[0]\n  5 blocks [{wanted}/{working}] [U]\n {work}");
            let (_, level, why) = parse(&text)[0].state();
            prop_assert_eq!(working < wanted, why.contains("members work"), "{}", why);
            prop_assert!(working >= wanted || level > Level::FINE);
        }
    }
}
