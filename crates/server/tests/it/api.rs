//! What all addresses of the operator API have in common: tags, pages, methods, questions, compression.

use lockstep_model::HostName;
use lockstep_model::api::operator::{HostView, ProblemView, TokenView};
use lockstep_net::client::CallError;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::visitor::{Answer, Visitor};
use crate::world::{World, refused};

/// Sends a request with the operator's token and these headers.
async fn send(world: &World, method: &str, path: &str, headers: &str) -> Answer {
    let token = &world.operator_file.token;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n{headers}\r\n"
    );
    Visitor::stranger(world).exchange(&request).await
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let world = World::start().await;
    let get = async |headers: &str| send(&world, "GET", "/api/v1/tokens", headers).await;
    let first = get("").await;
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!((first.status, tag.len()), (200, 34), "{tag}");
    assert_eq!(first.header("cache-control"), Some("no-cache, private"));
    let same = get(&format!("if-none-match: \"x\", W/{tag}\r\n")).await;
    assert_eq!((same.status, same.body.as_str()), (304, ""));
    assert_eq!(same.header("etag"), Some(tag.as_str()));
    world.token(1, None).await;
    let changed = get(&format!("if-none-match: {tag}\r\n")).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));

    // Whoever wants a certain answer gets it or none, and nothing has a date.
    let tag = changed.header("etag").unwrap();
    let dated = "if-unmodified-since: Mon, 01 Jan 2001 00:00:00 GMT\r\n";
    for (headers, status) in [
        (format!("if-match: \"x\", {tag}\r\n{dated}"), 200),
        ("if-match: *\r\n".into(), 200),
        (format!("if-match: {tag}\r\nif-none-match: {tag}\r\n"), 304),
        ("if-match: \"x\"\r\n".into(), 412),
        (format!("if-match: W/{tag}\r\n"), 412),
        (format!("if-match: \"x\"\r\nif-none-match: {tag}\r\n"), 412),
    ] {
        let answer = get(&headers).await;
        assert_eq!(answer.status, status, "{headers}: {}", answer.body);
        let head = send(&world, "HEAD", "/api/v1/tokens", &headers).await;
        assert_eq!((head.status, head.body.as_str()), (status, ""), "{headers}");
    }
    let nobody = "if-match: \"x\"\r\n";
    let nothing = send(&world, "GET", "/api/v1/hosts/nobody", nobody).await;
    assert_eq!(nothing.status, 404, "what is no success is told as it is");

    // What cannot be promised is not done; who may not do it, or where nothing is, hears that.
    let path = "/api/v1/tokens/nothing";
    for condition in ["if-match: *\r\n", "if-none-match: \"x\"\r\n"] {
        let change = send(&world, "DELETE", path, condition).await;
        assert_eq!(change.status, 412, "{}", change.body);
    }
    assert_eq!(send(&world, "DELETE", path, dated).await.status, 404);
    let elsewhere = send(&world, "DELETE", "/api/v1/nothing", nobody).await;
    assert_eq!(elsewhere.status, 404);
    let stranger = format!("DELETE {path} HTTP/1.0\r\n{nobody}\r\n");
    let stranger = Visitor::stranger(&world).exchange(&stranger).await;
    assert_eq!(stranger.status, 401);
}

#[tokio::test]
async fn methods_and_questions_that_are_not_known_are_refused_in_words() {
    let world = World::start().await;
    let head = send(&world, "HEAD", "/api/v1/hosts", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let options = send(&world, "OPTIONS", "/api/v1/hosts/web1", "").await;
    assert_eq!(options.status, 204);
    let allow = options.header("allow").unwrap();
    assert!(allow.contains("GET") && allow.contains("DELETE"), "{allow}");
    let wrong = send(&world, "PATCH", "/api/v1/status", "content-length: 0\r\n").await;
    assert_eq!(wrong.status, 405);
    assert!(wrong.header("allow").unwrap().contains("GET"));
    assert!(
        wrong.body.contains("does not know the method PATCH"),
        "{}",
        wrong.body
    );
    for (path, words) in [
        ("/api/v1/hosts?hots=web1", "\\\"hots\\\" is not known"),
        ("/api/v1/status?limit=1", "known: none"),
        (
            "/api/v1/hosts?limit=0",
            "limit: a page has at least one row",
        ),
        ("/api/v1/hosts?limit=99999999999", "limit"),
        (
            "/api/v1/rollouts/99999999999999999999999",
            "not the number of a rollout",
        ),
        ("/api/v1/runs/%ff", "UTF-8"),
        ("/api/v1/events?before=%00", "an identity has"),
        ("/api/v1/events?level=5", "level: a rank from 0"),
        (
            "/api/v1/hosts?cursor=WyJydW5zIiwieCJd",
            "cursor: it is not one of this list",
        ),
    ] {
        let answer = send(&world, "GET", path, "").await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert!(answer.body.contains(words), "{path}: {}", answer.body);
    }
    let body = "content-type: application/json\r\ncontent-length: 9\r\n\r\n{\"uses\":x";
    let token = &world.operator_file.token;
    let request =
        format!("POST /api/v1/tokens HTTP/1.0\r\nauthorization: Bearer {token}\r\n{body}");
    let answer = Visitor::stranger(&world).exchange(&request).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.contains("cannot be understood"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn large_texts_are_compressed_for_our_own_pages_only() {
    let world = World::start().await;
    let head = async |path: &str, headers: &str| send(&world, "HEAD", path, headers).await;
    let path = "/api/v1/openapi.json";
    let gzip = "accept-encoding: gzip\r\n";
    let small = head("/api/v1/settings/updates", gzip).await;
    assert_eq!(small.header("content-encoding"), None);
    let large = head(path, gzip).await;
    assert_eq!(large.header("content-encoding"), Some("gzip"));
    assert!(large.header("etag").unwrap().starts_with("W/\""));
    assert_eq!(head(path, "").await.header("content-encoding"), None);
    let elsewhere = format!("{gzip}sec-fetch-site: cross-site\r\n");
    assert_eq!(
        head(path, &elsewhere).await.header("content-encoding"),
        None
    );
}

/// Follows the links of a list.
async fn walk<T: DeserializeOwned>(world: &World, path: &str) -> Vec<Vec<T>> {
    let mut pages = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        assert!(pages.len() < 100, "the walk has no end");
        let page: Result<(Vec<T>, _), CallError> = world.operator.get_page(&path).await;
        let (page, behind) = page.unwrap();
        pages.push(page);
        next = behind;
    }
    pages
}

#[tokio::test]
async fn lists_come_in_pages_that_name_the_next_one() {
    let world = World::start().await;
    let names = ["db1", "db2", "web-1", "web1.a", "web1.b", "web2", "web3"];
    for name in names {
        world.enroll(name).await;
    }
    let pages: Vec<Vec<HostView>> = walk(&world, "/api/v1/hosts?limit=3").await;
    let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 3, 1]);
    let walked: Vec<HostName> = pages.into_iter().flatten().map(|it| it.name).collect();
    assert_eq!(walked, names.map(|name| HostName::parse(name).unwrap()));

    // One more than the hosts: the one of the first start.
    let tokens: Vec<Vec<TokenView>> = walk(&world, "/api/v1/tokens?limit=2").await;
    assert_eq!(
        tokens.iter().map(Vec::len).collect::<Vec<_>>(),
        [2, 2, 2, 2]
    );
    let deeds: Vec<Value> = walk(&world, "/api/v1/audit?limit=2").await.concat();
    let whole: Vec<Value> = world.operator.get_json("/api/v1/audit").await.unwrap();
    assert_eq!(deeds, whole);
    let problems: Vec<Vec<ProblemView>> = walk(&world, "/api/v1/problems?limit=1").await;
    assert!(problems[0].len() <= 1);
    let other = "/api/v1/runs?cursor=WyJob3N0cyIsIndlYjEiXQ";
    assert_eq!(
        refused(world.operator.get_json::<Value>(other).await).0,
        400
    );
}
