//! The client behind `lockstep repo-client`, on repositories that others might make: delegations, other key
//! rotations, odd names, no consistent snapshots.

use std::collections::BTreeMap;

use lockstep_trust::repo_client::{download, file_name, init, refresh};
use lockstep_trust::{Error, Result, Role, SigningKey};
use serde_json::{Value, json};

use crate::world::{Memory, Served, content, day, keys, signed};

/// A repository in the hands of a test: every field may be set, then it is signed and served.
struct Foreign {
    /// Signed parts by role.
    roles: BTreeMap<String, Value>,
    /// Who signs them.
    signers: BTreeMap<String, Vec<SigningKey>>,
    /// All versions of the root.
    roots: Vec<Vec<u8>>,
    metadata: Served,
    targets: Served,
    trusted: Memory,
    files: Memory,
}

impl Foreign {
    fn new() -> Self {
        let mut foreign = Self {
            roles: BTreeMap::new(),
            signers: BTreeMap::new(),
            roots: Vec::new(),
            metadata: Served::default(),
            targets: Served::default(),
            trusted: Memory::default(),
            files: Memory::default(),
        };
        let (mut listed, mut roles) = (json!({}), json!({}));
        for role in ["root", "timestamp", "snapshot", "targets"] {
            let [key] = keys();
            listed[key.id()] = key.public();
            roles[role] = json!({ "keyids": [key.id()], "threshold": 1 });
            foreign.signers.insert(role.into(), vec![key]);
            foreign.roles.insert(role.into(), blank(role, 1));
        }
        foreign.role("root")["keys"] = listed;
        foreign.role("root")["roles"] = roles;
        foreign.role("root")["consistent_snapshot"] = true.into();
        foreign.role("targets")["targets"] = json!({});
        foreign.publish(&["root", "targets"]);
        foreign.init();
        foreign
    }

    fn role(&mut self, role: &str) -> &mut Value {
        self.roles.get_mut(role).unwrap()
    }

    fn init(&self) {
        init(&self.trusted, &self.roots[0]).unwrap();
    }

    /// Signs and serves roles, and a snapshot and timestamp that name them all.
    fn publish(&mut self, roles: &[&str]) {
        for role in roles {
            let bytes = self.seal(role);
            if *role == "root" {
                self.metadata
                    .put(format!("{}.root.json", self.roots.len() + 1), &bytes);
                self.roots.push(bytes);
            } else {
                let version = self.role(role)["version"].clone();
                self.role("snapshot")["meta"][format!("{role}.json")] =
                    json!({ "version": version });
            }
        }
        let snapshot = self.seal("snapshot");
        let version = self.role("snapshot")["version"].clone();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, &snapshot);
        self.role("timestamp")["meta"] = json!({
            "snapshot.json": { "version": version, "hashes": { "sha512": hex::encode(digest) } }
        });
        self.seal("timestamp");
    }

    /// Signs one role and serves it under its name.
    fn seal(&mut self, role: &str) -> Vec<u8> {
        let kind = match role {
            "root" => Role::Root,
            "timestamp" => Role::Timestamp,
            "snapshot" => Role::Snapshot,
            _ => Role::Targets,
        };
        let signers: Vec<&SigningKey> = self.signers[role].iter().collect();
        let bytes = signed(kind, &self.roles[role], &signers);
        let file = file_name(role) + ".json";
        let consistent = self.roles["root"]["consistent_snapshot"] == true;
        let name = match kind {
            Role::Root => return bytes,
            Role::Timestamp => file,
            _ if !consistent => file,
            _ => format!("{}.{}.json", self.roles[role]["version"], encoded(role)),
        };
        self.metadata.put(name, &bytes);
        bytes
    }

    /// Bumps, signs and serves.
    fn renew(&mut self, roles: &[&str]) {
        for role in roles.iter().chain(&["snapshot", "timestamp"]) {
            let next = self.role(role)["version"].as_u64().unwrap() + 1;
            self.role(role)["version"] = next.into();
        }
        self.publish(roles);
    }

    fn delegate(&mut self, from: &str, to: &str, paths: &[&str], terminating: bool) {
        if !self.roles.contains_key(to) {
            let mut role = blank("targets", 1);
            role["targets"] = json!({});
            self.roles.insert(to.into(), role);
            self.signers.insert(to.into(), Vec::new());
        }
        let [key] = keys();
        let delegations = &mut self.role(from)["delegations"];
        if delegations.is_null() {
            *delegations = json!({ "keys": {}, "roles": [] });
        }
        delegations["keys"][key.id()] = key.public();
        delegations["roles"].as_array_mut().unwrap().push(json!({
            "name": to, "keyids": [key.id()], "threshold": 1,
            "terminating": terminating, "paths": paths,
        }));
        self.signers.get_mut(to).unwrap().push(key);
    }

    fn add(&mut self, role: &str, path: &str, bytes: &[u8]) {
        let digest = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes));
        self.role(role)["targets"][path] =
            json!({ "length": bytes.len(), "hashes": { "sha256": digest } });
        let prefixed = match path.rsplit_once('/') {
            Some((dir, file)) => format!("{dir}/{digest}.{file}"),
            None => format!("{digest}.{path}"),
        };
        self.targets.put(prefixed, bytes);
        self.targets.put(path, bytes);
    }

    async fn refresh(&self, now: i64) -> Result<()> {
        refresh(&self.trusted, &self.metadata, day(now)).await
    }

    async fn download(&self, path: &str, now: i64) -> Result<()> {
        let paths = [path.to_owned()];
        download(
            &self.trusted,
            &self.metadata,
            &self.targets,
            &self.files,
            &paths,
            day(now),
        )
        .await
    }

    fn trusted_version(&self, role: &str) -> Option<u64> {
        let bytes = self.trusted.get(&format!("{role}.json"))?;
        content(&bytes)["version"].as_u64()
    }
}

fn blank(kind: &str, version: u64) -> Value {
    json!({
        "_type": kind, "spec_version": "1.0.31", "version": version,
        "expires": day(30).to_string(), "meta": {},
    })
}

fn encoded(role: &str) -> String {
    file_name(role).replace("%2E", ".")
}

#[tokio::test]
async fn init_and_refresh_ask_in_order_and_keep_bytes_as_served() {
    let mut foreign = Foreign::new();
    foreign.refresh(1).await.unwrap();
    assert_eq!(
        foreign.metadata.requests(),
        [
            "2.root.json",
            "timestamp.json",
            "1.snapshot.json",
            "1.targets.json"
        ]
    );
    assert_eq!(
        foreign.trusted.names(),
        [
            "root.json",
            "snapshot.json",
            "targets.json",
            "timestamp.json"
        ]
    );
    for role in ["snapshot", "targets", "timestamp"] {
        let served = foreign.seal(role);
        assert_eq!(
            foreign.trusted.get(&format!("{role}.json")).unwrap(),
            served
        );
    }
}

#[tokio::test]
async fn an_initial_root_that_does_not_verify_asks_for_nothing() {
    let foreign = Foreign::new();
    let mut root: Value = serde_json::from_slice(&foreign.roots[0]).unwrap();
    root["signatures"][0]["sig"] = "ab".repeat(64).into();
    for broken in [
        root.to_string(),
        foreign.roots[0].escape_ascii().to_string(),
    ] {
        assert!(init(&foreign.trusted, broken.as_bytes()).is_err());
        foreign.trusted.put("root.json", broken.as_bytes());
        foreign.refresh(1).await.unwrap_err();
        assert!(foreign.metadata.requests().is_empty());
    }
}

#[tokio::test]
async fn a_timestamp_with_the_same_version_is_not_taken() {
    let mut foreign = Foreign::new();
    foreign.refresh(1).await.unwrap();
    let before = foreign.trusted.get("timestamp.json").unwrap();
    foreign.role("timestamp")["meta"]["snapshot.json"]["version"] = 100.into();
    foreign.seal("timestamp");
    foreign.refresh(1).await.unwrap();
    assert_eq!(foreign.trusted.get("timestamp.json").unwrap(), before);
}

#[tokio::test]
async fn unknown_fields_are_signed_fields() {
    let mut foreign = Foreign::new();
    let key = foreign.signers["root"][0].id().to_owned();
    foreign.role("root")["version"] = 2.into();
    foreign.role("root")["custom-field"] = json!({ "b": [1, null, true], "a": "ä\"\\" });
    foreign.role("root")["keys"][&key]["extra-field"] = json!({ "a": 1 });
    foreign.role("root")["roles"]["root"]["another"] = "value".into();
    foreign.publish(&["root"]);
    foreign.refresh(1).await.unwrap();
    assert_eq!(foreign.trusted_version("root"), Some(2));
}

#[tokio::test]
async fn a_snapshot_of_another_version_than_named_leaves_only_the_timestamp() {
    let mut foreign = Foreign::new();
    foreign.role("snapshot")["version"] = 2.into();
    foreign.role("timestamp")["meta"]["snapshot.json"] = json!({ "version": 1 });
    let snapshot = foreign.seal("snapshot");
    foreign.seal("timestamp");
    foreign.metadata.put("1.snapshot.json", &snapshot);
    foreign.refresh(1).await.unwrap_err();
    assert_eq!(foreign.trusted.names(), ["root.json", "timestamp.json"]);
}

#[tokio::test]
async fn expired_metadata_on_this_side_does_not_hinder_an_update() {
    let mut foreign = Foreign::new();
    foreign.role("timestamp")["expires"] = day(7).to_string().into();
    foreign.publish(&[]);
    foreign.refresh(0).await.unwrap();
    foreign.role("timestamp")["expires"] = day(21).to_string().into();
    foreign.renew(&["targets"]);
    foreign.refresh(18).await.unwrap();
    for role in ["targets", "snapshot", "timestamp"] {
        assert_eq!(foreign.trusted_version(role), Some(2), "{role}");
    }
}

#[tokio::test]
async fn a_repository_without_consistent_snapshots() {
    let mut foreign = Foreign::new();
    foreign.role("root")["version"] = 2.into();
    foreign.role("root")["consistent_snapshot"] = false.into();
    foreign.add("targets", "a/file", b"bytes");
    foreign.publish(&["root", "targets"]);
    foreign.download("a/file", 1).await.unwrap();
    assert_eq!(
        foreign.metadata.requests(),
        [
            "2.root.json",
            "3.root.json",
            "timestamp.json",
            "snapshot.json",
            "targets.json"
        ]
    );
    assert_eq!(foreign.targets.requests(), ["a/file"]);
}

/// Keys by number, threshold, signers by number, and whether the client goes along.
type RootStep = (&'static [usize], u64, &'static [usize], bool);

#[tokio::test]
async fn rotations_of_root_keys() {
    const ALL: &[usize] = &[0, 1, 2, 3, 4];
    let cases: &[&[RootStep]] = &[
        &[
            (&[1], 1, &[1], true),
            (&[2], 1, &[2, 1], true),
            (&[2], 1, &[2], true),
        ],
        &[
            (&[1], 1, &[3, 1, 4], true),
            (&[2], 1, &[3, 2, 1, 4], true),
            (&[2], 1, &[3, 2, 4], true),
        ],
        &[
            (ALL, 3, &[0, 2, 4], true),
            (ALL, 3, &[0, 4, 1], true),
            (ALL, 3, &[0, 1, 3], true),
        ],
        &[
            (ALL, 3, &[0, 2, 4], true),
            (&[0, 1, 3, 4, 5], 3, &[0, 4, 1], true),
        ],
        &[
            (ALL, 3, &[0, 2, 4], true),
            (&[5, 6, 7, 8, 9], 3, &[0, 2, 4, 5, 6, 7], true),
            (&[5, 6, 7, 8, 9], 3, &[5, 6, 7], true),
        ],
        &[(&[1, 2, 3], 1, &[1], true), (&[1, 2, 3], 2, &[1, 2], true)],
        &[
            (&[1, 2, 3], 2, &[1, 2], true),
            (&[1, 2, 3], 1, &[1, 2], true),
            (&[1, 2, 3], 1, &[1], true),
        ],
        &[(&[1], 1, &[1], true), (&[2], 1, &[2, 3, 4], false)],
        &[(&[1], 1, &[1], true), (&[2], 1, &[1, 3, 4], false)],
        &[
            (ALL, 3, &[0, 2, 4], true),
            (&[0, 1, 3, 4, 5], 3, &[0, 2, 4], false),
        ],
        &[
            (ALL, 3, &[0, 2, 4], true),
            (&[0, 1, 3, 4, 5], 3, &[0, 4, 5], false),
        ],
        &[(&[1, 2, 3], 1, &[1], true), (&[1, 2, 3], 2, &[2], false)],
        &[(&[1, 2, 3], 2, &[1, 2], true), (&[1, 2, 3], 1, &[1], false)],
    ];
    for (number, steps) in cases.iter().enumerate() {
        let holders = keys::<10>();
        let mut foreign = Foreign::new();
        foreign.roots.clear();
        for (version, (ids, threshold, signers, _)) in (1..).zip(*steps) {
            let root = foreign.role("root");
            root["version"] = version.into();
            for &id in *ids {
                root["keys"][holders[id].id()] = holders[id].public();
            }
            let ids: Vec<_> = ids.iter().map(|&id| holders[id].id()).collect();
            root["roles"]["root"] = json!({ "keyids": ids, "threshold": threshold });
            let signers: Vec<&SigningKey> = signers.iter().map(|&id| &holders[id]).collect();
            let bytes = signed(Role::Root, root, &signers);
            foreign.metadata.put(format!("{version}.root.json"), &bytes);
            foreign.roots.push(bytes);
        }
        foreign.init();
        let good = steps.last().unwrap().3;
        assert_eq!(foreign.refresh(1).await.is_ok(), good, "case {number}");
        let last = foreign.roots.len() - if good { 1 } else { 2 };
        assert_eq!(
            foreign.trusted.get("root.json").unwrap(),
            foreign.roots[last],
            "case {number}"
        );
    }
}

#[tokio::test]
async fn thresholds_of_the_other_roles() {
    for role in ["timestamp", "snapshot", "targets"] {
        for (listed, threshold, signing, good) in [
            (&[0, 1, 2, 3, 4][..], 3, &[0, 2, 4][..], true),
            (&[0, 1, 2, 3, 4], 3, &[4, 1, 0], true),
            (&[0, 1, 3, 4, 5], 3, &[0, 2, 4], false),
            (&[0, 1, 3, 4, 5], 3, &[0, 4], false),
            (&[1], 1, &[3, 1, 4], true),
            (&[2], 1, &[1, 3, 4], false),
        ] {
            let mut foreign = Foreign::new();
            let holders = keys::<6>();
            let root = foreign.role("root");
            root["version"] = 2.into();
            for &id in listed {
                root["keys"][holders[id].id()] = holders[id].public();
            }
            let ids: Vec<_> = listed.iter().map(|&id| holders[id].id()).collect();
            root["roles"][role] = json!({ "keyids": ids, "threshold": threshold });
            let holders: Vec<_> = holders.into_iter().enumerate().collect();
            let signing = holders
                .into_iter()
                .filter(|(id, _)| signing.contains(id))
                .map(|(_, key)| key)
                .collect();
            foreign.signers.insert(role.into(), signing);
            foreign.publish(&["root", "targets"]);
            let done = foreign.refresh(1).await;
            assert_eq!(
                done.is_ok(),
                good,
                "{role} {listed:?} {threshold}: {done:?}"
            );
            assert_eq!(foreign.trusted_version(role), good.then_some(1), "{role}");
        }
    }
}

#[tokio::test]
async fn ids_without_keys_and_keys_of_unknown_kinds_are_no_signers() {
    let mut foreign = Foreign::new();
    let root = foreign.role("root");
    root["version"] = 2.into();
    root["keys"]["odd"] = json!({ "keytype": "x", "scheme": "y", "keyval": { "public": "z" } });
    let ids = root["roles"]["snapshot"]["keyids"].as_array_mut().unwrap();
    ids.extend(["odd".into(), "nobody".into()]);
    foreign.publish(&["root"]);
    foreign.refresh(1).await.unwrap();
    foreign.role("root")["version"] = 3.into();
    foreign.role("root")["roles"]["snapshot"]["threshold"] = 2.into();
    foreign.renew(&["targets"]);
    foreign.publish(&["root"]);
    assert!(matches!(
        foreign.refresh(1).await,
        Err(Error::Threshold {
            found: 1,
            needed: 2,
            ..
        })
    ));
    assert_eq!(foreign.trusted_version("root"), Some(3));
    assert_eq!(foreign.trusted_version("snapshot"), Some(1));
}

/// From, to, terminating, paths.
type Edge = (&'static str, &'static str, bool, &'static [&'static str]);

#[tokio::test]
async fn delegations_are_searched_depth_first_in_their_order() {
    const ANY: &[&str] = &["*"];
    const PY: &[&str] = &["*.py"];
    let cases: &[(&[Edge], &[&str])] = &[
        (&[("targets", "A", false, ANY)], &["A"]),
        (
            &[
                ("targets", "A", false, ANY),
                ("targets", "B", false, ANY),
                ("B", "C", false, ANY),
            ],
            &["A", "B", "C"],
        ),
        (
            &[
                ("targets", "A", false, ANY),
                ("targets", "B", false, ANY),
                ("A", "C", false, ANY),
                ("A", "D", false, ANY),
            ],
            &["A", "C", "D", "B"],
        ),
        (
            &[
                ("targets", "A", false, ANY),
                ("targets", "B", false, ANY),
                ("A", "C", true, ANY),
                ("A", "D", false, ANY),
            ],
            &["A", "C"],
        ),
        (
            &[
                ("targets", "A", false, ANY),
                ("targets", "B", false, ANY),
                ("A", "C", true, ANY),
                ("C", "D", false, ANY),
            ],
            &["A", "C", "D"],
        ),
        (
            &[
                ("targets", "A", false, PY),
                ("targets", "B", false, ANY),
                ("A", "C", false, ANY),
            ],
            &["B"],
        ),
        (
            &[
                ("targets", "A", false, ANY),
                ("targets", "B", false, ANY),
                ("B", "C", false, ANY),
                ("C", "D", false, ANY),
                ("D", "B", false, ANY),
            ],
            &["A", "B", "C", "D"],
        ),
        (
            &[
                ("targets", "A", false, ANY),
                ("targets", "B", false, ANY),
                ("B", "C", false, ANY),
                ("A", "C", false, ANY),
            ],
            &["A", "C", "B"],
        ),
        (
            &[
                ("targets", "A", false, ANY),
                ("targets", "B", false, ANY),
                ("B", "C", false, ANY),
                ("A", "C", false, PY),
            ],
            &["A", "B", "C"],
        ),
    ];
    for (edges, order) in cases {
        let mut foreign = Foreign::new();
        for (from, to, terminating, paths) in *edges {
            foreign.delegate(from, to, paths, *terminating);
        }
        let roles: Vec<String> = foreign
            .roles
            .keys()
            .filter(|role| role.len() == 1 || *role == "targets")
            .cloned()
            .collect();
        let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
        foreign.publish(&roles);
        assert!(matches!(
            foreign.download("missing", 1).await,
            Err(Error::UnknownTarget { .. })
        ));
        let expected: Vec<_> = order.iter().map(|role| format!("1.{role}.json")).collect();
        assert_eq!(foreign.metadata.requests()[4..], expected, "{edges:?}");
    }
}

#[tokio::test]
async fn a_role_speaks_only_for_the_paths_that_all_before_it_gave() {
    let mut foreign = Foreign::new();
    foreign.delegate("targets", "A", &["*.doc", "*.md"], false);
    foreign.delegate("targets", "B", &["releases/*/*"], false);
    foreign.delegate("B", "C", &["releases/x/*"], false);
    foreign.delegate("B", "D", &["releases/y/*.zip"], false);
    for (role, path) in [
        ("targets", "targetfile"),
        ("A", "README.md"),
        ("C", "releases/x/x_v1"),
        ("D", "releases/y/y_v1.zip"),
        ("D", "releases/z/z_v1.zip"),
    ] {
        foreign.add(role, path, format!("{path} by {role}").as_bytes());
    }
    foreign.publish(&["A", "B", "C", "D", "targets"]);
    for (path, role) in [
        ("targetfile", "targets"),
        ("README.md", "A"),
        ("releases/x/x_v1", "C"),
        ("releases/y/y_v1.zip", "D"),
    ] {
        foreign.download(path, 1).await.unwrap();
        assert_eq!(
            foreign.files.get(&file_name(path)).unwrap(),
            format!("{path} by {role}").as_bytes()
        );
    }
    assert!(matches!(
        foreign.download("releases/z/z_v1.zip", 1).await,
        Err(Error::UnknownTarget { .. })
    ));
}

#[tokio::test]
async fn a_delegated_role_is_signed_by_whoever_the_delegator_names() {
    let mut foreign = Foreign::new();
    foreign.delegate("targets", "A", &["*"], false);
    foreign.add("A", "file", b"bytes");
    foreign.signers.insert("A".into(), keys::<1>().into());
    foreign.publish(&["A", "targets"]);
    assert!(matches!(
        foreign.download("file", 1).await,
        Err(Error::Threshold { .. })
    ));
    assert!(foreign.trusted.get("A.json").is_none());
}

#[tokio::test]
async fn a_delegated_role_expires_and_is_renewed() {
    let mut foreign = Foreign::new();
    foreign.delegate("targets", "A", &["a/*"], false);
    foreign.role("A")["expires"] = day(7).to_string().into();
    foreign.add("A", "a/first", b"first");
    foreign.add("A", "a/second", b"second");
    foreign.publish(&["A", "targets"]);
    foreign.download("a/first", 0).await.unwrap();
    // Known already: not asked for again.
    foreign.metadata.requests();
    foreign.download("a/second", 1).await.unwrap();
    assert_eq!(
        foreign.metadata.requests(),
        ["2.root.json", "timestamp.json"]
    );
    assert!(matches!(
        foreign.download("a/second", 18).await,
        Err(Error::Expired { .. })
    ));
    foreign.role("A")["expires"] = day(21).to_string().into();
    foreign.renew(&["A"]);
    foreign.download("a/second", 18).await.unwrap();
}

#[tokio::test]
async fn odd_role_names_stay_in_their_directory() {
    for role in ["?", "#", "/delegated", "../delegated"] {
        let mut foreign = Foreign::new();
        foreign.delegate("targets", role, &["*"], false);
        foreign.publish(&[role, "targets"]);
        foreign.download("missing", 1).await.unwrap_err();
        assert!(
            foreign
                .metadata
                .requests()
                .contains(&format!("1.{}.json", encoded(role))),
            "{role}"
        );
        assert_eq!(foreign.trusted.names().len(), 5);
        assert!(
            foreign
                .trusted
                .names()
                .iter()
                .all(|name| !name.contains('/'))
        );
    }
    // Names of top-level roles are nobody's to delegate.
    let mut foreign = Foreign::new();
    foreign.delegate("targets", "A", &["*"], false);
    let delegations = &mut foreign.role("targets")["delegations"];
    delegations["roles"][0]["name"] = "root".into();
    foreign.publish(&["targets"]);
    foreign.download("missing", 1).await.unwrap_err();
    assert_eq!(foreign.trusted.get("root.json").unwrap(), foreign.roots[0]);
}

#[tokio::test]
async fn a_search_does_not_go_on_for_ever() {
    let mut foreign = Foreign::new();
    let names: Vec<String> = (0..40).map(|number| format!("role{number}")).collect();
    for name in &names {
        foreign.delegate("targets", name, &["*"], false);
    }
    let mut roles: Vec<&str> = names.iter().map(String::as_str).collect();
    roles.push("targets");
    foreign.publish(&roles);
    let error = foreign
        .download("missing", 1)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("more than 32 roles"), "{error}");
}

#[tokio::test]
async fn targets_are_verified_cached_and_replaced() {
    let mut foreign = Foreign::new();
    foreign.add("targets", "dir/file.txt", b"one");
    foreign.add("targets", "other", b"other");
    foreign.publish(&["targets"]);
    foreign.download("dir/file.txt", 1).await.unwrap();
    assert_eq!(foreign.files.names(), ["dir%2Ffile.txt"]);
    assert_eq!(foreign.targets.requests().len(), 1);

    // It is there already; substitutes are not even asked for.
    foreign.download("dir/file.txt", 1).await.unwrap();
    assert!(foreign.targets.requests().is_empty());
    let name = format!(
        "{}.other",
        hex::encode(aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA256,
            b"other"
        ))
    );
    for substitute in [&b"0ther"[..], b"malicious", b"o", b""] {
        foreign.targets.put(&name, substitute);
        foreign.download("other", 1).await.unwrap_err();
        assert_eq!(foreign.files.names(), ["dir%2Ffile.txt"]);
    }

    foreign.add("targets", "dir/file.txt", b"two, and longer");
    foreign.renew(&["targets"]);
    foreign.download("dir/file.txt", 1).await.unwrap();
    assert_eq!(
        foreign.files.get("dir%2Ffile.txt").unwrap(),
        b"two, and longer"
    );
}

#[tokio::test]
async fn hashes_of_other_kinds() {
    let mut foreign = Foreign::new();
    let digest = hex::encode(aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA512,
        b"bytes",
    ));
    foreign.role("targets")["targets"]["file"] =
        json!({ "length": 5, "hashes": { "sha512": digest } });
    foreign.role("targets")["targets"]["odd"] = json!({ "length": 5, "hashes": { "md5": "ab" } });
    foreign.targets.put(format!("{digest}.file"), b"bytes");
    foreign.targets.put("ab.odd", b"bytes");
    foreign.publish(&["targets"]);
    foreign.download("file", 1).await.unwrap();
    let error = foreign.download("odd", 1).await.unwrap_err().to_string();
    assert!(
        error.contains("no hash of it is of a kind that we know"),
        "{error}"
    );
}

#[test]
fn target_paths_become_plain_file_names() {
    assert_eq!(file_name("a/b c"), "a%2Fb%20c");
    assert_eq!(file_name(".."), "%2E.");
    assert_eq!(file_name("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd");
}
