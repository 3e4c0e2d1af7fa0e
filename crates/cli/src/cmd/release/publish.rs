//! `lockstep release publish`.

pub(super) mod deltas;

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use lockstep_model::api::operator::StoredArtifact;
use lockstep_model::{Interval, Version};
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
#[command(
    after_help = "Example: lockstep release publish lockstep-1.4.0.tar.zst --keys ~/lockstep-keys\n\
    The server gets the bundle, deltas that lead to it from the versions that hosts run most and from the one before\n\
    it, and a signed list that names them. Nothing moves before \"release promote\"."
)]
pub(crate) struct Args {
    /// The bundle
    file: PathBuf,
    /// Directories with the keys that sign
    #[arg(long = "keys", value_name = "DIR", required = true)]
    keys: Vec<PathBuf>,
    /// Also forbid every version of the package below this one, for every host
    #[arg(long, value_name = "VERSION")]
    floor: Option<Version>,
    /// From how many of the versions that hosts run to make deltas, beside the newest version before
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u8).range(0..=32))]
    deltas: u8,
    /// Make no deltas: hosts fetch the whole bundle
    #[arg(long, conflicts_with = "deltas")]
    no_deltas: bool,
    /// How long the new list of releases is valid
    #[arg(long, default_value = "180d")]
    valid: Interval,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows how far a long upload is; on anything but a terminal it stays silent.
fn upload_bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template("uploading {bar:40} {bytes}/{total_bytes} {eta}");
    bar.set_style(style.expect("the template is a constant that a test has shown"));
    bar
}

/// Uploads the bundle and deltas to it, then publishes a list that names them. A command that was cut off may be repeated.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let publisher = Publisher::open(&args.keys, &args.passphrase.of_keys()?)?;
    let file = File::open(&args.file)
        .with_context(|| format!("failed to open {}", args.file.display()))?;
    let inspected = bundle::inspect(file)?;
    let release = inspected.into_built().release();

    let path = format!("/api/v1/artifacts/{}", release.hash);
    let bar = upload_bar(release.length);
    let shown = bar.clone();
    let file = tokio::fs::File::open(&args.file).await?;
    let stored = operator
        .client()
        .put_file::<StoredArtifact>(&path, file, move |sent| shown.set_position(sent))
        .await;
    bar.finish_and_clear();
    stored?;
    let mut edit = TargetsEdit::new().add(release.clone());
    if let Some(floor) = args.floor {
        edit = edit.set_floor(release.details.package.clone(), floor);
    }
    let now = Clock::system().now();
    if !args.no_deltas {
        let listed = publisher.listed(&operator, now).await?;
        let most = usize::from(args.deltas);
        for delta in deltas::make_all(&operator, &listed, &release, &args.file, most).await? {
            edit = edit.add_delta(delta);
        }
    }
    publisher
        .edit_targets(&operator, &edit, now, now + args.valid.duration())
        .await?;
    let details = &release.details;
    out::line(format_args!(
        "published {} {} for {}",
        details.package, details.version, details.platform
    ));
    out::line(format_args!(
        "next: lockstep release promote {} {} --to stable",
        details.package, details.version
    ));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_bar_can_be_made() {
        super::upload_bar(1).finish_and_clear();
    }
}
