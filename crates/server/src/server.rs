//! Starting and stopping a server.
//!
//! The order matters: the data directory is taken first, so that two servers never share one; the ports are bound
//! before anything is made, so that a taken port costs nothing; what the first start makes is complete before the
//! first connection is accepted.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use lockstep_gateway::seams::Gateway;
use lockstep_model::Version;
use lockstep_net::Clock;
use lockstep_net::tls::{self, ClientAuth, ServerIdentity, TlsAcceptorSource};
use lockstep_notify::{MailSettings, MailTls, Notifier, Settings};
use lockstep_store::{Artifacts, Store};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::certificate::ServerCertificate;
use crate::config::{self, ServerConfig};
use crate::data_dir::DataDir;
use crate::first_start::{self, Addresses, FirstStart, Foundations};
use crate::front::{self, Shown};
use crate::gateways::Listeners;
use crate::hints::Hints;
use crate::operator_api::Counters;
use crate::repository::Downloads;
use crate::services::opened::Opened;
use crate::services::{board, deliveries, fleet};
use crate::{Error, agent_api, certificate, decider, operator_api};

/// A server that is to be started.
#[derive(Debug)]
pub struct Server;

/// A server that runs. Dropping it stops it without waiting; [`Running::stop`] lets open requests end.
pub struct Running {
    /// Where agents connect.
    pub agent_addr: SocketAddr,
    /// Where people and programs connect.
    pub operator_addr: SocketAddr,
    /// Where people connect as well, if `[pages]` is configured.
    pub front_addr: Option<SocketAddr>,
    /// Where other systems' clients connect, for each gateway that is on.
    pub gateway_addrs: Vec<(Gateway, SocketAddr)>,
    /// What the first start made; none on every later one.
    pub first_start: Option<FirstStart>,
    /// How the command line of this machine reaches the server, made by the first start.
    pub operator_file: PathBuf,
    /// The certificate authority of the fleet, PEM.
    pub ca_pem: String,
    app: Arc<App>,
    tasks: TaskTracker,
    /// Released when the server has stopped.
    _data: DataDir,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("agent_addr", &self.agent_addr)
            .field("operator_addr", &self.operator_addr)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server. It serves when this returns.
    ///
    /// # Errors
    /// When the configuration makes no sense, the data directory is taken or damaged, the database cannot be used,
    /// or an address is not free.
    pub async fn start(config: ServerConfig, clock: Clock) -> Result<Running, Error> {
        config.check().map_err(|why| Error::Config {
            path: config.data.clone(),
            why,
        })?;
        let data = DataDir::take(&config.data)?;
        let agents = bind(config.listen.agents).await?;
        let operators = bind(config.listen.operators).await?;
        let gateways = Listeners::bind(&config).await?;
        let front = match &config.pages {
            Some(front) => Some((
                bind(front.listen).await?,
                Shown::read(front.clone(), &clock)?,
            )),
            None => None,
        };
        let front_addr = front.as_ref().map(|(bound, _)| bound.address);
        let (agent_addr, operator_addr) = (agents.address, operators.address);
        let names = config.server_names();
        let addresses = Addresses::of(&config, &names, agent_addr, operator_addr);

        let store = Store::open(&config.database_url())
            .await
            .map_err(Error::database("opening it"))?;
        let artifacts = Artifacts::in_directory(&data.artifacts())
            .await
            .map_err(Error::database("opening the artifacts"))?;
        let now = clock.now();
        let Foundations {
            authority,
            online,
            first_start,
        } = first_start::lay_foundations(&data, &store, &addresses, now).await?;

        let valid = config.certificates.valid.duration();
        let (certificate, identity) =
            ServerCertificate::issue(&data, &authority, names, valid, now)?;
        let ca_pem = authority.cert_pem().to_owned();
        let hosts_may_show_one = ClientAuth::Optional {
            ca_pem: ca_pem.clone(),
        };
        let agents_tls = acceptor(&identity, &hosts_may_show_one, &clock)?;
        let operators_tls = acceptor(&identity, &ClientAuth::None, &clock)?;
        let certificate = certificate.shown_by([agents_tls.clone(), operators_tls.clone()]);

        let notifier = notifier(&config, &clock);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let operator_file = data.operator_file();
        let limits = tls::Limits {
            connections: config.limits.connections,
            ..tls::Limits::default()
        };
        let app = Arc::new(App {
            version: Version::of_this_program(),
            standing: Default::default(),
            deltas: Default::default(),
            curves: Default::default(),
            kept_words: Default::default(),
            hints: Hints::new(),
            streams: Default::default(),
            queries: Default::default(),
            live_items: Default::default(),
            fleet: Default::default(),
            reload: Default::default(),
            told: Default::default(),
            sessions: Default::default(),
            passwords: Default::default(),
            boards: Default::default(),
            pasts: Default::default(),
            recent_runs: Default::default(),
            foreign: Default::default(),
            opened: Opened::in_directory(data.opened())?,
            reload_gateways: Default::default(),
            reload_front: Default::default(),
            watchers: Default::default(),
            page_times: Default::default(),
            health: Default::default(),
            lock_facts: Default::default(),
            seen_locks: Default::default(),
            notifier,
            wake_delivery: Default::default(),
            delivering: Default::default(),
            alert_tests: Semaphore::new(4),
            counters: Counters::from(now),
            downloads: Downloads::at_most(config.downloads, tasks.clone()),
            uploads: Default::default(),
            novelty: Default::default(),
            bad_enrolments: Default::default(),
            bad_operators: Default::default(),
            certificate,
            freshness: Default::default(),
            wake: Default::default(),
            publishing: Default::default(),
            promoting: Default::default(),
            decider: decider::Decider::new(now),
            stop: stop.clone(),
            config,
            clock,
            store,
            artifacts,
            authority,
            online,
            addresses,
        });
        let supervise = Supervisor {
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        fleet::begin(&app).await?;
        supervise.run("decider", decider::run(Arc::clone(&app)));
        supervise.run("fleet file", fleet::follow(Arc::clone(&app)));
        supervise.run("board", board::run(Arc::clone(&app)));
        supervise.run("delivery", deliveries::run(Arc::clone(&app)));
        supervise.run("certificate", certificate::keep_valid(Arc::clone(&app)));
        app.foreign
            .look(&app)
            .await
            .map_err(Error::database("reading who speaks through gateways"))?;
        let gateway_addrs = gateways.addresses();
        // What was started so far must not go on without a server.
        gateways
            .serve(&app, &supervise)
            .inspect_err(|_| app.stop.cancel())?;
        let service = agent_api::routes(&app);
        let serve = tls::serve(
            agents.listener,
            agents_tls,
            service,
            limits.clone(),
            stop.clone(),
        );
        supervise.run("listener for agents", serve);
        let service = operator_api::routes(&app);
        if let Some((bound, shown)) = front {
            let door = shown.source();
            supervise.run(
                "certificate of the pages",
                front::follow(Arc::clone(&app), shown),
            );
            let serve = tls::serve(
                bound.listener,
                door,
                service.clone(),
                limits.clone(),
                stop.clone(),
            );
            supervise.run("second listener for people", serve);
        }
        let serve = tls::serve(operators.listener, operators_tls, service, limits, stop);
        supervise.run("listener for operators", serve);
        tracing::info!(agents = %agent_addr, operators = %operator_addr, version = %app.version, "serving");
        Ok(Running {
            agent_addr,
            operator_addr,
            front_addr,
            gateway_addrs,
            first_start,
            operator_file,
            ca_pem,
            app,
            tasks,
            _data: data,
        })
    }
}

impl Running {
    /// The base address of the agent API under the server's first name.
    #[must_use]
    pub fn agent_url(&self) -> &str {
        &self.app.addresses.agents
    }

    /// The base address of the operator API under the server's first name.
    #[must_use]
    pub fn operator_url(&self) -> &str {
        &self.app.addresses.operators
    }

    /// Reads the fleet file again, whether it seems to have changed or not.
    pub fn reload(&self) {
        self.app.reload.notify_one();
        self.app.reload_gateways.notify_one();
        self.app.reload_front.notify_one();
    }

    /// Does now what time asks for: renews the server's certificate and signs the repository's freshness where they
    /// are due, looks whether the fleet file has changed, looks at all rollouts and at all problems, and sends the
    /// messages that are due. It returns when what was decided is stored and each of these messages was tried. All of
    /// it happens by itself, too; this is for those who have just moved the clock.
    ///
    /// # Errors
    /// When the certificate cannot be made or the database cannot be used.
    pub async fn tick(&self) -> Result<(), Error> {
        self.app.certificate.renew_if_due(&self.app)?;
        fleet::look(&self.app, "the file changed").await;
        decider::decide(&self.app).await?;
        deliveries::deliver_all(&self.app)
            .await
            .map_err(Error::database("taking messages from the queue"))
    }

    /// Waits until the server ends by itself, because one of its tasks failed. It has to be stopped and started anew
    /// then, best by ending the process.
    pub async fn failed(&self) {
        self.app.stop.cancelled().await;
    }

    /// Stops: no more connections, open requests end within their grace, everything is stored.
    pub async fn stop(self) {
        self.app.stop.cancel();
        self.tasks.close();
        // Longer than the listeners' own grace, so that nothing is cut which they would still let end.
        if tokio::time::timeout(Duration::from_secs(20), self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some tasks did not end in time and are left behind");
        }
        decider::resign(&self.app).await;
        self.app.store.close().await;
        tracing::info!("stopped");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.app.stop.cancel();
    }
}

/// Notices the end of tasks that must not end.
pub(crate) struct Supervisor {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Supervisor {
    /// Runs a task. A server without one of its tasks would look alive and not be, so it ends as a whole.
    pub(crate) fn run<T>(
        &self,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            if ended.is_err() || !stop.is_cancelled() {
                tracing::error!(task = name, "a task of the server ended; the server stops");
                stop.cancel();
            }
        });
    }
}

impl Addresses {
    fn of(
        config: &ServerConfig,
        names: &[String],
        agents: SocketAddr,
        operators: SocketAddr,
    ) -> Self {
        let name = names.first().map_or("localhost", String::as_str);
        // An IPv6 address stands in brackets in a URL (RFC 3986, section 3.2.2).
        let name = match name.contains(':') {
            true => format!("[{name}]"),
            false => name.to_owned(),
        };
        Self {
            agents: format!("https://{name}:{}", agents.port()),
            operators: format!("https://{name}:{}", operators.port()),
            fleeting: config.listen.operators.port() == 0,
        }
    }
}

/// The ways to receivers, as the configuration describes them.
fn notifier(config: &ServerConfig, clock: &Clock) -> Notifier {
    let mail = config.mail.as_ref().map(|mail| MailSettings {
        server: mail.server.clone(),
        port: mail.port,
        tls: match mail.tls {
            config::MailTls::Starttls => MailTls::Starttls,
            config::MailTls::Tls => MailTls::Tls,
            config::MailTls::None => MailTls::None,
        },
        from: mail.from.clone(),
        user: mail.user.clone(),
        password_file: mail.password_file.clone(),
        ca_file: mail.ca_file.clone(),
    });
    let settings = Settings {
        mail,
        ..Settings::default()
    };
    Notifier::new(settings, clock)
}

pub(crate) struct Bound {
    pub(crate) listener: TcpListener,
    address: SocketAddr,
}

pub(crate) async fn bind(address: SocketAddr) -> Result<Bound, Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, address })
}

fn acceptor(
    identity: &ServerIdentity,
    auth: &ClientAuth,
    clock: &Clock,
) -> Result<TlsAcceptorSource, Error> {
    TlsAcceptorSource::new(identity, auth, clock).map_err(|error| Error::Identity {
        what: "the server's TLS",
        why: error.to_string(),
    })
}
