//! Telling a Xymon server how the host stands, at a pace of its own, and following what it says of versions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockstep_gateway::xymon::client::{Limits, ask, wanted_version};
use lockstep_host::{Layout, machine};
use lockstep_model::{HostName, ItemState, Version};
use lockstep_net::Clock;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::config::XymonReport;
use super::home::Home;
use super::report::{Sources, message};
use super::update::update;
use crate::{Error, words};

/// A package that was refused is not fetched again within this time.
const REFUSED: Duration = Duration::from_secs(3_600);
/// Until the first samples are there, this is looked at so often.
const FIRST: Duration = Duration::from_secs(1);

/// The task that reports, if `agent.toml` asks for it, and what it tells.
#[derive(Debug)]
pub(crate) struct Reporter {
    about: About,
    shown: Arc<Mutex<Vec<ItemState>>>,
    config: Option<XymonReport>,
    task: Option<AbortHandle>,
}

/// What does not change while the worker runs.
#[derive(Debug, Clone)]
struct About {
    host: HostName,
    version: Version,
    layout: Layout,
    clock: Clock,
}

impl Reporter {
    /// Reports nothing yet.
    pub(crate) fn new(layout: &Layout, host: &HostName, version: &Version, clock: &Clock) -> Self {
        Self {
            about: About {
                host: host.clone(),
                version: version.clone(),
                layout: layout.clone(),
                clock: clock.clone(),
            },
            shown: Arc::default(),
            config: None,
            task: None,
        }
    }

    /// Reports like this from now on, or no longer.
    pub(crate) fn follow(&mut self, config: Option<&XymonReport>) {
        if self.config.as_ref() == config {
            return;
        }
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.config = config.cloned();
        let Some(config) = self.config.clone() else {
            return;
        };
        let visitor = Visitor {
            config,
            about: self.about.clone(),
            answer: Vec::new(),
            refused: None,
        };
        let task = tokio::spawn(visitor.run(Arc::clone(&self.shown)));
        self.task = Some(task.abort_handle());
    }

    /// Tells these states from now on.
    pub(crate) fn show(&self, states: &[ItemState]) {
        if self.config.is_some() {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.clear();
            shown.extend_from_slice(states);
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// One who goes to the server again and again.
struct Visitor {
    config: XymonReport,
    about: About,
    /// The last answer that was not empty. An empty one says nothing: the server may have lost its list of hosts.
    answer: Vec<u8>,
    /// The package that was refused last, and until when it is not fetched again.
    refused: Option<(String, Instant)>,
}

impl Visitor {
    async fn run(mut self, shown: Arc<Mutex<Vec<ItemState>>>) {
        info!(server = %self.config.server, "this host reports to a Xymon server, too");
        loop {
            let states = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if states.is_empty() {
                sleep(FIRST).await;
                continue;
            }
            if let Err(error) = self.visit(&states).await {
                warn!(
                    error = words(&*error),
                    "the report to the Xymon server, or what it asked for, did not succeed"
                );
            }
            sleep(self.config.interval.duration()).await;
        }
    }

    async fn visit(
        &mut self,
        states: &[ItemState],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let home = self.home()?;
        let installed = home.as_ref().map(Home::version).transpose()?.flatten();
        let ours = format!("lockstep {}", self.about.version);
        let host = self.config.host.clone();
        let report = message(&Sources {
            host: host.as_deref().unwrap_or(self.about.host.as_str()),
            class: self.config.class.as_deref().unwrap_or(std::env::consts::OS),
            states,
            facts: &machine::facts(),
            size: &machine::size(),
            version: installed.as_deref().unwrap_or(&ours),
            now: self.about.clock.now(),
        });
        let answer = ask(&self.config.server, &report, &Limits::REPORT).await?;
        debug!(server = %self.config.server, bytes = answer.len(), "the Xymon server has answered");
        if !answer.is_empty() {
            self.answer = answer;
        }
        let Some(home) = home.filter(|_| self.config.update) else {
            return Ok(());
        };
        let Some(wanted) = wanted_version(&self.answer)?.map(str::to_owned) else {
            return Ok(());
        };
        if installed.as_deref() == Some(wanted.as_str()) || self.is_refused(&wanted) {
            return Ok(());
        }
        let updated = update(&home, &self.config.server, &wanted, &Limits::DOWNLOAD).await;
        if let Err(error) = &updated
            && error.blames_package()
        {
            self.refused = Some((wanted, Instant::now() + REFUSED));
        }
        updated?;
        Ok(())
    }

    fn home(&self) -> Result<Option<Home>, Error> {
        let home = self.config.home.as_deref();
        home.map(|home| Home::open(home, &self.about.layout))
            .transpose()
    }

    fn is_refused(&self, wanted: &str) -> bool {
        let refused = self.refused.as_ref();
        refused.is_some_and(|(version, until)| version == wanted && Instant::now() < *until)
    }
}

#[cfg(test)]
mod tests;
