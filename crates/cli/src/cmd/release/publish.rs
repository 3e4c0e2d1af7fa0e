//! `lockstep release publish`.

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use lockstep_model::api::operator::StoredArtifact;
use lockstep_model::{Interval, Release, Version, target_path};
use lockstep_net::Clock;
use lockstep_trust::author::TargetsEdit;
use lockstep_trust::bundle;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;
use crate::passphrase::PassphraseArgs;
use crate::publisher::Publisher;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep release publish lockstep-1.4.0.tar.zst --keys ~/lockstep-keys\n\
    The server gets the bundle and a signed list that names it. Nothing moves before \"release promote\".")]
pub struct Args {
    /// The bundle
    file: PathBuf,
    /// Directories with the keys that sign
    #[arg(long = "keys", value_name = "DIR", required = true)]
    keys: Vec<PathBuf>,
    /// Also forbid every version of the package below this one, for every host
    #[arg(long, value_name = "VERSION")]
    floor: Option<Version>,
    /// How long the new list of releases is valid
    #[arg(long, default_value = "180d")]
    valid: Interval,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Uploads the bundle, then publishes a list that names it. A command that was cut off may be repeated.
pub async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let publisher = Publisher::open(&args.keys, &args.passphrase.of_keys()?)?;
    let file = File::open(&args.file).with_context(|| format!("failed to open {}", args.file.display()))?;
    let inspected = bundle::inspect(file)?;
    let details = inspected.details();
    let target = target_path(&details.package, &details.version, &details.platform);
    let release = Release { details, target, length: inspected.length, hash: inspected.hash };

    let path = format!("/api/v1/artifacts/{}", release.hash);
    operator.client().put_file::<StoredArtifact>(&path, &args.file).await?;
    let mut edit = TargetsEdit::new().add(release.clone());
    if let Some(floor) = args.floor {
        edit = edit.set_floor(release.details.package.clone(), floor);
    }
    let now = Clock::system().now();
    publisher.edit_targets(&operator, &edit, now, now + args.valid.duration()).await?;
    let details = &release.details;
    out::line(format_args!("published {} {} for {}", details.package, details.version, details.platform));
    out::line(format_args!("next: lockstep release promote {} {} --to stable", details.package, details.version));
    Ok(Exit::Done)
}
