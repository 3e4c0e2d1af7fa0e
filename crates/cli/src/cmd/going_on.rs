//! How a person goes on with a run that is under way, or has stopped: the same words for every kind of run.

use lockstep_agent::run::{Ended, Engine, Reentry};
use lockstep_model::RunVerb;

use super::update::whoever_asks;

/// Options.
#[derive(Debug, Default, clap::Args)]
pub(super) struct GoingOn {
    /// Only go on with a run that is under way
    #[arg(long)]
    pub(super) resume: bool,
    /// Enter the phase in which the run has stopped once more
    #[arg(long, conflicts_with = "skip")]
    retry: bool,
    /// Give the run that has stopped up, leave the host as it is, and free its lock
    #[arg(long, requires = "why")]
    skip: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

impl GoingOn {
    /// Which runs are meant: whoever says how one goes on begins none.
    pub(super) fn reentry(&self) -> Reentry {
        match self.resume || self.retry || self.skip {
            true => Reentry::OnlyUnderWay,
            false => Reentry::Any,
        }
    }

    fn verb(&self) -> Option<RunVerb> {
        match (self.retry, self.skip) {
            (true, _) => Some(RunVerb::Retry),
            (_, true) => Some(RunVerb::Skip),
            _ => None,
        }
    }

    /// Has the engine go on, with what the person says of a run that has stopped.
    pub(super) async fn run(&self, mut engine: Engine) -> anyhow::Result<Ended> {
        if let Some(verb) = self.verb() {
            let (by, why) = (whoever_asks(), self.why.as_deref().unwrap_or_default());
            if !engine.obey_person(verb, &by, why)? {
                anyhow::bail!("the run has not stopped, so there is nothing to retry or skip");
            }
        } else {
            engine.ask_person().await?;
        }
        Ok(engine.run().await?)
    }
}
