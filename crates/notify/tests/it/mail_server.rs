//! The mail server: aiosmtpd in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use lockstep_notify::{MailSettings, MailTls, Settings};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A mail as it came.
#[derive(Debug, Deserialize)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) tls: bool,
    pub(crate) user: Option<String>,
    pub(crate) content: String,
}

pub(crate) struct MailServer {
    child: Child,
    port: u16,
    mails: mpsc::UnboundedReceiver<Mail>,
    directory: TempDir,
    tls: MailTls,
}

impl MailServer {
    /// Starts one. `more` are options of `smtpd.py` besides those of TLS.
    pub(crate) async fn start(tls: MailTls, mut more: Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        if tls != MailTls::None {
            let at = |name: &str| directory.path().join(name).display().to_string();
            make_certificate(&directory);
            more["certificate"] = json!(at("server.pem"));
            more["key"] = json!(at("server.key"));
            more["tls"] = json!(if tls == MailTls::Tls {
                "wrapped"
            } else {
                "starttls"
            });
        }
        let mut child = spawn(&more.to_string());
        let stdout = child.stdout.take().unwrap();
        let (sender, mails) = mpsc::unbounded_channel();
        let (port_sender, port) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            let Some(first) = lines.next() else { return };
            let first: Value = serde_json::from_str(&first).unwrap();
            let _ = port_sender.send(first["port"].as_u64().unwrap());
            for line in lines {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let port = port.await.expect(
            "these tests need python3 with the package aiosmtpd; scripts/parts installs it",
        );
        Self {
            child,
            port: port.try_into().unwrap(),
            mails,
            directory,
            tls,
        }
    }

    /// Settings by which mail is sent to it.
    pub(crate) fn settings(&self) -> Settings {
        let ca_file = (self.tls != MailTls::None).then(|| self.directory.path().join("ca.pem"));
        Settings {
            mail: Some(MailSettings {
                server: "127.0.0.1".into(),
                port: Some(self.port),
                tls: self.tls,
                user: None,
                password_file: None,
                from: "Lockstep <lockstep@example.org>".into(),
                ca_file,
            }),
            ..Settings::default()
        }
    }

    /// Its address, as if it were a web server.
    pub(crate) fn as_web(&self) -> String {
        format!("https://127.0.0.1:{}/secret", self.port)
    }

    /// A file with this text.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        write(&self.directory, name, text)
    }

    /// The next mail that it took.
    pub(crate) async fn mail(&mut self) -> Mail {
        let mail = tokio::time::timeout(std::time::Duration::from_secs(20), self.mails.recv());
        mail.await.unwrap().unwrap()
    }

    pub(crate) fn has_none(&mut self) -> bool {
        self.mails.try_recv().is_err()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Mail {
    /// Its headers, unfolded.
    pub(crate) fn headers(&self) -> Vec<String> {
        let head = self.content.split("\r\n\r\n").next().unwrap();
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        head.split("\r\n").map(String::from).collect()
    }

    /// The value of a header that must be there once.
    pub(crate) fn header(&self, name: &str) -> String {
        let begin = format!("{name}: ");
        let found: Vec<_> = self
            .headers()
            .into_iter()
            .filter_map(|line| line.strip_prefix(&begin).map(String::from))
            .collect();
        let [value] = found.as_slice() else {
            panic!("{name} is there {} times:\n{}", found.len(), self.content)
        };
        value.clone()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it lives as long as the test, and is killed without any care"
)]
fn spawn(options: &str) -> Child {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let installed = here.join("../../target/python/bin/python3");
    let python = if installed.exists() {
        installed
    } else {
        "python3".into()
    };
    Command::new(python)
        .arg(here.join("tests/it/smtpd.py"))
        .arg(options)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("these tests need python3")
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing here has to survive a power cut"
)]
fn write(directory: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// An authority, and a certificate of it for 127.0.0.1.
fn make_certificate(directory: &TempDir) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    // Somebody else's comes first: all of them count.
    let other = CertificateParams::new(vec!["other".into()]).unwrap();
    let other = other.self_signed(&KeyPair::generate().unwrap()).unwrap();
    write(
        directory,
        "ca.pem",
        &format!("# other\n{}# ours\n{pem}", other.pem()),
    );
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    write(directory, "server.pem", &leaf.pem());
    write(directory, "server.key", &key.serialize_pem());
}
