//! The pipe to Chromium: calls with their answers, and what happens besides.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{ChildStdin, ChildStdout};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use super::PATIENCE;
use super::start::Started;
use super::witness::Witness;

/// No message of Chromium is longer: a screenshot of a long page has some megabytes.
const LONGEST: u64 = 64 << 20;

/// Both ends of the pipe, and Chromium at the other.
#[derive(Debug)]
pub(super) struct Pipe {
    /// None once it is closed, which tells Chromium to end.
    writer: Mutex<Option<ChildStdin>>,
    heard: Arc<Heard>,
    next: AtomicU64,
    chromium: Mutex<Started>,
    pid: u32,
}

#[derive(Debug, Default)]
struct Heard {
    state: Mutex<State>,
    changed: Condvar,
}

/// What Chromium said and nobody has taken yet.
#[derive(Debug, Default)]
struct State {
    answers: HashMap<u64, Value>,
    /// By the session of each page.
    witnesses: HashMap<String, Witness>,
    ended: bool,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until<T>(
        &self,
        patience: Duration,
        mut ready: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            if let Some(found) = ready(&mut state) {
                return Some(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || state.ended {
                return None;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn listen(&self, from: ChildStdout) {
        let mut from = BufReader::new(from);
        let mut message = Vec::new();
        loop {
            message.clear();
            let read = from.by_ref().take(LONGEST).read_until(0, &mut message);
            if !read.is_ok_and(|read| read > 0) || message.pop() != Some(0) {
                break;
            }
            let Ok(message) = serde_json::from_slice::<Value>(&message) else {
                break;
            };
            self.hear(message);
            self.changed.notify_all();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn hear(&self, message: Value) {
        let mut state = self.lock();
        if let Some(id) = message.get("id").and_then(Value::as_u64) {
            state.answers.insert(id, message);
            return;
        }
        let session = message.get("sessionId").and_then(Value::as_str);
        let method = message.get("method").and_then(Value::as_str);
        if let (Some(session), Some(method)) = (session, method)
            && let Some(witness) = state.witnesses.get_mut(session)
        {
            witness.hear(method, &message["params"]);
        }
    }
}

impl Pipe {
    pub(super) fn new(mut chromium: Started) -> Self {
        let heard = Arc::new(Heard::default());
        if let Some(stdout) = chromium.child.stdout.take() {
            let heard = heard.clone();
            std::thread::spawn(move || heard.listen(stdout));
        }
        Self {
            writer: Mutex::new(chromium.child.stdin.take()),
            heard,
            next: AtomicU64::new(1),
            pid: chromium.child.id(),
            chromium: Mutex::new(chromium),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Calls a method, of the browser or of one page, and waits for its result.
    pub(super) fn call(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> anyhow::Result<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = serde_json::to_vec(&message)?;
        bytes.push(0);
        if let Some(writer) = &mut *self.writer.lock().unwrap_or_else(PoisonError::into_inner) {
            writer
                .write_all(&bytes)
                .with_context(|| format!("{method}: Chromium does not listen; {}", self.log()))?;
        }
        let answer = self
            .heard
            .wait_until(PATIENCE, |state| state.answers.remove(&id));
        let Some(mut answer) = answer else {
            bail!("{method}: no answer of Chromium; {}", self.log());
        };
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer["result"].take())
    }

    /// Notes from now on what happens in a page, visited at this origin.
    pub(super) fn watch(&self, session: &str, origin: &str) {
        let witness = Witness::new(origin);
        self.heard
            .lock()
            .witnesses
            .insert(session.to_owned(), witness);
    }

    /// Looks at what has happened in a page, or takes of it.
    pub(super) fn witness<T>(
        &self,
        session: &str,
        look: impl FnOnce(&mut Witness) -> T,
    ) -> Option<T> {
        self.heard.lock().witnesses.get_mut(session).map(look)
    }

    /// Waits until something has happened in a page; false if it has not in time.
    pub(super) fn wait_until(
        &self,
        session: &str,
        mut happened: impl FnMut(&Witness) -> bool,
    ) -> bool {
        let ready = |state: &mut State| {
            let witness = state.witnesses.get(session)?;
            happened(witness).then_some(())
        };
        self.heard.wait_until(PATIENCE, ready).is_some()
    }

    /// The end of what Chromium wrote on its standard error, without the noise of a machine without a desktop.
    fn log(&self) -> String {
        let chromium = self.chromium.lock().unwrap_or_else(PoisonError::into_inner);
        let log = std::fs::read_to_string(chromium.directory.path().join("log"));
        let log = log.unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("dbus/")).collect();
        let from = lines.len().saturating_sub(20);
        format!("it wrote:\n{}", lines[from..].join("\n"))
    }
}

impl Drop for Pipe {
    /// Chromium ends when its pipe is closed. What is left of it in the end is killed, with its children.
    fn drop(&mut self) {
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.heard
            .wait_until(Duration::from_secs(5), |state| state.ended.then_some(()));
        let chromium = self
            .chromium
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = chromium.child.wait();
    }
}
