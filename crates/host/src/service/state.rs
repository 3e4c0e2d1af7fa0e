//! What a service is doing.

/// What a service is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// It runs, or is being started.
    Active,
    /// It does not run, or is being stopped.
    Inactive,
    /// It ended badly.
    Failed,
    /// This host has no service of that name.
    Unknown,
}

impl ServiceState {
    /// From the lines of `systemctl show --property=LoadState,ActiveState`; none if they do not say.
    pub(super) fn of_unit(properties: &str) -> Option<Self> {
        let value = |name: &str| {
            properties
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        };
        Some(match value("ActiveState")? {
            "active" | "reloading" | "refreshing" | "activating" => Self::Active,
            "failed" => Self::Failed,
            // A unit may run on when its file is gone; one that does not run is unknown then.
            _ if value("LoadState") == Some("not-found") => Self::Unknown,
            "inactive" | "deactivating" | "maintenance" => Self::Inactive,
            _ => return None,
        })
    }

    /// From the exit status of the action `status` of a System V script; none if it could not tell.
    pub(super) fn of_status(code: i32) -> Option<Self> {
        match code {
            0 => Some(Self::Active),
            // Dead, and its pid file or its lock is still there.
            1 | 2 => Some(Self::Failed),
            3 => Some(Self::Inactive),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_units() {
        let of = |load: &str, active: &str| {
            ServiceState::of_unit(&format!("LoadState={load}\nActiveState={active}\n"))
        };
        assert_eq!(of("loaded", "active"), Some(ServiceState::Active));
        assert_eq!(of("loaded", "activating"), Some(ServiceState::Active));
        assert_eq!(of("loaded", "inactive"), Some(ServiceState::Inactive));
        assert_eq!(of("masked", "inactive"), Some(ServiceState::Inactive));
        assert_eq!(of("loaded", "failed"), Some(ServiceState::Failed));
        assert_eq!(of("not-found", "inactive"), Some(ServiceState::Unknown));
        assert_eq!(of("not-found", "active"), Some(ServiceState::Active));
        assert_eq!(of("loaded", "something-new"), None);
        assert_eq!(ServiceState::of_unit(""), None);
    }
}
