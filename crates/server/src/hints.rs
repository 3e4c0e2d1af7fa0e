//! Hints: "report now", and questions. A hint carries no truth, so losing one loses only time. They reach the agents
//! that hold a stream open on this server.
//!
//! Hints go to all streams, each of which picks its own. Questions come every second while somebody watches an item, so they go
//! to the streams of the one host that is asked.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_model::HostName;
use lockstep_model::api::Query;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Hints that a slow stream may fall behind; then it is told to report, which covers them all.
const BEHIND: usize = 64;
/// Questions that wait for one stream; more of them are lost.
const QUESTIONS: usize = 64;
/// Agents that are asked to report in one second at most, so that a hint to the fleet is not a stampede.
const PER_SECOND: u64 = 200;
/// However large the fleet, nobody is kept longer from a hint.
const LONGEST_SPREAD: Duration = Duration::from_secs(60);

/// What streams may be told.
#[derive(Debug, Clone)]
pub(crate) enum Hint {
    /// These hosts shall report.
    Report(Arc<HashSet<HostName>>),
    /// All hosts shall report.
    ReportAll {
        /// How many there are, about.
        hosts: u64,
    },
    /// The host was removed; its streams end.
    Gone(HostName),
}

/// The streams that listen for questions, by host, each with a number of its own.
type Askable = Arc<Mutex<HashMap<HostName, Vec<(u64, mpsc::Sender<Arc<Query>>)>>>>;

/// The place where hints are dropped and picked up.
#[derive(Debug, Clone)]
pub(crate) struct Hints {
    sender: broadcast::Sender<Hint>,
    askable: Askable,
}

impl Hints {
    pub(crate) fn new() -> Self {
        Self {
            sender: broadcast::Sender::new(BEHIND),
            askable: Askable::default(),
        }
    }

    /// Gives a hint to whoever listens.
    pub(crate) fn give(&self, hint: Hint) {
        // Nobody listening is no error: a hint may always be lost.
        let _ = self.sender.send(hint);
    }

    /// Asks these hosts to report.
    pub(crate) fn report(&self, hosts: HashSet<HostName>) {
        if !hosts.is_empty() {
            self.give(Hint::Report(Arc::new(hosts)));
        }
    }

    /// Asks a host something, over all its streams. False if none of them takes the question.
    pub(crate) fn ask(&self, host: &HostName, query: &Arc<Query>) -> bool {
        let askable = locked(&self.askable);
        let streams = askable.get(host).map_or(&[][..], Vec::as_slice);
        let sent = streams
            .iter()
            .filter(|(_, stream)| stream.try_send(Arc::clone(query)).is_ok());
        sent.count() > 0
    }

    /// Listens for a host, until that is dropped.
    pub(crate) fn listen(&self, host: &HostName) -> Ear {
        let (sender, questions) = mpsc::channel(QUESTIONS);
        let number = fastrand::u64(..);
        let mut askable = locked(&self.askable);
        let streams = askable.entry(host.clone()).or_default();
        streams.push((number, sender));
        drop(askable);
        Ear {
            host: host.clone(),
            number,
            askable: Arc::clone(&self.askable),
            hints: self.sender.subscribe(),
            questions,
            look_at: Instant::now() + LOOK,
            report_at: None,
        }
    }
}

fn locked<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often it is looked whether whoever listens still may.
pub(crate) const LOOK: Duration = Duration::from_secs(300);

/// Listens for one host.
#[derive(Debug)]
pub(crate) struct Ear {
    host: HostName,
    number: u64,
    askable: Askable,
    hints: broadcast::Receiver<Hint>,
    questions: mpsc::Receiver<Arc<Query>>,
    /// When it is looked again whether the host is one of ours; no hint puts that off.
    look_at: Instant,
    /// When the host passes on that it shall report, if it shall.
    report_at: Option<Instant>,
}

/// What is heard.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The host shall report now.
    Report,
    /// It is asked something.
    Question(Arc<Query>),
    /// It is time to look whether the host is still one of ours.
    Look,
    /// The host was removed, or nobody gives hints any more.
    End,
}

impl Ear {
    /// What comes next. While the host waits for its moment to report it can be asked, and what else it shall report for
    /// meanwhile is covered by that. `fleet` is how many hosts listen on this server.
    pub(crate) async fn next(&mut self, fleet: impl Fn() -> u64) -> Heard {
        loop {
            let report_at = self.report_at;
            let hint = tokio::select! {
                // In this order: questions come all the time, and nothing else must wait for a quiet moment.
                biased;
                () = tokio::time::sleep_until(self.look_at) => {
                    self.look_at = Instant::now() + LOOK;
                    return Heard::Look;
                }
                () = tokio::time::sleep_until(report_at.unwrap_or(self.look_at)), if report_at.is_some() => {
                    self.report_at = None;
                    return Heard::Report;
                }
                hint = self.hints.recv() => hint,
                Some(query) = self.questions.recv() => return Heard::Question(query),
            };
            let hosts = match hint {
                Ok(Hint::Gone(host)) if host == self.host => return Heard::End,
                Ok(Hint::Report(hosts)) if hosts.contains(&self.host) => hosts.len() as u64,
                Ok(Hint::ReportAll { hosts }) => hosts,
                Ok(Hint::Gone(_) | Hint::Report(_)) => continue,
                // It fell behind and does not know what it missed: reporting covers everything. All others may have fallen
                // behind with it.
                Err(RecvError::Lagged(_)) => fleet(),
                Err(RecvError::Closed) => return Heard::End,
            };
            let at = Instant::now() + moment(hosts, fastrand::u64(..));
            self.report_at = Some(report_at.map_or(at, |before| before.min(at)));
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let mut askable = locked(&self.askable);
        if let Some(streams) = askable.get_mut(&self.host) {
            streams.retain(|(number, _)| *number != self.number);
            if streams.is_empty() {
                askable.remove(&self.host);
            }
        }
    }
}

/// How long one of so many hosts waits before it passes the hint on; `random` is evenly spread over `u64`.
pub(crate) fn moment(hosts: u64, random: u64) -> Duration {
    let spread = Duration::from_millis(hosts.saturating_sub(1).saturating_mul(1000) / PER_SECOND)
        .min(LONGEST_SPREAD);
    spread.mul_f64(random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use lockstep_model::ItemName;
    use lockstep_model::api::{Ask, NowQuery};

    use super::*;

    fn host(name: &str) -> HostName {
        HostName::parse(name).unwrap()
    }

    fn question() -> Arc<Query> {
        let item = ItemName::parse("cpu_load").unwrap();
        Arc::new(Query {
            id: "1".into(),
            ask: Ask::Now(NowQuery { host: None, item }),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_reaches_the_host_that_is_asked_alone() {
        let hints = Hints::new();
        let (mut web1, mut again) = (hints.listen(&host("web1")), hints.listen(&host("web1")));
        let mut web2 = hints.listen(&host("web2"));
        // Far more than a stream may fall behind.
        for _ in 0..10 * BEHIND {
            assert!(hints.ask(&host("web1"), &question()) || web1.questions.len() == QUESTIONS);
        }
        assert!(!hints.ask(&host("web3"), &question()), "it does not listen");
        for ear in [&mut web1, &mut again] {
            assert!(matches!(ear.next(|| 1).await, Heard::Question(_)));
        }
        let began = Instant::now();
        assert!(matches!(web2.next(|| 1).await, Heard::Look), "of none");
        assert_eq!(began.elapsed(), LOOK);
        drop((web1, web2, again));
        assert!(locked(&hints.askable).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_moment_to_report_is_asked_meanwhile_and_reports_once() {
        let hints = Hints::new();
        let mut web1 = hints.listen(&host("web1"));
        let began = Instant::now();
        // The moments are by chance: of so many none is at once.
        hints.give(Hint::ReportAll { hosts: u64::MAX });
        hints.give(Hint::ReportAll { hosts: u64::MAX });
        hints.ask(&host("web1"), &question());
        assert!(matches!(web1.next(|| 1).await, Heard::Question(_)));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(matches!(web1.next(|| 1).await, Heard::Report));
        assert!(began.elapsed() <= LONGEST_SPREAD);
        assert!(matches!(web1.next(|| 1).await, Heard::Look), "once");
        hints.give(Hint::Gone(host("web1")));
        assert!(matches!(web1.next(|| 1).await, Heard::End));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fleet_that_fell_behind_does_not_report_at_once() {
        let hints = Hints::new();
        let mut ears: Vec<Ear> = (0..100).map(|_| hints.listen(&host("web1"))).collect();
        for _ in 0..2 * BEHIND {
            hints.give(Hint::Gone(host("db1")));
        }
        let began = Instant::now();
        let moments = join_all(ears.iter_mut().map(async |ear| {
            assert!(matches!(ear.next(|| 10_000).await, Heard::Report));
            began.elapsed()
        }));
        let moments = moments.await;
        // Each waits up to 50 s; all at once they are once in 10^100 times.
        assert!(moments.iter().any(|at| *at > Duration::from_secs(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_are_told_does_not_put_off_the_look() {
        let hints = Hints::new();
        let mut web1 = hints.listen(&host("web1"));
        let telling = async {
            loop {
                hints.report([host("db1")].into());
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let began = Instant::now();
        tokio::select! {
            heard = web1.next(|| 1) => assert!(matches!(heard, Heard::Look)),
            () = telling => {}
            () = tokio::time::sleep(LOOK * 2) => panic!("nobody looks"),
        }
        assert_eq!(began.elapsed(), LOOK);
    }

    #[test]
    fn one_host_is_asked_at_once_and_a_fleet_in_turn() {
        assert_eq!(moment(1, u64::MAX), Duration::ZERO);
        assert_eq!(moment(2_001, u64::MAX), Duration::from_secs(10));
        assert_eq!(moment(2_001, 0), Duration::ZERO);
        assert_eq!(moment(u64::MAX, u64::MAX), LONGEST_SPREAD);
    }
}
