//! The walls of the house: which crate may use which, and which foreign names stay in one room.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The table of docs/architecture.md: each crate with those that it may use.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line
            .trim()
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        let [name, _, uses] = cells[..] else {
            return None;
        };
        let name = name.strip_prefix('`')?.strip_suffix('`')?;
        let uses = uses
            .strip_prefix("may use:")
            .or_else(|| (uses == "nothing of ours").then_some(""))?;
        let uses = uses
            .split(',')
            .map(|used| used.trim().trim_matches('`').to_owned());
        Some((
            name.to_owned(),
            uses.filter(|used| !used.is_empty()).collect(),
        ))
    });
    rows.collect()
}

fn manifests() -> Vec<(String, toml::Table)> {
    let dirs = std::fs::read_dir(root().join("crates")).unwrap();
    let read = |dir: std::fs::DirEntry| {
        let text = std::fs::read_to_string(dir.path().join("Cargo.toml")).unwrap();
        (
            dir.file_name().into_string().unwrap(),
            text.parse().unwrap(),
        )
    };
    dirs.map(|dir| read(dir.unwrap())).collect()
}

/// The names that a crate depends on for what it ships.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    dependencies
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

#[test]
fn each_crate_uses_only_those_that_the_architecture_names() {
    let allowed = allowed();
    let manifests = manifests();
    let known: BTreeSet<&String> = allowed.keys().collect();
    let there: BTreeSet<&String> = manifests.iter().map(|(name, _)| name).collect();
    assert_eq!(
        known, there,
        "docs/architecture.md names every crate, and no other"
    );
    for (name, manifest) in &manifests {
        let uses: BTreeSet<String> = dependencies(manifest)
            .iter()
            .filter_map(|used| used.strip_prefix("lockstep-"))
            .map(String::from)
            .collect();
        assert_eq!(
            uses, allowed[name],
            "what {name} uses, against docs/architecture.md"
        );
    }
}

#[test]
fn the_directions_have_no_circle() {
    let mut left = allowed();
    while !left.is_empty() {
        let free: Vec<String> = left
            .iter()
            .filter(|(_, uses)| uses.iter().all(|used| !left.contains_key(used)))
            .map(|(name, _)| name.clone())
            .collect();
        assert!(
            !free.is_empty(),
            "these use each other in a circle: {:?}",
            left.keys()
        );
        left.retain(|name, _| !free.contains(name));
    }
}

#[test]
fn foreign_names_stay_in_one_room() {
    let rooms: [(&str, &[&str]); 16] = [
        ("sqlx", &["store", "history"]),
        ("sigstore-tuf", &["trust"]),
        ("rcgen", &["trust"]),
        ("qbsdiff", &["trust"]),
        ("bzip2", &["trust"]),
        ("x509-parser", &["trust", "probe", "net"]),
        ("reqwest", &["net"]),
        ("tokio-rustls", &["net"]),
        ("procfs", &["probe"]),
        ("axum", &["server", "gateway"]),
        ("argon2", &["trust"]),
        ("lettre", &["notify"]),
        ("maud", &["pages"]),
        ("md-5", &["gateway"]),
        ("zip", &["gateway"]),
        ("snmp2", &["probe"]),
    ];
    for (name, manifest) in manifests() {
        let used = dependencies(&manifest);
        for (foreign, at_home) in rooms {
            assert!(
                !used.contains(foreign) || at_home.contains(&name.as_str()),
                "{name} uses {foreign}"
            );
        }
    }
}

#[test]
fn agent_and_server_never_see_each_other() {
    let allowed = allowed();
    let reach = |from: &str| {
        let mut seen = BTreeSet::from([from.to_owned()]);
        let mut next = vec![from.to_owned()];
        while let Some(name) = next.pop() {
            next.extend(
                allowed[&name]
                    .iter()
                    .filter(|used| seen.insert((*used).clone()))
                    .cloned(),
            );
        }
        seen
    };
    assert!(!reach("agent").contains("server") && !reach("server").contains("agent"));
    let pure = BTreeSet::from(["model".to_owned(), "plan".to_owned()]);
    assert_eq!(reach("plan"), pure, "decisions stand on words alone");
}
