//! What is kept for one foreign host.

use std::collections::BTreeSet;

use lockstep_gateway::seams::Gateway;
use lockstep_model::{HostName, RunRecord};
use lockstep_plan::fitness::BookRecord;
use lockstep_store::HostRow;
use serde::{Deserialize, Serialize};

use super::Speaks;
use crate::app::App;
use crate::web::Refusal;

/// What is kept for a host between two of its words.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Gateways that it has spoken through.
    #[serde(default)]
    pub(crate) gateways: BTreeSet<Gateway>,
    /// What its fitness functions remember.
    #[serde(default)]
    pub(crate) book: Option<BookRecord>,
    /// The number of its newest event.
    #[serde(default)]
    pub(crate) events: u64,
    /// The change that it was given a lock for.
    #[serde(default)]
    pub(crate) run: Option<RunRecord>,
}

impl Kept {
    pub(crate) fn parse(document: &str) -> Result<Self, String> {
        serde_json::from_str(document).map_err(|error| error.to_string())
    }

    /// The gateway that says most of it: one that reports counts before one that only asks.
    pub(crate) fn gateway(&self) -> Option<Gateway> {
        self.gateways.first().copied()
    }

    fn speaks(&self) -> Speaks {
        match self.gateway() {
            Some(Gateway::Xymon | Gateway::Dmon) => Speaks::Reports,
            _ if self.run.is_some() => Speaks::AsksInRun,
            _ => Speaks::Asks,
        }
    }

    /// The numbering of its events: a host that was removed and came back begins another one.
    pub(crate) fn series(&self, row: &HostRow) -> String {
        format!("gateway-{}", row.enrolled_at.as_millisecond())
    }

    /// Stores it.
    pub(crate) async fn keep(&self, app: &App, host: &HostName) -> Result<(), Refusal> {
        let document = serde_json::to_string(self)
            .map_err(|error| Refusal::internal("writing down what is kept for a host", &error))?;
        let speaks = self.speaks();
        app.store
            .keep_foreign_host(host, speaks.as_str(), &document)
            .await?;
        app.foreign.learn(host, speaks);
        Ok(())
    }
}
