//! How a machine becomes a host, stays one, and ceases to be one.

use std::time::Duration;

use lockstep_model::api::operator::{CreatedToken, NewToken, TokenView};
use lockstep_model::api::{RenewAnswer, RenewRequest, ReportAnswer};
use lockstep_model::{ChangeKind, Interval, Level};
use lockstep_net::client::{CallError, Identity};
use lockstep_trust::identity::{EnrollmentToken, HostKey, PeerIdentity, csr_for};

use crate::world::{Host, World, host, hours, refusal, refused};

#[tokio::test]
async fn a_token_makes_a_host_and_the_same_again_is_the_same_host() {
    let world = World::start().await;
    let token = world.token(1, None).await;
    let key = HostKey::generate(&host("web1")).unwrap();
    let first = world.enroll_with("web1", &token.token, &key).await.unwrap();
    assert_eq!(first.host, host("web1"));
    assert_eq!(first.ca, world.running.ca_pem);
    assert_eq!(first.trusted_root, None);
    let certificate = PeerIdentity::from_pem(&first.certificate).unwrap();
    assert_eq!(certificate.host, host("web1"));
    let days = certificate.not_after.duration_since(world.now()).as_hours() / 24;
    assert!((89..=90).contains(&days), "{days}");

    // The answer was lost: the same question is answered again, and nothing was used up by it.
    let again = world.enroll_with("web1", &token.token, &key).await.unwrap();
    for answer in [first, again] {
        let host = Host::new(&world, "web1", key.key_pem.clone(), answer.certificate);
        host.report("1.0.0", true).await.unwrap();
    }
    let listed: Vec<TokenView> = world.operator.get_json("/api/v1/tokens").await.unwrap();
    let listed = listed
        .into_iter()
        .find(|view| token.token.contains(&view.id))
        .unwrap();
    assert_eq!(
        (listed.used, listed.uses, listed.created_by.as_str()),
        (1, 1, "admin")
    );
}

#[tokio::test]
async fn an_enrolment_is_a_change_of_the_host_and_its_repetition_is_none() {
    let world = World::start().await;
    let token = world.token(1, None).await;
    let key = HostKey::generate(&host("web1")).unwrap();
    let at = world.now();
    world.enroll_with("web1", &token.token, &key).await.unwrap();
    world.pass(30).await;
    let again = world.enroll_with("web1", &token.token, &key).await.unwrap();
    let web1 = Host::new(&world, "web1", key.key_pem.clone(), again.certificate);
    let event = web1.event(&world, 1, "disk_usage:/", Level::SICK);
    web1.send_events("s-1", vec![event]).await.unwrap();
    let stored = world.events("host=web1").await;
    let [change] = &stored[0].changes[..] else {
        panic!("{:?}", stored[0].changes);
    };
    assert_eq!(
        (change.kind, change.what.as_str()),
        (ChangeKind::Enrolled, "enrolled")
    );
    assert_eq!(
        change.at.as_millisecond(),
        at.as_millisecond(),
        "{change:?}"
    );
}

#[tokio::test]
async fn bad_tokens_are_refused_and_say_why() {
    let world = World::start().await;
    let key = HostKey::generate(&host("web1")).unwrap();
    let try_with = async |token: &str| world.enroll_with("web1", token, &key).await;

    let used = world.token(1, None).await;
    let other = HostKey::generate(&host("web2")).unwrap();
    world
        .enroll_with("web2", &used.token, &other)
        .await
        .unwrap();
    assert!(refusal(try_with(&used.token).await).contains("used up"));

    let of_other = world.token(1, Some(host("db1"))).await;
    assert!(refusal(try_with(&of_other.token).await).contains("another host"));

    let unknown = EnrollmentToken::parse(&used.token)
        .unwrap()
        .ca_fingerprint();
    let unknown = EnrollmentToken::generate(unknown).unwrap().to_string();
    assert_eq!(
        refused(try_with(&unknown).await),
        (401, "token-refused".into())
    );

    let fingerprint = lockstep_model::ContentHash::from_digest([7; 32]);
    let foreign = EnrollmentToken::generate(fingerprint).unwrap().to_string();
    assert!(refusal(try_with(&foreign).await).contains("another fleet"));

    let nonsense = refused(try_with("let me in").await);
    assert_eq!(nonsense, (401, "token-refused".into()));

    let revoked = world.token(1, None).await;
    let id = EnrollmentToken::parse(&revoked.token)
        .unwrap()
        .id()
        .to_owned();
    let path = format!("/api/v1/tokens/{id}");
    world.operator.delete::<()>(&path).await.unwrap();
    assert_eq!(refused(world.operator.delete::<()>(&path).await).0, 404);
    assert_eq!(
        refused(try_with(&revoked.token).await),
        (401, "token-refused".into())
    );

    let expired = world.token(1, None).await;
    world.driver.advance(hours(2));
    assert!(refusal(try_with(&expired.token).await).contains("expired"));
}

#[tokio::test]
async fn many_bad_tokens_from_one_address_have_to_wait() {
    let world = World::start().await;
    let key = HostKey::generate(&host("web1")).unwrap();
    let mut bad = 0;
    let error = loop {
        let error = world
            .enroll_with("web1", "lse1.bad", &key)
            .await
            .unwrap_err();
        if error.status() != Some(401) {
            break error;
        }
        bad += 1;
        assert!(bad < 100, "nobody stops the guessing");
    };
    assert_eq!(error.status(), Some(503));
    let wait = error.retry_after().unwrap();
    assert!(wait <= Duration::from_secs(60), "{wait:?}");
    // A good token has to wait, too: otherwise the answer would tell a good one from a bad one.
    let good = world.token(1, None).await;
    assert_eq!(
        refused(world.enroll_with("web1", &good.token, &key).await).0,
        503
    );
    world.driver.advance(Duration::from_secs(61));
    world.enroll_with("web1", &good.token, &key).await.unwrap();
}

#[tokio::test]
async fn a_name_is_not_taken_over_without_an_order_to_do_so() {
    let world = World::start().await;
    let old = world.enroll("web1").await;
    let key = HostKey::generate(&host("web1")).unwrap();

    let once = world.token(1, None).await;
    let words = refusal(world.enroll_with("web1", &once.token, &key).await);
    assert!(
        words.contains("web1") && words.contains("another key"),
        "{words}"
    );
    // The refusal cost nothing: the token is still good for a name that is free.
    let free = HostKey::generate(&host("web2")).unwrap();
    world.enroll_with("web2", &once.token, &free).await.unwrap();
    old.report("1.0.0", true).await.unwrap();

    let order = world.token(1, Some(host("web1"))).await;
    let answer = world.enroll_with("web1", &order.token, &key).await.unwrap();
    let new = Host::new(&world, "web1", key.key_pem.clone(), answer.certificate);
    new.report("1.0.0", true).await.unwrap();
    assert_eq!(
        refused(old.report("1.0.0", true).await),
        (401, "not-authenticated".into())
    );
}

#[tokio::test]
async fn without_a_certificate_there_is_enrolment_and_nothing_else() {
    let world = World::start().await;
    let stranger = world.agent_client(None, "1.0.0");
    for path in [
        "/agent/v1/ping",
        "/agent/v1/root",
        "/agent/v1/stream",
        "/repo/metadata/timestamp.json",
        "/repo/targets/lockstep/1.0.0/x",
    ] {
        let answer = stranger.get_json::<serde_json::Value>(path).await;
        assert_eq!(refused(answer), (401, "not-authenticated".into()), "{path}");
    }
    for path in ["/agent/v1/report", "/agent/v1/renew", "/agent/v1/runs"] {
        let answer = stranger.post_json::<_, serde_json::Value>(path, &()).await;
        assert_eq!(refused(answer), (401, "not-authenticated".into()), "{path}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_recorded_does_not_count() {
    // Whoever stole the authority's key once cannot make hosts for ever: the store knows all that were issued.
    let world = World::start().await;
    let read = |name: &str| std::fs::read_to_string(world.config.data.join(name)).unwrap();
    let (certificate, key) = (read("ca/ca.pem"), read("ca/ca.key"));
    let authority =
        lockstep_trust::identity::CertificateAuthority::load(&certificate, &key).unwrap();
    let key = HostKey::generate(&host("web1")).unwrap();
    let issued = authority
        .issue_host(&key.csr_pem, &host("web1"), world.now(), hours(24))
        .unwrap();
    let forged = Host::new(&world, "web1", key.key_pem, issued.pem);
    assert_eq!(
        refused(forged.report("1.0.0", true).await),
        (401, "not-authenticated".into())
    );
}

#[tokio::test]
async fn a_removed_host_is_turned_away_on_the_connection_that_it_has() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    web1.report("1.0.0", true).await.unwrap();
    world
        .operator
        .delete::<()>("/api/v1/hosts/web1")
        .await
        .unwrap();
    // The client keeps its connection alive; the next request goes over it.
    assert_eq!(
        refused(web1.report("1.0.0", true).await),
        (401, "not-authenticated".into())
    );
    assert_eq!(
        refused(
            world
                .operator
                .get_json::<serde_json::Value>("/api/v1/hosts/web1")
                .await
        )
        .0,
        404
    );
    assert_eq!(
        refused(world.operator.delete::<()>("/api/v1/hosts/web1").await).0,
        404
    );
    // It comes back as it came the first time.
    let again = world.enroll("web1").await;
    again.report("1.0.0", true).await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_renewed_with_the_hosts_own_key_only() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let renew = async |csr: String| -> Result<RenewAnswer, CallError> {
        web1.client
            .post_json("/agent/v1/renew", &RenewRequest { csr })
            .await
    };
    world.driver.advance(hours(24 * 61));
    // The name in the request does not matter.
    let csr = csr_for(&web1.identity.key_pem, &host("db1")).unwrap();
    let renewed = renew(csr).await.unwrap();
    assert_eq!(
        PeerIdentity::from_pem(&renewed.certificate).unwrap().host,
        host("web1")
    );

    let other = HostKey::generate(&host("web1")).unwrap();
    assert_eq!(
        refused(renew(other.csr_pem).await),
        (409, "conflict".into())
    );
    assert_eq!(
        refused(renew("-----BEGIN NONSENSE-----".into()).await),
        (400, "bad-request".into())
    );

    // The old certificate ends at its time, the new one lives on; so does the server's.
    world.driver.advance(hours(24 * 30));
    world.running.tick().await.unwrap();
    let old: Result<ReportAnswer, _> = web1.report("1.0.0", true).await;
    assert!(old.is_err());
    let identity = Identity {
        cert_pem: renewed.certificate,
        key_pem: web1.identity.key_pem.clone(),
    };
    let client = world.agent_client(Some(identity), "1.0.0");
    client.get_json::<()>("/agent/v1/ping").await.unwrap();
}

#[tokio::test]
async fn orders_for_tokens_without_sense_are_refused() {
    let world = World::start().await;
    let order = async |uses, valid_for| -> Result<CreatedToken, CallError> {
        let new = NewToken {
            uses,
            valid_for,
            host: None,
        };
        world.operator.post_json("/api/v1/tokens", &new).await
    };
    let day = Interval::from_secs(86_400);
    assert!(refusal(order(0, day).await).contains("uses"));
    assert!(refusal(order(1, Interval::from_secs(5 * 366 * 86_400)).await).contains("valid_for"));
    order(1, day).await.unwrap();
}
