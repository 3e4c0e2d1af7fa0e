//! A backup brings a server back, and nothing else does.

use std::io::{Read, Write};

use lockstep_model::WishState;
use lockstep_model::api::operator::{AuditView, ReleaseView, WishOrder, WishView};
use lockstep_server::{Error, Server, backup};

use crate::world::{self, Host, World};

async fn backup_of(world: &World) -> Vec<u8> {
    let path = world.dir.path().join("backup.tar.zst");
    let file = std::fs::File::create(&path).unwrap();
    let contents = backup::backup(&world.config, file, world.now())
        .await
        .unwrap();
    assert_eq!(contents.artifacts, 2);
    std::fs::read(&path).unwrap()
}

#[tokio::test]
async fn a_restored_server_is_the_server() {
    let (world, _publisher, hosts) = World::settled(&["web1", "web2"]).await;
    for host in &hosts {
        let wished = wish(&world, host).await;
        assert_eq!(wished.state, WishState::Unheard);
    }
    let told = hosts[0].report("1.0.0", true).await.unwrap().wishes;
    assert_eq!(told.len(), 1);
    // It is made while the server runs.
    let backup = backup_of(&world).await;
    let audit: Vec<AuditView> = world.operator.get_json("/api/v1/audit").await.unwrap();
    let taken = world.operator.delete::<WishView>(&wish_of(&hosts[0])).await;
    assert_eq!(taken.unwrap().state, WishState::TakenBack);

    let elsewhere = world.dir.path().join("elsewhere");
    let mut config = world.config.clone();
    config.data = elsewhere.clone();
    backup::restore(&config, std::io::Cursor::new(backup.clone()))
        .await
        .unwrap();
    let running = Server::start(config.clone(), world.clock.clone())
        .await
        .unwrap();
    assert!(running.first_start.is_none());
    assert_eq!(running.ca_pem, world.running.ca_pem);
    let mut restored = World {
        operator: world::operator_client(&read_operator(&running), &world.clock),
        operator_file: read_operator(&running),
        config,
        running,
        ..world
    };
    let web1 = Host::new(
        &restored,
        "web1",
        hosts[0].identity.key_pem.clone(),
        hosts[0].identity.cert_pem.clone(),
    );
    assert_eq!(web1.wanted("0.9.0").await.as_deref(), Some("1.0.0"));
    let listed: Vec<ReleaseView> = restored
        .operator
        .get_json("/api/v1/releases")
        .await
        .unwrap();
    for it in &listed {
        let path = format!(
            "/repo/targets/{}",
            lockstep_trust::consistent_target_path(&it.release)
        );
        web1.client.get_capped(&path, 1 << 20).await.unwrap();
    }
    let again: Vec<AuditView> = restored.operator.get_json("/api/v1/audit").await.unwrap();
    assert_eq!(again, audit);

    // What was open may have been taken back since: nobody is told of it, and whoever still wishes it says so again.
    for host in &hosts {
        let host = host.at(&restored);
        let answer = host.report("1.0.0", true).await.unwrap();
        assert!(answer.wishes.is_empty(), "{:?}", answer.wishes);
        let path = format!("/api/v1/hosts/{}/wishes", host.name);
        let wishes: Vec<WishView> = restored.operator.get_json(&path).await.unwrap();
        let states: Vec<WishState> = wishes.iter().map(|it| it.state).collect();
        assert_eq!(states, [WishState::Void]);
        let anew = wish(&restored, &host).await;
        assert_eq!(anew.state, WishState::Unheard);
        assert!(anew.wish.number > wishes[0].wish.number);
        let answer = host.report("1.0.0", true).await.unwrap();
        assert_eq!(answer.wishes, [anew.wish]);
    }

    // Where something is, nothing is restored.
    restored.config.data = elsewhere;
    let error = backup::restore(&restored.config, std::io::Cursor::new(backup))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
}

fn wish_of(host: &Host) -> String {
    format!("/api/v1/hosts/{}/restart-agent", host.name)
}

/// Wishes that the host's agent starts anew.
async fn wish(world: &World, host: &Host) -> WishView {
    let order = WishOrder {
        why: "it holds a file".into(),
        lasts: None,
    };
    let given = world.operator.post_json(&wish_of(host), &order).await;
    given.unwrap()
}

fn read_operator(running: &lockstep_server::Running) -> lockstep_server::OperatorFile {
    let text = std::fs::read_to_string(&running.operator_file).unwrap();
    lockstep_server::OperatorFile::parse(&text).unwrap()
}

#[tokio::test]
async fn a_damaged_backup_restores_nothing() {
    let (world, _publisher, _hosts) = World::settled(&["web1"]).await;
    let good = backup_of(&world).await;
    let mut tar = Vec::new();
    zstd::Decoder::new(good.as_slice())
        .unwrap()
        .read_to_end(&mut tar)
        .unwrap();

    let mut bad: Vec<(String, Vec<u8>)> = vec![
        ("nothing".into(), Vec::new()),
        (
            "noise".into(),
            (0..1000).map(|_| fastrand::u8(..)).collect(),
        ),
        ("cut in the middle".into(), good[..good.len() / 2].to_vec()),
        ("cut at the end".into(), good[..good.len() - 1].to_vec()),
    ];
    let pack = |tar: &[u8]| zstd::encode_all(tar, 1).unwrap();
    for place in [0.2, 0.5, 0.7] {
        let mut flipped = tar.clone();
        let at = (flipped.len() as f64 * place) as usize;
        flipped[at] ^= 0xff;
        bad.push((format!("a byte changed at {at}"), pack(&flipped)));
    }
    for (name, kind) in [
        ("../escape", tar::EntryType::Regular),
        ("/etc/passwd", tar::EntryType::Regular),
        ("ca/ca.key", tar::EntryType::Symlink),
        ("ca/ca.key", tar::EntryType::Regular),
        ("artifacts/../../x", tar::EntryType::Regular),
        ("server.db", tar::EntryType::Regular),
    ] {
        bad.push((
            format!("with {name} as {kind:?}"),
            pack(&with_entry(&tar, name, kind)),
        ));
    }
    for (what, bytes) in bad {
        let mut config = world.config.clone();
        config.data = world.dir.path().join("bad");
        let outcome = backup::restore(&config, std::io::Cursor::new(bytes)).await;
        let error = outcome
            .err()
            .unwrap_or_else(|| panic!("{what} was restored"));
        assert!(
            matches!(error, Error::Backup { .. } | Error::Database { .. }),
            "{what}: {error}"
        );
        assert!(!config.data.exists(), "{what} left something behind");
        let left = std::fs::read_dir(world.dir.path()).unwrap();
        let left: Vec<_> = left
            .map(|it| it.unwrap().file_name())
            .filter(|name| name.to_string_lossy().starts_with('.'))
            .collect();
        assert!(
            left.iter()
                .all(|name| !name.to_string_lossy().contains("restore")),
            "{what}: {left:?}"
        );
    }
}

/// The archive with one more entry behind its first.
fn with_entry(tar: &[u8], name: &str, kind: tar::EntryType) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    let bytes = name.as_bytes();
    header.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
    header.set_size(0);
    header.set_mode(0o600);
    header.set_entry_type(kind);
    if kind == tar::EntryType::Symlink {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    // The first entry is one block of header and one of content.
    let mut changed = tar[..1024].to_vec();
    changed.write_all(header.as_bytes()).unwrap();
    changed.extend_from_slice(&tar[1024..]);
    changed
}
