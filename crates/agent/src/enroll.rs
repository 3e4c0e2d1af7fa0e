//! Enrolment: a token becomes a certificate.
//!
//! The token carries the fingerprint of the server's certificate authority, so the host knows whom it talks to
//! before it sends the secret. The host makes its own key and keeps it. The whole command may be repeated: the same
//! key and token give the same host again, so a lost answer or a crash costs nothing.

use lockstep_host::fs::{self, Mode};
use lockstep_host::{Layout, machine};
use lockstep_model::HostName;
use lockstep_model::api::{EnrollAnswer, EnrollRequest};
use lockstep_net::Clock;
use lockstep_net::client::{ClientSettings, HttpClient, Roots};
use lockstep_trust::identity::EnrollmentToken;

use crate::config::AgentConfig;
use crate::identity::{self, Files};
use crate::repository;
use crate::{Error, Identity};

/// Enrols this host with the server at `url` (`https://HOST:7440`) and returns its identity. `name` is the name to
/// ask for; without one it is the machine's own.
pub async fn enroll(
    layout: &Layout,
    url: &str,
    token: &EnrollmentToken,
    name: Option<HostName>,
    clock: &Clock,
) -> Result<Identity, Error> {
    let url = url.trim_end_matches('/');
    let name = match name {
        Some(name) => name,
        None => own_name()?,
    };
    // Decided before anything is sent: a mistyped address must not cost a token.
    let config = AgentConfig::naming_server(&layout.config(), url)?;

    let files = Files::below(layout);
    fs::create_private_dir(&layout.identity_dir())?;
    let csr = identity::key_and_request(&files, &name)?;
    let roots = Roots::Fingerprint(token.ca_fingerprint());
    let client = HttpClient::new(ClientSettings::new(url, roots), clock)?;
    let request = EnrollRequest {
        token: token.to_string(),
        csr,
        name,
        facts: machine::facts(),
    };
    let answer: EnrollAnswer = client.post_json("/agent/v1/enroll", &request).await?;

    if let Some(root) = &answer.trusted_root {
        trust_root(layout, &files, root.as_bytes())?;
    }
    fs::write_durable(&files.ca, answer.ca.as_bytes(), Mode::Public)?;
    if let Some(text) = config {
        fs::write_durable(&layout.config(), text.as_bytes(), Mode::Public)?;
    }
    fs::write_durable(
        &files.certificate,
        answer.certificate.as_bytes(),
        Mode::Public,
    )?;
    Identity::load(layout)
}

/// Begins to trust a root. Metadata that was trusted from another one would stand in its way: a host that is enrolled
/// anew, with another publisher, begins anew.
fn trust_root(layout: &Layout, files: &Files, root: &[u8]) -> Result<(), Error> {
    let before = fs::read_capped(&files.trusted_root, repository::MAX_ROOT)?;
    if before.as_deref() == Some(root) {
        return Ok(());
    }
    if before.is_some() {
        fs::remove_tree(&layout.tuf_dir())?;
    }
    Ok(fs::write_durable(&files.trusted_root, root, Mode::Public)?)
}

fn own_name() -> Result<HostName, Error> {
    let hostname = machine::hostname();
    HostName::parse(&hostname.to_lowercase()).map_err(|error| {
        Error::Refused(format!(
            "this machine's own name cannot be used: {error}; give one with --name"
        ))
    })
}
