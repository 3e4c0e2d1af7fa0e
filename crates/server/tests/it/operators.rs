//! Who may use the operator API, and how it answers.

use lockstep_model::api::operator::ServerStatus;
use lockstep_net::client::{ClientSettings, HttpClient, Roots};
use lockstep_trust::identity::OperatorToken;

use crate::world::{World, refused};

fn client(world: &World, bearer: Option<String>) -> HttpClient {
    let roots = Roots::Ca(world.running.ca_pem.clone());
    let mut settings = ClientSettings::new(world.running.operator_url(), roots);
    settings.bearer = bearer;
    HttpClient::new(settings, &world.clock).unwrap()
}

#[tokio::test]
async fn every_address_asks_for_a_good_token() {
    let world = World::start().await;
    let good = world.operator_file.token.clone();
    let (id, _) = good.rsplit_once('.').unwrap();
    let (_, secret) = OperatorToken::generate()
        .unwrap()
        .to_string()
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    for bearer in [
        None,
        Some("nonsense".into()),
        Some(OperatorToken::generate().unwrap().to_string()),
        // The right identity with another secret.
        Some(format!("{id}.{secret}")),
        Some(world.first_token.token.clone()),
    ] {
        let stranger = client(&world, bearer.clone());
        for path in [
            "/api/v1/status",
            "/api/v1/hosts",
            "/api/v1/audit",
            "/repo/metadata/timestamp.json",
        ] {
            let answer = stranger.get_json::<serde_json::Value>(path).await;
            assert_eq!(
                refused(answer),
                (401, "not-authenticated".into()),
                "{path} {bearer:?}"
            );
        }
    }
}

#[tokio::test]
async fn tokens_cannot_be_tried_out() {
    let world = World::start().await;
    let stranger = client(&world, Some(OperatorToken::generate().unwrap().to_string()));
    let mut tries = 0;
    while stranger
        .get_json::<ServerStatus>("/api/v1/status")
        .await
        .unwrap_err()
        .status()
        == Some(401)
    {
        tries += 1;
        assert!(tries < 100, "nobody stops the guessing");
    }
    world.driver.advance(std::time::Duration::from_secs(61));
    world
        .operator
        .get_json::<ServerStatus>("/api/v1/status")
        .await
        .unwrap();
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_document() {
    let world = World::start().await;
    let get = async |path: &str| world.operator.get_json::<serde_json::Value>(path).await;
    for path in [
        "/nowhere",
        "/api/v1/nothing",
        "/api/v1/hosts/web1",
        "/api/v1/rollouts/1",
        "/api/v1/runs/0192d3a4-0000-7000-8000-000000000000",
        "/repo/metadata/9.root.json",
        "/repo/metadata/..%2f..%2fserver.db",
        "/repo/targets/../../operator.toml",
        "/repo/targets/lockstep/1.0.0/x",
    ] {
        assert_eq!(refused(get(path).await).0, 404, "{path}");
    }
    for path in [
        "/api/v1/hosts/..",
        "/api/v1/hosts/Web1",
        "/api/v1/rollouts/one",
        "/api/v1/runs/1",
        "/api/v1/runs?limit=many",
        "/api/v1/runs?host=A",
    ] {
        let status = refused(get(path).await).0;
        assert!(status == 400 || status == 404, "{path} {status}");
    }
    let wrong = world.operator.delete::<()>("/api/v1/status").await;
    assert_eq!(refused(wrong), (405, "bad-request".into()));
}
