//! `lockstep user …`

mod add;
mod kiosk;
mod list;
mod passwd;
mod remove;
mod role;
mod session;
mod token;
mod view;

use clap::Subcommand;

use crate::exit::Exit;

/// Commands about users.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show who may do what
    List(list::Args),
    /// Make a user
    Add(add::Args),
    /// Give a user a password
    Passwd(passwd::Args),
    /// Say what a user may do
    Role(role::Args),
    /// Remove a user with all sessions and tokens
    Remove(remove::Args),
    /// API tokens: by what programs ask
    #[command(subcommand)]
    Token(token::Command),
    /// Kiosk tokens: by what screens on walls show the problems
    #[command(subcommand)]
    Kiosk(kiosk::Command),
    /// Sessions: who has signed in to the pages
    #[command(subcommand)]
    Session(session::Command),
    /// Saved views: filters of pages under a name
    #[command(subcommand)]
    View(view::Command),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => list::run(args).await,
            Self::Add(args) => add::run(args).await,
            Self::Passwd(args) => passwd::run(args).await,
            Self::Role(args) => role::run(args).await,
            Self::Remove(args) => remove::run(args).await,
            Self::Token(command) => command.run().await,
            Self::Kiosk(command) => command.run().await,
            Self::Session(command) => command.run().await,
            Self::View(command) => command.run().await,
        }
    }
}

/// An identity as it stands in a path: what else was typed is nobody's.
fn segment(id: &str) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).collect()
}
