//! Servers that are not ours, looked at from outside.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use axum::routing::{any, get};
use lockstep_net::client::{Belief, CallError, LookError, Visit, Visitor, look};
use lockstep_net::tls::Limits;
use tokio::net::TcpStream;

use super::world::{Authority, World};

fn visit(url: String) -> Visit {
    Visit {
        method: "GET".into(),
        url,
        authorization: None,
        max_body: 1000,
    }
}

fn pages() -> Router {
    let shown = |headers: HeaderMap| async move {
        let seen = headers.get("authorization");
        seen.map_or("nothing".into(), |value| value.to_str().unwrap().to_owned())
    };
    Router::new()
        .route(
            "/broken",
            get(|| async { (StatusCode::BAD_GATEWAY, "sorry") }),
        )
        .route("/long", get(|| async { "x".repeat(100_000) }))
        .route("/here", get(|| async { Redirect::temporary("/auth") }))
        .route("/round", get(|| async { Redirect::temporary("/round") }))
        .route("/auth", any(shown))
}

#[tokio::test]
async fn every_status_is_an_answer() {
    let world = World::serving(pages()).await;
    let belief = Belief::in_authorities(&world.ca.pem, &world.clock).unwrap();
    let visitor = Visitor::new(&belief).unwrap();
    let url = |path: &str| format!("https://{}{path}", world.addr);
    let broken = visitor.ask(&visit(url("/broken"))).await.unwrap();
    assert_eq!((broken.status, &*broken.body), (502, &b"sorry"[..]));
    assert!(!broken.cut && !broken.took.is_zero());
    let long = visitor.ask(&visit(url("/long"))).await.unwrap();
    assert!(long.cut && long.body.len() == 1000);

    let mut secret = visit(url("/here"));
    secret.authorization = Some("Bearer abc".into());
    let same = visitor.ask(&secret).await.unwrap();
    assert_eq!((same.status, &*same.body), (200, &b"Bearer abc"[..]));
    assert!(!format!("{secret:?}").contains("abc"));
    let round = visitor.ask(&visit(url("/round"))).await.unwrap_err();
    assert!(round.to_string().contains("redirect"), "{round}");
}

#[tokio::test]
async fn a_secret_is_not_carried_to_another_place() {
    let (world, elsewhere) = (World::serving(pages()).await, World::serving(pages()).await);
    let target = format!("https://{}/auth", elsewhere.addr);
    let away = Router::new().route(
        "/",
        get(move || async move { Redirect::temporary(&target) }),
    );
    let first = World::serving(away).await;
    let visitor = Visitor::new(&Belief::in_anyone(&world.clock).unwrap()).unwrap();
    let mut secret = visit(format!("https://{}/", first.addr));
    secret.authorization = Some("Bearer abc".into());
    let found = visitor.ask(&secret).await.unwrap();
    assert_eq!(found.body, b"nothing");
}

#[tokio::test]
async fn who_is_not_believed_is_no_answer() {
    let world = World::serving(pages()).await;
    let other = Authority::new("another");
    let belief = Belief::in_authorities(&other.pem, &world.clock).unwrap();
    let asked = Visitor::new(&belief).unwrap();
    let error = asked
        .ask(&visit(format!("https://{}/auth", world.addr)))
        .await;
    assert!(
        matches!(error, Err(CallError::ServerNotBelieved { .. })),
        "{error:?}"
    );
    let stream = TcpStream::connect(world.addr).await.unwrap();
    let error = look(stream, "127.0.0.1", &belief).await.unwrap_err();
    assert!(matches!(error, LookError::NotBelieved { .. }), "{error:?}");
    for bad in ["ftp://127.0.0.1/", "127.0.0.1", ""] {
        let error = asked.ask(&visit(bad.into())).await;
        assert!(
            matches!(error, Err(CallError::BadUrl { .. })),
            "{bad}: {error:?}"
        );
    }
}

#[tokio::test]
async fn what_is_shown_can_be_read_whatever_it_is() {
    let ca = Authority::new("the authority");
    let leaf = ca.server(&["elsewhere.example.org"]);
    let shown = leaf.with_chain(&ca.pem);
    let world = World::showing(ca, &shown, Router::new(), Limits::default()).await;
    // Neither the authority nor the name nor the year is right.
    world
        .time
        .advance(std::time::Duration::from_secs(10 * 366 * 86_400));
    let stream = TcpStream::connect(world.addr).await.unwrap();
    let belief = Belief::in_anyone(&world.clock).unwrap();
    let seen = look(stream, "127.0.0.1", &belief).await.unwrap();
    assert_eq!(seen.certificates[0], leaf.der);
    assert_eq!(seen.certificates.len(), 2);
    let stream = TcpStream::connect(world.addr).await.unwrap();
    let error = look(stream, "not a name", &belief).await.unwrap_err();
    assert!(matches!(error, LookError::Name { .. }), "{error:?}");
}
