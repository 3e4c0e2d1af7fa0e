//! `lockstep release withdraw`.

use std::path::PathBuf;

use lockstep_model::{Interval, PackageName, Version};
use lockstep_net::Clock;
use lockstep_trust::author::TargetsEdit;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;
use crate::passphrase::PassphraseArgs;
use crate::publisher::Publisher;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep release withdraw lockstep 1.4.0 --keys ~/lockstep-keys\n\
    No host installs it any more. Hosts that run it keep it until another version is promoted."
)]
pub(crate) struct Args {
    /// The package
    package: PackageName,
    /// The version
    version: Version,
    /// Directories with the keys that sign
    #[arg(long = "keys", value_name = "DIR", required = true)]
    keys: Vec<PathBuf>,
    /// How long the new list of releases is valid
    #[arg(long, default_value = "180d")]
    valid: Interval,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Publishes a list without the release.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let publisher = Publisher::open(&args.keys, &args.passphrase.of_keys()?)?;
    let edit = TargetsEdit::new().withdraw(args.package.clone(), args.version.clone());
    let now = Clock::system().now();
    publisher
        .edit_targets(&operator, &edit, now, now + args.valid.duration())
        .await?;
    out::line(format_args!("withdrew {} {}", args.package, args.version));
    Ok(Exit::Done)
}
