//! Another client reads what we author: python-tuf, the reference implementation.
//!
//! It must be importable by `python3` (`pip install tuf`); without it the test fails and says so.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use jiff::Timestamp;
use lockstep_trust::author::{self, RootPlan, TargetsEdit};
use lockstep_trust::{Role, consistent_delta_path, consistent_target_path};

use crate::world::{delta, keys, package, publics, release, version};

const SCRIPT: &str = r#"
import json, pathlib, sys
from urllib.parse import urlparse, unquote
from tuf.api.exceptions import DownloadHTTPError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater

class Files(FetcherInterface):
    def _fetch(self, url):
        path = pathlib.Path(unquote(urlparse(url).path))
        if not path.is_file():
            raise DownloadHTTPError("not there", 404)
        yield path.read_bytes()

repository, cache, root, target = sys.argv[1:5]
pathlib.Path(cache).mkdir(exist_ok=True)
updater = Updater(
    cache, f"file://{repository}/", cache, f"file://{repository}/targets/", Files(),
    bootstrap=pathlib.Path(root).read_bytes(),
)
try:
    updater.refresh()
except RepositoryError as error:
    sys.exit(f"refused: {error!r}")
info = updater.get_targetinfo(target)
if info is None:
    sys.exit("not listed")
path = updater.download_target(info)
print(json.dumps({"custom": info.custom, "length": info.length, "bytes": pathlib.Path(path).read_text()}))
"#;

#[expect(
    clippy::disallowed_methods,
    reason = "a test that starts a foreign program once, and waits for it"
)]
fn python(arguments: &[&Path]) -> Output {
    Command::new("python3")
        .arg("-c")
        .arg(SCRIPT)
        .args(arguments)
        .output()
        .expect("this test needs python3 with the package tuf (pip install tuf)")
}

#[expect(
    clippy::disallowed_methods,
    reason = "files of a test need not be durable"
)]
fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn python_tuf_reads_our_repository() {
    // The foreign client has its own clock.
    let expires: Timestamp = "2099-01-01T00:00:00Z".parse().unwrap();
    let (root_keys, targets_keys) = (keys::<3>(), keys::<2>());
    let [snapshot_key, timestamp_key, fresh] = keys();
    let mut plan = RootPlan {
        root_keys: publics(&root_keys),
        root_threshold: 2,
        targets_keys: publics(&targets_keys),
        targets_threshold: 2,
        snapshot_key: snapshot_key.public_key().clone(),
        timestamp_key: timestamp_key.public_key().clone(),
        expires,
    };
    let [first, second, _] = &root_keys;
    let root1 = author::new_root(&plan, &[first, second]).unwrap();
    plan.root_keys[2] = fresh.public_key().clone();
    let root2 = author::next_root(&root1, &plan, &[first, second, &fresh]).unwrap();
    let both: Vec<_> = targets_keys.iter().collect();
    let wanted = release("1.0.0");
    let edit = TargetsEdit::new()
        .add(wanted.clone())
        .add(release("1.1.0"))
        .add_delta(delta("1.0.0", "1.1.0"))
        .set_floor(package(), version("0.9.0"));
    let empty = author::new_targets(expires, &both).unwrap();
    let targets = author::next_targets(&empty, &edit, expires, &both).unwrap();
    let snapshot = author::snapshot(&targets, 7, expires, &snapshot_key).unwrap();
    let timestamp = author::timestamp(&snapshot, 9, expires, &timestamp_key).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let repository = dir.path().join("repository");
    for (role, number, bytes) in [
        (Role::Root, 1, &root1),
        (Role::Root, 2, &root2),
        (Role::Targets, 2, &targets),
        (Role::Snapshot, 7, &snapshot),
        (Role::Timestamp, 9, &timestamp),
    ] {
        write(&repository.join(role.file_name(number)), bytes);
    }
    let bundle = repository
        .join("targets")
        .join(consistent_target_path(&wanted));
    write(&bundle, b"1.0.0");
    let leads = delta("1.0.0", "1.1.0");
    let patch = repository
        .join("targets")
        .join(consistent_delta_path(&leads));
    write(&patch, leads.target.as_bytes());
    let run = |target: &str, cache: &str| {
        python(&[
            &repository,
            &dir.path().join(cache),
            &repository.join("1.root.json"),
            Path::new(target),
        ])
    };

    let output = run(&wanted.target, "cache");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "this test needs python3 with the package tuf (pip install tuf): {stderr}"
    );
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["bytes"], "1.0.0");
    assert_eq!(seen["length"], wanted.length);
    assert_eq!(
        seen["custom"]["lockstep"],
        serde_json::to_value(&wanted.details).unwrap()
    );

    // A delta is a target like every other.
    let output = run(&leads.target, "cache");
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["bytes"], leads.target);
    assert_eq!(
        seen["custom"]["lockstep-delta"],
        serde_json::to_value(&leads.details).unwrap()
    );

    // It refuses what we refuse: one byte of the list changed.
    let mut changed = targets.clone();
    let digit = changed.iter().rposition(u8::is_ascii_digit).unwrap();
    changed[digit] ^= 1;
    write(&repository.join("2.targets.json"), &changed);
    let output = run(&wanted.target, "another-cache");
    assert!(!output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("refused: "), "{stderr}");
}
