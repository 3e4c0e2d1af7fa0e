//! Asking a server: JSON, small files, long downloads and uploads, and streams of events.
//!
//! * An answer larger than its limit is refused, never held in memory.
//! * Nothing is waited for forever: connecting, the answer's head and every stretch of its body have deadlines
//!   ([`Timeouts`]). A body that trickles counts as one that stands still.
//! * Redirects are not followed and proxies in the environment are not used: the server is the one that was
//!   configured, and what it is believed by ([`Roots`]) too.
//! * Errors say what was asked and why it failed, and never hold a secret ([`CallError`]).
//!
//! Servers that are not ours are asked through a [`Visitor`], which follows redirects and takes every status for an
//! answer, and their certificates are read by [`look()`]; a [`Poster`] brings them something. Whom to believe there is a
//! [`Belief`].
//!
//! It does not repeat anything; whoever asks knows whether that makes sense, and waits by
//! [`Backoff`](crate::Backoff) or by the server's `Retry-After`.

mod answer;
mod belief;
#[cfg(feature = "crowd")]
pub mod crowd;
mod download;
mod error;
mod events;
mod link;
mod look;
mod plain;
mod post;
mod retry_after;
mod trust;
mod upload;
mod visit;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, LINK};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::{RequestBuilder, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{Clock, SetupError};
use answer::Answer;

pub use belief::Belief;
pub use download::Download;
pub use error::CallError;
pub use events::{Event, EventStream};
pub use look::{LookError, Shown, look};
pub use plain::PlainFiles;
pub use post::{Post, Posted, Poster};
pub use trust::{Identity, Roots};
pub use visit::{Visit, Visited, Visitor};

/// How a client is set up.
#[derive(Clone)]
pub struct ClientSettings {
    /// The server, `https://HOST[:PORT][/PREFIX]`.
    pub base_url: String,
    /// What makes the server believed.
    pub roots: Roots,
    /// What the client shows.
    pub identity: Option<Identity>,
    /// The operator's token, sent with every request.
    pub bearer: Option<String>,
    /// Headers sent with every request: names and values.
    pub headers: Vec<(String, String)>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// Largest JSON answer that is read, in bytes.
    pub max_answer: usize,
}

/// How long a client waits.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a connection to each of the server's addresses, TLS included.
    pub connect: Duration,
    /// For a JSON answer, connecting included; for the head of a file or a stream. An upload's answer has this long
    /// after the last byte was sent.
    pub answer: Duration,
    /// For the next 4 KiB of a file; for the next byte of a stream of events.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(30),
        }
    }
}

impl ClientSettings {
    /// Settings without identity, with the default timeouts, and answers of at most 1 MiB.
    pub fn new(base_url: impl Into<String>, roots: Roots) -> Self {
        Self {
            base_url: base_url.into(),
            roots,
            identity: None,
            bearer: None,
            headers: Vec::new(),
            timeouts: Timeouts::default(),
            max_answer: 1024 * 1024,
        }
    }
}

/// A client of one server. Clones share its connections. After a renewal of the identity a new client is made;
/// requests of the old one end undisturbed.
///
/// Paths begin with `/` and are sent as they stand.
#[derive(Clone)]
pub struct HttpClient {
    http: reqwest::Client,
    base: Arc<str>,
    headers: HeaderMap,
    timeouts: Timeouts,
    max_answer: usize,
    clock: Clock,
}

impl HttpClient {
    /// Makes a client; nothing is sent yet. The server's certificate is judged by `clock`.
    ///
    /// # Errors
    /// When an address, a header, a certificate or a key is unusable.
    pub fn new(settings: ClientSettings, clock: &Clock) -> Result<Self, SetupError> {
        let base = base_url(&settings.base_url, &["https"])?;
        let tls = trust::client_config(&settings.roots, settings.identity.as_ref(), clock)?;
        let http = http_client(tls, &settings.timeouts, true)?;
        let mut client = Self {
            http,
            base,
            headers: HeaderMap::new(),
            timeouts: settings.timeouts,
            max_answer: settings.max_answer,
            clock: clock.clone(),
        };
        for (name, value) in &settings.headers {
            client = client.with_header(name, value)?;
        }
        if let Some(token) = &settings.bearer {
            client = client.with_header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))?;
        }
        Ok(client)
    }

    /// A client of a mirror, a web server of anybody's: for files that carry their own signatures and for nothing else, so
    /// plain `http://` is spoken too. It shows nothing of its own.
    ///
    /// # Errors
    /// When the address is unusable.
    pub fn of_mirror(
        url: &str,
        belief: &Belief,
        timeouts: Timeouts,
        clock: &Clock,
    ) -> Result<Self, SetupError> {
        let base = base_url(url, &["https", "http"])?;
        let mut tls = (**belief.config()).clone();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            http: http_client(tls, &timeouts, false)?,
            base,
            headers: HeaderMap::new(),
            timeouts,
            max_answer: 64 * 1024,
            clock: clock.clone(),
        })
    }

    /// The same client, over the same connections, that also sends this header; in place of one of that name.
    ///
    /// # Errors
    /// When it is not a header.
    pub fn with_header(&self, name: &str, value: &str) -> Result<Self, SetupError> {
        let refuse = || SetupError::Header { name: name.into() };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| refuse())?;
        value.set_sensitive(key == AUTHORIZATION);
        let mut client = self.clone();
        client.headers.insert(key, value);
        Ok(client)
    }

    /// The server's address, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// `GET`, for a JSON answer.
    ///
    /// An answer without a body reads as `null`, so that `()` and `Option` can be asked for; this holds for all
    /// JSON calls.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get_json<A: DeserializeOwned>(&self, path: &str) -> Result<A, CallError> {
        self.json(Method::GET, path, None::<&()>).await
    }

    /// `GET` of a part of a list, for a JSON answer and the path of the next part, if there is one (RFC 8288).
    ///
    /// # Errors
    /// See [`CallError`]; also when the next part would be another server's: it is not sent our token.
    pub async fn get_page<A: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(A, Option<String>), CallError> {
        let (call, url) = self.call(Method::GET, path)?;
        let call = call.header(ACCEPT, "application/json");
        let answer = async {
            let answer = self.send(call, url.clone()).await?;
            let next = answer.header(LINK).and_then(link::next);
            let next = next.map(|next| self.path_of(&url, next)).transpose()?;
            Ok((answer.json(self.max_answer).await?, next))
        };
        self.in_time(&url, answer).await
    }

    /// The path, below our address, of what a document at `url` refers to.
    fn path_of(&self, url: &str, reference: &str) -> Result<String, CallError> {
        let joined = Url::parse(url).ok().and_then(|it| it.join(reference).ok());
        let path = joined
            .as_ref()
            .and_then(|it| it.as_str().strip_prefix(&*self.base))
            .filter(|path| path.starts_with('/'));
        path.map(str::to_owned).ok_or_else(|| CallError::BadAnswer {
            url: url.into(),
            why: format!("it refers to {reference:?}, which is not below this server's address"),
        })
    }

    /// `POST` of a JSON document, for a JSON answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post_json<Q, A>(&self, path: &str, question: &Q) -> Result<A, CallError>
    where
        Q: Serialize + ?Sized,
        A: DeserializeOwned,
    {
        self.json(Method::POST, path, Some(question)).await
    }

    /// `PUT` of a JSON document, for a JSON answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn put_json<Q, A>(&self, path: &str, question: &Q) -> Result<A, CallError>
    where
        Q: Serialize + ?Sized,
        A: DeserializeOwned,
    {
        self.json(Method::PUT, path, Some(question)).await
    }

    /// `DELETE`, for a JSON answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn delete<A: DeserializeOwned>(&self, path: &str) -> Result<A, CallError> {
        self.json(Method::DELETE, path, None::<&()>).await
    }

    /// `GET` of a file that is small enough for memory: of at most `max_bytes`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get_capped(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, CallError> {
        let (call, url) = self.call(Method::GET, path)?;
        self.send(call, url).await?.read(max_bytes).await
    }

    async fn json<Q, A>(
        &self,
        method: Method,
        path: &str,
        question: Option<&Q>,
    ) -> Result<A, CallError>
    where
        Q: Serialize + ?Sized,
        A: DeserializeOwned,
    {
        let (mut call, url) = self.call(method, path)?;
        call = call.header(ACCEPT, "application/json");
        if let Some(question) = question {
            call = call.json(question);
        }
        let answer = async {
            let answer = self.send(call, url.clone()).await?;
            answer.json(self.max_answer).await
        };
        self.in_time(&url, answer).await
    }

    fn call(&self, method: Method, path: &str) -> Result<(RequestBuilder, String), CallError> {
        let url = format!("{}{path}", self.base);
        // Without the slash, a path could lengthen the host's name.
        if !path.starts_with('/') {
            let why = "its path does not begin with \"/\"".into();
            return Err(CallError::BadUrl { url, why });
        }
        let target = Url::parse(&url).map_err(|error| CallError::BadUrl {
            url: url.clone(),
            why: error.to_string(),
        })?;
        let call = self
            .http
            .request(method, target)
            .headers(self.headers.clone());
        Ok((call, url))
    }

    /// Sends, and turns every status but success into an error.
    async fn send(&self, call: RequestBuilder, url: String) -> Result<Answer, CallError> {
        let asked = url.clone();
        let answer = async {
            let answer = self.send_any(call, url).await?;
            answer.success(&self.clock).await
        };
        self.in_time(&asked, answer).await
    }

    /// Sends, and leaves the status to the caller.
    async fn send_any(&self, call: RequestBuilder, url: String) -> Result<Answer, CallError> {
        let asked = url.clone();
        let answer = async {
            match call.send().await {
                Ok(response) => Ok(Answer::new(response, url, self.timeouts.stall)),
                Err(error) => Err(CallError::from_transport(&error, url)),
            }
        };
        self.in_time(&asked, answer).await
    }

    async fn in_time<T>(
        &self,
        url: &str,
        answer: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        match timeout(self.timeouts.answer, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::no_answer(url.into(), self.timeouts.answer)),
        }
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("base_url", &self.base)
            .finish_non_exhaustive()
    }
}
impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings")
            .field("base_url", &self.base_url)
            .field("roots", &self.roots)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

fn http_client(
    tls: rustls::ClientConfig,
    timeouts: &Timeouts,
    https_only: bool,
) -> Result<reqwest::Client, SetupError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(https_only)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timeouts.connect)
        // Given up before a server's idle limit is reached, so that no request meets a closing connection.
        .pool_idle_timeout(Duration::from_secs(120))
        .pool_max_idle_per_host(1)
        // An agent must be small: windows for tens of megabytes a second, not for a whole bundle in memory.
        .http2_initial_stream_window_size(256 * 1024)
        .http2_initial_connection_window_size(512 * 1024)
        .http2_max_header_list_size(32 * 1024)
        // A connection whose server is gone without a word is found out before the request on it is given up;
        // otherwise the next request would be sent into it as well.
        .http2_keep_alive_interval(timeouts.answer / 3)
        .http2_keep_alive_timeout(timeouts.answer / 3)
        .tcp_user_timeout(timeouts.answer)
        .build()
        .map_err(|error| SetupError::Client {
            source: error.into(),
        })
}

fn base_url(text: &str, schemes: &[&str]) -> Result<Arc<str>, SetupError> {
    let refuse = |why: &str| SetupError::BaseUrl {
        // An address with a password in it is refused below, and must not be repeated with it.
        url: match text.rsplit_once('@') {
            Some((_, host)) => format!("…@{host}"),
            None => text.into(),
        },
        why: why.into(),
    };
    let url = Url::parse(text.trim()).map_err(|error| refuse(&error.to_string()))?;
    if !schemes.contains(&url.scheme()) {
        return Err(refuse(&format!("only {} is spoken", schemes.join(" and "))));
    }
    if url.host_str().is_none() {
        return Err(refuse("it names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("a user's name or password does not belong in it"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("\"?\" and \"#\" do not belong in it"));
    }
    Ok(url.as_str().trim_end_matches('/').into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_and_no_more_than_an_address() {
        let ok = |text: &str| base_url(text, &["https"]).unwrap().to_string();
        assert_eq!(ok("https://server:7440"), "https://server:7440");
        assert_eq!(ok(" https://Server:443/a/b/ \n"), "https://server/a/b");
        assert_eq!(ok("https://[::1]:7440/"), "https://[::1]:7440");
        let why = |text: &str| base_url(text, &["https"]).unwrap_err().to_string();
        assert!(why("http://server").contains("only https"));
        assert!(why("server:7440").contains("only https"));
        assert!(why("server").contains("not a server's address"));
        assert!(why("https://").contains("not a server's address"));
        assert!(why("https://server/?a").contains("do not belong"));
        let secret = why("https://me:hunter2@server");
        assert!(
            secret.contains("password does not belong") && !secret.contains("hunter2"),
            "{secret}"
        );
    }
}
