//! `lockstep server init`.

use lockstep_net::Clock;
use lockstep_server::Server;

use super::{ConfigArgs, ListenArgs, show_first_start, show_operator_file};
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep server init --data /srv/lockstep")]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Starts the server and stops it again: one way to a first start, not two.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let config = args.config.load(&ListenArgs::default())?;
    let running = Server::start(config, Clock::system()).await?;
    match &running.first_start {
        Some(first) => show_first_start(first),
        None => {
            out::line("this server has all that it needs already");
            show_operator_file(&running.operator_file);
        }
    }
    running.stop().await;
    Ok(Exit::Done)
}
