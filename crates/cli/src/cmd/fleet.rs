//! `lockstep fleet …`

mod check;
mod diff;
mod import;
mod import_dmon;
mod import_xymon;
mod reload;
mod show;
mod versions;

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
    /// Show the fleet files that were in force before, and what is another between two
    Versions(versions::Args),
    /// Make a fleet file of a Xymon server's configuration
    ImportXymon(import_xymon::Args),
    /// Make a fleet file of the configuration of dmon
    ImportDmon(import_dmon::Args),
}

impl Command {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Check(args) => check::run(&args),
            Self::Show(args) => show::run(args).await,
            Self::Diff(args) => diff::run(args).await,
            Self::Reload(args) => reload::run(args).await,
            Self::Versions(args) => versions::run(args).await,
            Self::ImportXymon(args) => import_xymon::run(args),
            Self::ImportDmon(args) => import_dmon::run(args),
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

    #[test]
    fn what_is_imported_can_be_checked_and_is_never_written_over_another_file() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/import");
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let try_run = |words: &[&str]| {
            let words = ["lockstep", "fleet"].iter().chain(words).copied();
            Cli::try_parse_from(words).unwrap().command.run()
        };
        let (xymon, dmon) = (path("xymon/fleet.toml"), path("dmon.toml"));
        let home = format!("{root}/xymon");
        let (conf, work) = (format!("{root}/dmon/conf"), format!("{root}/dmon/work"));
        let from_xymon = [
            "import-xymon",
            "--home",
            &home,
            "--without-agent",
            "switch*",
            "--out",
            &xymon,
        ];
        let from_dmon = [
            "import-dmon",
            "--conf",
            &conf,
            "--work",
            &work,
            "--out",
            &dmon,
        ];
        for (words, file) in [(&from_xymon[..], &xymon), (&from_dmon[..], &dmon)] {
            assert_eq!(try_run(words).unwrap(), Exit::Done);
            assert_eq!(run(&["fleet", "check", file]), Exit::Done);
            std::fs::File::create(file).unwrap();
            let error = try_run(words).unwrap_err().to_string();
            assert!(error.contains("--force"), "{error}");
            assert_eq!(std::fs::metadata(file).unwrap().len(), 0);
            let forced: Vec<&str> = words.iter().copied().chain(["--force"]).collect();
            assert_eq!(try_run(&forced).unwrap(), Exit::Done);
            assert!(std::fs::metadata(file).unwrap().len() > 0);
        }
        let error = try_run(&["import-xymon", "--home", &path("")]).unwrap_err();
        assert!(
            error.to_string().contains("there is no hosts.cfg"),
            "{error}"
        );
        assert!(Cli::try_parse_from(["lockstep", "fleet", "import-xymon"]).is_err());
        assert!(Cli::try_parse_from(["lockstep", "fleet", "import-dmon"]).is_err());
    }
}
