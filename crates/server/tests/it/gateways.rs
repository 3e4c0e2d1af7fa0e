//! Hosts with other systems' clients, through the gateways: the same rollouts, locks and levels hold for them.

use std::net::SocketAddr;
use std::time::Duration;

use lockstep_gateway::seams::Gateway;
use lockstep_model::api::operator::{HostView, LockView, Promote, RolloutView};
use lockstep_model::{BundleManifest, ChannelName, Level, PackageName, RolloutState};
use lockstep_net::Clock;
use lockstep_net::client::CallError;
use lockstep_server::{Server, ServerConfig};
use lockstep_trust::author::TargetsEdit;
use lockstep_trust::bundle::{self, BuiltBundle};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::health::write;
use crate::world::{Host, Publisher, START, World, config, host, upload, version};

const FLEET: &str = r#"
[host.xy1]
[host.xy2]
[host.fl1]
[group.all]
hosts = ["xy*", "fl*"]
item."cpu_load*".fitness = { sick = ">= 10" }
[follow.site]
groups = ["all"]
[follow.lockstep]
"#;

const GATEWAYS: &str = r#"
[gateway.xymon]
listen = "127.0.0.1:0"
package = "site"
[gateway.fleetlock]
listen = "127.0.0.1:0"
package = "site"
green_within = "30m"
"#;

/// A server with both gateways.
async fn world() -> World {
    World::with(|config| {
        write(&config.data.join("fleet.toml"), FLEET);
        config.gateway = ServerConfig::parse(GATEWAYS).unwrap().gateway;
    })
    .await
}

fn address(world: &World, gateway: Gateway) -> SocketAddr {
    let mut all = world.running.gateway_addrs.iter();
    all.find(|(it, _)| *it == gateway).unwrap().1
}

/// Sends a text, says that it is all, and reads what comes.
async fn say(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// What a Xymon client says, and what it is answered.
async fn xymon(world: &World, name: &str, running: &str, load: &str) -> String {
    let at = world.now();
    let message = format!(
        "client {name}.linux linux\n[date]\n{at}\n[uname]\nLinux {name} 6.1.0 #1 SMP x86_64 GNU/Linux\n\
         [uptime]\n 12:00:00 up 3 days,  1:00,  1 user,  load average: {load}, {load}, {load}\n\
         [clientversion]\n{running}\n"
    );
    say(address(world, Gateway::Xymon), &message).await
}

/// A FleetLock request: its status and its body.
async fn fleetlock(world: &World, wish: &str, id: &str) -> (u16, String) {
    let body = format!("{{\"client_params\":{{\"id\":\"{id}\",\"group\":\"reboot\"}}}}");
    let request = format!(
        "POST /v1/{wish} HTTP/1.1\r\nhost: x\r\nfleet-lock-protocol: true\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address(world, Gateway::Fleetlock))
        .await
        .unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.rsplit("\r\n\r\n").next().unwrap().to_owned())
}

/// A release of the package `site` for every platform.
async fn publish(world: &World, publisher: &mut Publisher, versions: &[&str]) -> Vec<BuiltBundle> {
    let mut edit = TargetsEdit::new();
    let mut all = Vec::new();
    for version in versions {
        let tree = tempfile::tempdir_in(world.dir.path()).unwrap();
        write(&tree.path().join("etc/site.conf"), version);
        let manifest = format!("package = \"site\"\nversion = \"{version}\"\nplatform = \"any\"\n");
        let manifest = BundleManifest::parse(&manifest).unwrap();
        let path = world.dir.path().join(format!("site-{version}"));
        let file = std::fs::File::create(&path).unwrap();
        let built = bundle::build(tree.path(), &manifest, file).unwrap();
        upload(world, &built, &path).await.unwrap();
        edit = edit.add(built.release());
        all.push(built);
    }
    publisher.edit(&edit);
    publisher.send(world, false).await.unwrap();
    all
}

async fn promote(world: &World, to: &str) -> Result<RolloutView, CallError> {
    let order = Promote {
        package: PackageName::parse("site").unwrap(),
        version: version(to),
        channel: ChannelName::stable(),
        urgent: false,
        even_if_suspect: false,
    };
    world.operator.post_json("/api/v1/promote", &order).await
}

async fn lock(world: &World) -> LockView {
    world
        .operator
        .get_json("/api/v1/locks/reboot")
        .await
        .unwrap()
}

fn site(view: &HostView) -> Option<String> {
    let site = PackageName::parse("site").unwrap();
    let installed = view.packages.iter().find(|it| it.package == site);
    installed.map(|it| it.version.to_string())
}

#[tokio::test]
async fn one_rollout_and_one_gate_hold_for_clients_of_two_other_systems() {
    let world = world().await;
    let mut publisher = Publisher::begin(&world).await;
    publish(&world, &mut publisher, &["1.0.0", "2.0.0"]).await;
    // A stranger gets nothing, and is not among the hosts after it.
    assert_eq!(xymon(&world, "nobody", "x", "0.1").await, "");
    for name in ["xy1", "xy2"] {
        assert_eq!(xymon(&world, name, "site-1.0.0", "0.1").await, "");
    }
    let (status, _) = fleetlock(&world, "steady-state", "fl1").await;
    assert_eq!(status, 200);
    let hosts: Vec<HostView> = world.operator.get_json("/api/v1/hosts").await.unwrap();
    let came_by = |view: &HostView| view.gateway.clone().unwrap();
    assert_eq!(
        hosts.iter().map(came_by).collect::<Vec<_>>(),
        ["fleetlock", "xymon", "xymon"]
    );

    // What two of them have already is promoted; the third comes to it by its own means, when its wave is open.
    promote(&world, "1.0.0").await.unwrap();
    for _ in 0..3 {
        world.rollout(1).await;
        world.driver.advance(Duration::from_secs(61));
        for name in ["xy1", "xy2"] {
            xymon(&world, name, "site-1.0.0", "0.1").await;
        }
        if fleetlock(&world, "pre-reboot", "fl1").await.0 == 200 {
            assert_eq!(fleetlock(&world, "steady-state", "fl1").await.0, 200);
        }
    }
    assert_eq!(site(&world.view("fl1").await).as_deref(), Some("1.0.0"));
    let done = world.rollout(1).await;
    assert_eq!(done.state, RolloutState::Done, "{}", done.why);

    promote(&world, "2.0.0").await.unwrap();
    let view = world.rollout(2).await;
    assert_eq!(view.waves[0].hosts.len(), 1, "one canary");
    let canary = view.waves[0].hosts[0].name.to_string();
    for name in ["xy1", "xy2"] {
        let wanted = if name == canary { "2.0.0" } else { "1.0.0" };
        let answer = xymon(&world, name, "site-1.0.0", "0.1").await;
        assert_eq!(answer, format!("clientversion:site-{wanted}\n"), "{name}");
    }
    let (status, body) = fleetlock(&world, "pre-reboot", "fl1").await;
    if canary == "fl1" {
        assert_eq!(status, 200, "{body}");
        assert_eq!(fleetlock(&world, "steady-state", "fl1").await.0, 200);
    } else {
        // The lock is free, and the rollout has not let the host go: it is told so, in the words of `explain`.
        assert!((400..500).contains(&status), "{status} {body}");
        assert!(
            body.contains("\"kind\":\"failed_lock_not_let_go\"") && body.contains("wave"),
            "{body}"
        );
        assert!(lock(&world).await.lock.state.holders.is_empty());
        let tar = say(address(&world, Gateway::Xymon), "download site-2.0.0.tar").await;
        assert!(tar.contains("etc/site.conf") && !tar.contains("bundle.toml"));
        xymon(&world, &canary, "site-2.0.0", "0.1").await;
    }
    world.rollout(2).await;
    world.driver.advance(Duration::from_secs(61));
    for name in ["xy1", "xy2"] {
        let running = if name == canary {
            "site-2.0.0"
        } else {
            "site-1.0.0"
        };
        xymon(&world, name, running, "0.1").await;
    }
    let view = world.rollout(2).await;
    assert_eq!(view.waves[1].hosts.len(), 2, "{}", view.why);
    // The second wave is open: all of them come to it, each in its own way.
    for name in ["xy1", "xy2"] {
        let answer = xymon(&world, name, "site-1.0.0", "0.1").await;
        assert_eq!(answer, "clientversion:site-2.0.0\n", "{name}");
        xymon(&world, name, "site-2.0.0", "0.1").await;
    }
    fleetlock(&world, "pre-reboot", "fl1").await;
    fleetlock(&world, "steady-state", "fl1").await;
    for _ in 0..2 {
        world.rollout(2).await;
        world.driver.advance(Duration::from_secs(61));
        for name in ["xy1", "xy2"] {
            xymon(&world, name, "site-2.0.0", "0.1").await;
        }
    }
    let view = world.rollout(2).await;
    assert_eq!(view.state, RolloutState::Done, "{}", view.why);
    for name in ["xy1", "xy2", "fl1"] {
        assert_eq!(
            site(&world.view(name).await).as_deref(),
            Some("2.0.0"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_unit_that_is_not_fine_keeps_its_place_until_it_is_or_until_the_limit() {
    let world = world().await;
    // The same machine speaks by both: Xymon tells how it is, FleetLock asks for its restarts.
    xymon(&world, "xy1", "x", "0.1").await;
    xymon(&world, "xy2", "x", "0.1").await;
    assert_eq!(fleetlock(&world, "pre-reboot", "xy1").await.0, 200);
    let (status, body) = fleetlock(&world, "pre-reboot", "xy2").await;
    assert!(
        (400..500).contains(&status) && body.contains("\"kind\":\"failed_lock_semaphore_full\""),
        "{status} {body}"
    );
    world.driver.advance(Duration::from_secs(60));
    xymon(&world, "xy1", "x", "20.0").await;
    assert_eq!(world.view("xy1").await.level, Level::SICK);
    assert_eq!(fleetlock(&world, "steady-state", "xy1").await.0, 200);
    world.running.tick().await.unwrap();
    assert_eq!(lock(&world).await.lock.state.holders.len(), 1, "it is sick");
    assert_ne!(fleetlock(&world, "pre-reboot", "xy2").await.0, 200);
    // A server that was killed meanwhile knows it still.
    let world = world.restart().await;
    for _ in 0..10 {
        world.driver.advance(Duration::from_secs(300));
        xymon(&world, "xy1", "x", "0.1").await;
        xymon(&world, "xy2", "x", "0.1").await;
    }
    assert_eq!(world.view("xy1").await.level, Level::FINE);
    world.running.tick().await.unwrap();
    assert!(
        lock(&world).await.lock.state.holders.is_empty(),
        "it is fine"
    );
    assert_eq!(fleetlock(&world, "pre-reboot", "xy2").await.0, 200);
    world.driver.advance(Duration::from_secs(60));
    xymon(&world, "xy2", "x", "20.0").await;
    assert_eq!(fleetlock(&world, "steady-state", "xy2").await.0, 200);
    world.driver.advance(Duration::from_secs(29 * 60));
    xymon(&world, "xy2", "x", "20.0").await;
    world.running.tick().await.unwrap();
    assert_eq!(lock(&world).await.lock.state.holders.len(), 1);
    world.driver.advance(Duration::from_secs(120));
    xymon(&world, "xy2", "x", "20.0").await;
    world.running.tick().await.unwrap();
    assert!(
        lock(&world).await.lock.state.holders.is_empty(),
        "its time is over"
    );
}

#[tokio::test]
async fn levels_of_foreign_hosts_are_events_once_and_a_host_moves_over_to_our_agent() {
    let world = world().await;
    xymon(&world, "xy1", "x", "0.1").await;
    world.driver.advance(Duration::from_secs(300));
    xymon(&world, "xy1", "x", "20.0").await;
    let events = || async {
        let path = "/api/v1/events?host=xy1";
        let all: Vec<serde_json::Value> = world.operator.get_json(path).await.unwrap();
        all.len()
    };
    assert_eq!(events().await, 1);
    world.driver.advance(Duration::from_secs(300));
    xymon(&world, "xy1", "x", "20.0").await;
    assert_eq!(events().await, 1, "it is told once");
    // It is enrolled as it is, without leave to replace anybody; from then on its own word counts.
    let native: Host = world.enroll("xy1").await;
    native.report("1.0.0", true).await.unwrap();
    assert_eq!(world.view("xy1").await.gateway, None);
    xymon(&world, "xy1", "x", "20.0").await;
    assert!(
        world.view("xy1").await.items.is_empty(),
        "its agent said nothing of load"
    );
    // No other machine may take it from there.
    let token = world.token(1, None).await;
    let key = lockstep_trust::identity::HostKey::generate(&host("xy1")).unwrap();
    assert!(world.enroll_with("xy1", &token.token, &key).await.is_err());
}

#[tokio::test]
async fn a_gateway_without_its_files_keeps_the_server_from_starting_and_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let engine = "[gateway.dlm-engine]\nlisten = \"127.0.0.1:0\"\nsecrets = \"/nowhere/secrets\"\n";
    let mut config = config(&dir.path().join("data"));
    config.gateway = ServerConfig::parse(engine).unwrap().gateway;
    let (clock, _driver) = Clock::driven(START.parse().unwrap());
    let error = Server::start(config, clock).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/secrets"), "{error}");
}
