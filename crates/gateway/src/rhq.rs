//! RHQ: its agents' updates over HTTP.
//!
//! `GET /agentupdate/version` says which agent is the right one, `GET /agentupdate/download` hands it out, to RHQ's agents
//! and to everybody who has wget. The wire format is in docs/protocols/rhq.md; it was read from RHQ's server
//! (`AgentUpdateServlet`). Nobody shows who he is: an address is all that is known of a client. A host of the fleet
//! file gets what its rollout says; everybody else what has come to the channel.
//!
//! | bound | |
//! |---|---|
//! | who may connect | `senders`; others get 403 |
//! | requests at once | `connections`; above it 503 |
//! | downloads at once | `downloads`, and those of the whole server; above it 503 and `Retry-After` |
//! | body of a request | none is read |
//! | time until the answer begins | 30 s |
//! | time of a download | no limit; a reader that takes nothing for 30 s is given up |
//! | properties in a jar | 64 KiB |
//! | entries of a release that are looked at for the jar | 10,000, 16 levels |

mod jar;
pub mod properties;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, EXPIRES, LAST_MODIFIED,
    PRAGMA, RETRY_AFTER,
};
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use lockstep_model::HostName;
use tokio::sync::Semaphore;

use self::jar::Known;
use crate::askers;
use crate::config::Rhq;
use crate::files::{self, Opened, http_date};
use crate::seams::{Gateway, Hosts, Offer, Packages, Tree, Trouble};
use crate::web;

pub use jar::{NoJar, NotStamped, STAMP, Stamp, read_stamp};

/// What a client that comes too early is told to wait, in seconds: RHQ's own number.
const AGAIN: u64 = 30;

/// The gateway's routes, behind their bounds.
pub fn routes<D: Hosts + Packages>(config: Rhq, desk: Arc<D>) -> Router {
    let (senders, connections) = (config.senders.clone(), config.connections);
    let state = Arc::new(Server {
        downloads: Arc::new(Semaphore::new(config.downloads as usize)),
        known: Known::new(),
        config,
        desk,
    });
    let routes = Router::new()
        .route("/agentupdate/version", get(version::<D>))
        .route("/agentupdate/download", get(download::<D>))
        .fallback(elsewhere)
        .with_state(state)
        .layer(map_response(async |answer: Response| never_cached(answer)));
    web::bounded(routes, "rhq", senders, connections, busy)
}

struct Server<D> {
    config: Rhq,
    desk: Arc<D>,
    /// The places of this gateway; a request takes its own before it is counted.
    downloads: Arc<Semaphore>,
    known: Known,
}

/// What one client gets.
struct Served {
    path: PathBuf,
    /// Keeps the file.
    tree: Option<Tree>,
    /// The release it is of, unless it comes from a directory.
    offer: Option<Offer>,
    /// The host of the fleet file that asks.
    host: Option<HostName>,
}

/// A refusal in RHQ's words and numbers.
#[derive(Debug)]
enum Refusal {
    /// 403: not now, and nobody says when.
    Forbidden(&'static str),
    /// 503, with the seconds to wait.
    Later(String, u64),
    /// 500; the log says why.
    Failed,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text, again) = match self {
            Self::Forbidden(why) => (StatusCode::FORBIDDEN, why.to_owned(), None),
            Self::Later(why, again) => (StatusCode::SERVICE_UNAVAILABLE, why, Some(again)),
            Self::Failed => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the server failed; its log says why".into(),
                None,
            ),
        };
        let mut answer = said(status, text);
        if let Some(again) = again {
            answer.headers_mut().insert(RETRY_AFTER, again.into());
        }
        answer
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Off(_) => DISABLED,
            Trouble::Busy { why, retry_after } => Self::Later(why, retry_after.as_secs().max(1)),
            Trouble::Unknown(why) | Trouble::Refused(why) => {
                tracing::warn!(gateway = "rhq", why, "there is nothing to hand out");
                Self::Failed
            }
            Trouble::Internal => Self::Failed,
        }
    }
}

impl From<NoJar> for Refusal {
    fn from(error: NoJar) -> Self {
        tracing::error!(gateway = "rhq", %error, "there is nothing to hand out");
        Self::Failed
    }
}

/// In the words of RHQ's server.
const DISABLED: Refusal = Refusal::Forbidden("Agent Updates Has Been Disabled");
const MAINTENANCE: Refusal = Refusal::Forbidden("Server Is Down For Maintenance");

fn said(status: StatusCode, mut text: String) -> Response {
    text.push('\n');
    (status, [(CONTENT_TYPE, "text/plain")], text).into_response()
}

fn busy() -> Response {
    let full = Refusal::Later("this server has too many requests".into(), AGAIN);
    never_cached(full.into_response())
}

async fn elsewhere() -> Response {
    let known = "there are /agentupdate/version and /agentupdate/download";
    said(StatusCode::BAD_REQUEST, known.into())
}

/// On each answer, also on those that say no.
fn never_cached(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store"),
    );
    headers.insert(EXPIRES, HeaderValue::from_static("-1"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    answer
}

/// The properties of the agent that is the right one. Also while updates are switched off, as ever with RHQ.
async fn version<D: Hosts + Packages>(
    State(server): State<Arc<Server<D>>>,
    request: Request,
) -> Result<Response, Refusal> {
    if server.config.maintenance {
        return Err(MAINTENANCE);
    }
    let served = server.served(web::address(&request)).await?;
    let opened = served.open().await?;
    let jar = server.known.of(&served.path).await?;
    let text = server.properties(&jar);
    let headers = [
        (CONTENT_TYPE, "text/plain".to_owned()),
        (LAST_MODIFIED, http_date(served.modified(&opened))),
    ];
    Ok((headers, text).into_response())
}

async fn download<D: Hosts + Packages>(
    State(server): State<Arc<Server<D>>>,
    request: Request,
) -> Result<Response, Refusal> {
    if server.config.maintenance {
        return Err(MAINTENANCE);
    }
    let is_on = server.config.enabled && server.config.downloads > 0;
    if !is_on || !server.desk.updates().await? {
        return Err(DISABLED);
    }
    let from = web::address(&request);
    let served = server.served(from).await?;
    let opened = served.open().await?;
    let (length, modified) = (opened.length, served.modified(&opened));
    let name = jar::safe_name(&served.path);
    let body = match *request.method() {
        Method::HEAD => Body::empty(),
        _ => {
            let place = Arc::clone(&server.downloads).try_acquire_owned();
            let place = place.map_err(|_| {
                Refusal::Later("too many agents are downloading the update".into(), AGAIN)
            })?;
            let ticket = server.desk.admit().await?;
            tracing::info!(gateway = "rhq", from = ?from, host = ?served.host, name, "a download begins");
            let tree = served.tree.clone();
            let (server, file) = (Arc::clone(&server), opened.file);
            let taken = async move { server.tell(served).await };
            files::body(file, length, Box::new((place, ticket, tree)), taken)
        }
    };
    let disposition = format!("attachment; filename={name}");
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, disposition),
        (CONTENT_LENGTH, length.to_string()),
        (LAST_MODIFIED, http_date(modified)),
    ];
    Ok((headers, body).into_response())
}

impl Served {
    async fn open(&self) -> Result<Opened, NoJar> {
        let opened = files::open(&self.path).await;
        opened.map_err(|source| NoJar::Unreadable {
            path: self.path.clone(),
            source,
        })
    }

    /// Files of releases are as old as their release: bundles keep no times.
    fn modified(&self, opened: &Opened) -> Timestamp {
        self.offer
            .as_ref()
            .map_or(opened.modified, |offer| offer.published_at)
    }
}

impl<D: Hosts + Packages> Server<D> {
    /// The jar for whoever is at an address.
    async fn served(&self, from: Option<IpAddr>) -> Result<Served, Refusal> {
        let Some(package) = &self.config.package else {
            let Some(dir) = self.config.directory.clone() else {
                tracing::error!(
                    gateway = "rhq",
                    "neither a package nor a directory is configured"
                );
                return Err(Refusal::Failed);
            };
            return Ok(Served {
                path: search(move || jar::in_directory(&dir)).await?,
                tree: None,
                offer: None,
                host: None,
            });
        };
        let host = askers::who(&*self.desk, from, Gateway::Rhq).await?;
        let newest = self
            .desk
            .newest(package, &self.config.channel, host.as_ref());
        let Some(offer) = newest.await? else {
            // Its turn may come, or a release: the client asks again by itself, and makes no noise meanwhile.
            let why = format!("no release of {package} is to be handed out to this address yet");
            return Err(Refusal::Later(why, AGAIN));
        };
        let tree = self.desk.open(&offer).await?;
        let root = tree.root.clone();
        Ok(Served {
            path: search(move || jar::in_tree(&root)).await?,
            tree: Some(tree),
            offer: Some(offer),
            host,
        })
    }

    /// The version body, in the order in which RHQ's server writes it.
    fn properties(&self, jar: &jar::Jar) -> String {
        let config = &self.config;
        let stamp = &jar.stamp;
        let version = config.server_version.as_ref().unwrap_or(&stamp.version);
        let build = config.server_build.as_ref().unwrap_or(&stamp.build);
        let lines = [
            Some(("rhq-server.version", version)),
            Some(("rhq-server.build-number", build)),
            config
                .supported_builds
                .as_ref()
                .map(|builds| ("rhq-agent.supported.builds", builds)),
            Some(("rhq-agent.latest.md5", &jar.md5)),
            Some((jar::VERSION, &stamp.version)),
            Some((jar::BUILD, &stamp.build)),
        ];
        let lines = lines.into_iter().flatten();
        lines
            .map(|(key, value)| properties::line(key, value) + "\n")
            .collect()
    }

    /// A host of the fleet file has taken all of a release. Nothing else is ever heard of an RHQ agent here, so this
    /// has to count as "runs it": the rollout goes on by it.
    async fn tell(&self, served: Served) {
        if let (Some(host), Some(offer)) = (served.host, served.offer) {
            let (package, version) = (&offer.package, &offer.version);
            askers::took(&*self.desk, &host, Gateway::Rhq, package, version).await;
        }
    }
}

/// Looks for a jar beside the event loop.
async fn search(
    search: impl FnOnce() -> Result<PathBuf, NoJar> + Send + 'static,
) -> Result<PathBuf, Refusal> {
    let searched = tokio::task::spawn_blocking(search).await;
    let found = searched.map_err(|error| {
        tracing::error!(gateway = "rhq", %error, "the search for the jar broke off");
        Refusal::Failed
    })?;
    Ok(found?)
}
