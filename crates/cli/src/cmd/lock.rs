//! `lockstep lock …`

mod acquire;
#[cfg(feature = "server")]
mod disable;
#[cfg(feature = "server")]
mod free;
#[cfg(feature = "server")]
mod list;
mod queue;
mod release;
#[cfg(feature = "server")]
mod show;
mod speaker;
mod with;
#[cfg(feature = "server")]
mod words;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about locks.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "server")]
    /// Show all locks: who holds them, who waits
    List(list::Args),
    #[cfg(feature = "server")]
    /// Show one lock with everything that is known of it, and what to do about holders that do not come back
    Show(show::Args),
    /// Take a place of a lock, and keep it
    Acquire(acquire::Args),
    /// Give a place of a lock back
    Release(release::Args),
    /// Run a command under a lock
    With(with::Args),
    #[cfg(feature = "server")]
    /// Take a place away from its holder
    Free(free::Args),
    #[cfg(feature = "server")]
    /// Let a lock give no places until it is enabled
    Disable(disable::Args),
    #[cfg(feature = "server")]
    /// Let a lock that was disabled give places again
    Enable(disable::EnableArgs),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            #[cfg(feature = "server")]
            Self::List(args) => list::run(args).await,
            #[cfg(feature = "server")]
            Self::Show(args) => show::run(args).await,
            Self::Acquire(args) => acquire::run(args).await,
            Self::Release(args) => release::run(args).await,
            Self::With(args) => with::run(args).await,
            #[cfg(feature = "server")]
            Self::Free(args) => free::run(args).await,
            #[cfg(feature = "server")]
            Self::Disable(args) => disable::run(args).await,
            #[cfg(feature = "server")]
            Self::Enable(args) => disable::enable(args).await,
        }
    }
}
