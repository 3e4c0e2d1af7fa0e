//! From a Xymon server's configuration to a fleet file.
//!
//! Sources: the manual pages hosts.cfg(5), client-local.cfg(5) and analysis.cfg(5) of Xymon 4.3.30.
//!
//! | there | here |
//! |---|---|
//! | a host, its address, `CLASS:`, `NAME:`, `DESCR:`, `COMMENT:` | `[host.NAME]` with `address` and labels |
//! | `page`, `subpage`, `subparent`, `group` | `[group.NAME]` |
//! | tests over the network | remote items of the host that looks, or of the host itself if it has no agent |
//! | `route:` | `depends` |
//! | `DOWNTIME=` | `[silence.NAME]` |
//! | `clientversion:` | `[follow.NAME]` with `pin` |
//! | `file:`, `linecount:`, `log:` with a rule | items |
//! | rules of analysis.cfg | fitness functions, in groups by whom they speak of |
//!
//! Yellow is sick and red is critical, as it is with the plugins of Nagios.

mod analysis;
mod checks;
mod client;
mod hosts;
mod judge;
mod scope;
mod tags;

use lockstep_model::{Glob, HostName};

use super::lines::{self, Files};
use super::report::Report;
use super::sheet::Sheet;
use super::{ImportError, Imported, checked};

/// Which files of a Xymon server are read, and what they do not say.
#[derive(Debug, Clone)]
pub struct Xymon {
    /// `hosts.cfg`.
    pub hosts: Option<String>,
    /// `client-local.cfg`.
    pub client_local: Option<String>,
    /// `analysis.cfg`.
    pub analysis: Option<String>,
    /// The hosts with an agent that look at the others over the network, the next one when one has no room left. With
    /// none, the host with the tag `bbd` or `xymond` does, which is the Xymon server.
    pub watchers: Vec<HostName>,
    /// Hosts that never have an agent, such as switches.
    pub without_agent: Vec<Glob>,
    /// How many processors a host is taken to have: `LOAD` is of the whole machine, `cpu_load` of each processor. At
    /// least 1.
    pub processors: u32,
}

impl Default for Xymon {
    fn default() -> Self {
        Self {
            hosts: None,
            client_local: None,
            analysis: None,
            watchers: Vec::new(),
            without_agent: Vec::new(),
            processors: Self::PROCESSORS,
        }
    }
}

impl Xymon {
    /// What the probe `cpu_load` takes a host to have at least.
    pub const PROCESSORS: u32 = 2;
}

/// Translates the configuration of a Xymon server.
///
/// # Errors
/// If a file that was named cannot be read, or if what was made of it is larger than a fleet file may be.
pub fn xymon(xymon: &Xymon, files: &dyn Files) -> Result<Imported, ImportError> {
    let mut work = Work {
        options: xymon,
        sheet: Sheet::default(),
        report: Report::default(),
        known: scope::Known::default(),
        targets: scope::Targets::default(),
    };
    work.sheet.head = vec![
        "Made of the configuration of a Xymon server. Comments with a file and a line say what was not taken over.".into(),
    ];
    if let Some(name) = &xymon.hosts {
        let (lines, remarks) = lines::of_xymon(files, name, &mut work.report)?;
        work.sheet.head.extend(remarks);
        hosts::read(&mut work, lines);
    }
    let mut local = client::Local::default();
    if let Some(name) = &xymon.client_local {
        let (lines, remarks) = lines::of_xymon(files, name, &mut work.report)?;
        work.sheet.head.extend(remarks);
        local = client::read(&mut work, lines);
    }
    if let Some(name) = &xymon.analysis {
        let (lines, remarks) = lines::of_xymon(files, name, &mut work.report)?;
        work.sheet.head.extend(remarks);
        analysis::read(&mut work, &mut local, lines);
    }
    client::finish(&mut work, local);
    checked(work.sheet.written(), work.report)
}

/// What all parts work on.
struct Work<'a> {
    options: &'a Xymon,
    sheet: Sheet,
    report: Report,
    known: scope::Known,
    targets: scope::Targets,
}
