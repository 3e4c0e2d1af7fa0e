//! The kinds of things that happen.

/// Which part of the stream is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// All of it.
    #[default]
    All,
    /// Events of items.
    Items,
    /// What was changed on hosts.
    Changes,
    /// Messages.
    Messages,
    /// What people did.
    Deeds,
}

impl Kind {
    /// All of them, as they are offered.
    pub const ALL: [Self; 5] = [
        Self::All,
        Self::Items,
        Self::Changes,
        Self::Messages,
        Self::Deeds,
    ];

    /// As addresses have it; empty for all.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Items => "items",
            Self::Changes => "changes",
            Self::Messages => "messages",
            Self::Deeds => "deeds",
        }
    }

    /// In words, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::All => "everything",
            Self::Items => "items alone",
            Self::Changes => "changes of hosts",
            Self::Messages => "messages",
            Self::Deeds => "what people did",
        }
    }

    /// Reads it; none if there is no such kind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// What the picture of the last day counts.
    pub(super) fn counted(self) -> &'static str {
        match self {
            Self::All | Self::Items => "Events of the last 24 hours",
            Self::Changes => "Changes of hosts in the last 24 hours",
            Self::Messages => "Messages of the last 24 hours",
            Self::Deeds => "What people did in the last 24 hours",
        }
    }

    /// The command that lists it, or what is nearest to it.
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::All | Self::Items => "lockstep event list",
            Self::Changes => "lockstep run list",
            Self::Messages => "lockstep alert list",
            Self::Deeds => "lockstep audit list",
        }
    }

    /// What the command tells, where that is not all of it.
    pub(super) fn tells_only(self) -> Option<&'static str> {
        match self {
            Self::All => Some("events of items alone"),
            // What hosts were told, enrolments and restarts are told by no command.
            Self::Changes => Some("runs alone"),
            Self::Items | Self::Messages | Self::Deeds => None,
        }
    }

    /// True if the command has an option of this name.
    pub(super) fn takes(self, option: &str) -> bool {
        match self {
            Self::All | Self::Items => true,
            Self::Changes => option == "host",
            Self::Messages | Self::Deeds => false,
        }
    }
}
