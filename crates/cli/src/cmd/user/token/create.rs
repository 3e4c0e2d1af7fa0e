//! `lockstep user token create`.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use lockstep_model::api::operator::{CreatedApiToken, NewApiToken};
use lockstep_model::{Interval, Role, UserName};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep user token create --user prometheus --role viewer --label 'scrapes the server'\n  \
    lockstep user token create --role operator --label 'laptop' --valid-for 30d -o ~/.config/lockstep/operator.toml\n\
    A token may do no more than its user. Only admins make tokens for others."
)]
pub(crate) struct Args {
    /// For whom; for whoever asks if left out
    #[arg(long)]
    user: Option<UserName>,
    /// What it may do: viewer, operator or admin
    #[arg(long)]
    role: Role,
    /// What it is for, in words
    #[arg(long)]
    label: String,
    /// For how long, for example 30d; without an end if left out
    #[arg(long, value_name = "INTERVAL")]
    valid_for: Option<Interval>,
    /// Write an operator.toml with it, which only you can read, and do not print the token
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print JSON
    #[arg(long, conflicts_with = "output")]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Makes an API token.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    // Before there is a token that nothing could hold.
    let file = match &args.output {
        Some(path) => Some((new_file(path)?, path)),
        None => None,
    };
    let new = NewApiToken {
        user: args.user,
        role: args.role,
        label: args.label,
        valid_for: args.valid_for,
    };
    let asked = operator.post("api-tokens", &new).await;
    let created: CreatedApiToken = match (asked, &file) {
        (Ok(created), _) => created,
        (Err(error), Some((_, path))) => {
            // Ours, and still empty.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        (Err(error), None) => return Err(error),
    };
    if let Some((mut file, path)) = file {
        file.write_all(created.operator_file.as_bytes())
            .and_then(|()| file.sync_all())
            .with_context(|| {
                format!(
                    "failed to write {}; revoke token {}",
                    path.display(),
                    created.id
                )
            })?;
        out::line(format_args!(
            "made token {}; it is in {}",
            created.id,
            path.display()
        ));
    } else if args.json {
        out::json(&created)?;
    } else {
        out::line(&created.token);
        out::note(format_args!(
            "this is the only time the token is shown; to make it worthless: lockstep user token revoke {}",
            created.id
        ));
    }
    Ok(Exit::Done)
}

/// A file that was not there, for nobody else to read.
fn new_file(path: &Path) -> anyhow::Result<File> {
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("failed to create {}", path.display()))
}
