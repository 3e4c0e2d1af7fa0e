//! A listener for texts on this machine: figures that a collector fetches. HTTP without TLS, so it binds loopback
//! addresses only.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Connections at once.
const MOST: usize = 8;
/// How long a connection may take from its beginning to its end; it carries one answer.
const LONGEST: Duration = Duration::from_secs(15);
/// How long the request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(5);
/// Longest head of a request, in bytes.
const HEAD_BYTES: usize = 8 * 1024;
/// After a failed accept, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// The `Accept` header.
    pub accept: Option<String>,
}

/// A text with its `Content-Type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The type.
    pub content_type: &'static str,
    /// The text.
    pub text: String,
}

/// Binds a loopback address.
///
/// # Errors
/// Of kind `InvalidInput` for any other address: nothing here asks who comes.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{address} is not a loopback address, as in 127.0.0.1:9740"),
        ));
    }
    TcpListener::bind(address).await
}

/// Answers `GET` requests until it is dropped. `page` gives the text for a path, or none for "not found".
pub async fn serve<F>(listener: TcpListener, page: impl Fn(Asked) -> F + Send + Sync + 'static)
where
    F: Future<Output = Option<Page>> + Send + 'static,
{
    let page = Arc::new(page);
    let places = Arc::new(Semaphore::new(MOST));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let page = Arc::clone(&page);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let page = Arc::clone(&page);
                async move { Ok::<_, Infallible>(answer(&request, &*page).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(ARRIVAL)
                .max_buf_size(HEAD_BYTES)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // A collector that went away, or sent no HTTP, is nobody's loss.
            let _ = timeout(LONGEST, connection).await;
            drop(place);
        });
    }
}

async fn answer<F>(request: &Request<Incoming>, page: &impl Fn(Asked) -> F) -> Response<Full<Bytes>>
where
    F: Future<Output = Option<Page>>,
{
    if request.method() != Method::GET {
        return plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET is answered here\n",
        );
    }
    let accept = request.headers().get(ACCEPT);
    let asked = Asked {
        path: request.uri().path().to_owned(),
        accept: accept
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
    };
    let Some(page) = page(asked).await else {
        return plain(StatusCode::NOT_FOUND, "there is only /metrics here\n");
    };
    let mut response = Response::new(Full::new(Bytes::from(page.text)));
    let content_type = http::HeaderValue::from_static(page.content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut text = Vec::new();
        // A listener that cuts an unfit connection may reset it.
        let _ = stream.read_to_end(&mut text).await;
        String::from_utf8_lossy(&text).into_owned()
    }

    #[tokio::test]
    async fn it_answers_what_it_has_and_refuses_the_rest() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, |asked| async move {
            (asked.path == "/metrics").then(|| Page {
                content_type: "text/plain",
                text: format!("for {:?}\n", asked.accept),
            })
        }));
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\naccept: text/*\r\n\r\n");
        let text = ask(address, get("/metrics").as_bytes()).await;
        assert!(
            text.starts_with("HTTP/1.1 200") && text.contains("for Some(\"text/*\")"),
            "{text}"
        );
        let text = ask(address, get("/etc/passwd").as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 404"), "{text}");
        let text = ask(
            address,
            b"POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
        assert!(text.starts_with("HTTP/1.1 405"), "{text}");
        let text = ask(address, &[0xff; 100]).await;
        assert!(!text.contains(" 200 "), "{text}");
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000));
        let text = ask(address, long.as_bytes()).await;
        assert!(!text.contains(" 200 "), "{text}");
    }

    #[tokio::test]
    async fn only_this_machine_may_ask() {
        let error = bind("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
        assert!(
            error.to_string().contains("not a loopback address"),
            "{error}"
        );
    }
}
