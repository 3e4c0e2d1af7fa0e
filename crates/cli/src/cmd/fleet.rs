//! `lockstep fleet …`

mod check;
mod diff;
mod reload;
mod show;

use std::path::Path;

use clap::Subcommand;
use lockstep_fleet::Fleet;
use lockstep_model::api::operator::FleetView;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Where the fleet file lies on a server.
pub(super) const FILE: &str = "/etc/lockstep/fleet.toml";

/// Commands about the fleet file. With a file at hand they need no server, but for `reload`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a fleet file and its fragments, and show every mistake at once
    Check(check::Args),
    /// Show what a host would be told
    Show(show::Args),
    /// Have the server take its fleet file over, or say what is wrong with it
    Reload(reload::Args),
    /// Show what another fleet file would change, and for whom
    Diff(diff::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Check(args) => check::run(&args),
            Self::Show(args) => show::run(args).await,
            Self::Diff(args) => diff::run(args).await,
            Self::Reload(args) => reload::run(args).await,
        }
    }
}

/// Reads a fleet file. Its mistakes are shown on standard error.
pub(super) fn load(file: &Path) -> Result<Fleet, Exit> {
    Fleet::load(file).map_err(|errors| {
        let count = errors.shown.len() + errors.more;
        let mistakes = if count == 1 { "mistake" } else { "mistakes" };
        out::note(format_args!(
            "{errors}\n\nlockstep: {count} {mistakes} in {}",
            file.display()
        ));
        Exit::Failed
    })
}

/// Reads the fleet file that is named, or else the one that is in force on the server.
pub(super) async fn load_or_ask(
    file: Option<&Path>,
    operator: &OperatorArgs,
) -> anyhow::Result<Result<Fleet, Exit>> {
    if let Some(file) = file {
        return Ok(load(file));
    }
    let view: FleetView = Operator::open(operator)?.get("fleet").await?;
    let texts = view.files.into_iter().map(|file| (file.name, file.text));
    Ok(Fleet::parse(texts.collect()).map_err(|errors| {
        out::note(format_args!(
            "{errors}\n\nlockstep: this version does not understand the fleet file that is in force"
        ));
        Exit::Failed
    }))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use clap::Parser;

    use crate::Cli;
    use crate::exit::Exit;

    fn run(words: &[&str]) -> Exit {
        let words = std::iter::once("lockstep").chain(words.iter().copied());
        Cli::try_parse_from(words).unwrap().command.run().unwrap()
    }

    #[test]
    fn a_mistake_in_the_file_is_a_failure_of_each_command() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| -> PathBuf {
            let path = dir.path().join(name);
            let mut file = std::fs::File::create(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            path
        };
        let good = file(
            "good.toml",
            "[group.web]\nhosts = [\"web1\"]\n[lock.web]\n[package.curl]\ngroups = [\"web\"]\nlock = \"web\"\n\
             [strategy.x]\n[channel.stable]\nstrategy = \"x\"\n[follow.app]\nlabels = [\"os=Debian*\"]\n",
        );
        let bad = file("bad.toml", "[group.web]\nhsots = [\"web1\"]\n");
        for (path, exit) in [(good.clone(), Exit::Done), (bad, Exit::Failed)] {
            let path = path.to_str().unwrap();
            assert_eq!(run(&["fleet", "check", path]), exit);
            assert_eq!(run(&["fleet", "show", "web1", path, "--json"]), exit);
            assert_eq!(run(&["fleet", "show", "web1", path]), exit);
            let says = ["fleet", "show", "web1", path, "--says", "os=Debian 13"];
            assert_eq!(run(&says), exit);
            assert_eq!(run(&["explain", "web1", "cpu_load", "--fleet", path]), exit);
            let against = good.to_str().unwrap();
            assert_eq!(run(&["fleet", "diff", path, "--against", against]), exit);
        }
    }
}
