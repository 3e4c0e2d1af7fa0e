//! `lockstep host probes`.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::api::operator::ProbeView;
use lockstep_model::{ContentHash, HostName, ItemName};

use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep host probes\nExample: lockstep host probes web1.example.org\nA program whose file is not the same on all hosts has its hash marked with an asterisk."
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
    let all: Vec<ProbeView> = Operator::open(&args.operator)?.list("probes", MOST).await?;
    let differing = differing(&all);
    let is_asked = |probe: &ProbeView| args.name.as_ref().is_none_or(|name| probe.on == *name);
    let probes: Vec<&ProbeView> = all.iter().filter(|probe| is_asked(probe)).collect();
    if args.json {
        out::json(&probes)?;
        return Ok(Exit::Done);
    }
    let rows = probes.into_iter().map(|it| row(it, &differing)).collect();
    out::table(
        &["item", "host", "sha-256", "exit", "ran for", "at", "file"],
        rows,
        "no plugins and no scripts have been run; the fleet file names them as plugin:NAME and script:NAME",
    );
    Ok(Exit::Done)
}

/// The programs of which there is more than one file.
fn differing(probes: &[ProbeView]) -> BTreeSet<ItemName> {
    let mut hashes: BTreeMap<&ItemName, BTreeSet<Option<ContentHash>>> = BTreeMap::new();
    for probe in probes {
        let of_item = hashes.entry(&probe.program.item).or_default();
        of_item.insert(probe.program.hash);
    }
    let several = hashes.into_iter().filter(|(_, hashes)| hashes.len() > 1);
    several.map(|(item, _)| item.clone()).collect()
}

fn row(probe: &ProbeView, differing: &BTreeSet<ItemName>) -> Vec<String> {
    let program = &probe.program;
    let mark = if differing.contains(&program.item) {
        "*"
    } else {
        ""
    };
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

    use super::*;

    #[test]
    fn a_file_that_differs_is_marked() {
        let probe = |on: &str, item: &str, file: &[u8]| ProbeView {
            on: HostName::parse(on).unwrap(),
            program: ProgramSeen {
                item: ItemName::parse(item).unwrap(),
                host: None,
                path: "/x".into(),
                hash: Some(ContentHash::of(file)),
                exit: None,
                ended: "killed".into(),
                took_ms: 12,
                at: "2026-11-22T12:00:00Z".parse().unwrap(),
            },
        };
        let all = [
            probe("web1", "plugin:a", b"one"),
            probe("web2", "plugin:a", b"two"),
            probe("web1", "script:b", b"x"),
        ];
        let differing = differing(&all);
        assert!(row(&all[0], &differing)[2].ends_with('*'));
        assert!(!row(&all[2], &differing)[2].ends_with('*'));
        assert_eq!(row(&all[2], &differing)[3], "killed");
    }
}
