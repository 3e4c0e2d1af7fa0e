//! `version.txt` and the repositories of a package: for cloudbackup-updater, and for apt and dnf themselves.
//!
//! A release of the package holds whole repositories as its vendor laid them out (`debian/`, `redhat/`, keys), and this
//! gateway hands its files out over plain HTTP, as a web server would; which release that is, rollouts decide. What is
//! installed is as trustworthy as the repository's own signature, as ever with apt and dnf; that the files are the
//! publisher's is checked where the release was unpacked. The wire format is in docs/protocols/package-repo.md.
//!
//! | bound | |
//! |---|---|
//! | who may connect | `senders`; others get 403 |
//! | requests at once | `connections`; above it 503 |
//! | downloads at once | those of the whole server; above it 503 and `Retry-After` |
//! | body of a request | none is read |
//! | path | 1,024 bytes |
//! | time until the answer begins | 30 s |
//! | time of a download | no limit; a reader that takes nothing for 30 s is given up |
//! | addresses whose release is remembered | 4,096, for 60 s each |

mod paths;
mod visits;

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE, RETRY_AFTER,
};
use http::{HeaderMap, Method, StatusCode};
use lockstep_model::{HostName, Version};
use tokio::io::AsyncSeekExt as _;

use self::visits::Visits;
use crate::askers;
use crate::config::PackageRepo;
use crate::files::{self, http_date, parse_http_date};
use crate::seams::{Gateway, Hosts, Offer, Packages, Tree, Trouble};
use crate::web;

pub use paths::below;

/// What a client that comes too early is told to wait.
const AGAIN: Duration = Duration::from_secs(30);

/// The gateway's routes, behind their bounds.
pub fn routes<D: Hosts + Packages>(config: PackageRepo, desk: Arc<D>) -> Router {
    let (senders, connections) = (config.senders.clone(), config.connections);
    let state = Arc::new(Server {
        config,
        desk,
        visits: Visits::new(),
    });
    let routes = Router::new()
        .route("/version.txt", get(version::<D>))
        // Where earlier versions of cloudbackup-updater look, and where its README says that they do.
        .route("/windows/version.txt", get(version::<D>))
        .route("/release/windows/version.txt", get(version::<D>))
        .route("/{*path}", get(file::<D>))
        .fallback(async || Refusal::not_found("there is nothing here"))
        .with_state(state);
    web::bounded(routes, "package-repo", senders, connections, busy)
}

struct Server<D> {
    config: PackageRepo,
    desk: Arc<D>,
    visits: Visits<Served>,
}

/// What one address gets for a while.
#[derive(Debug)]
struct Served {
    offer: Offer,
    tree: Tree,
    /// The host of the fleet file that asks.
    host: Option<HostName>,
}

/// An answer that says no.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    why: String,
    again: Option<Duration>,
}

impl Refusal {
    fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self {
            status,
            why: why.into(),
            again: None,
        }
    }

    fn not_found(why: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, why)
    }

    fn failed(doing: &str, error: &io::Error) -> Self {
        tracing::error!(gateway = "package-repo", %error, "{doing}");
        Trouble::Internal.into()
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        let why = trouble.to_string();
        match trouble {
            Trouble::Unknown(_) => Self::not_found(why),
            Trouble::Refused(_) | Trouble::Off(_) => Self::new(StatusCode::FORBIDDEN, why),
            Trouble::Busy { retry_after, .. } => Self {
                again: Some(retry_after),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, why)
            },
            Trouble::Internal => Self::new(StatusCode::INTERNAL_SERVER_ERROR, why),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let headers = [(CONTENT_TYPE, "text/plain")];
        let mut answer = (self.status, headers, self.why + "\n").into_response();
        if let Some(again) = self.again {
            let seconds = again.as_secs().max(1);
            answer.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        answer
    }
}

fn busy() -> Response {
    let trouble = Trouble::Busy {
        why: "this server has too many requests".into(),
        retry_after: AGAIN,
    };
    Refusal::from(trouble).into_response()
}

/// The version as cloudbackup-updater reads it: integers with dots between them.
async fn version<D: Hosts + Packages>(
    State(server): State<Arc<Server<D>>>,
    request: Request,
) -> Result<Response, Refusal> {
    if !server.desk.updates().await? {
        return Err(Trouble::Off("an operator switched updates off".into()).into());
    }
    let served = server.served(web::address(&request)).await?;
    let Offer {
        package, version, ..
    } = &served.offer;
    let Some(text) = dotted(version) else {
        return Err(Refusal::not_found(format!(
            "{package} {version} has a suffix, which clients of version.txt cannot read; publish it without one"
        )));
    };
    let modified = http_date(served.offer.published_at);
    let headers = [
        (CONTENT_TYPE, "text/plain"),
        (LAST_MODIFIED, modified.as_str()),
    ];
    Ok((headers, text + "\n").into_response())
}

/// A version in digits and dots, if it is one.
fn dotted(version: &Version) -> Option<String> {
    let text = version.to_string();
    let is_plain = text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    is_plain.then_some(text)
}

async fn file<D: Hosts + Packages>(
    State(server): State<Arc<Server<D>>>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let nothing = || Refusal::not_found("the release has no such file");
    let below = paths::below(&path).ok_or_else(nothing)?;
    let served = server.served(web::address(&request)).await?;
    let opened = match files::open(&served.find(below).await?).await {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(nothing()),
        Err(error) => {
            return Err(Refusal::failed(
                "a file of a release cannot be opened",
                &error,
            ));
        }
    };
    let (mut opened, marks) = (opened, Marks::of(&served.offer));
    let headers = request.headers();
    if marks.are_what_is_there(headers) {
        return Ok((StatusCode::NOT_MODIFIED, marks.headers()).into_response());
    }
    let first = marks.resumed_at(headers).filter(|at| *at < opened.length);
    let start = first.unwrap_or(0);
    let count = opened.length - start;
    let body = if *request.method() == Method::HEAD {
        Body::empty()
    } else {
        let ticket = server.desk.admit().await?;
        let sought = opened.file.seek(io::SeekFrom::Start(start)).await;
        sought.map_err(|error| Refusal::failed("a file of a release cannot be read", &error))?;
        let (at, name) = (Arc::clone(&served), PathBuf::from(&path));
        let taken = async move { server.tell(&at, &name).await };
        let held = Box::new((ticket, Arc::clone(&served)));
        files::body(opened.file, count, held, taken)
    };
    let kind = paths::content_type(path.as_ref());
    let mut answer = (marks.headers(), [(CONTENT_TYPE, kind)], body).into_response();
    answer.headers_mut().insert(CONTENT_LENGTH, count.into());
    if let Some(first) = first {
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        let (last, length) = (opened.length - 1, opened.length);
        if let Ok(range) = format!("bytes {first}-{last}/{length}").parse() {
            answer.headers_mut().insert(CONTENT_RANGE, range);
        }
    }
    Ok(answer)
}

/// What tells one state of a file from another: files of a release change with the release and with nothing else.
struct Marks {
    etag: String,
    modified: String,
}

impl Marks {
    fn of(offer: &Offer) -> Self {
        Self {
            etag: format!("\"{}\"", offer.hash),
            modified: http_date(offer.published_at),
        }
    }

    fn headers(&self) -> [(http::HeaderName, String); 3] {
        [
            (ETAG, self.etag.clone()),
            (LAST_MODIFIED, self.modified.clone()),
            (ACCEPT_RANGES, "bytes".into()),
        ]
    }

    /// True if the client has this very state (RFC 9110, section 13.2.2). A time counts only if it is the same one: a
    /// release that was taken back is older than what the client has, and yet it is what it should get.
    fn are_what_is_there(&self, headers: &HeaderMap) -> bool {
        let text = |name| {
            headers
                .get(name)
                .and_then(|it: &http::HeaderValue| it.to_str().ok())
        };
        match text(IF_NONE_MATCH) {
            Some(tags) => tags
                .split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == self.etag || tag == "*"),
            None => text(IF_MODIFIED_SINCE).is_some_and(|it| self.is_time(it)),
        }
    }

    /// From where on the client wants the file, as apt, curl and wget ask that go on with a transfer: `bytes=N-`. Every
    /// other range means the whole file, which the standard allows, and so does one of another state.
    fn resumed_at(&self, headers: &HeaderMap) -> Option<u64> {
        let text = |name| {
            headers
                .get(name)
                .and_then(|it: &http::HeaderValue| it.to_str().ok())
        };
        if let Some(state) = text(IF_RANGE)
            && state != self.etag
            && !self.is_time(state)
        {
            return None;
        }
        let digits = text(RANGE)?
            .trim()
            .strip_prefix("bytes=")?
            .strip_suffix('-')?;
        let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
        digits.parse().ok().filter(|_| is_number)
    }

    fn is_time(&self, text: &str) -> bool {
        parse_http_date(text).is_some_and(|time| http_date(time) == self.modified)
    }
}

impl Served {
    /// Where a file lies.
    async fn find(&self, below: PathBuf) -> Result<PathBuf, Refusal> {
        let root = self.tree.root.clone();
        let found = tokio::task::spawn_blocking(move || paths::resolve(&root, &below)).await;
        let found = found.map_err(io::Error::other).flatten();
        found.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Refusal::not_found("the release has no such file")
            }
            _ => Refusal::failed("a file of a release cannot be found", &error),
        })
    }
}

impl<D: Hosts + Packages> Server<D> {
    /// What whoever is at an address began with, or begins with now.
    async fn served(&self, from: Option<IpAddr>) -> Result<Arc<Served>, Refusal> {
        let now = self.desk.now();
        if let Some(served) = from.and_then(|from| self.visits.of(from, now)) {
            return Ok(served);
        }
        let (package, channel) = (&self.config.package, &self.config.channel);
        let host = askers::who(&*self.desk, from, Gateway::PackageRepo).await?;
        let newest = self.desk.newest(package, channel, host.as_ref()).await?;
        let offer = newest.ok_or_else(|| {
            Refusal::not_found(format!(
                "no release of {package} is to be handed out to this address yet"
            ))
        })?;
        let tree = self.desk.open(&offer).await?;
        let served = Arc::new(Served { offer, tree, host });
        Ok(match from {
            Some(from) => self.visits.begin(from, served, now),
            None => served,
        })
    }

    /// A host of the fleet file has taken the package of its release, which is what it does when it installs it. Nothing
    /// else is ever heard of it here, so the rollout goes on by it.
    async fn tell(&self, served: &Served, path: &std::path::Path) {
        let Offer {
            package, version, ..
        } = &served.offer;
        let Some(host) = &served.host else { return };
        if !paths::is_package_of(path, &version.to_string()) {
            return;
        }
        askers::took(&*self.desk, host, Gateway::PackageRepo, package, version).await;
    }
}
