//! Questions to hosts: asked over the stream that the host holds open, answered by a request of the host.
//!
//! A question that nobody answers costs its asker the wait and nothing else. Only the host that was asked may answer,
//! once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockstep_model::HostName;
use lockstep_model::api::{Ask, Query, QueryAnswer};
use tokio::sync::oneshot;

use crate::hints::Hints;

/// Questions that are open at once on this server.
const MOST_OPEN: usize = 256;
/// How long a host has. It answers from a file of its own, in milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// The open questions.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    open: Mutex<HashMap<String, Open>>,
}

#[derive(Debug)]
struct Open {
    host: HostName,
    answer: oneshot::Sender<QueryAnswer>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// The host holds no stream open on this server, or none that takes a question.
    #[error("the host is not connected to this server")]
    NotConnected,
    /// It did not answer in time.
    #[error("the host did not answer within {} s", PATIENCE.as_secs())]
    TooLate,
    /// Others ask too much.
    #[error("{MOST_OPEN} questions are open already")]
    TooMany,
}

impl Queries {
    /// Asks a host and waits for its answer.
    pub(crate) async fn ask(
        &self,
        hints: &Hints,
        host: &HostName,
        ask: Ask,
    ) -> Result<QueryAnswer, NoAnswer> {
        let id = format!("{:032x}", fastrand::u128(..));
        let (answer, answered) = oneshot::channel();
        {
            let mut open = self.open();
            if open.len() >= MOST_OPEN {
                return Err(NoAnswer::TooMany);
            }
            let host = host.clone();
            open.insert(id.clone(), Open { host, answer });
        }
        let closing = Closing { queries: self, id };
        let query = Query {
            id: closing.id.clone(),
            ask,
        };
        if !hints.ask(host, &Arc::new(query)) {
            return Err(NoAnswer::NotConnected);
        }
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(NoAnswer::TooLate),
        }
    }

    /// Takes an answer in. False if no such question is open for that host.
    pub(crate) fn answer(&self, id: &str, host: &HostName, answer: QueryAnswer) -> bool {
        let mut open = self.open();
        if open.get(id).is_none_or(|open| open.host != *host) {
            return false;
        }
        match open.remove(id) {
            // Who asked may have gone away.
            Some(open) => open.answer.send(answer).is_ok(),
            None => false,
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a question whose asker no longer waits, for whatever reason.
struct Closing<'a> {
    queries: &'a Queries,
    id: String,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.queries.open().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::{HistoryQuery, ItemName, Span, View};

    use super::*;
    use crate::hints::Heard;

    fn host(name: &str) -> HostName {
        HostName::parse(name).unwrap()
    }

    fn ask() -> Ask {
        Ask::History(HistoryQuery {
            host: None,
            item: ItemName::parse("cpu_load").unwrap(),
            span: Span::View(View::Hour),
            points: None,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_host_that_was_asked_answers() {
        let (queries, hints) = (Queries::default(), Hints::new());
        let mut listening = hints.listen(&host("web1"));
        let answering = async {
            let Heard::Question(query) = listening.next(|| 1).await else {
                panic!("a query was expected");
            };
            let no = || QueryAnswer::Refused("no".into());
            assert!(!queries.answer(&query.id, &host("web2"), no()));
            assert!(!queries.answer("another", &host("web1"), no()));
            assert!(queries.answer(&query.id, &host("web1"), no()));
            assert!(!queries.answer(&query.id, &host("web1"), no()));
        };
        let web1 = host("web1");
        let (answer, ()) = tokio::join!(queries.ask(&hints, &web1, ask()), answering);
        assert_eq!(answer, Ok(QueryAnswer::Refused("no".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_does_not_answer_costs_its_asker_a_wait() {
        let (queries, hints) = (Queries::default(), Hints::new());
        let listening = hints.listen(&host("web1"));
        let answer = queries.ask(&hints, &host("web1"), ask()).await;
        assert_eq!(answer, Err(NoAnswer::TooLate));
        drop(listening);
        // Where nobody listens there is nothing to wait for.
        let answer = queries.ask(&hints, &host("web1"), ask()).await;
        assert_eq!(answer, Err(NoAnswer::NotConnected));
        assert!(queries.open().is_empty());
    }
}
