//! Orders for tests, and one look.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::process::{Output, Process, Signal, Spawn, signal};
use lockstep_model::{HostName, Level, Setting, Value};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::probe::{Found, Order, Probe, Target};

/// Long enough for a machine that is busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn order(name: &str) -> Order {
    Order::for_test(name).within(PATIENCE)
}

/// An order for a host without an agent.
pub(crate) fn watched(name: &str, address: &str) -> Order {
    let mut order = order(name);
    order.target = Some(Target {
        host: HostName::parse("device").unwrap(),
        address: address.into(),
        snmp: None,
    });
    order
}

impl Order {
    pub(crate) fn with(mut self, name: &str, setting: impl Into<Given>) -> Self {
        self.options.insert(name.into(), setting.into().0);
        self
    }

    pub(crate) fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

pub(crate) struct Given(Setting);

impl From<&str> for Given {
    fn from(text: &str) -> Self {
        Self(Setting::Text(text.into()))
    }
}
impl From<bool> for Given {
    fn from(flag: bool) -> Self {
        Self(Setting::Flag(flag))
    }
}
impl From<f64> for Given {
    fn from(number: f64) -> Self {
        Self(Setting::Number(number))
    }
}
impl From<&[&str]> for Given {
    fn from(list: &[&str]) -> Self {
        Self(Setting::List(
            list.iter().map(|text| (*text).into()).collect(),
        ))
    }
}

pub(crate) fn probe(order: &Order) -> Arc<dyn Probe> {
    super::find(order).unwrap().unwrap()
}

pub(crate) fn refusal(order: &Order) -> String {
    super::find(order).unwrap().unwrap_err()
}

pub(crate) fn now() -> Timestamp {
    lockstep_net::Clock::system().now()
}

/// Makes the probe and looks once for one item.
pub(crate) async fn look(order: &Order) -> Found {
    one(probe(order).look(now()).await)
}

pub(crate) fn one(mut found: Vec<Found>) -> Found {
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

impl Found {
    pub(crate) fn number(&self) -> f64 {
        match &self.value {
            Value::Number { value, .. } => *value,
            other => panic!("{}: {other:?}, {:?}", self.item, self.verdict),
        }
    }

    pub(crate) fn none(&self) -> &str {
        match &self.value {
            Value::None(why) => why,
            other => panic!("{}: {other:?}", self.item),
        }
    }

    pub(crate) fn level(&self) -> Option<Level> {
        self.verdict.as_ref().map(|verdict| verdict.level)
    }

    pub(crate) fn why(&self) -> &str {
        self.verdict.as_ref().map_or("", |verdict| &verdict.why)
    }
}

/// A program that serves until this is dropped.
pub(crate) struct Daemon {
    process: Process,
    dir: TempDir,
}

impl Daemon {
    /// Starts it; `{dir}` in arguments stands for the directory, whose files are made before.
    pub(crate) fn start(
        program: &str,
        args: &[&str],
        env: &[(&str, &str)],
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let output = File::create(dir.path().join("output")).unwrap();
        let place = dir.path().to_str().unwrap();
        let mut spawn = Spawn::new(program)
            .args(args.iter().map(|arg| arg.replace("{dir}", place)))
            .output(Output::File(output));
        for (name, value) in env {
            spawn = spawn.env(name, value.replace("{dir}", place));
        }
        let process = Process::spawn(spawn).unwrap_or_else(|error| {
            panic!("{program} is needed here, see scripts/parts: {error:?}")
        });
        Self { process, dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Waits until it has said something, and gives what finds something in its output.
    pub(crate) async fn said<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        let output = self.dir.path().join("output");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(&output).unwrap();
            if let Some(found) = find(&text) {
                return found;
            }
            assert!(Instant::now() < deadline, "it only says {text:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        signal(self.process.pid(), Signal::KILL).unwrap();
    }
}

/// Serves each connection in its own way, and gives the address.
pub(crate) async fn serve<F>(visit: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(visit(stream));
        }
    });
    address
}

/// An address at which nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}
