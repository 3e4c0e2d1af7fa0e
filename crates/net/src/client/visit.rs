//! Asking web servers that are not ours, to see how they are.

use std::fmt;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use reqwest::Url;
use tokio::time::Instant;

use super::{Belief, CallError};
use crate::SetupError;

/// Asks strangers over HTTP, each time on a new connection.
///
/// Up to five redirects are followed; the authorization is not shown to another host or port on the way. Proxies in
/// the environment are not used. Whoever visits sets the time limit: nothing here has one.
#[derive(Debug, Clone)]
pub struct Visitor {
    http: reqwest::Client,
}

/// One question to a stranger.
#[derive(Clone)]
pub struct Visit {
    /// `GET`, `HEAD` and so on.
    pub method: String,
    /// `http://…` or `https://…`.
    pub url: String,
    /// The value of the header `Authorization`.
    pub authorization: Option<String>,
    /// How much of the body is read, in bytes; the rest is left.
    pub max_body: usize,
}

/// A stranger's answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Visited {
    /// The HTTP status.
    pub status: u16,
    /// The body, or the beginning of it.
    pub body: Vec<u8>,
    /// Whether there was more of it.
    pub cut: bool,
    /// The time until the body had come, from before the connection was made.
    pub took: Duration,
}

/// Enough for every site that means well.
const MOST_REDIRECTS: usize = 5;

impl Visitor {
    /// A visitor; nothing is sent yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(belief: &Belief) -> Result<Self, SetupError> {
        let mut tls = (**belief.config()).clone();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::limited(MOST_REDIRECTS))
            .referer(false)
            .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")))
            // A connection that is kept would make the next look faster than what others see.
            .pool_max_idle_per_host(0)
            .http2_initial_stream_window_size(256 * 1024)
            .http2_initial_connection_window_size(512 * 1024)
            .http2_max_header_list_size(32 * 1024)
            .build();
        let http = http.map_err(|error| SetupError::Client {
            source: error.into(),
        })?;
        Ok(Self { http })
    }

    /// Asks, and reads the answer.
    ///
    /// # Errors
    /// When there is no answer; a status is one, whatever it says.
    pub async fn ask(&self, visit: &Visit) -> Result<Visited, CallError> {
        let began = Instant::now();
        let failed = |error: reqwest::Error| CallError::from_transport(&error, visit.url.clone());
        let mut response = self.request(visit)?.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let (mut body, mut cut) = (Vec::new(), false);
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            let fits = chunk.len().min(visit.max_body - body.len());
            body.extend_from_slice(&chunk[..fits]);
            if fits < chunk.len() {
                cut = true;
                break;
            }
        }
        Ok(Visited {
            status,
            body,
            cut,
            took: began.elapsed(),
        })
    }

    fn request(&self, visit: &Visit) -> Result<reqwest::RequestBuilder, CallError> {
        let refuse = |why: String| CallError::BadUrl {
            url: visit.url.clone(),
            why,
        };
        let url = Url::parse(&visit.url).map_err(|error| refuse(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("only http and https are spoken".into()));
        }
        let method = Method::from_bytes(visit.method.as_bytes())
            .map_err(|_| refuse(format!("{:?} is not a method", visit.method)))?;
        let mut request = self.http.request(method, url);
        if let Some(authorization) = &visit.authorization {
            let mut value = HeaderValue::from_str(authorization)
                .map_err(|_| refuse("its secret cannot be sent in a header".into()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        Ok(request)
    }
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit")
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
