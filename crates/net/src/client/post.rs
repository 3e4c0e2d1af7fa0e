//! Bringing something to web servers that are not ours.

use std::fmt;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Method};
use reqwest::Url;
use tokio::time::timeout;

use super::retry_after::parse_retry_after;
use super::{Belief, CallError, Timeouts};
use crate::{Clock, SetupError};

/// Brings messages to strangers over HTTP, each on a new connection. Redirects are not followed and proxies in the
/// environment are not used: it goes where somebody has written that it shall go.
///
/// An address may hold a token in its path or query. Of addresses, errors show scheme, host and port alone.
#[derive(Debug, Clone)]
pub struct Poster {
    http: reqwest::Client,
    clock: Clock,
    timeouts: Timeouts,
}

/// What is brought.
#[derive(Clone)]
pub struct Post {
    /// `POST` or `PUT`.
    pub method: String,
    /// `http://…` or `https://…`.
    pub url: String,
    /// Names and values. Values may be secrets.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is said to it, whatever the status.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    /// The HTTP status.
    pub status: u16,
    /// When to come again, if it says so; at most a day.
    pub retry_after: Option<Duration>,
    /// The beginning of the body: at most 1 KiB, for a message to people.
    pub body: Vec<u8>,
}

/// How much of an answer is read, in bytes.
const MAX_BODY: usize = 1024;

impl Poster {
    /// A poster; nothing is sent yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(belief: &Belief, timeouts: Timeouts, clock: &Clock) -> Result<Self, SetupError> {
        let mut tls = (**belief.config()).clone();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeouts.connect)
            .pool_max_idle_per_host(0)
            .http2_max_header_list_size(32 * 1024)
            .build();
        let http = http.map_err(|error| SetupError::Client {
            source: error.into(),
        })?;
        Ok(Self {
            http,
            clock: clock.clone(),
            timeouts,
        })
    }

    /// Sends, and reads the beginning of the answer.
    ///
    /// # Errors
    /// When there is no answer in time; a status is one, whatever it says.
    pub async fn send(&self, post: Post) -> Result<Posted, CallError> {
        let shown = shown(&post.url);
        let request = self.request(post, &shown)?;
        let answer = async {
            let failed = |error: reqwest::Error| {
                CallError::from_transport(&error.without_url(), shown.clone())
            };
            let mut response = request.send().await.map_err(failed)?;
            let retry_after = response.headers().get(RETRY_AFTER);
            let mut posted = Posted {
                status: response.status().as_u16(),
                retry_after: retry_after
                    .and_then(|value| parse_retry_after(value.to_str().ok()?, self.clock.now())),
                body: Vec::new(),
            };
            // With the status all that counts is said; the body only explains it.
            while let Ok(Some(chunk)) = response.chunk().await {
                let fits = chunk.len().min(MAX_BODY - posted.body.len());
                posted.body.extend_from_slice(&chunk[..fits]);
                if posted.body.len() == MAX_BODY {
                    break;
                }
            }
            Ok(posted)
        };
        match timeout(self.timeouts.answer, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::no_answer(shown.clone(), self.timeouts.answer)),
        }
    }

    fn request(&self, post: Post, shown: &str) -> Result<reqwest::RequestBuilder, CallError> {
        let refuse = |why: String| CallError::BadUrl {
            url: shown.into(),
            why,
        };
        let url = Url::parse(&post.url).map_err(|error| refuse(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("only http and https are spoken".into()));
        }
        let method = match post.method.as_str() {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            other => return Err(refuse(format!("{other:?} is neither POST nor PUT"))),
        };
        let mut request = self.http.request(method, url).body(post.body);
        for (name, value) in post.headers {
            let refuse = || refuse(format!("the header {name:?} cannot be sent"));
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| refuse())?;
            value.set_sensitive(true);
            request = request.header(key, value);
        }
        Ok(request)
    }
}

impl Post {
    /// What may be shown of its address: scheme, host and port.
    #[must_use]
    pub fn shown(&self) -> String {
        shown(&self.url)
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post")
            .field("method", &self.method)
            .field("url", &self.shown())
            .finish_non_exhaustive()
    }
}

fn shown(url: &str) -> String {
    let Ok(url) = Url::parse(url) else {
        return "an address that is none".into();
    };
    let port = url.port().map(|port| format!(":{port}"));
    format!(
        "{}://{}{}",
        url.scheme(),
        url.host_str().unwrap_or_default(),
        port.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_no_secret_is_shown() {
        assert_eq!(
            shown("https://ann:secret@hooks.example.org:8443/services/T0/secret?k=secret"),
            "https://hooks.example.org:8443"
        );
        assert_eq!(shown("http://[::1]/x"), "http://[::1]");
        assert_eq!(shown("secret"), "an address that is none");
    }
}
