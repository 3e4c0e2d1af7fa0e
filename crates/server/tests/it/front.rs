//! The second address for people: a certificate from elsewhere, which is renewed by others.

use std::path::Path;
use std::time::Duration;

use lockstep_host::fs::{Mode, write_durable};
use lockstep_model::api::operator::ServerStatus;
use lockstep_net::client::{ClientSettings, HttpClient, Roots};
use lockstep_server::Front;
use lockstep_trust::identity::CertificateAuthority;

use crate::world::World;

/// Writes a certificate of a new authority, and returns that authority.
fn certify(world: &World, front: &Front) -> String {
    let authority = CertificateAuthority::create("Elsewhere", world.now()).unwrap();
    let issued = authority
        .issue_server(
            &["127.0.0.1".into()],
            world.now(),
            Duration::from_secs(86_400),
        )
        .unwrap();
    write(front, &issued.chain_pem, &issued.key_pem);
    authority.cert_pem().to_owned()
}

fn write(front: &Front, chain: &str, key: &str) {
    write_durable(&front.certificate, chain.as_bytes(), Mode::Private).unwrap();
    write_durable(&front.key, key.as_bytes(), Mode::Private).unwrap();
}

fn front(dir: &Path) -> Front {
    Front {
        listen: "127.0.0.1:0".parse().unwrap(),
        certificate: dir.join("pages.pem"),
        key: dir.join("pages.key"),
    }
}

async fn status(world: &World, ca: &str) -> Option<ServerStatus> {
    let address = world.running.front_addr.unwrap();
    let settings = ClientSettings {
        bearer: Some(world.operator_file.token.clone()),
        ..ClientSettings::new(format!("https://{address}"), Roots::Ca(ca.into()))
    };
    let client = HttpClient::new(settings, &world.clock).unwrap();
    client.get_json("/api/v1/status").await.ok()
}

#[tokio::test]
async fn the_second_address_shows_its_own_certificate_and_takes_over_a_new_one() {
    let files = tempfile::tempdir().unwrap();
    let front = front(files.path());
    // The first one has to be there at the start.
    let before = World::start().await;
    let first = certify(&before, &front);
    let world = World::with(|config| config.pages = Some(front.clone())).await;
    assert!(status(&world, &first).await.is_some());
    assert!(status(&world, &world.running.ca_pem).await.is_none());

    // What cannot be used changes nothing.
    write(&front, "not a certificate", "not a key");
    world.running.reload();
    assert!(status(&world, &first).await.is_some());

    let second = certify(&world, &front);
    world.running.reload();
    let begun = std::time::Instant::now();
    while status(&world, &second).await.is_none() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "the new certificate is not shown"
        );
        tokio::task::yield_now().await;
    }
    assert!(status(&world, &first).await.is_none());
}

#[tokio::test]
async fn a_server_without_the_files_says_which_one_is_missing() {
    let files = tempfile::tempdir().unwrap();
    let mut config = crate::world::config(&files.path().join("data"));
    config.pages = Some(front(files.path()));
    let (clock, _driver) = lockstep_net::Clock::driven(crate::world::START.parse().unwrap());
    let refused = lockstep_server::Server::start(config, clock)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("pages.pem"), "{refused}");
}
