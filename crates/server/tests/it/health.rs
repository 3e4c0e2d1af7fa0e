//! What hosts say when something is not well, the fleet file that says who is told, and a receiver that keeps what it
//! is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_model::alert::Notice;
use lockstep_model::api::operator::{AuditView, DeliveryView, FleetView, ProblemView};
use lockstep_model::api::{EventBatch, EventsStored, StoredEvent};
use lockstep_model::{
    ContentHash, Event, EventKind, ItemName, ItemState, Level, Outcome, PackageName, Phase, RunId,
    RunKind, RunRecord, Value,
};
use lockstep_net::client::CallError;

use crate::world::{Host, World, host, version};

pub(crate) fn item(name: &str) -> ItemName {
    ItemName::parse(name).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's file need not survive a power cut"
)]
pub(crate) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

impl World {
    /// Writes the fleet file and has it taken over.
    pub(crate) async fn fleet(&self, text: &str) -> FleetView {
        write(&self.config.fleet_file(), text);
        self.reload().await.unwrap()
    }

    pub(crate) async fn reload(&self) -> Result<FleetView, CallError> {
        self.operator
            .post_json("/api/v1/fleet/reload", &serde_json::json!({}))
            .await
    }

    /// Moves the clock, and does what it asks for.
    pub(crate) async fn pass(&self, seconds: u64) {
        self.driver.advance(Duration::from_secs(seconds));
        self.running.tick().await.unwrap();
    }

    pub(crate) async fn problems(&self) -> Vec<ProblemView> {
        self.operator.get_json("/api/v1/problems").await.unwrap()
    }

    /// The one problem that there is.
    pub(crate) async fn problem(&self) -> ProblemView {
        let mut problems = self.problems().await;
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    }

    /// The events that this question finds, newest first.
    pub(crate) async fn events(&self, question: &str) -> Vec<StoredEvent> {
        let path = format!("/api/v1/events?{question}");
        self.operator.get_json(&path).await.unwrap()
    }

    /// The deliveries, newest first.
    pub(crate) async fn deliveries(&self) -> Vec<DeliveryView> {
        self.operator.get_json("/api/v1/deliveries").await.unwrap()
    }

    /// True if somebody's doing stands in the audit trail in these words.
    pub(crate) async fn is_noted(&self, words: &str) -> bool {
        let audit: Vec<AuditView> = self.operator.get_json("/api/v1/audit").await.unwrap();
        audit.iter().any(|note| note.what.contains(words))
    }
}

/// An item's state since a moment ago.
pub(crate) fn state(world: &World, name: &str, level: Level) -> ItemState {
    ItemState {
        item: item(name),
        value: Value::Number {
            value: 96.0,
            unit: "%".into(),
        },
        level,
        since: world.now(),
        why: match level {
            Level::FINE => String::new(),
            _ => "96 % is above 95 %".into(),
        },
        no_data: false,
        flapping: false,
        pending: None,
    }
}

impl Host {
    /// Reports these items.
    pub(crate) async fn says(&self, world: &World, items: &[(&str, Level)]) {
        let mut report = self.report_of("1.0.0", true);
        let states = items.iter().map(|(name, level)| state(world, name, *level));
        report.items = states.collect();
        self.send(&report).await.unwrap();
    }

    /// An event of this host.
    pub(crate) fn event(&self, world: &World, number: u64, name: &str, to: Level) -> Event {
        Event {
            number,
            at: world.now(),
            host: self.name.clone(),
            item: item(name),
            kind: EventKind::Level,
            from: Level::FINE,
            to,
            value: Value::Text("it broke".into()),
            why: "it broke".into(),
        }
    }

    /// Sends events, and hears through which number all are stored.
    pub(crate) async fn send_events(
        &self,
        series: &str,
        events: Vec<Event>,
    ) -> Result<u64, CallError> {
        let batch = EventBatch {
            oldest: 0,
            series: series.into(),
            events,
        };
        let stored: EventsStored = self.client.post_json("/agent/v1/events", &batch).await?;
        Ok(stored.through)
    }
}

/// A run that begins now; its outcome and phase are to be changed by whoever sends it.
pub(crate) fn run(world: &World) -> RunRecord {
    RunRecord {
        id: RunId::new(world.now(), [7; 10]),
        kind: RunKind::Bundle,
        package: PackageName::lockstep(),
        from: Some((&version("1.0.0")).into()),
        to: Some((&version("1.1.0")).into()),
        hash: Some(ContentHash::from_digest([7; 32])),
        generation: 1,
        by: String::new(),
        phase: Phase::Apply,
        waits: None,
        lock: None,
        outcome: None,
        reason: None,
        started_at: world.now(),
        at: world.now(),
        log: String::new(),
        link: None,
    }
}

/// The same run, at its end.
pub(crate) fn ended(world: &World, run: &RunRecord, outcome: Outcome) -> RunRecord {
    RunRecord {
        phase: Phase::Done,
        outcome: Some(outcome),
        at: world.now(),
        ..run.clone()
    }
}

/// A receiver: a program that keeps each message that it takes.
pub(crate) struct Inbox {
    name: &'static str,
    directory: PathBuf,
}

impl Inbox {
    pub(crate) fn new(world: &World, name: &'static str) -> Self {
        let directory = world.dir.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        Self { name, directory }
    }

    /// Its way, for the fleet file: it keeps a message in a file of its own, unless it has to end otherwise.
    pub(crate) fn way(&self) -> String {
        let script = format!(
            "[ ! -e {0}/exit ] || exit $(cat {0}/exit); cat \\\"$LOCKSTEP_NOTICE_FILE\\\" > {0}/$$.part && mv {0}/$$.part {0}/$LOCKSTEP_ID.$$.json",
            self.directory.display()
        );
        format!("exec = [\"/bin/sh\", \"-c\", \"{script}\"]")
    }

    /// Itself, for the fleet file.
    pub(crate) fn receiver(&self) -> String {
        format!("[receiver.{}]\n{}\n", self.name, self.way())
    }

    /// From now on its program ends with this status: with 75 it asks to be tried again.
    pub(crate) fn fails_with(&self, status: u8) {
        write(&self.directory.join("exit"), &status.to_string());
    }

    pub(crate) fn works(&self) {
        std::fs::remove_file(self.directory.join("exit")).unwrap();
    }

    /// What it was told so far, in the order in which it was decided.
    pub(crate) fn told(&self) -> Vec<Notice> {
        let files = std::fs::read_dir(&self.directory).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let messages = paths.filter(|path| path.extension().is_some_and(|it| it == "json"));
        let mut notices: Vec<Notice> = messages
            .map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
            .collect();
        notices.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        notices
    }

    /// The same in short: what is said of which item at each place.
    pub(crate) fn heard(&self) -> Vec<String> {
        let entries = self.told().into_iter().flat_map(|notice| notice.entries);
        let said = entries.map(|it| format!("{} {} {}", it.kind.as_str(), it.host, it.item));
        said.collect()
    }
}

/// Who is told of what in most tests: one receiver of everything that is sick, without much waiting.
pub(crate) fn all_to(inbox: &Inbox) -> String {
    format!(
        "[alerts]\nwait = \"10s\"\ninterval = \"1m\"\nsettle = \"1m\"\nrepeat = \"7d\"\n\
         {}[alert.all]\nto = \"{}\"\n",
        inbox.receiver(),
        inbox.name
    )
}

/// A world with one host, and a receiver who is told of everything.
pub(crate) async fn told_world() -> (World, Host, Inbox) {
    let world = World::start().await;
    let inbox = Inbox::new(&world, "ops");
    world.fleet(&all_to(&inbox)).await;
    let web1 = world.enroll("web1").await;
    (world, web1, inbox)
}

/// The names of hosts in a list of events, with the levels that they went to, oldest first.
pub(crate) fn levels(events: &[StoredEvent]) -> Vec<(String, Level)> {
    let oldest_first = events.iter().rev();
    oldest_first
        .map(|it| (it.event.host.to_string(), it.event.to))
        .collect()
}

/// As [`levels`] gives it.
pub(crate) fn at(name: &str, level: Level) -> (String, Level) {
    (host(name).to_string(), level)
}
