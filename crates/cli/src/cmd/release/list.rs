//! `lockstep release list`.

use lockstep_model::api::operator::ReleaseView;

use super::publish::deltas::share;
use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep release list --json")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows releases, who runs them, and on how many hosts they failed.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let releases: Vec<ReleaseView> = Operator::open(&args.operator)?
        .list("releases", MOST)
        .await?;
    if args.json {
        out::json(&releases)?;
        return Ok(Exit::Done);
    }
    let rows = releases.iter().map(|view| {
        let (release, details) = (&view.release, &view.release.details);
        let channels = view
            .channels
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ");
        vec![
            details.package.to_string(),
            details.version.to_string(),
            details.platform.to_string(),
            if channels.is_empty() {
                "-".into()
            } else {
                channels
            },
            view.hosts.to_string(),
            view.failed.to_string(),
            match &view.suspect {
                Some(suspect) => format!("since {:.0}", suspect.since),
                None => "-".into(),
            },
            release.length.to_string(),
            deltas(view),
            release.hash.short(),
        ]
    });
    let empty = "no releases; \"lockstep release publish FILE --keys DIR\" publishes one";
    out::table(
        &[
            "package", "version", "platform", "channels", "hosts", "failed", "suspect", "bytes",
            "deltas", "hash",
        ],
        rows.collect(),
        empty,
    );
    suspects(&releases);
    Ok(Exit::Done)
}

/// What rollouts have found wanting, each version once.
fn suspects(releases: &[ReleaseView]) {
    let mut told = Vec::new();
    for suspect in releases.iter().filter_map(|view| view.suspect.as_ref()) {
        if told.contains(&suspect) {
            continue;
        }
        told.push(suspect);
        let (package, version) = (&suspect.package, &suspect.version);
        let why = out::printable(&suspect.why);
        out::line("");
        out::line(format_args!("{package} {version} is suspect: {why}"));
        out::line(format_args!(
            "  if it is not to blame: lockstep release clear {package} {version} --why WHY"
        ));
    }
}

/// What leads to it: from which version, with how many bytes, and which share of the bundle that is.
fn deltas(view: &ReleaseView) -> String {
    if view.deltas.is_empty() {
        return "-".into();
    }
    let deltas = view.deltas.iter().map(|delta| {
        let (from, length) = (&delta.details.from.version, delta.length);
        format!("{from}: {length} ({})", share(length, view.release.length))
    });
    deltas.collect::<Vec<_>>().join(", ")
}
