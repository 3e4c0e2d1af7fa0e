//! The service that is stopped for the change of its package, and brought back to where it was.

use std::time::Duration;

use lockstep_host::service::{Service, ServiceState};
use lockstep_model::{RunId, RunReason};
use lockstep_plan::run::RunJournal;
use tracing::info;

use super::PackageUpdate;
use crate::words;

/// A service may take so long to stop or to start.
const SERVICE: Duration = Duration::from_secs(300);

impl PackageUpdate {
    pub(super) async fn stop_service(&mut self, run: RunId) -> Result<(), RunReason> {
        let Some(service) = self.service.clone() else {
            return Ok(());
        };
        let is_known = self.memory.ran.is_some_and(|(known, _)| known == run);
        if !is_known {
            let state = service
                .is_active(SERVICE)
                .await
                .map_err(|error| service_failed(&service, &error))?;
            self.memory.ran = Some((run, state == ServiceState::Active));
            self.remember()?;
        }
        if self.memory.ran == Some((run, true)) {
            info!(service = service.name(), "stopping it");
            service
                .stop(SERVICE)
                .await
                .map_err(|error| service_failed(&service, &error))?;
        }
        Ok(())
    }

    /// Brings the service to where it was: one that ran runs again, one that did not is stopped if its package started
    /// it. What was installed anew is left as its package wants it.
    pub(super) async fn start_service(&mut self, journal: &RunJournal) -> Result<(), RunReason> {
        let Some(service) = self.service.clone() else {
            return Ok(());
        };
        let failed = |error: lockstep_host::Error| service_failed(&service, &error);
        if self.memory.ran == Some((journal.id, true)) {
            info!(service = service.name(), "starting it");
            service.start(SERVICE).await.map_err(failed)?;
        } else if journal.job.from.is_some()
            && service.is_active(SERVICE).await.map_err(failed)? == ServiceState::Active
        {
            info!(
                service = service.name(),
                "its package started it; it did not run before, and is stopped"
            );
            service.stop(SERVICE).await.map_err(failed)?;
        }
        Ok(())
    }
}

fn service_failed(service: &Service, error: &lockstep_host::Error) -> RunReason {
    RunReason::ServiceFailed {
        unit: service.name().into(),
        why: words(error),
    }
}
