//! Webhooks, ntfy and templates, to web servers that note what comes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use lockstep_model::alert::{NoticeKind, Way};
use lockstep_notify::{Failed, MailTls, SIGNATURE, Settings, TIMESTAMP};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::net::TcpListener;

use crate::mail_server::MailServer;
use crate::samples::{notice, notifier};

/// What came.
#[derive(Debug, Clone)]
struct Asked {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Asked {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A web server that answers a path `/NUMBER` with that status.
struct Web {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
            notes.lock().unwrap().push(Asked {
                method,
                path: uri.to_string(),
                headers,
                body: String::from_utf8(body.to_vec()).unwrap(),
            });
            let status = uri.path().trim_start_matches('/').parse::<u16>();
            let status = StatusCode::from_u16(status.unwrap_or(200)).unwrap();
            let headers = [("location", "/200"), ("retry-after", "17")];
            (status, headers, "because\r\n\u{7}so ".repeat(10_000)).into_response()
        };
        let app = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn webhook(&self, path: &str) -> Way {
        Way::Webhook {
            url: format!("{}{path}", self.url),
            secret_file: None,
        }
    }
}

fn file(text: &str) -> (NamedTempFile, String) {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().display().to_string();
    (file, path)
}

/// Works without authorities of the system.
fn settings() -> (NamedTempFile, Settings) {
    let own = rcgen::generate_simple_self_signed(vec!["own".into()]).unwrap();
    let (file, _) = file(&own.cert.pem());
    let settings = Settings {
        ca_file: Some(file.path().into()),
        timeout: Duration::from_secs(10),
        ..Settings::default()
    };
    (file, settings)
}

async fn deliver(way: &Way, kind: NoticeKind) -> Result<String, Failed> {
    let (_file, settings) = settings();
    let (notifier, _driver) = notifier(settings);
    let delivered = notifier.deliver(way, &notice("n1", kind)).await?;
    Ok(delivered.answer)
}

#[tokio::test]
async fn a_webhook_is_signed() {
    let web = Web::start().await;
    let (_file, path) = file("key\n");
    let way = Way::Webhook {
        url: format!("{}/hook?token=t", web.url),
        secret_file: Some(path),
    };
    assert_eq!(deliver(&way, NoticeKind::Problem).await.unwrap(), "200");
    let asked = web.asked().remove(0);
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", "/hook?token=t")
    );
    assert_eq!(asked.headers["content-type"], "application/json");
    let body = asked.json();
    assert_eq!(
        (&body["version"], &body["status"]),
        (&json!("4"), &json!("firing"))
    );
    assert_eq!(body["alerts"][0]["labels"]["alertname"], "disk_usage");
    assert_eq!(asked.headers[TIMESTAMP], "1790000300");
    let signed = format!("1790000300.{}", asked.body);
    let given = asked.headers[SIGNATURE].to_str().unwrap();
    let given = hex::decode(given.strip_prefix("sha256=").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
    hmac::verify(&key, signed.as_bytes(), &given).unwrap();

    let unsigned = web.webhook("/hook");
    deliver(&unsigned, NoticeKind::Recovered).await.unwrap();
    let asked = web.asked().remove(0);
    assert!(!asked.headers.contains_key(SIGNATURE));
    assert_eq!(asked.json()["status"], "resolved");
}

#[tokio::test]
async fn ntfy_gets_its_topic_and_token() {
    let web = Web::start().await;
    let (_file, path) = file(" tk_secret \n");
    let way = Way::Ntfy {
        url: format!("{}/below/oncall", web.url),
        token_file: Some(path),
    };
    deliver(&way, NoticeKind::Problem).await.unwrap();
    let asked = web.asked().remove(0);
    assert_eq!(asked.path, "/below");
    assert_eq!(asked.headers["authorization"], "Bearer tk_secret");
    let body = asked.json();
    assert_eq!(body["topic"], "oncall");
    assert_eq!(body["title"], "[critical] web1 disk_usage:/ 96.0 %");
    assert_eq!(body["priority"], 5);
    assert_eq!(body["tags"], json!(["rotating_light", "web1"]));
    assert_eq!(body["click"], "https://lockstep.example.org:7443");
    assert!(body["message"].as_str().unwrap().contains("größer"));
}

#[tokio::test]
async fn a_template_makes_any_body() {
    let web = Web::start().await;
    let (_file, path) = file("Token secret\n");
    let way = |body: &str, method: &str| Way::Template {
        url: format!("{}/api", web.url),
        method: method.into(),
        headers: BTreeMap::from([("Content-Type".into(), "text/x-own".into())]),
        header_files: BTreeMap::from([("Authorization".into(), path.clone())]),
        body: body.into(),
    };
    let body = "{\"text\": \"{{json:text}}\", \"who\": \"{{receiver}}\"}";
    deliver(&way(body, "PUT"), NoticeKind::Problem)
        .await
        .unwrap();
    let asked = web.asked().remove(0);
    assert_eq!(asked.method, Method::PUT);
    assert_eq!(asked.headers["content-type"], "text/x-own");
    assert_eq!(asked.headers["authorization"], "Token secret");
    let text = asked.json()["text"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("[critical] web1 disk_usage:/: 96.0 %\n"),
        "{text}"
    );

    for (body, method, words) in [
        ("{{nosuch}}", "POST", "\"nosuch\""),
        ("x", "GET", "neither POST nor PUT"),
    ] {
        let failed = deliver(&way(body, method), NoticeKind::Problem)
            .await
            .unwrap_err();
        assert!(!failed.again && failed.why.contains(words), "{failed}");
    }
    let way = Way::Template {
        url: web.url.clone(),
        method: "POST".into(),
        headers: BTreeMap::from([("X".into(), "a\r\nsecret: b".into())]),
        header_files: BTreeMap::new(),
        body: String::new(),
    };
    let failed = deliver(&way, NoticeKind::Problem).await.unwrap_err();
    assert!(!failed.again && !failed.why.contains("secret"), "{failed}");
    assert_eq!(web.asked().len(), 0);
}

#[tokio::test]
async fn what_a_status_means() {
    let web = Web::start().await;
    for (status, again) in [
        (301, false),
        (307, false),
        (400, false),
        (401, false),
        (404, false),
        (408, true),
        (410, false),
        (429, true),
        (500, true),
        (503, true),
    ] {
        let way = web.webhook(&format!("/{status}?token=secret"));
        let failed = deliver(&way, NoticeKind::Problem).await.unwrap_err();
        assert_eq!(failed.again, again, "{status}");
        assert_eq!(
            failed.retry_after,
            Some(Duration::from_secs(17)),
            "{status}"
        );
        let begin = format!("{} answers {status}: because so because", web.url);
        assert!(failed.why.starts_with(&begin), "{failed}");
        assert!(
            failed.why.len() < 400 && !failed.why.contains("secret"),
            "{failed}"
        );
    }
    // Nobody followed a redirect.
    assert_eq!(web.asked().len(), 10);
}

#[tokio::test]
async fn no_answer_is_no_refusal() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let (_file, mut settings) = settings();
    settings.timeout = Duration::from_millis(200);
    let (notifier, _driver) = notifier(settings);
    let way = |url: String| Way::Webhook {
        url,
        secret_file: None,
    };
    let message = notice("n1", NoticeKind::Problem);
    let hook = way(format!("http://{address}/secret"));
    let failed = notifier.deliver(&hook, &message).await.unwrap_err();
    assert!(
        failed.again && failed.why.contains("no answer within"),
        "{failed}"
    );
    drop(silent);
    let failed = notifier.deliver(&hook, &message).await.unwrap_err();
    assert!(failed.again && failed.why.contains("refused"), "{failed}");
    assert!(!failed.why.contains("secret"), "{failed}");
    for url in ["secret", "ftp://x/secret", ""] {
        let failed = notifier
            .deliver(&way(url.into()), &message)
            .await
            .unwrap_err();
        assert!(!failed.again && !failed.why.contains("secret"), "{failed}");
    }
    // What lies on the server can be mended.
    let missing = Way::Webhook {
        url: "http://127.0.0.1:9/x".into(),
        secret_file: Some("/nonexistent/key".into()),
    };
    let failed = notifier.deliver(&missing, &message).await.unwrap_err();
    assert!(
        failed.again && failed.why.contains("/nonexistent/key"),
        "{failed}"
    );
}

#[tokio::test]
async fn only_a_server_of_the_authority_is_told_anything() {
    // It speaks TLS, and what it says behind it does not matter here.
    let server = MailServer::start(MailTls::Tls, json!({})).await;
    let hook = Way::Webhook {
        url: server.as_web(),
        secret_file: None,
    };
    let (_file, mut settings) = settings();
    let outcome = async |settings: Settings| {
        let (notifier, _driver) = notifier(settings);
        let message = notice("n1", NoticeKind::Problem);
        notifier.deliver(&hook, &message).await.unwrap_err()
    };
    let failed = outcome(settings.clone()).await;
    assert!(
        failed.again && failed.why.contains("is not believed"),
        "{failed}"
    );
    settings.ca_file = server.settings().mail.unwrap().ca_file;
    let failed = outcome(settings.clone()).await;
    assert!(
        failed.again && failed.why.starts_with("cannot reach"),
        "{failed}"
    );
    assert!(!failed.why.contains("secret"), "{failed}");
    settings.ca_file = Some("/nonexistent/ca.pem".into());
    let failed = outcome(settings).await;
    assert!(
        failed.again && failed.why.contains("/nonexistent/ca.pem"),
        "{failed}"
    );
}
