//! Enrolment: a server that is known by nothing but its authority's fingerprint.

use axum::Router;
use axum::routing::get;
use lockstep_net::client::{CallError, Roots};
use lockstep_net::tls::{Limits, ServerIdentity};

use crate::world::{Authority, Leaf, World, fingerprint};

async fn world(ca: Authority, shown: &ServerIdentity) -> World {
    let router = Router::new().route("/", get(|| async { "1" }));
    World::showing(ca, shown, router, Limits::default()).await
}

fn certificate(ca: &Authority) -> Leaf {
    ca.server(&["127.0.0.1"])
}

async fn why_not(world: &World, roots: Roots) -> String {
    match world.believing(roots).get_json::<u8>("/").await {
        Err(CallError::ServerNotBelieved { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_pinned_authority_is_believed() {
    let ca = Authority::new("pinned");
    let shown = certificate(&ca).with_chain(&ca.pem);
    let world = world(ca, &shown).await;
    let pin = Roots::Fingerprint(world.ca.fingerprint());
    assert_eq!(world.believing(pin).get_json::<u8>("/").await.unwrap(), 1);
}

#[tokio::test]
async fn another_authority_is_not() {
    let (ca, other) = (Authority::new("one"), Authority::new("one"));
    let shown = certificate(&ca).with_chain(&ca.pem);
    let world = world(ca, &shown).await;
    let why = why_not(&world, Roots::Fingerprint(other.fingerprint())).await;
    assert!(why.contains(&other.fingerprint().to_string()), "{why}");
}

#[tokio::test]
async fn the_authority_must_be_presented() {
    let ca = Authority::new("absent");
    let shown = certificate(&ca).with_chain("");
    let world = world(ca, &shown).await;
    let why = why_not(&world, Roots::Fingerprint(world.ca.fingerprint())).await;
    assert!(why.contains("presents no authority"), "{why}");
}

#[tokio::test]
async fn presenting_the_authority_does_not_make_one_its_server() {
    let (pinned, impostor) = (Authority::new("same name"), Authority::new("same name"));
    let both = format!("{}{}", pinned.pem, impostor.pem);
    for others in [&pinned.pem, &both] {
        let shown = certificate(&impostor).with_chain(others);
        let world = world(Authority::new("unused"), &shown).await;
        let why = why_not(&world, Roots::Fingerprint(pinned.fingerprint())).await;
        assert!(!why.contains("presents no authority"), "{why}");
    }
}

#[tokio::test]
async fn the_servers_own_certificate_cannot_be_pinned() {
    let ca = Authority::new("real");
    let leaf = certificate(&ca);
    for others in [&leaf.pem, &ca.pem] {
        let shown = leaf.with_chain(others);
        let world = world(Authority::new("unused"), &shown).await;
        why_not(&world, Roots::Fingerprint(fingerprint(&leaf.der))).await;
    }
}

#[tokio::test]
async fn name_time_and_purpose_are_checked_all_the_same() {
    let ca = Authority::new("strict");
    let pin = || Roots::Fingerprint(ca.fingerprint());

    let shown = ca.server(&["elsewhere.example"]).with_chain(&ca.pem);
    let elsewhere = world(Authority::new("unused"), &shown).await;
    let why = why_not(&elsewhere, pin()).await;
    assert!(why.contains("not valid for"), "{why}");

    let shown = ca.host("127.0.0.1").with_chain(&ca.pem);
    let host = world(Authority::new("unused"), &shown).await;
    why_not(&host, pin()).await;

    let shown = certificate(&ca).with_chain(&ca.pem);
    let late = world(Authority::new("unused"), &shown).await;
    late.time.set("2027-01-01T00:00:01Z".parse().unwrap());
    let why = why_not(&late, pin()).await;
    assert!(why.contains("expired"), "{why}");
}
