//! `lockstep release …`

mod behind;
mod build;
mod clear;
mod inspect;
mod list;
mod mirror;
mod promote;
mod publish;
mod stamp;
mod withdraw;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about releases.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a bundle from a directory
    Build(build::Args),
    /// Show what is in a bundle
    Inspect(inspect::Args),
    /// Copy a bundle under another version
    Stamp(stamp::Args),
    /// Sign a bundle and upload it
    Publish(publish::Args),
    /// Show published releases
    List(list::Args),
    /// Show which hosts do not run what their channel says, and why
    Behind(behind::Args),
    /// Copy the repository into a directory that any web server can hand out
    Mirror(mirror::Args),
    /// Take a release off the list
    Withdraw(withdraw::Args),
    /// Point a channel at a release: starts the rollout
    Promote(promote::Args),
    /// Say that a version which a rollout found wanting is not to blame
    Clear(clear::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Build(args) => build::run(&args),
            Self::Inspect(args) => inspect::run(&args),
            Self::Stamp(args) => stamp::run(&args),
            Self::Publish(args) => publish::run(args).await,
            Self::List(args) => list::run(args).await,
            Self::Behind(args) => behind::run(args).await,
            Self::Mirror(args) => mirror::run(args).await,
            Self::Withdraw(args) => withdraw::run(args).await,
            Self::Promote(args) => promote::run(args).await,
            Self::Clear(args) => clear::run(args).await,
        }
    }
}
