//! Enrolment of the agents that are not enrolled yet.
//!
//! Keys are kept before they are sent anywhere: an enrolment that was broken off is repeated with the same key, and
//! gives the same host again.

use std::sync::Arc;
use std::time::Duration;

use lockstep_model::HostName;
use lockstep_model::api::{EnrollAnswer, EnrollRequest, Facts};
use lockstep_net::client::{CallError, ClientSettings, HttpClient, Roots};
use lockstep_net::{Backoff, Clock};
use lockstep_plan::schedule::spread_retry;
use lockstep_trust::identity::{EnrollmentToken, HostKey, PeerIdentity, csr_for};
use tokio::task::JoinSet;

use super::book::Book;
use super::remembered::{Carried, Remembered};
use super::{Error, Settings};

/// Enrolments under way at once.
const AT_ONCE: usize = 16;
/// An enrolment is tried this often.
const ATTEMPTS: u32 = 20;

/// The agents from 1 to as many as wanted: those that are known, and new ones with keys of their own. A certificate
/// that has run out is forgotten.
pub(super) fn complete(
    known: Vec<Remembered>,
    settings: &Settings,
    clock: &Clock,
) -> Result<Vec<Remembered>, Error> {
    let now = clock.now();
    let mut agents = Vec::new();
    let mut known = known.into_iter().peekable();
    for number in 1..=settings.agents {
        while known.next_if(|it| it.number < number).is_some() {}
        if let Some(mut agent) = known.next_if(|it| it.number == number) {
            let valid =
                |pem: &String| PeerIdentity::from_pem(pem).is_ok_and(|it| it.not_after > now);
            agent.certificate = agent.certificate.filter(valid);
            agents.push(agent);
            continue;
        }
        let name = format!("{}-{number:05}", settings.name);
        let name = HostName::parse(&name).map_err(|error| Error::Name {
            name,
            why: error.to_string(),
        })?;
        let key = HostKey::generate(&name).map_err(|error| Error::Key {
            why: error.to_string(),
        })?;
        agents.push(Remembered {
            number,
            name,
            key: key.key_pem,
            certificate: None,
            ca: String::new(),
            carried: vec![Carried::at(
                lockstep_model::PackageName::lockstep(),
                Some(settings.from_version.clone()),
            )],
        });
    }
    Ok(agents)
}

/// Enrols all that have no certificate. `told` is called with how many are enrolled.
pub(super) async fn enrol(
    book: &Arc<Book>,
    settings: &Settings,
    clock: &Clock,
    mut told: impl FnMut(u32),
) -> Result<(), Error> {
    let enrolled = |number: &u32| book.identity(*number).is_some();
    let missing: Vec<u32> = (1..=settings.agents).filter(|it| !enrolled(it)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let token = settings.token.as_ref().ok_or(Error::NoToken {
        missing: missing.len(),
    })?;
    // The keys first.
    for number in &missing {
        book.change(*number, |_| ());
    }
    book.save().await?;
    let roots = Roots::Fingerprint(token.ca_fingerprint());
    let client = HttpClient::new(ClientSettings::new(&settings.server, roots), clock)?;
    let mut under_way = JoinSet::new();
    let mut done = settings.agents - u32::try_from(missing.len()).unwrap_or(u32::MAX);
    let mut missing = missing.into_iter();
    loop {
        while under_way.len() < AT_ONCE
            && let Some(number) = missing.next()
        {
            under_way.spawn(enrol_one(
                Arc::clone(book),
                client.clone(),
                token.clone(),
                number,
            ));
        }
        let Some(ended) = under_way.join_next().await else {
            break;
        };
        if let Err(error) = ended.unwrap_or_else(|error| {
            Err(Error::Key {
                why: error.to_string(),
            })
        }) {
            // What was enrolled so far is enrolled.
            book.save().await?;
            return Err(error);
        }
        done += 1;
        told(done);
        if done.is_multiple_of(500) {
            book.save().await?;
        }
    }
    book.save().await
}

async fn enrol_one(
    book: Arc<Book>,
    client: HttpClient,
    token: EnrollmentToken,
    number: u32,
) -> Result<(), Error> {
    let Some(agent) = book.get(number) else {
        return Ok(());
    };
    let csr = csr_for(&agent.key, &agent.name).map_err(|error| Error::Key {
        why: error.to_string(),
    })?;
    let request = EnrollRequest {
        token: token.to_string(),
        csr,
        name: agent.name.clone(),
        facts: Facts::default(),
    };
    let seed = u64::from(number);
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30), seed);
    let mut attempt = 1;
    let answer: EnrollAnswer = loop {
        let error = match client.post_json("/agent/v1/enroll", &request).await {
            Ok(answer) => break answer,
            Err(error) => error,
        };
        let passing = match &error {
            CallError::Unreachable { .. } => true,
            error => matches!(error.status(), Some(429 | 500..)),
        };
        if !passing || attempt >= ATTEMPTS {
            return Err(Error::Enrol {
                name: agent.name,
                source: Box::new(error),
            });
        }
        attempt += 1;
        let wait = match error.retry_after() {
            Some(wait) => spread_retry(wait, seed ^ u64::from(attempt)),
            None => backoff.next_wait(),
        };
        tokio::time::sleep(wait).await;
    };
    book.change(number, |agent| {
        agent.certificate = Some(answer.certificate);
        agent.ca = answer.ca;
    });
    Ok(())
}
