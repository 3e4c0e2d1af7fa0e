//! The journals of runs: one small file for each package.

use std::io;

use lockstep_host::{Layout, fault};
use lockstep_model::PackageName;
use lockstep_plan::run::RunJournal;

use crate::Error;
use crate::state::{read, write};

/// The journals below a root.
#[derive(Debug, Clone)]
pub struct Journals {
    layout: Layout,
}

impl Journals {
    /// The journals below a root.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            layout: layout.clone(),
        }
    }

    /// The journal of a package's newest run.
    pub fn read(&self, package: &PackageName) -> Result<Option<RunJournal>, Error> {
        let journal: Option<RunJournal> = read(&self.layout.run_journal(package))?;
        match journal {
            Some(journal) if journal.format != RunJournal::FORMAT => Err(Error::Config {
                path: self.layout.run_journal(package),
                why: format!(
                    "the journal has format {}, this version writes {}; let the version that wrote it end the run",
                    journal.format,
                    RunJournal::FORMAT
                ),
            }),
            journal => Ok(journal),
        }
    }

    /// Writes the journal, durably.
    pub fn write(&self, journal: &RunJournal) -> Result<(), Error> {
        lockstep_host::fs::create_private_dir(&self.layout.runs_dir())?;
        fault::point("run-journal");
        write(&self.layout.run_journal(&journal.job.package), journal)?;
        fault::point("run-journaled");
        Ok(())
    }

    /// All journals, by package. One that cannot be read is left out and logged.
    pub fn all(&self) -> Result<Vec<RunJournal>, Error> {
        let entries = match std::fs::read_dir(self.layout.runs_dir()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(Error::System {
                    doing: "list the journals of runs",
                    source,
                });
            }
        };
        let mut packages: Vec<PackageName> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter_map(|name| PackageName::parse(name.strip_suffix(".json")?).ok())
            .collect();
        packages.sort();
        let mut journals = Vec::new();
        for package in packages {
            match self.read(&package) {
                Ok(journal) => journals.extend(journal),
                Err(error) => {
                    let error = crate::words(&error);
                    tracing::error!(%package, error, "the journal of a run cannot be read");
                }
            }
        }
        Ok(journals)
    }
}
