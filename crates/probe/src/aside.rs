//! Calls into the kernel that may never return.
//!
//! Each runs in a thread of its own, under a key. A call that misses its deadline is given up but cannot be ended:
//! its thread stays until the kernel lets go of it, and until then nothing else is called under that key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// Threads that may hang at the same time; more is a machine that cannot be helped by asking.
const MOST_THREADS: usize = 64;
/// Enough for a system call and its error; the default would reserve two megabytes of address space for each.
const STACK_BYTES: usize = 128 * 1024;

/// The calls that have not returned yet.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    calls: Mutex<HashMap<String, Call>>,
}

#[derive(Debug)]
struct Call {
    since: Timestamp,
    /// Set before the answer is handed over: who has it may ask again, though the thread is still on its way out.
    has_answered: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Call {
    /// A call that panicked has no answer, but its thread has ended.
    fn is_over(&self) -> bool {
        self.has_answered.load(Ordering::Acquire) || self.thread.is_finished()
    }
}

/// An answer that has been asked for.
#[derive(Debug)]
pub(crate) enum Pending<T> {
    Asked(oneshot::Receiver<T>),
    Not(String),
}

impl Aside {
    /// Begins a call, unless an earlier one under the same key has not returned.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        key: &str,
        now: Timestamp,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Pending<T> {
        let mut calls = self.calls();
        calls.retain(|_, call| !call.is_over());
        if let Some(hanging) = calls.get(key) {
            let since = hanging.since;
            return Pending::Not(format!(
                "no answer since {since:.0}; it is not asked again before that"
            ));
        }
        if calls.len() >= MOST_THREADS {
            return Pending::Not(format!("{MOST_THREADS} probes hang already"));
        }
        let (send, receive) = oneshot::channel();
        let has_answered = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&has_answered);
        let thread = Builder::new()
            .name("probe".into())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let answer = call();
                tell.store(true, Ordering::Release);
                // Nobody may be waiting any more: then it is too late, and the next sample asks again.
                let _ = send.send(answer);
            });
        match thread {
            Ok(thread) => {
                calls.insert(
                    key.into(),
                    Call {
                        since: now,
                        has_answered,
                        thread,
                    },
                );
                Pending::Asked(receive)
            }
            Err(error) => Pending::Not(format!("a thread could not be started: {error}")),
        }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<String, Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Pending<T> {
    /// Waits for the answer until the deadline; an error is why there is none.
    pub(crate) async fn answer(self, deadline: Instant) -> Result<T, String> {
        let receive = match self {
            Self::Asked(receive) => receive,
            Self::Not(why) => return Err(why),
        };
        match timeout_at(deadline, receive).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => {
                Err("the probe ended without an answer, which is a bug of the agent".into())
            }
            Err(_) => Err("no answer within the time limit".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn late() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// Waits until the thread under `key` has ended.
    fn join(aside: &Aside, key: &str) {
        let call = aside.calls().remove(key).unwrap();
        call.thread.join().unwrap();
    }

    #[tokio::test]
    async fn a_call_that_hangs_is_not_made_twice() {
        let aside = Aside::default();
        let (let_go, hangs) = mpsc::channel::<()>();
        let first = aside.ask("disk", at(60), move || hangs.recv().is_ok());
        assert_eq!(
            first.answer(soon()).await.unwrap_err(),
            "no answer within the time limit"
        );
        let second = aside.ask("disk", at(120), || panic!("asked again"));
        assert_eq!(
            second.answer(late()).await.unwrap_err(),
            "no answer since 1970-01-01T00:01:00Z; it is not asked again before that"
        );
        // Another key is not concerned, and the key itself is free once the call has returned.
        assert_eq!(
            aside.ask("other", at(120), || 1).answer(late()).await,
            Ok(1)
        );
        let_go.send(()).unwrap();
        join(&aside, "disk");
        assert_eq!(aside.ask("disk", at(180), || 2).answer(late()).await, Ok(2));
    }

    #[tokio::test]
    async fn who_has_an_answer_may_ask_again_at_once() {
        let aside = Aside::default();
        for n in 0..1000 {
            assert_eq!(
                aside.ask("disk", at(0), move || n).answer(late()).await,
                Ok(n)
            );
        }
    }

    #[tokio::test]
    async fn threads_are_bounded() {
        let aside = Aside::default();
        let mut hold = Vec::new();
        for n in 0..MOST_THREADS {
            let (let_go, hangs) = mpsc::channel::<()>();
            let pending = aside.ask(&n.to_string(), at(0), move || hangs.recv().is_ok());
            assert!(matches!(pending, Pending::Asked(_)));
            hold.push(let_go);
        }
        let one_more = aside.ask("one more", at(0), || ());
        assert_eq!(
            one_more.answer(late()).await.unwrap_err(),
            "64 probes hang already"
        );
    }

    #[tokio::test]
    async fn a_call_that_panics_is_an_error() {
        let pending = Aside::default().ask("bug", at(0), || -> u8 { panic!("on purpose") });
        assert!(
            pending
                .answer(late())
                .await
                .unwrap_err()
                .contains("bug of the agent")
        );
    }
}
