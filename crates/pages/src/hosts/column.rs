//! The columns of the list of hosts.

/// A column of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// The level.
    Level,
    /// The name.
    Host,
    /// The groups.
    Groups,
    /// The labels.
    Labels,
    /// `cpu_busy`.
    Cpu,
    /// `memory_available`.
    Memory,
    /// The worst of `disk_usage:*`, and of equally bad ones the fullest.
    Disk,
    /// `cpu_load`.
    Load,
    /// `network_in:*` and `network_out:*` together.
    Network,
    /// `pending_updates`, and `security_updates` among them.
    Updates,
    /// `patch_age`: how long the oldest security fix has been waiting.
    Fix,
    /// `reboot_required`.
    Reboot,
    /// The agent's version.
    Agent,
    /// `uptime`.
    Uptime,
    /// When the last report came.
    Seen,
    /// Problems that nobody is on.
    Unhandled,
}

impl Column {
    /// All of them, in the order of the list.
    pub const ALL: [Self; 16] = [
        Self::Level,
        Self::Host,
        Self::Groups,
        Self::Labels,
        Self::Unhandled,
        Self::Cpu,
        Self::Memory,
        Self::Disk,
        Self::Load,
        Self::Network,
        Self::Updates,
        Self::Fix,
        Self::Reboot,
        Self::Agent,
        Self::Uptime,
        Self::Seen,
    ];

    /// The column as addresses have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Host => "host",
            Self::Groups => "groups",
            Self::Labels => "labels",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Load => "load",
            Self::Network => "network",
            Self::Updates => "updates",
            Self::Fix => "fix",
            Self::Reboot => "reboot",
            Self::Agent => "agent",
            Self::Uptime => "uptime",
            Self::Seen => "seen",
            Self::Unhandled => "unhandled",
        }
    }

    /// The word above the column.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Level => "Level",
            Self::Host => "Host",
            Self::Groups => "Groups",
            Self::Labels => "Labels",
            Self::Cpu => "CPU",
            Self::Memory => "Memory free",
            Self::Disk => "Worst disk",
            Self::Load => "Load",
            Self::Network => "Network",
            Self::Updates => "Updates",
            Self::Fix => "Oldest fix",
            Self::Reboot => "Reboot",
            Self::Agent => "Agent",
            Self::Uptime => "Up",
            Self::Seen => "Last report",
            Self::Unhandled => "Unhandled",
        }
    }

    /// True for columns whose large values are looked for first.
    pub(super) fn begins_greatest(self) -> bool {
        !matches!(
            self,
            Self::Host | Self::Groups | Self::Labels | Self::Memory | Self::Agent | Self::Seen
        )
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            format!("sort: {text:?} is not a column; there are {all}")
        })
    }
}
