//! Files over HTTP without TLS.

use std::sync::Arc;

use reqwest::Url;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::answer::Answer;
use super::{CallError, Timeouts};
use crate::credentials::provider;
use crate::{Clock, SetupError};

/// Gets files from an `http://` address. Nobody proves to be the server, and everybody on the way can change what
/// comes, so this is only for files that carry their own signatures: the metadata and targets of a repository of The
/// Update Framework. It knows no identity, token or header to give away.
#[derive(Debug, Clone)]
pub struct PlainFiles {
    http: reqwest::Client,
    base: Arc<str>,
    timeouts: Timeouts,
    clock: Clock,
}

impl PlainFiles {
    /// Files below an address.
    ///
    /// # Errors
    /// When it is not an `http://` address.
    pub fn below(base_url: &str, timeouts: Timeouts, clock: &Clock) -> Result<Self, SetupError> {
        let refuse = |why: String| SetupError::BaseUrl {
            url: base_url.into(),
            why,
        };
        let url = Url::parse(base_url).map_err(|error| refuse(error.to_string()))?;
        if url.scheme() != "http" {
            return Err(refuse("only plain http is spoken here".into()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("\"?\" and \"#\" do not belong in it".into()));
        }
        let unusable =
            |error: Box<dyn std::error::Error + Send + Sync>| SetupError::Client { source: error };
        // Not used for anything, but the HTTP client wants to know.
        let tls = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.into()))?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(timeouts.connect)
            .build()
            .map_err(|error| unusable(error.into()))?;
        Ok(Self {
            http,
            base: url.as_str().trim_end_matches('/').into(),
            timeouts,
            clock: clock.clone(),
        })
    }

    /// `GET` of a file of at most `max_bytes`. Its path is put behind the base and a slash, as it stands.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get_capped(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, CallError> {
        let url = format!("{}/{path}", self.base);
        let target = Url::parse(&url).map_err(|error| CallError::BadUrl {
            url: url.clone(),
            why: error.to_string(),
        })?;
        let head = async {
            let response = self.http.get(target).send().await;
            let response =
                response.map_err(|error| CallError::from_transport(&error, url.clone()))?;
            Answer::new(response, url.clone(), self.timeouts.stall)
                .success(&self.clock)
                .await
        };
        match timeout(self.timeouts.answer, head).await {
            Ok(answer) => answer?.read(max_bytes).await,
            Err(_) => Err(CallError::no_answer(url.clone(), self.timeouts.answer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request for each answer, and gives back what was asked for.
    async fn asked(
        answers: &[&str],
        path: &str,
        max: usize,
    ) -> (Result<Vec<u8>, CallError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/below/", listener.local_addr().unwrap());
        let files = PlainFiles::below(&base, Timeouts::default(), &Clock::system()).unwrap();
        let serve = async {
            let mut request = vec![0; 4096];
            let (mut stream, _) = listener.accept().await.unwrap();
            let count = stream.read(&mut request).await.unwrap();
            for part in answers {
                // The client hangs up when it has enough.
                let _ = stream.write_all(part.as_bytes()).await;
            }
            request.truncate(count);
            String::from_utf8(request).unwrap()
        };
        let (answer, request) = tokio::join!(files.get_capped(path, max), serve);
        (answer, request.lines().next().unwrap().to_owned())
    }

    #[tokio::test]
    async fn files_come_whole_or_not_at_all() {
        let ok = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        let (file, request) = asked(&[ok, "abc"], "1.%3F.json", 3).await;
        assert_eq!(file.unwrap(), b"abc");
        assert_eq!(request, "GET /below/1.%3F.json HTTP/1.1");
        let (file, _) = asked(&[ok, "abcd"], "x", 3).await;
        assert!(
            matches!(file, Err(CallError::TooLarge { max: 3, .. })),
            "{file:?}"
        );
        let long = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
        let (file, _) = asked(&[long], "x", 3).await;
        assert!(
            matches!(file, Err(CallError::TooLarge { max: 3, .. })),
            "{file:?}"
        );
        let missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        let (file, _) = asked(&[missing], "x", 3).await;
        assert!(file.unwrap_err().is_not_found());
        let elsewhere = "HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n";
        let (file, _) = asked(&[elsewhere], "x", 3).await;
        assert_eq!(file.unwrap_err().status(), Some(302));
    }

    #[test]
    fn only_plain_addresses_are_taken() {
        for url in ["https://server", "server", "http://server/?a", ""] {
            let files = PlainFiles::below(url, Timeouts::default(), &Clock::system());
            assert!(matches!(files, Err(SetupError::BaseUrl { .. })), "{url}");
        }
    }
}
