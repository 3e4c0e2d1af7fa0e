//! The daemon of a slot, by whichever of the two ways it is started and stopped.

use std::path::Path;
use std::time::Duration;

use lockstep_host::Layout;
use lockstep_host::service::{Commands, Manager, Service, ServiceState};
use lockstep_host::slots::Slot;

/// A service may take so long to stop or to start.
const CHANGE: Duration = Duration::from_secs(300);
/// And so long to say how it is.
const ASK: Duration = Duration::from_secs(30);

/// The daemon of a slot.
#[derive(Debug, Clone)]
pub(super) enum Daemon {
    /// A unit, or a script of System V.
    Unit(Service),
    /// Programs of the slot.
    Commands(Commands),
}

impl Daemon {
    /// The daemon of a slot; none if its package has none.
    pub(super) fn of(layout: &Layout, slot: &Slot) -> Result<Option<Self>, lockstep_host::Error> {
        let Some(service) = &slot.manifest.service else {
            return Ok(None);
        };
        let manager = Manager::of(layout.root());
        let is_systemd = matches!(manager, Manager::Systemd { .. });
        if let Some(unit) = &service.unit {
            // A script of System V has no ending.
            let name = match is_systemd {
                true => unit,
                false => unit.strip_suffix(".service").unwrap_or(unit),
            };
            return Ok(Some(Self::Unit(Service::new(name, manager)?)));
        }
        let (Some(start), Some(stop), Some(status)) =
            (&service.start, &service.stop, &service.status)
        else {
            return Ok(None);
        };
        let variable = |name: &str, value: String| (name.to_owned(), value);
        Ok(Some(Self::Commands(Commands {
            dir: slot.dir.clone(),
            env: vec![
                variable("LOCKSTEP_ROOT", layout.root_text()),
                variable("LOCKSTEP_PACKAGE", slot.package().to_string()),
                variable("LOCKSTEP_VERSION", slot.version().to_string()),
            ],
            start: start.clone(),
            stop: stop.clone(),
            status: status.clone(),
            scoped: is_systemd && layout.root() == Path::new("/"),
        })))
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Unit(service) => service.name(),
            Self::Commands(commands) => commands.name(),
        }
    }

    pub(super) async fn state(&self) -> Result<ServiceState, lockstep_host::Error> {
        match self {
            Self::Unit(service) => service.is_active(ASK).await,
            Self::Commands(commands) => commands.is_active(ASK).await,
        }
    }

    pub(super) async fn is_active(&self) -> Result<bool, lockstep_host::Error> {
        Ok(self.state().await? == ServiceState::Active)
    }

    pub(super) async fn start(&self) -> Result<(), lockstep_host::Error> {
        match self {
            Self::Unit(service) => service.start(CHANGE).await,
            Self::Commands(commands) => commands.start(CHANGE).await,
        }
    }

    pub(super) async fn stop(&self) -> Result<(), lockstep_host::Error> {
        match self {
            Self::Unit(service) => service.stop(CHANGE).await,
            Self::Commands(commands) => commands.stop(CHANGE).await,
        }
    }

    /// Stops it if it runs. One that cannot say how it is may be half dead, and is stopped to be sure.
    pub(super) async fn stop_if_active(&self) -> Result<(), lockstep_host::Error> {
        match self.state().await {
            Ok(ServiceState::Active) | Err(_) => self.stop().await,
            Ok(_) => Ok(()),
        }
    }

    /// Has a unit started with the machine.
    pub(super) async fn enable(&self) -> Result<(), lockstep_host::Error> {
        match self {
            Self::Unit(service) => service.enable(ASK).await,
            Self::Commands(_) => Ok(()),
        }
    }

    /// Has a unit not started with the machine any more.
    pub(super) async fn disable(&self) -> Result<(), lockstep_host::Error> {
        match self {
            Self::Unit(service) => service.disable(ASK).await,
            Self::Commands(_) => Ok(()),
        }
    }

    /// What differs from one start to the next, where somebody knows.
    pub(super) async fn incarnation(&self) -> Option<String> {
        match self {
            Self::Unit(service) => service.incarnation(ASK).await.ok().flatten(),
            Self::Commands(_) => None,
        }
    }
}

/// The state in words.
pub(super) fn state_words(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Active => "it runs",
        ServiceState::Inactive => "it does not run",
        ServiceState::Failed => "it has failed",
        ServiceState::Unknown => "this host has no such service",
    }
}
