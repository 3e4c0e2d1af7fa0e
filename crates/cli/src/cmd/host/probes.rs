//! `lockstep host probes`.

use lockstep_model::HostName;
use lockstep_model::api::operator::ProbeView;

use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs, question};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep host probes\nExample: lockstep host probes web1.example.org\nAn asterisk behind a hash: the file is not the one that most hosts have under this name."
)]
pub(crate) struct Args {
    /// Only of this host
    name: Option<HostName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows the plugins and scripts that hosts run.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let path = question(
        "probes",
        [("host", args.name.as_ref().map(ToString::to_string))],
    );
    let probes: Vec<ProbeView> = Operator::open(&args.operator)?.list(&path, MOST).await?;
    if args.json {
        out::json(&probes)?;
        return Ok(Exit::Done);
    }
    let rows = probes.iter().map(row).collect();
    out::table(
        &["item", "host", "sha-256", "exit", "ran for", "at", "file"],
        rows,
        "no plugins and no scripts have been run; the fleet file names them as plugin:NAME and script:NAME",
    );
    Ok(Exit::Done)
}

fn row(probe: &ProbeView) -> Vec<String> {
    let program = &probe.program;
    let mark = if probe.differs { "*" } else { "" };
    let hash = program.hash.map_or_else(|| "-".into(), |hash| hash.short());
    let exit = program.exit.map(|exit| exit.to_string());
    let about = program.host.as_ref().map(|host| format!(" about {host}"));
    vec![
        program.item.to_string(),
        format!("{}{}", probe.on, about.unwrap_or_default()),
        format!("{hash}{mark}"),
        exit.unwrap_or_else(|| program.ended.clone()),
        format!("{} ms", program.took_ms),
        format!("{:.0}", program.at),
        program.path.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use lockstep_model::api::ProgramSeen;
    use lockstep_model::{ContentHash, ItemName};

    use super::*;

    #[test]
    fn a_file_that_differs_is_marked() {
        let mut probe = ProbeView {
            on: HostName::parse("web1").unwrap(),
            program: ProgramSeen {
                item: ItemName::parse("plugin:a").unwrap(),
                host: None,
                path: "/x".into(),
                hash: Some(ContentHash::of(b"one")),
                exit: None,
                ended: "killed".into(),
                took_ms: 12,
                at: "2026-11-22T12:00:00Z".parse().unwrap(),
            },
            differs: true,
        };
        assert!(row(&probe)[2].ends_with('*'));
        assert_eq!(row(&probe)[3], "killed");
        probe.differs = false;
        assert!(!row(&probe)[2].ends_with('*'));
    }
}
