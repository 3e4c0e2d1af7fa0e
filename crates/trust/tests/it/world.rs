//! A publisher, a server and a host in memory.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::io;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{
    Content, ContentHash, Delta, DeltaAlgorithm, DeltaDetails, DeltaEnd, PackageName, Platform,
    Release, ReleaseDetails, Version, target_path,
};
use lockstep_trust::author::{self, RootPlan, TargetsEdit};
use lockstep_trust::{
    Fetch, MetadataStore, PublicKey, Result, Role, SigningKey, TrustedRepository,
};

/// Midnight of the day with that number, counted from the world's first.
pub(crate) fn day(number: i64) -> Timestamp {
    let first: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    first + SignedDuration::from_hours(24 * number)
}

pub(crate) fn package() -> PackageName {
    PackageName::parse("lockstep").unwrap()
}

pub(crate) fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

/// A release whose bytes are its version.
pub(crate) fn release(text: &str) -> Release {
    let platform = Platform::parse("linux-x86_64").unwrap();
    let (package, version) = (package(), version(text));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    Release {
        target: target_path(&package, &version, &platform),
        length: text.len() as u64,
        hash: ContentHash::from_digest(digest.as_ref().try_into().unwrap()),
        details: ReleaseDetails {
            package,
            version,
            platform,
            unpacked_bytes: 1000,
            entries: 4,
            requires: Default::default(),
            content: Some(Content {
                hash: ContentHash::of(format!("archive of {text}").as_bytes()),
                length: 10_240,
            }),
        },
    }
}

/// A delta between two such releases; its bytes are its target's path.
pub(crate) fn delta(from: &str, to: &str) -> Delta {
    let end = |text: &str| DeltaEnd {
        version: version(text),
        content: release(text).details.content.unwrap(),
    };
    let details = DeltaDetails {
        package: package(),
        platform: release(to).details.platform,
        from: end(from),
        to: end(to),
        algorithm: DeltaAlgorithm::Bsdiff,
    };
    let target = details.target_path();
    Delta {
        details,
        length: target.len() as u64,
        hash: ContentHash::of(target.as_bytes()),
        target,
    }
}

pub(crate) fn keys<const N: usize>() -> [SigningKey; N] {
    std::array::from_fn(|_| SigningKey::generate().unwrap())
}

pub(crate) fn publics(keys: &[SigningKey]) -> Vec<PublicKey> {
    keys.iter().map(|key| key.public_key().clone()).collect()
}

/// Writes metadata of any content, signed.
pub(crate) fn signed(role: Role, content: &serde_json::Value, signers: &[&SigningKey]) -> Vec<u8> {
    let unsigned = serde_json::json!({ "signed": content, "signatures": [] });
    author::cosign(role, unsigned.to_string().as_bytes(), signers).unwrap()
}

/// The signed part of metadata.
pub(crate) fn content(bytes: &[u8]) -> serde_json::Value {
    let document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    document["signed"].clone()
}

/// A repository that answers from memory, and may lie.
#[derive(Clone, Default)]
pub(crate) struct Served {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Served {
    pub(crate) fn put(&self, name: impl Into<String>, bytes: &[u8]) {
        self.files.lock().unwrap().insert(name.into(), bytes.into());
    }

    pub(crate) fn remove(&self, name: &str) {
        self.files.lock().unwrap().remove(name).unwrap();
    }

    /// What was asked for since the last call, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

impl Fetch for Served {
    async fn fetch(
        &self,
        name: &str,
        max: usize,
    ) -> Result<Option<Vec<u8>>, Box<dyn StdError + Send + Sync>> {
        self.requests.lock().unwrap().push(name.into());
        let file = self.files.lock().unwrap().get(name).cloned();
        Ok(file.map(|mut bytes| {
            // As much as a fetcher may return that does not stop in time.
            bytes.truncate(max + 1);
            bytes
        }))
    }
}

/// A host's store. It can be cut off after a number of writes.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    writes_left: Arc<Mutex<Option<usize>>>,
}

impl Memory {
    pub(crate) fn fail_after(&self, writes: usize) {
        *self.writes_left.lock().unwrap() = Some(writes);
    }

    pub(crate) fn mend(&self) {
        *self.writes_left.lock().unwrap() = None;
    }

    pub(crate) fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.files.lock().unwrap().get(name).cloned()
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        self.files.lock().unwrap().insert(name.into(), bytes.into());
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.files.lock().unwrap().keys().cloned().collect()
    }

    /// The version that is stored of a role.
    pub(crate) fn version(&self, role: Role) -> Option<u64> {
        let bytes = self.get(&format!("{role}.json"))?;
        Some(lockstep_trust::stated(role, &bytes).unwrap().version)
    }
}

impl MetadataStore for Memory {
    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.get(name))
    }

    fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if let Some(left) = &mut *self.writes_left.lock().unwrap() {
            if *left == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *left -= 1;
        }
        self.put(name, bytes);
        Ok(())
    }
}

/// The publisher and the server together: they make metadata and serve it.
pub(crate) struct World {
    pub(crate) root_keys: [SigningKey; 3],
    pub(crate) targets_keys: [SigningKey; 2],
    pub(crate) snapshot_key: SigningKey,
    pub(crate) timestamp_key: SigningKey,
    pub(crate) plan: RootPlan,
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) targets: Vec<u8>,
    pub(crate) snapshot: Vec<u8>,
    pub(crate) timestamp: Vec<u8>,
    pub(crate) served: Served,
}

impl World {
    /// Roots need two signatures of three keys, lists one of two. Root and list are valid for a year, snapshot for
    /// 30 days, timestamp for 7, all from day 0. One release is listed.
    pub(crate) fn new() -> Self {
        let (root_keys, targets_keys) = (keys::<3>(), keys::<2>());
        let [snapshot_key, timestamp_key] = keys();
        let plan = RootPlan {
            root_keys: publics(&root_keys),
            root_threshold: 2,
            targets_keys: publics(&targets_keys),
            targets_threshold: 1,
            snapshot_key: snapshot_key.public_key().clone(),
            timestamp_key: timestamp_key.public_key().clone(),
            expires: day(365),
        };
        let root = author::new_root(&plan, &[&root_keys[0], &root_keys[2]]).unwrap();
        let targets = author::new_targets(day(365), &[&targets_keys[0]]).unwrap();
        let mut world = Self {
            root_keys,
            targets_keys,
            snapshot_key,
            timestamp_key,
            plan,
            roots: vec![root],
            targets,
            snapshot: Vec::new(),
            timestamp: Vec::new(),
            served: Served::default(),
        };
        world.publish(TargetsEdit::new().add(release("1.0.0")));
        world
    }

    pub(crate) fn root(&self) -> &[u8] {
        self.roots.last().unwrap()
    }

    /// The version of the newest metadata of a role.
    pub(crate) fn version(&self, role: Role) -> u64 {
        let bytes = match role {
            Role::Root => self.root(),
            Role::Timestamp => &self.timestamp,
            Role::Snapshot => &self.snapshot,
            Role::Targets => &self.targets,
        };
        match bytes {
            [] => 0,
            bytes => lockstep_trust::stated(role, bytes).unwrap().version,
        }
    }

    /// Signs a change of the list, and serves it.
    pub(crate) fn publish(&mut self, edit: TargetsEdit) {
        self.targets =
            author::next_targets(&self.targets, &edit, day(365), &[&self.targets_keys[0]]).unwrap();
        self.resign();
    }

    /// The server's part: a new snapshot and timestamp over what there is, valid from day 0.
    pub(crate) fn resign(&mut self) {
        self.resign_until(day(30), day(7));
    }

    pub(crate) fn resign_until(
        &mut self,
        snapshot_expires: Timestamp,
        timestamp_expires: Timestamp,
    ) {
        let next = self.version(Role::Snapshot) + 1;
        self.snapshot =
            author::snapshot(&self.targets, next, snapshot_expires, &self.snapshot_key).unwrap();
        self.restamp(timestamp_expires);
    }

    /// A new timestamp alone.
    pub(crate) fn restamp(&mut self, expires: Timestamp) {
        let next = self.version(Role::Timestamp) + 1;
        self.timestamp =
            author::timestamp(&self.snapshot, next, expires, &self.timestamp_key).unwrap();
        self.serve();
    }

    /// The next root, by the plan as it is now.
    pub(crate) fn rotate(&mut self, signers: &[&SigningKey]) {
        let next = author::next_root(self.root(), &self.plan, signers).unwrap();
        self.roots.push(next);
        self.serve();
    }

    pub(crate) fn serve(&self) {
        for (number, root) in self.roots.iter().enumerate() {
            self.served
                .put(Role::Root.file_name(number as u64 + 1), root);
        }
        for (role, bytes) in [
            (Role::Targets, &self.targets),
            (Role::Snapshot, &self.snapshot),
            (Role::Timestamp, &self.timestamp),
        ] {
            if !bytes.is_empty() {
                self.served.put(role.file_name(self.version(role)), bytes);
            }
        }
    }
}

/// A host that trusts the world's first root.
pub(crate) struct Host {
    pub(crate) memory: Memory,
    pub(crate) repository: TrustedRepository,
    served: Served,
}

impl Host {
    pub(crate) fn of(world: &World) -> Self {
        Self::with(world, Memory::default())
    }

    /// The program starts anew over the same store.
    pub(crate) fn with(world: &World, memory: Memory) -> Self {
        let repository =
            TrustedRepository::open(Box::new(memory.clone()), Some(&world.roots[0])).unwrap();
        Self {
            memory,
            repository,
            served: world.served.clone(),
        }
    }

    pub(crate) async fn refresh(&mut self, now: Timestamp) -> Result<()> {
        let served = self.served.clone();
        self.repository.refresh(&served, now).await
    }

    /// The refusal, in words.
    pub(crate) async fn refused(&mut self, now: Timestamp) -> String {
        self.refresh(now).await.unwrap_err().to_string()
    }
}
