//! Which hosts are simulated, and how their rollout goes.

use std::collections::BTreeMap;

use lockstep_fleet::Fleet as FleetFile;
use lockstep_model::api::operator::HostView;
use lockstep_model::{HostName, RolloutId, Strategy};
use lockstep_sim::simulate::Fleet;

use super::Args;
use crate::cmd::fleet::load_or_ask;
use crate::exit::Exit;
use crate::operator::{MOST, Operator};

/// What is simulated.
pub(super) struct Source {
    pub(super) hosts: Hosts,
    pub(super) strategy: Strategy,
    /// Where both come from, in words.
    pub(super) from: String,
}

/// Hosts, of one kind or the other.
pub(super) enum Hosts {
    Invented(u32),
    Named(Vec<(HostName, BTreeMap<String, String>)>),
}

impl Hosts {
    /// Draws the waves. The seed stands for the rollout's number.
    pub(super) fn draw(&self, strategy: &Strategy, seed: u64) -> Fleet {
        let id = RolloutId(seed);
        match self {
            Self::Invented(count) => Fleet::invented(*count, strategy, id),
            Self::Named(named) => Fleet::labelled(named, strategy, id),
        }
    }
}

/// Finds hosts and strategy, in the files that are named or on the server. `given` is the strategy of `--strategy`.
pub(super) async fn find(
    args: &Args,
    given: Option<Strategy>,
) -> anyhow::Result<Result<Source, Exit>> {
    let needs_file = args.fleet.is_some() || args.hosts.is_none();
    let file = if needs_file {
        match load_or_ask(args.fleet.as_deref(), &args.operator).await? {
            Ok(file) => Some(file),
            Err(exit) => return Ok(Err(exit)),
        }
    } else {
        None
    };
    let named = file
        .as_ref()
        .and_then(|file| file.strategy(&args.package, &args.channel));
    let (strategy, which) = match (given, named) {
        (Some(given), _) => (given, "the strategy of the file".to_owned()),
        (None, Some(named)) => (named.clone(), format!("the strategy of {}", args.channel)),
        (None, None) => (Strategy::default(), "the default strategy".to_owned()),
    };
    let (hosts, whose) = match (args.hosts, &file) {
        (Some(count), _) => (Hosts::Invented(count), "invented hosts"),
        (None, Some(file)) if args.fleet.is_some() => {
            let names = file.hosts().cloned().collect();
            (followers(args, file, names), "hosts of the fleet file")
        }
        (None, Some(file)) => {
            let hosts: Vec<HostView> = Operator::open(&args.operator)?.list("hosts", MOST).await?;
            // A host that is watched by another one has no agent that could install anything.
            let enrolled = hosts.into_iter().filter(|host| host.via.is_none());
            let names = enrolled.map(|host| host.name).collect();
            (followers(args, file, names), "hosts of the server")
        }
        (None, None) => (Hosts::Named(Vec::new()), "no hosts"),
    };
    Ok(Ok(Source {
        hosts,
        strategy,
        from: format!("{whose}, {which}"),
    }))
}

/// Of these hosts those that follow the channel, with their labels.
fn followers(args: &Args, file: &FleetFile, names: Vec<HostName>) -> Hosts {
    let follows = |host: &HostName| {
        let follows = file.follows(host, &BTreeMap::new());
        let mut follows = follows.iter();
        follows.any(|follow| follow.package == args.package && follow.channel == args.channel)
    };
    let labelled = names
        .into_iter()
        .filter(follows)
        .map(|name| (name.clone(), file.labels_of(&name).clone()));
    Hosts::Named(labelled.collect())
}
