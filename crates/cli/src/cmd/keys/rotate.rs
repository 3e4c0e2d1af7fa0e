//! `lockstep keys rotate`.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use lockstep_model::Interval;
use lockstep_model::api::operator::{OnlineKeys, SignedMetadata};
use lockstep_net::Clock;
use lockstep_trust::author::{RootPlan, TargetsEdit, next_root, next_targets};
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
    after_help = "Examples:\n  lockstep keys rotate --keys ~/lockstep-keys targets\n  \
    lockstep keys rotate --keys holder1 --keys holder2 root\n\
    Agents follow by themselves, also those that were away for several rotations. Without a change of keys the\n\
    command renews the root's expiry: lockstep keys rotate --keys DIR expiry"
)]
pub(crate) struct Args {
    /// Whose keys are replaced
    role: Rotated,
    /// Directories with the keys at hand; new keys go into the first
    #[arg(long = "keys", value_name = "DIR", required = true)]
    keys: Vec<PathBuf>,
    /// How long the new root is valid
    #[arg(long, default_value = "365d")]
    root_valid: Interval,
    /// How long a list of releases that is signed anew is valid
    #[arg(long, default_value = "180d")]
    targets_valid: Interval,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Whose keys are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rotated {
    /// The keys that sign roots
    Root,
    /// The keys that sign releases; the list of releases is signed anew
    Targets,
    /// The server's own keys: takes over those that the server has now
    Online,
    /// None: only renews the root's expiry
    Expiry,
}

const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Makes the next root, signed by a threshold of the old keys and of the new ones.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let passphrase = args.passphrase.of_keys()?;
    let publisher = Publisher::open(&args.keys, &passphrase)?;
    let now = Clock::system().now();
    let old_root = publisher.newest_root(&operator, now).await?;
    let old_plan = RootPlan::of(&old_root)?;
    let mut plan = RootPlan {
        expires: now + args.root_valid.duration(),
        ..old_plan.clone()
    };
    let mut signers = publisher.among(&old_plan.root_keys);
    ensure!(
        signers.len() >= old_plan.root_threshold,
        "{} of the {} keys that must sign a root are at hand; add the other holders' directories with --keys",
        signers.len(),
        old_plan.root_threshold
    );
    let made = match args.role {
        Rotated::Root => make(&publisher, "root", old_plan.root_keys.len(), &passphrase)?,
        Rotated::Targets => make(
            &publisher,
            "targets",
            old_plan.targets_keys.len(),
            &passphrase,
        )?,
        Rotated::Online | Rotated::Expiry => Vec::new(),
    };
    let new_keys: Vec<PublicKey> = made
        .iter()
        .map(|named| named.key.public_key().clone())
        .collect();
    match args.role {
        Rotated::Root => {
            plan.root_keys = new_keys;
            signers.extend(made.iter().map(|named| &named.key));
        }
        Rotated::Targets => plan.targets_keys = new_keys,
        Rotated::Online => {
            let online: OnlineKeys = operator.get("repo/online-keys").await?;
            plan.snapshot_key = PublicKey::from_json(&online.snapshot)?;
            plan.timestamp_key = PublicKey::from_json(&online.timestamp)?;
        }
        Rotated::Expiry => {}
    }
    let root = next_root(&old_root, &plan, &signers)?;
    publisher::check_root(Some(&old_root), &root, now)?;

    let targets = if args.role == Rotated::Targets {
        let old = operator
            .client()
            .get_capped("/api/v1/repo/metadata/targets.json", MAX_ANSWER)
            .await?;
        lockstep_trust::check_targets(&old_root, &old, now)
            .context("the server's list of releases does not verify")?;
        let signers: Vec<&SigningKey> = made.iter().map(|named| &named.key).collect();
        Some(text(next_targets(
            &old,
            &TargetsEdit::new(),
            now + args.targets_valid.duration(),
            &signers,
        )?)?)
    } else {
        None
    };
    let metadata = SignedMetadata {
        roots: vec![text(root.clone())?],
        targets,
    };
    operator.post::<Value>("repo/metadata", &metadata).await?;
    publisher.keep_root(&root)?;
    for named in &made {
        out::line(format_args!("made {}", named.path.display()));
    }
    out::line(format_args!(
        "the new root is published and valid until {:.0}",
        plan.expires
    ));
    Ok(Exit::Done)
}

/// New keys beside the old ones, numbered on.
fn make(
    publisher: &Publisher,
    role: &str,
    count: usize,
    passphrase: &str,
) -> anyhow::Result<Vec<NamedKey>> {
    let taken = publisher::key_files(publisher.dir())?.len();
    (1..=count)
        .map(|n| {
            publisher::make_key(
                publisher.dir(),
                &format!("{role}-{}", taken + n),
                passphrase,
            )
        })
        .collect()
}

fn text(bytes: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(bytes).context("metadata is text")
}
