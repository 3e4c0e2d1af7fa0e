//! `lockstep keys init`.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use lockstep_model::Interval;
use lockstep_model::api::operator::{OnlineKeys, SignedMetadata};
use lockstep_net::Clock;
use lockstep_trust::author::{RootPlan, new_root, new_targets};
use lockstep_trust::{PublicKey, SigningKey};
use serde_json::Value;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;
use crate::passphrase::PassphraseArgs;
use crate::publisher::{self, NamedKey, Publisher};

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep keys init ~/lockstep-keys --root-keys 3 --root-threshold 2\n\
    The directory is the only place where these keys exist: keep a copy where no server reaches it."
)]
pub(crate) struct Args {
    /// Where the keys go; it is created
    dir: PathBuf,
    /// How many keys may sign roots
    #[arg(long, default_value_t = 1)]
    root_keys: usize,
    /// How many of them must sign
    #[arg(long, default_value_t = 1)]
    root_threshold: usize,
    /// How many keys may sign releases
    #[arg(long, default_value_t = 1)]
    targets_keys: usize,
    /// How many of them must sign
    #[arg(long, default_value_t = 1)]
    targets_threshold: usize,
    /// How long the root is valid
    #[arg(long, default_value = "365d")]
    root_valid: Interval,
    /// How long a list of releases is valid; it is renewed with every change
    #[arg(long, default_value = "180d")]
    targets_valid: Interval,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Makes keys, root and an empty list of releases, and has the server publish them. A command that was cut off may
/// be repeated: keys that are there are used.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    ensure!(
        (1..=args.root_keys).contains(&args.root_threshold)
            && (1..=args.targets_keys).contains(&args.targets_threshold),
        "a threshold must be at least 1 and at most the number of keys"
    );
    let operator = Operator::open(&args.operator)?;
    let online: OnlineKeys = operator.get("repo/online-keys").await?;
    let now = Clock::system().now();
    lockstep_host::fs::create_private_dir(&args.dir)?;
    let (root, keys) = match publisher::root_in(&args.dir)? {
        Some(root) => {
            let publisher =
                Publisher::open(std::slice::from_ref(&args.dir), &args.passphrase.of_keys()?)?;
            (root, Keys::Opened(publisher))
        }
        None => {
            ensure!(
                publisher::key_files(&args.dir)?.is_empty(),
                "{} holds keys but no root.json; choose an empty directory",
                args.dir.display()
            );
            let passphrase = args.passphrase.of_new_keys()?;
            let make = |role: &str, count: usize| {
                (1..=count)
                    .map(|n| publisher::make_key(&args.dir, &format!("{role}-{n}"), &passphrase))
                    .collect::<anyhow::Result<Vec<_>>>()
            };
            let roots: Vec<NamedKey> = make("root", args.root_keys)?;
            let targets: Vec<NamedKey> = make("targets", args.targets_keys)?;
            let plan = RootPlan {
                root_keys: public(&roots),
                root_threshold: args.root_threshold,
                targets_keys: public(&targets),
                targets_threshold: args.targets_threshold,
                snapshot_key: PublicKey::from_json(&online.snapshot)?,
                timestamp_key: PublicKey::from_json(&online.timestamp)?,
                expires: now + args.root_valid.duration(),
            };
            let root = new_root(
                &plan,
                &roots.iter().map(|named| &named.key).collect::<Vec<_>>(),
            )?;
            publisher::check_root(None, &root, now)?;
            publisher::keep_root(&args.dir, &root)?;
            (root, Keys::Made(targets))
        }
    };
    let plan = RootPlan::of(&root)?;
    let signers: Vec<&SigningKey> = match &keys {
        Keys::Made(targets) => targets.iter().map(|named| &named.key).collect(),
        Keys::Opened(publisher) => publisher.among(&plan.targets_keys),
    };
    let targets = new_targets(now + args.targets_valid.duration(), &signers)?;
    let text = |bytes| String::from_utf8(bytes).context("metadata is text");
    let metadata = SignedMetadata {
        roots: vec![text(root)?],
        targets: Some(text(targets)?),
    };
    operator.post::<Value>("repo/metadata", &metadata).await?;
    out::line(format_args!(
        "made {} root and {} targets key(s) in {}; {} and {} must sign",
        plan.root_keys.len(),
        plan.targets_keys.len(),
        args.dir.display(),
        plan.root_threshold,
        plan.targets_threshold
    ));
    out::line("the server has the root; next: lockstep release publish FILE --keys DIR");
    Ok(Exit::Done)
}

enum Keys {
    Made(Vec<NamedKey>),
    Opened(Publisher),
}

fn public(keys: &[NamedKey]) -> Vec<PublicKey> {
    keys.iter()
        .map(|named| named.key.public_key().clone())
        .collect()
}
