//! Enrolment and renewal: a token, and then a certificate, becomes a certificate.
//!
//! Both may be repeated: the same token, key and name give the same host again, and a lost answer costs nothing.
//! What a host writes into its certificate request does not matter but for its public key; the name comes from the
//! enrolment, and afterwards from the certificate that it already has.

use jiff::Timestamp;
use lockstep_model::api::{EnrollAnswer, EnrollRequest, Facts, RenewAnswer, RenewRequest};
use lockstep_model::{Change, ChangeKind, HostName, ProblemKind};
use lockstep_store::NewHost;
use lockstep_trust::identity::{EnrollmentToken, IssuedCertificate, csr_key};

use crate::app::App;
use crate::web::Refusal;

/// Why an enrolment failed, in so far as the door must know: only a bad token counts against the visitor.
#[derive(Debug)]
pub(crate) enum NotEnrolled {
    /// The token is not one of ours, or no longer.
    BadToken(Refusal),
    /// Anything else.
    Other(Refusal),
}

impl From<Refusal> for NotEnrolled {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal)
    }
}

impl From<lockstep_store::Error> for NotEnrolled {
    fn from(error: lockstep_store::Error) -> Self {
        match error {
            lockstep_store::Error::TokenRefused(_) => Self::BadToken(error.into()),
            _ => Self::Other(error.into()),
        }
    }
}

/// Enrols a host.
pub(crate) async fn enroll(
    app: &App,
    request: &EnrollRequest,
    now: Timestamp,
) -> Result<EnrollAnswer, NotEnrolled> {
    // The key is looked at before the token is used up: a request that cannot be signed must not cost a use.
    let key =
        csr_key(&request.csr).map_err(|error| Refusal::bad_request(format!("csr: {error}")))?;
    let token =
        EnrollmentToken::parse(&request.token).map_err(|error| refused(error.to_string()))?;
    if token.ca_fingerprint() != app.authority.fingerprint() {
        return Err(refused(
            "the token is for the servers of another fleet".into(),
        ));
    }
    let redeemed = app
        .store
        .redeem_token(token.id(), &token.secret_hash(), &key, &request.name, now)
        .await?;
    app.store
        .enroll_host(NewHost {
            name: request.name.clone(),
            key,
            // Whoever has a certificate does not speak through a gateway.
            facts: Facts {
                gateway: None,
                ..request.facts.clone()
            },
            at: now,
            replace: redeemed.replace,
        })
        .await?;
    // An enrolment whose answer was lost is one enrolment, however often it is repeated: the time of the first counts,
    // and makes them the same change.
    let enrolled = app.store.host(&request.name).await?;
    let change = Change {
        at: enrolled.map_or(now, |host| host.enrolled_at),
        kind: ChangeKind::Enrolled,
        what: "enrolled".into(),
        run: None,
    };
    app.store.record_change(&request.name, &change).await?;
    let issued = issue(app, &request.csr, &request.name, now).await?;
    tracing::info!(host = %request.name, token = token.id(), serial = issued.serial, "enrolled a host");
    super::audit::note(
        app,
        &format!("token {}", token.id()),
        &format!("enrolled host {}", request.name),
        now,
    )
    .await;
    Ok(EnrollAnswer {
        host: request.name.clone(),
        certificate: issued.pem,
        ca: app.authority.cert_pem().into(),
        trusted_root: first_root(app).await?,
    })
}

/// Gives a host another certificate.
pub(crate) async fn renew(
    app: &App,
    host: &HostName,
    request: &RenewRequest,
    now: Timestamp,
) -> Result<RenewAnswer, Refusal> {
    let issued = issue(app, &request.csr, host, now).await?;
    tracing::info!(%host, serial = issued.serial, "renewed a certificate");
    Ok(RenewAnswer {
        certificate: issued.pem,
        ca: app.authority.cert_pem().into(),
    })
}

/// The first version of the repository's root: from it a client walks to the newest one.
pub(crate) async fn first_root(app: &App) -> Result<Option<String>, Refusal> {
    Ok(app.store.repo_file("1.root.json").await?)
}

/// Signs and records. A certificate counts only once it is recorded, so it is recorded before it is handed out.
async fn issue(
    app: &App,
    csr: &str,
    host: &HostName,
    now: Timestamp,
) -> Result<IssuedCertificate, Refusal> {
    let issued = app
        .authority
        .issue_host(csr, host, now, app.config.certificates.valid.duration())
        .map_err(|error| Refusal::bad_request(format!("csr: {error}")))?;
    app.store
        .record_certificate(&issued.serial, host, &issued.key, issued.not_after, now)
        .await?;
    Ok(issued)
}

fn refused(words: String) -> NotEnrolled {
    NotEnrolled::BadToken(Refusal::new(ProblemKind::TokenRefused, words))
}
