//! `lockstep server rescue`.

use lockstep_net::Clock;

use super::{ConfigArgs, ListenArgs};
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: systemctl stop lockstep && lockstep server rescue --config /etc/lockstep/server.toml\n\
    It needs the data directory and the database, and that no server runs on them."
)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Gives the user `admin` a new password.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let config = args.config.load(&ListenArgs::default())?;
    let file = lockstep_server::rescue(&config, &Clock::system()).await?;
    out::line(format_args!(
        "The user admin is an admin, with the password in {}.",
        file.display()
    ));
    Ok(Exit::Done)
}
