//! Daemons that nobody else starts with the machine: started once in each boot, and looked at from time to time.

use std::time::Duration;

use lockstep_host::Layout;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tracing::warn;

use super::Worker;
use crate::run::Daemons;
use crate::{Error, words};

/// They are looked at this often.
const LOOK: Duration = Duration::from_secs(60);

/// What is being done about them.
#[derive(Default)]
pub(super) struct Awake {
    task: Option<JoinHandle<()>>,
    next: Option<Instant>,
}

impl Worker {
    /// Starts what a boot has left lying, before any run begins, and otherwise looks what runs. Both in the background.
    pub(super) fn look_at_daemons(&mut self) {
        let is_at_it = self.awake.task.as_ref().is_some_and(|it| !it.is_finished());
        let now = Instant::now();
        if is_at_it || self.awake.next.is_some_and(|next| now < next) {
            return;
        }
        self.awake.next = Some(now + LOOK);
        match self.begin_look_at_daemons() {
            Ok(task) => self.awake.task = Some(task),
            Err(error) => failed(&error),
        }
    }

    fn begin_look_at_daemons(&self) -> Result<JoinHandle<()>, Error> {
        let layout = self.layout.clone();
        let daemons = Daemons::load(&layout)?;
        if daemons.is_awake(&layout)? {
            return Ok(tokio::spawn(async move {
                daemons.look(&layout).await.unwrap_or_else(|it| failed(&it));
            }));
        }
        // From here to the end of its start no run of such a package begins.
        let asleep = daemons.asleep(&layout, self.runs.journals())?;
        Ok(tokio::spawn(async move {
            let mut starts: JoinSet<()> = asleep.into_iter().map(|it| it.wake()).collect();
            while starts.join_next().await.is_some() {}
            note(daemons, &layout);
        }))
    }
}

fn note(daemons: Daemons, layout: &Layout) {
    let noted = daemons.are_awake(layout);
    noted.unwrap_or_else(|error| failed(&error));
}

fn failed(error: &Error) {
    warn!(
        error = words(error),
        "the daemons of packages without a unit could not be looked at"
    );
}
