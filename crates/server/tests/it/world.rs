//! A server, its operator, its publisher and its hosts, in one temporary directory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::operator::{
    CreatedToken, HostView, NewToken, OnlineKeys, Promote, RolloutView, SignedMetadata,
    StoredArtifact,
};
use lockstep_model::api::{
    AgentHeaders, Desired, EnrollAnswer, EnrollRequest, Facts, Installed, Report, ReportAnswer,
    RunStatus,
};
use lockstep_model::{
    BundleManifest, ChannelName, HostName, Interval, Outcome, PackageName, Phase, Platform, RunId,
    RunKind, RunReason, RunRecord, Strategy, Version, WaveSize,
};
use lockstep_net::client::{CallError, ClientSettings, HttpClient, Identity, Roots};
use lockstep_net::{Clock, ClockDriver};
use lockstep_server::{Listen, OperatorFile, Running, Server, ServerConfig};
use lockstep_trust::author::{self, RootPlan, TargetsEdit};
use lockstep_trust::bundle::{self, BuiltBundle};
use lockstep_trust::identity::HostKey;
use lockstep_trust::{PublicKey, SigningKey};
use tempfile::TempDir;

pub(crate) const START: &str = "2026-11-21T00:00:00Z";

pub(crate) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

pub(crate) fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

pub(crate) fn platform() -> Platform {
    Platform::parse("linux-x86_64").unwrap()
}

pub(crate) fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// A configuration for a server that tests start: free ports, and a decider that looks when it is told to.
pub(crate) fn config(data: &Path) -> ServerConfig {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    ServerConfig {
        data: data.into(),
        listen: Listen {
            agents: any,
            operators: any,
        },
        names: vec!["127.0.0.1".into()],
        decide: Interval::from_secs(60),
        rollout: Strategy {
            waves: vec![WaveSize::Count(1), WaveSize::ALL],
            bake: Interval::from_secs(60),
            ..Strategy::default()
        },
        ..ServerConfig::default()
    }
}

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) clock: Clock,
    pub(crate) driver: ClockDriver,
    pub(crate) config: ServerConfig,
    pub(crate) operator: HttpClient,
    pub(crate) operator_file: OperatorFile,
    /// The enrolment that the first start printed.
    pub(crate) first_token: CreatedToken,
    pub(crate) running: Running,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        Self::at(START.parse().unwrap(), change).await
    }

    /// A world whose clock stands at this moment.
    pub(crate) async fn at(now: Timestamp, change: impl FnOnce(&mut ServerConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(&dir.path().join("data"));
        change(&mut config);
        let (clock, driver) = Clock::driven(now);
        let running = Server::start(config.clone(), clock.clone()).await.unwrap();
        let first = running.first_start.clone().unwrap();
        let operator_file = read_operator_file(&first.operator_file);
        Self {
            operator: operator_client(&operator_file, &clock),
            first_token: first.enrolment,
            operator_file,
            dir,
            clock,
            driver,
            config,
            running,
        }
    }

    /// Stops the server and starts it again on the same data.
    pub(crate) async fn restart(self) -> Self {
        self.restart_after(Duration::ZERO).await
    }

    /// Stops the server, and starts it again on the same data when this time has passed.
    pub(crate) async fn restart_after(self, away: Duration) -> Self {
        self.running.stop().await;
        self.driver.advance(away);
        let running = Server::start(self.config.clone(), self.clock.clone())
            .await
            .unwrap();
        assert!(
            running.first_start.is_none(),
            "the second start is not the first"
        );
        let operator_file = read_operator_file(&running.operator_file);
        Self {
            operator: operator_client(&operator_file, &self.clock),
            operator_file,
            running,
            ..self
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A client of the agent API that believes this server, and shows `identity`.
    pub(crate) fn agent_client(&self, identity: Option<Identity>, version: &str) -> HttpClient {
        let roots = Roots::Ca(self.running.ca_pem.clone());
        let mut settings = ClientSettings::new(self.running.agent_url(), roots);
        settings.identity = identity;
        settings.headers = vec![(AgentHeaders::VERSION.into(), version.into())];
        HttpClient::new(settings, &self.clock).unwrap()
    }

    pub(crate) async fn token(&self, uses: u32, host: Option<HostName>) -> CreatedToken {
        let new = NewToken {
            uses,
            valid_for: Interval::from_secs(3600),
            host,
        };
        self.operator
            .post_json("/api/v1/tokens", &new)
            .await
            .unwrap()
    }

    /// Enrols a host with a token of its own.
    pub(crate) async fn enroll(&self, name: &str) -> Host {
        let token = self.token(1, None).await;
        let key = HostKey::generate(&host(name)).unwrap();
        let answer = self.enroll_with(name, &token.token, &key).await.unwrap();
        Host::new(self, name, key.key_pem, answer.certificate)
    }

    pub(crate) async fn enroll_with(
        &self,
        name: &str,
        token: &str,
        key: &HostKey,
    ) -> Result<EnrollAnswer, CallError> {
        let request = EnrollRequest {
            token: token.into(),
            csr: key.csr_pem.clone(),
            name: host(name),
            facts: facts(name),
        };
        let client = self.agent_client(None, "1.0.0");
        client.post_json("/agent/v1/enroll", &request).await
    }

    pub(crate) async fn promote(&self, to: &str) -> Result<RolloutView, CallError> {
        self.promote_suspect(to, false).await
    }

    /// Promotes a version, perhaps although it was found wanting.
    pub(crate) async fn promote_suspect(
        &self,
        to: &str,
        even_if_suspect: bool,
    ) -> Result<RolloutView, CallError> {
        let order = Promote {
            package: PackageName::lockstep(),
            version: version(to),
            channel: ChannelName::stable(),
            urgent: false,
            even_if_suspect,
        };
        self.operator.post_json("/api/v1/promote", &order).await
    }

    /// Lets the decider look, and reads a rollout.
    pub(crate) async fn rollout(&self, id: u64) -> RolloutView {
        self.running.tick().await.unwrap();
        let path = format!("/api/v1/rollouts/{id}");
        self.operator.get_json(&path).await.unwrap()
    }

    pub(crate) async fn view(&self, name: &str) -> HostView {
        let path = format!("/api/v1/hosts/{name}");
        self.operator.get_json(&path).await.unwrap()
    }

    /// The world of most tests: these hosts are enrolled and report 1.0.0, which is listed, together with 1.1.0,
    /// and promoted; its rollout is done.
    pub(crate) async fn settled(names: &[&str]) -> (Self, Publisher, Vec<Host>) {
        let world = Self::start().await;
        let mut publisher = Publisher::begin(&world).await;
        publisher.publish(&world, &["1.0.0", "1.1.0"]).await;
        let mut hosts = Vec::new();
        for name in names {
            let host = world.enroll(name).await;
            host.report("1.0.0", true).await.unwrap();
            hosts.push(host);
        }
        world.promote("1.0.0").await.unwrap();
        world.rollout(1).await;
        world.driver.advance(Duration::from_secs(61));
        for host in &hosts {
            host.report("1.0.0", true).await.unwrap();
        }
        let rollout = world.rollout(1).await;
        assert_eq!(rollout.state.as_str(), "done", "{}", rollout.why);
        (world, publisher, hosts)
    }
}

pub(crate) fn facts(name: &str) -> Facts {
    Facts {
        hostname: name.into(),
        os: "Debian GNU/Linux 12 (bookworm)".into(),
        kernel: "6.1.0".into(),
        platform: Some(platform()),
        gateway: None,
    }
}

fn read_operator_file(path: &PathBuf) -> OperatorFile {
    OperatorFile::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn operator_client(file: &OperatorFile, clock: &Clock) -> HttpClient {
    let mut settings = ClientSettings::new(&file.server, Roots::Ca(file.ca.clone()));
    settings.bearer = Some(file.token.clone());
    HttpClient::new(settings, clock).unwrap()
}

/// A host that a test plays.
pub(crate) struct Host {
    pub(crate) name: HostName,
    pub(crate) identity: Identity,
    pub(crate) client: HttpClient,
    clock: Clock,
}

impl Host {
    pub(crate) fn new(world: &World, name: &str, key_pem: String, cert_pem: String) -> Self {
        let identity = Identity { cert_pem, key_pem };
        Self {
            name: host(name),
            client: world.agent_client(Some(identity.clone()), "1.0.0"),
            identity,
            clock: world.clock.clone(),
        }
    }

    /// The same host, towards a server that was started again.
    pub(crate) fn at(&self, world: &World) -> Self {
        let Identity { cert_pem, key_pem } = self.identity.clone();
        Self::new(world, self.name.as_str(), key_pem, cert_pem)
    }

    pub(crate) fn report_of(&self, running: &str, proven: bool) -> Report {
        Report {
            at: self.clock.now(),
            boot_id: "boot-1".into(),
            installed: vec![Installed {
                package: PackageName::lockstep(),
                version: version(running),
                hash: None,
                previous: None,
                proven,
            }],
            items: Vec::new(),
            run: None,
            updates_enabled: true,
            generation: 0,
            skipped: Vec::new(),
            facts: facts(self.name.as_str()),
            watched: Vec::new(),
            work: None,
            work_refused: None,
            kept: Vec::new(),
            notes: lockstep_model::api::Notes::default(),
        }
    }

    pub(crate) async fn send(&self, report: &Report) -> Result<ReportAnswer, CallError> {
        self.client.post_json("/agent/v1/report", report).await
    }

    /// Reports that this version runs, proven or on probation.
    pub(crate) async fn report(
        &self,
        running: &str,
        proven: bool,
    ) -> Result<ReportAnswer, CallError> {
        self.send(&self.report_of(running, proven)).await
    }

    /// Reports this version, with a run under way to another.
    pub(crate) async fn report_running(&self, running: &str, desired: &Desired) -> ReportAnswer {
        let mut report = self.report_of(running, true);
        report.run = Some(RunStatus {
            id: RunId::new(self.clock.now(), [1; 10]),
            package: desired.package.clone(),
            to: Some((&desired.version).into()),
            phase: Phase::Apply,
        });
        self.send(&report).await.unwrap()
    }

    /// The one version that the server wants; none if it wants nothing.
    pub(crate) async fn wanted(&self, running: &str) -> Option<String> {
        let answer = self.report(running, true).await.unwrap();
        answer
            .desired
            .first()
            .map(|desired| desired.version.to_string())
    }

    /// Sends the end of a run to what was desired.
    pub(crate) async fn end_run(&self, desired: &Desired, outcome: Outcome) {
        let record = self.record(desired, outcome);
        self.send_run(&record).await.unwrap();
    }

    pub(crate) fn record(&self, desired: &Desired, outcome: Outcome) -> RunRecord {
        let now = self.clock.now();
        RunRecord {
            id: RunId::new(now, fastrand_ten()),
            kind: RunKind::Bundle,
            package: desired.package.clone(),
            from: Some((&version("1.0.0")).into()),
            to: Some((&desired.version).into()),
            hash: Some(desired.hash),
            generation: desired.generation,
            by: String::new(),
            phase: Phase::Done,
            waits: None,
            lock: None,
            outcome: Some(outcome),
            reason: outcome.blames_release().then(|| RunReason::WorkerExited {
                status: "exit status: 1".into(),
                after_s: 1.5,
            }),
            started_at: now,
            at: now,
            log: "panicked".into(),
            link: None,
        }
    }

    pub(crate) async fn send_run(&self, record: &RunRecord) -> Result<(), CallError> {
        self.client.post_json("/agent/v1/runs", record).await
    }
}

fn fastrand_ten() -> [u8; 10] {
    std::array::from_fn(|_| fastrand::u8(..))
}

/// Whoever signs releases.
pub(crate) struct Publisher {
    pub(crate) targets_key: SigningKey,
    pub(crate) root: Vec<u8>,
    pub(crate) targets: Vec<u8>,
    expires: Timestamp,
}

impl Publisher {
    /// Makes keys, and publishes a root and an empty list.
    pub(crate) async fn begin(world: &World) -> Self {
        let publisher = Self::prepare(world).await;
        publisher.send(world, true).await.unwrap();
        publisher
    }

    /// Makes keys, a root and an empty list, and publishes nothing.
    pub(crate) async fn prepare(world: &World) -> Self {
        let keys: OnlineKeys = world
            .operator
            .get_json("/api/v1/repo/online-keys")
            .await
            .unwrap();
        let (root_key, targets_key) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
        );
        let expires = world.now() + hours(24 * 365);
        let plan = RootPlan {
            root_keys: vec![root_key.public_key().clone()],
            root_threshold: 1,
            targets_keys: vec![targets_key.public_key().clone()],
            targets_threshold: 1,
            snapshot_key: PublicKey::from_json(&keys.snapshot).unwrap(),
            timestamp_key: PublicKey::from_json(&keys.timestamp).unwrap(),
            expires,
        };
        Self {
            root: author::new_root(&plan, &[&root_key]).unwrap(),
            targets: author::new_targets(expires, &[&targets_key]).unwrap(),
            targets_key,
            expires,
        }
    }

    pub(crate) async fn send(&self, world: &World, with_root: bool) -> Result<(), CallError> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let metadata = SignedMetadata {
            roots: if with_root {
                vec![text(&self.root)]
            } else {
                Vec::new()
            },
            targets: Some(text(&self.targets)),
        };
        world
            .operator
            .post_json("/api/v1/repo/metadata", &metadata)
            .await
    }

    /// Builds, uploads, lists and publishes these versions of the agent.
    pub(crate) async fn publish(&mut self, world: &World, versions: &[&str]) -> Vec<BuiltBundle> {
        let mut edit = TargetsEdit::new();
        let mut built = Vec::new();
        for version in versions {
            let (bundle, file) = build(world, version, b"#!/bin/sh\n");
            upload(world, &bundle, &file).await.unwrap();
            edit = edit.add(bundle.release());
            built.push(bundle);
        }
        self.edit(&edit);
        self.send(world, false).await.unwrap();
        built
    }

    pub(crate) fn edit(&mut self, edit: &TargetsEdit) {
        self.targets =
            author::next_targets(&self.targets, edit, self.expires, &[&self.targets_key]).unwrap();
    }
}

/// A bundle of one program with this content.
pub(crate) fn build(world: &World, version: &str, program: &[u8]) -> (BuiltBundle, PathBuf) {
    let tree = tempfile::tempdir_in(world.dir.path()).unwrap();
    std::fs::create_dir(tree.path().join("bin")).unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's file need not survive a power cut"
    )]
    std::fs::write(tree.path().join("bin/lockstep"), program).unwrap();
    let manifest =
        format!("package = \"lockstep\"\nversion = \"{version}\"\nplatform = \"linux-x86_64\"\n");
    let manifest = BundleManifest::parse(&manifest).unwrap();
    let path = world.dir.path().join(format!("lockstep-{version}.tar.zst"));
    let file = std::fs::File::create(&path).unwrap();
    let built = bundle::build(tree.path(), &manifest, file).unwrap();
    (built, path)
}

pub(crate) async fn upload(
    world: &World,
    built: &BuiltBundle,
    path: &Path,
) -> Result<StoredArtifact, CallError> {
    let file = tokio::fs::File::open(path).await.unwrap();
    let target = format!("/api/v1/artifacts/{}", built.hash);
    world.operator.put_file(&target, file, |_| {}).await
}

/// The problem's kind and status of a call that must have been refused.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, CallError>) -> (u16, String) {
    let error = outcome.expect_err("the call is refused");
    let problem = error
        .problem()
        .unwrap_or_else(|| panic!("no problem document: {error}"));
    assert_eq!(Some(problem.status), error.status());
    let kind = serde_json::to_value(problem.kind).unwrap();
    let kind = kind
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    (problem.status, kind)
}

/// As [`refused`], and the words.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(outcome: Result<T, CallError>) -> String {
    let error = outcome.expect_err("the call is refused");
    error
        .problem()
        .unwrap_or_else(|| panic!("no problem document: {error}"))
        .detail
        .clone()
}
