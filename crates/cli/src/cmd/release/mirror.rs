//! `lockstep release mirror`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail, ensure};
use lockstep_host::fs::{self, Hasher, Mode, Replacement, hash_file};
use lockstep_model::ContentHash;
use lockstep_net::client::{CallError, HttpClient};
use lockstep_trust::{TargetsContent, consistent_delta_path, consistent_target_path, releases_of};
use serde_json::Value;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep release mirror /var/www/lockstep\n\
    Any web server may hand the directory out. Hosts whose agent.toml says [update] mirror = \"https://that.server/lockstep\"\n\
    fetch bundles and deltas there. What is there already is not fetched again, so it can be run from a timer.")]
pub(crate) struct Args {
    /// The directory; it is made if it is not there
    dir: PathBuf,
    /// Also remove bundles and deltas that are not listed any more
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Largest metadata file.
const MAX_METADATA: usize = 16 * 1024 * 1024;
/// Most versions of the root that are looked for.
const MOST_ROOTS: u64 = 10_000;

/// One file of the repository.
struct Wanted {
    path: String,
    length: u64,
    hash: ContentHash,
}

/// What was done.
#[derive(Default)]
struct Tally {
    fetched: usize,
    bytes: u64,
    there: usize,
}

/// Copies the repository: what is listed first, and the metadata that lists it last, so that whoever reads meanwhile sees
/// the old repository or the new one, whole.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let client = operator.client();
    let timestamp = metadata(client, "timestamp.json").await?;
    let snapshot_version = listed_version(&timestamp, "snapshot.json")?;
    let snapshot_name = format!("{snapshot_version}.snapshot.json");
    let snapshot = metadata(client, &snapshot_name).await?;
    let targets_version = listed_version(&snapshot, "targets.json")?;
    let targets_name = format!("{targets_version}.targets.json");
    let targets = metadata(client, &targets_name).await?;
    let wanted = files(&releases_of(&targets)?)?;

    let repo = args.dir.join("repo");
    let mut tally = Tally::default();
    for file in &wanted {
        bring(client, file, &repo.join("targets"), &mut tally).await?;
    }
    let dir = repo.join("metadata");
    for (name, bytes) in roots(client).await? {
        write(&dir.join(name), &bytes)?;
    }
    write(&dir.join(targets_name), &targets)?;
    write(&dir.join(snapshot_name), &snapshot)?;
    write(&dir.join("timestamp.json"), &timestamp)?;
    let removed = match args.prune {
        true => prune(&repo.join("targets"), &wanted)?,
        false => 0,
    };
    out::line(format_args!(
        "{}: {} files with {} bytes fetched, {} were there, {removed} removed; list {targets_version}",
        args.dir.display(),
        tally.fetched,
        tally.bytes,
        tally.there
    ));
    Ok(Exit::Done)
}

/// Bundles and deltas, by the names under which hosts ask for them.
fn files(content: &TargetsContent) -> anyhow::Result<Vec<Wanted>> {
    let bundles = content.releases.iter().map(|release| Wanted {
        path: consistent_target_path(release),
        length: release.length,
        hash: release.hash,
    });
    let deltas = content.deltas.iter().map(|delta| Wanted {
        path: consistent_delta_path(delta),
        length: delta.length,
        hash: delta.hash,
    });
    let files: Vec<Wanted> = bundles.chain(deltas).collect();
    // The list was not verified here: whoever reads the mirror does that. It must not write elsewhere.
    let stays = |part: Component<'_>| matches!(part, Component::Normal(_));
    match files
        .iter()
        .find(|it| !Path::new(&it.path).components().all(stays))
    {
        Some(bad) => bail!(
            "the list names {:?}, which leads out of the repository",
            bad.path
        ),
        None => Ok(files),
    }
}

async fn metadata(client: &HttpClient, name: &str) -> anyhow::Result<Vec<u8>> {
    let path = format!("/api/v1/repo/metadata/{name}");
    let read = client.get_capped(&path, MAX_METADATA).await;
    read.with_context(|| format!("failed to read {name}"))
}

/// All versions of the root, the oldest first: a client goes from the one that it trusts to the newest.
async fn roots(client: &HttpClient) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut roots = Vec::new();
    for version in 1..MOST_ROOTS {
        let name = format!("{version}.root.json");
        let path = format!("/api/v1/repo/metadata/{name}");
        match client.get_capped(&path, MAX_METADATA).await {
            Ok(root) => roots.push((name, root)),
            Err(CallError::Refused { status: 404, .. }) if version > 1 => return Ok(roots),
            Err(error) => return Err(error).with_context(|| format!("failed to read {name}")),
        }
    }
    bail!("the repository has more than {MOST_ROOTS} roots")
}

/// The version of a file that another one lists (TUF 1.0.31, sections 4.4 and 4.6).
fn listed_version(metadata: &[u8], file: &str) -> anyhow::Result<u64> {
    let metadata: Value = serde_json::from_slice(metadata).context("the metadata is not JSON")?;
    metadata["signed"]["meta"][file]["version"]
        .as_u64()
        .with_context(|| format!("no version of {file} is listed"))
}

async fn bring(
    client: &HttpClient,
    wanted: &Wanted,
    targets: &Path,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let path = targets.join(&wanted.path);
    let is_there = std::fs::metadata(&path).is_ok_and(|it| it.len() == wanted.length);
    if is_there && hash_file(&path)? == wanted.hash {
        tally.there += 1;
        return Ok(());
    }
    let source = format!("/api/v1/repo/targets/{}", wanted.path);
    let mut download = client.download_from(&source, 0, wanted.length).await?;
    let mut file = Replacement::begin_as(&path, Mode::Public)?;
    let mut hash = Hasher::default();
    while let Some(chunk) = download.chunk().await? {
        hash.update(&chunk);
        file.file().write_all(&chunk)?;
    }
    ensure!(
        hash.finish() == wanted.hash,
        "{} from the server is not what is signed; nothing of it was kept",
        wanted.path
    );
    file.finish()?;
    out::line(format_args!("{}  {} bytes", wanted.path, wanted.length));
    tally.fetched += 1;
    tally.bytes += wanted.length;
    Ok(())
}

/// Metadata that is there already is left alone: a version never changes.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs::read_capped(path, MAX_METADATA as u64)?.as_deref() != Some(bytes) {
        fs::write_durable(path, bytes, Mode::Public)?;
    }
    Ok(())
}

/// Removes files below `targets` that are not wanted. Directories stay.
fn prune(targets: &Path, wanted: &[Wanted]) -> anyhow::Result<usize> {
    let keep: BTreeSet<PathBuf> = wanted.iter().map(|it| targets.join(&it.path)).collect();
    let mut left = vec![targets.to_owned()];
    let mut removed = 0;
    while let Some(dir) = left.pop() {
        let entries = std::fs::read_dir(&dir);
        let entries = entries.with_context(|| format!("failed to read {}", dir.display()))?;
        for entry in entries {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                left.push(path);
            } else if !keep.contains(&path) {
                fs::remove_durable(&path)?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}
