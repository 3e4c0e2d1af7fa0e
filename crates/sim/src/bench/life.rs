//! The life of one agent: its connection, and its acts done over it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::{
    AgentHeaders, EventsStored, Query, QueryAnswer, RenewAnswer, RenewRequest, ReportAnswer,
    WorkAnswer,
};
use lockstep_model::{ProblemKind, Version};
use lockstep_net::client::CallError;
use lockstep_net::client::crowd::{Crowd, Face, Hints, Line};
use lockstep_net::{Backoff, Clock};
use lockstep_plan::schedule::{spread_retry, stable_hash};
use lockstep_trust::identity::{PeerIdentity, csr_for, renew_at};
use tokio::time::Instant;
use tracing::debug;

use super::Download;
use super::behaviour::{Act, Agent};
use super::book::Book;
use super::figures::Figures;

/// What all agents share when they speak.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) crowd: Arc<Crowd>,
    pub(super) addresses: Vec<SocketAddr>,
    /// So many local addresses are used in turn, if the server is on this machine.
    pub(super) sources: u32,
    pub(super) book: Arc<Book>,
    pub(super) figures: Arc<Figures>,
    pub(super) download: Download,
    pub(super) clock: Clock,
}

/// Bytes of a bundle that are fetched by those who fetch no bundles.
const A_LOOK: u64 = 64 * 1024;
/// An agent that has nothing to do for longer looks again after this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// After a certificate could not be renewed.
const RENEW_AGAIN: Duration = Duration::from_secs(600);

/// Connects, speaks and connects again, until it falls silent. It ends with its task.
pub(super) async fn live(mut agent: Agent, stage: Arc<Stage>, after: Duration) {
    tokio::time::sleep(after).await;
    stage.figures.carries(&agent.carried);
    let seed = stable_hash(&[agent.host.as_str()]);
    let mut backoff = Backoff::after_loss(agent.every(), seed);
    loop {
        // What is needed for a handshake is freed before the long wait that follows.
        match Box::pin(connect(&agent, &stage)).await {
            Ok((line, hints, renew)) => {
                stage.figures.connected();
                let mut talk = Talk {
                    agent: &mut agent,
                    stage: &stage,
                    line,
                    renew,
                    backoff: &mut backoff,
                    seed,
                };
                talk.go_on(hints).await;
                if agent.is_silent() {
                    return stage.figures.fell_silent();
                }
                stage.figures.hung_up();
                tokio::time::sleep(backoff.next_wait()).await;
            }
            Err((what, error)) => {
                debug!(agent = %agent.host, what, %error, "not connected");
                stage.figures.error(what, &error);
                let wait = match error.retry_after() {
                    Some(wait) => spread_retry(
                        wait,
                        seed ^ stage.clock.now().subsec_nanosecond().unsigned_abs() as u64,
                    ),
                    None => backoff.next_wait(),
                };
                tokio::time::sleep(wait).await;
            }
        }
    }
}

type NotConnected = (&'static str, CallError);

async fn connect(agent: &Agent, stage: &Stage) -> Result<(Line, Hints, Timestamp), NotConnected> {
    let unusable = |why: String| {
        let url = agent.host.to_string();
        ("connect", CallError::BadUrl { url, why })
    };
    let identity = stage.book.identity(agent.number);
    let identity = identity.ok_or_else(|| unusable("it is not enrolled".into()))?;
    let face = Face::new(&identity).map_err(|error| unusable(error.to_string()))?;
    let peer =
        PeerIdentity::from_pem(&identity.cert_pem).map_err(|error| unusable(error.to_string()))?;
    let to = stage.address(agent.number);
    let to = to.ok_or_else(|| unusable("the server has no address".into()))?;
    let from = stage.source(agent.number, to);
    let line = stage.crowd.connect(&face, to, from).await;
    let line = line.map_err(|error| ("connect", error))?;
    let hints = line.hints("/agent/v1/stream").await;
    let hints = hints.map_err(|error| ("stream", error))?;
    Ok((line, hints, renew_at(peer.not_before, peer.not_after)))
}

impl Stage {
    fn address(&self, agent: u32) -> Option<SocketAddr> {
        let count = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
        let index = agent.checked_rem(count)?;
        self.addresses.get(usize::try_from(index).ok()?).copied()
    }

    /// A local address has about 28,000 ports for one address of a server; all of 127.0.0.0/8 is this machine.
    fn source(&self, agent: u32, to: SocketAddr) -> Option<IpAddr> {
        let local = matches!(to.ip(), IpAddr::V4(v4) if v4.is_loopback());
        (local && self.sources > 1).then(|| {
            let [_, _, high, low] = (2 + agent % self.sources).to_be_bytes();
            Ipv4Addr::new(127, 0, high, low).into()
        })
    }
}

/// One connection's time.
struct Talk<'a> {
    agent: &'a mut Agent,
    stage: &'a Stage,
    line: Line,
    renew: Timestamp,
    backoff: &'a mut Backoff,
    seed: u64,
}

impl Talk<'_> {
    /// Until the connection is lost, or the agent falls silent.
    async fn go_on(&mut self, mut hints: Hints) {
        loop {
            let now = self.stage.clock.now();
            if let Some(act) = self.agent.next(now) {
                // Boxed, so that an agent at rest is as small as it can be.
                Box::pin(self.act(act)).await;
                self.note_end();
                if self.agent.is_silent() || self.line.is_closed() {
                    return;
                }
                continue;
            }
            self.note_end();
            if now >= self.renew {
                Box::pin(self.renew()).await;
            }
            let due = self.agent.due().duration_since(self.stage.clock.now());
            let wait = Duration::try_from(due)
                .unwrap_or_default()
                .min(LONGEST_WAIT);
            tokio::select! {
                hint = hints.next() => match hint {
                    Ok(Some(hint)) if hint.name == "report" => self.agent.hinted(self.stage.clock.now()),
                    Ok(Some(hint)) if hint.name == "query" => Box::pin(self.refuse(&hint.data)).await,
                    Ok(Some(_)) => {}
                    Ok(None) => return,
                    Err(error) => {
                        debug!(agent = %self.agent.host, %error, "the stream of hints was lost");
                        return self.stage.figures.error("stream", &error);
                    }
                },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn act(&mut self, act: Act) {
        let headers = self.agent.own_version().map(Version::to_string);
        let headers = headers.unwrap_or_default();
        let headers = [(AgentHeaders::VERSION, headers.as_str())];
        let (what, done) = match act {
            Act::Report(report) => {
                let asked = Instant::now();
                let answer = self
                    .line
                    .post_json("/agent/v1/report", &headers, &*report)
                    .await;
                (
                    "report",
                    answer.map(|answer| self.answered(answer, asked.elapsed())),
                )
            }
            Act::Record(record) => {
                let stored = self
                    .line
                    .post_json("/agent/v1/runs", &headers, &*record)
                    .await;
                let stored = stored.map(|()| self.stage.figures.sent_record());
                // What is refused for good will be refused the next time as well.
                if stored.is_ok() || stored.as_ref().is_err_and(is_for_good) {
                    self.agent.recorded();
                }
                ("record", stored)
            }
            Act::Events(batch) => {
                let sent = batch.events.len();
                let last = batch.events.last().map_or(0, |event| event.number);
                let stored = self
                    .line
                    .post_json("/agent/v1/events", &headers, &batch)
                    .await;
                if stored.as_ref().is_err_and(is_for_good) {
                    self.agent.stored(last);
                }
                let stored = stored.map(|EventsStored { through }| {
                    self.stage.figures.sent_events(sent);
                    // A server that stores nothing is not asked again at once.
                    if through < last {
                        self.agent.failed(None, self.stage.clock.now());
                    }
                    self.agent.stored(through);
                });
                ("events", stored)
            }
            Act::FetchWork => {
                let work = self.line.get_json("/agent/v1/work", &headers).await;
                let now = self.stage.clock.now();
                let work = work.map(|work: WorkAnswer| self.agent.work_came(work.hash, now));
                ("work", work)
            }
            Act::Fetch { target, length } => {
                if let Err(error) = self.fetch(&target, length, &headers).await {
                    self.stage.figures.error("bundle", &error);
                    let now = self.stage.clock.now();
                    self.agent.not_fetched(error.retry_after(), now);
                }
                return;
            }
            Act::FallSilent => return,
        };
        if let Err(error) = done {
            debug!(agent = %self.agent.host, what, %error, "not sent");
            self.stage.figures.error(what, &error);
            self.failed(&error);
        }
    }

    fn answered(&mut self, answer: ReportAnswer, took: Duration) {
        let now = self.stage.clock.now();
        let before = self.agent.generation();
        let running = self.agent.run_id();
        let hinted = self.agent.answered(answer, now);
        // It is a server that works; when it is lost, the first wait is by the pace that it has asked for.
        let seed = self.seed ^ self.agent.reports();
        *self.backoff = Backoff::after_loss(self.agent.every(), seed);
        self.stage.figures.reported(took, hinted);
        if let Some((package, version)) = self.agent.running()
            && self.agent.run_id() != running
        {
            self.stage.figures.begins(package, version);
        }
        // An order that was seen is remembered before a later bench could see an older one.
        if self.agent.generation() != before {
            let agent = &self.agent;
            self.stage.book.carries(agent.number, &agent.carried);
        }
    }

    fn failed(&mut self, error: &CallError) {
        let now = self.stage.clock.now();
        if let CallError::Refused { problem, .. } = error
            && let Some(problem) = problem.as_ref()
            && problem.kind == ProblemKind::UpgradeRequired
            && let Some(wanted) = &problem.wanted
        {
            self.agent.upgrade_required(wanted, now);
        }
        self.agent.failed(error.retry_after(), now);
    }

    async fn fetch(
        &mut self,
        target: &str,
        length: u64,
        headers: &[(&'static str, &str)],
    ) -> Result<(), CallError> {
        let path = format!("/repo/targets/{target}");
        let (most, expected) = match self.stage.download {
            Download::Full => (None, length),
            Download::None => (Some(A_LOOK), length.min(A_LOOK)),
        };
        let bytes = self.line.count(&path, headers, most, length).await?;
        if bytes != expected {
            return Err(CallError::BadAnswer {
                url: path,
                why: format!("{bytes} bytes came, {expected} were expected"),
            });
        }
        self.stage.figures.fetched(bytes);
        self.agent.fetched(self.stage.clock.now());
        Ok(())
    }

    /// Counts and keeps what has ended.
    fn note_end(&mut self) {
        while let Some(ended) = self.agent.take_ended() {
            self.stage.figures.ended(&ended);
            let agent = &self.agent;
            self.stage.book.carries(agent.number, &agent.carried);
        }
    }

    /// A simulated agent keeps no history, and says so.
    async fn refuse(&mut self, query: &str) {
        let Ok(Query { id, .. }) = serde_json::from_str(query) else {
            return;
        };
        let answer = QueryAnswer::Refused("a simulated agent keeps no history".into());
        let path = format!("/agent/v1/answers/{id}");
        if let Err(error) = self.line.post_json::<_, ()>(&path, &[], &answer).await {
            self.stage.figures.error("answer", &error);
        }
    }

    async fn renew(&mut self) {
        let now = self.stage.clock.now();
        self.renew = now.checked_add(RENEW_AGAIN).unwrap_or(Timestamp::MAX);
        let number = self.agent.number;
        let Some(kept) = self.stage.book.get(number) else {
            return;
        };
        let Ok(csr) = csr_for(&kept.key, &kept.name) else {
            return;
        };
        let request = RenewRequest { csr };
        let renewed = self.line.post_json("/agent/v1/renew", &[], &request);
        match renewed.await {
            Ok(RenewAnswer { certificate, ca }) => {
                if let Ok(peer) = PeerIdentity::from_pem(&certificate) {
                    self.renew = renew_at(peer.not_before, peer.not_after);
                }
                self.stage.book.change(number, |agent| {
                    agent.certificate = Some(certificate);
                    agent.ca = ca;
                });
            }
            Err(error) => self.stage.figures.error("renewal", &error),
        }
    }
}

/// What the server does not understand it will not understand later either.
fn is_for_good(error: &CallError) -> bool {
    matches!(error.status(), Some(400 | 413 | 422))
}
