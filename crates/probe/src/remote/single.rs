//! Probes that ask one peer for one item.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{ItemName, Level, Value, Verdict};
use tokio::time::{Instant, timeout_at};

use super::words::clean;
use crate::probe::{Found, Look, Order, Probe};

/// One question to a peer.
pub(super) trait Check: fmt::Debug + Send + Sync + 'static {
    /// Asks once.
    fn ask(&self, asked: Asked) -> impl Future<Output = Result<Answer, Failure>> + Send;
}

/// When a question is asked, and until when the answer must be there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) at: Timestamp,
    pub(super) deadline: Instant,
}

impl Asked {
    /// Waits for a step of the way; one that is not done by the deadline is the peer's failure.
    pub(super) async fn in_time<T>(
        self,
        doing: String,
        step: impl Future<Output = Result<T, String>>,
    ) -> Result<T, Failure> {
        match timeout_at(self.deadline, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(why)) => Err(Failure::of_theirs(format!("{doing}: {why}"))),
            Err(_) => Err(Failure::of_theirs(format!("{doing}: no answer in time"))),
        }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    value: Value,
    verdict: Option<Verdict>,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    why: String,
    is_theirs: bool,
}

/// Longest words of a verdict, in bytes.
const LONGEST_WHY: usize = 1024;

impl Answer {
    pub(super) fn value(value: Value) -> Self {
        Self {
            value,
            verdict: None,
        }
    }

    pub(super) fn number(value: f64, unit: &str) -> Self {
        Self::value(Value::Number {
            value,
            unit: unit.into(),
        })
    }

    pub(super) fn took(time: Duration) -> Self {
        Self::number(time.as_secs_f64(), "s")
    }

    /// With words for people, though all is well.
    pub(super) fn saying(self, words: &str) -> Self {
        self.judged(Level::FINE, words)
    }

    /// An answer, but not the wanted one.
    pub(super) fn but(self, why: &str) -> Self {
        self.judged(Level::CRITICAL, why)
    }

    fn judged(mut self, level: Level, why: &str) -> Self {
        let why = clean(why, LONGEST_WHY);
        self.verdict = Some(Verdict { level, why });
        self
    }
}

impl Failure {
    /// The peer's, or that of the way to it.
    pub(super) fn of_theirs(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_theirs: true,
        }
    }

    /// Of this host: nothing was learned of the peer.
    pub(super) fn of_ours(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_theirs: false,
        }
    }

    fn into_answer(self) -> Answer {
        let why = clean(&self.why, LONGEST_WHY);
        let answer = Answer::value(Value::None(why.clone()));
        if self.is_theirs {
            answer.but(&why)
        } else {
            // No value, and nothing to be said against the peer.
            answer.saying(&why)
        }
    }
}

/// The item of an entry, and how it is asked for.
#[derive(Debug)]
struct Single<C> {
    item: ItemName,
    timeout: Duration,
    check: C,
}

/// Makes a check the probe of an entry.
pub(super) fn single(order: &Order, check: impl Check) -> Result<Arc<dyn Probe>, String> {
    Ok(Arc::new(Single {
        item: ItemName::parse(order.name.as_str())?,
        timeout: order.timeout,
        check,
    }))
}

impl<C: Check> Probe for Single<C> {
    fn look(self: Arc<Self>, at: Timestamp) -> Look {
        Box::pin(async move {
            let began = Instant::now();
            let deadline = began + slightly_before(self.timeout);
            let ask = self.check.ask(Asked { at, deadline });
            // Checks watch the deadline themselves and say at which step it passed; this is the net below.
            let answer = match timeout_at(began + self.timeout, ask).await {
                Ok(answer) => answer.unwrap_or_else(Failure::into_answer),
                Err(_) => Failure::of_theirs("no answer in time").into_answer(),
            };
            let (value, verdict) = answer.into_parts();
            vec![Found {
                item: self.item.clone(),
                value,
                verdict,
            }]
        })
    }
}

impl Answer {
    pub(super) fn into_parts(self) -> (Value, Option<Verdict>) {
        (self.value, self.verdict)
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        failure.into_answer()
    }
}

/// When a look of this length gives up by itself: so much before the end that it can still say where it stood.
pub(crate) fn slightly_before(timeout: Duration) -> Duration {
    timeout.saturating_sub((timeout / 20).min(Duration::from_millis(250)))
}
