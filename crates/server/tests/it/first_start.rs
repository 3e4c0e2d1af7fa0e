//! The first start, the second one, and first starts that were cut off.

use lockstep_model::api::operator::ServerStatus;
use lockstep_model::{Role, UserName};
use lockstep_net::Clock;
use lockstep_server::{Error, Server};
use lockstep_store::{NewApiToken, Store};
use lockstep_trust::identity::{HostKey, OperatorToken};

use crate::world::{self, START, World, host};

/// What the first start makes, in its order; the database comes last.
const STEPS: [&str; 6] = [
    "ca/ca.key",
    "ca/ca.pem",
    "keys/snapshot.pem",
    "keys/timestamp.pem",
    "admin.password",
    "operator.toml",
];

#[tokio::test]
async fn the_first_start_gives_an_operator_and_a_token_for_one_host() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::start().await;
    let status: ServerStatus = world.operator.get_json("/api/v1/status").await.unwrap();
    assert_eq!((status.hosts, status.database.as_str()), (0, "sqlite"));
    assert_eq!(status.targets_version, None);

    let command = &world.first_token.command;
    let port = world.running.agent_addr.port();
    let begin = format!("lockstep agent enroll https://127.0.0.1:{port} --token lse1.");
    assert!(command.starts_with(&begin), "{command}");
    let key = HostKey::generate(&host("web1")).unwrap();
    let token = &world.first_token.token;
    world.enroll_with("web1", token, &key).await.unwrap();

    let mode = |name: &str| {
        let path = world.config.data.join(name);
        path.metadata().unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(""), 0o700);
    for secret in [
        "ca/ca.key",
        "keys/snapshot.pem",
        "keys/timestamp.pem",
        "admin.password",
        "operator.toml",
        "server.db",
    ] {
        assert_eq!(mode(secret), 0o600, "{secret}");
    }
    let token = &world.operator_file.token;
    let database = std::fs::read(world.config.data.join("server.db")).unwrap();
    let secret = token.rsplit('.').next().unwrap().as_bytes();
    let password = std::fs::read_to_string(world.config.data.join("admin.password")).unwrap();
    for secret in [secret, password.trim().as_bytes()] {
        assert!(
            !database.windows(secret.len()).any(|part| part == secret),
            "a secret is in the database"
        );
    }
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    web1.report("1.0.0", true).await.unwrap();
    let ca = world.running.ca_pem.clone();
    let token = world.operator_file.token.clone();
    let world = world.restart().await;
    assert_eq!(world.running.ca_pem, ca);
    assert_eq!(world.operator_file.token, token);
    assert_eq!(
        world.view("web1").await.version.unwrap().to_string(),
        "1.0.0"
    );
    // The host's certificate still counts, on the new port.
    let again = world.agent_client(Some(web1.identity.clone()), "1.0.0");
    again.get_json::<()>("/agent/v1/ping").await.unwrap();
}

#[tokio::test]
async fn two_servers_never_share_a_data_directory() {
    let world = World::start().await;
    let second = Server::start(world.config.clone(), world.clock.clone()).await;
    let error = second.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert!(error.to_string().contains("stop it"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_said_and_leaves_nothing_half_made() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = world::config(&dir.path().join("data"));
    config.listen.agents = taken.local_addr().unwrap();
    let (clock, _driver) = Clock::driven(START.parse().unwrap());
    let error = Server::start(config, clock).await.unwrap_err();
    assert!(
        error.to_string().contains("cannot listen on 127.0.0.1:"),
        "{error}"
    );
    assert!(!dir.path().join("data/ca/ca.key").exists());
}

#[tokio::test]
async fn a_first_start_that_was_cut_off_is_completed_by_the_next_one() {
    // What a whole first start leaves is the source of what a cut one would have left.
    let whole = World::start().await;
    for cut in 0..=STEPS.len() + 1 {
        let dir = tempfile::tempdir().unwrap();
        let config = world::config(&dir.path().join("data"));
        for step in &STEPS[..cut.min(STEPS.len())] {
            let path = config.data.join(step);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::copy(whole.config.data.join(step), &path).unwrap();
        }
        if cut > STEPS.len() {
            // Cut off behind the first write to the database: the operator is known there, and nothing else is.
            let token = OperatorToken::parse(&whole.operator_file.token).unwrap();
            let store = Store::open(&config.database_url()).await.unwrap();
            let hash = token.secret_hash();
            let admin = UserName::parse("admin").unwrap();
            let now = whole.now();
            assert!(
                store
                    .create_user(&admin, Role::Admin, None, now)
                    .await
                    .unwrap()
            );
            let token = NewApiToken {
                id: token.id(),
                secret_hash: &hash,
                user: &admin,
                role: Role::Admin,
                label: "",
                expires_at: None,
            };
            assert!(store.create_api_token(&token, now).await.unwrap());
            store.close().await;
        }
        let running = Server::start(config, whole.clock.clone()).await.unwrap();
        let first = running
            .first_start
            .clone()
            .expect("it is still the first start");

        let text = std::fs::read_to_string(&first.operator_file).unwrap();
        let file = lockstep_server::OperatorFile::parse(&text).unwrap();
        let operator = world::operator_client(&file, &whole.clock);
        operator
            .get_json::<ServerStatus>("/api/v1/status")
            .await
            .unwrap();
        if cut >= STEPS.len() - 1 {
            let read = |data: &std::path::Path| std::fs::read(data.join("admin.password")).unwrap();
            assert_eq!(
                read(first.password_file.parent().unwrap()),
                read(&whole.config.data)
            );
        }
        if cut >= STEPS.len() {
            assert_eq!(
                file.token, whole.operator_file.token,
                "the token in the file is used again"
            );
        }

        let roots = lockstep_net::client::Roots::Ca(running.ca_pem.clone());
        let settings = lockstep_net::client::ClientSettings::new(running.agent_url(), roots);
        let client = lockstep_net::client::HttpClient::new(settings, &whole.clock).unwrap();
        let key = HostKey::generate(&host("web1")).unwrap();
        let request = lockstep_model::api::EnrollRequest {
            token: first.enrolment.token,
            csr: key.csr_pem,
            name: host("web1"),
            facts: world::facts("web1"),
        };
        let enrolled: Result<lockstep_model::api::EnrollAnswer, _> =
            client.post_json("/agent/v1/enroll", &request).await;
        enrolled.unwrap_or_else(|error| panic!("cut after {cut} steps: {error}"));
        running.stop().await;
    }
}

#[tokio::test]
async fn a_lost_authority_is_never_made_anew_under_a_fleet() {
    let world = World::start().await;
    world.enroll("web1").await;
    let (config, clock) = (world.config.clone(), world.clock.clone());
    world.running.stop().await;
    for name in ["ca/ca.pem", "ca/ca.key"] {
        let path = config.data.join(name);
        let kept = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let error = Server::start(config.clone(), clock.clone())
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains(name) && error.to_string().contains("backup"),
            "{error}"
        );
        assert!(!path.exists());
        #[expect(
            clippy::disallowed_methods,
            reason = "a test's file need not survive a power cut"
        )]
        std::fs::write(&path, kept).unwrap();
    }
    Server::start(config, clock).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_configuration_without_sense_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = world::config(&dir.path().join("data"));
    config.limits.requests = 0;
    let error = Server::start(config, Clock::system()).await.unwrap_err();
    assert!(matches!(&error, Error::Config { .. }), "{error}");
}
