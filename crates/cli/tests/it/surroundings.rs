//! A server or a network that fails is never held against a release.

use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use lockstep_net::Clock;
use lockstep_net::tls::{self, ClientAuth, Limits, ServerIdentity, TlsAcceptorSource};
use lockstep_trust::identity::CertificateAuthority;
use tokio_util::sync::CancellationToken;

use crate::candidate::Candidate;
use crate::proxy::{Mode, Proxy};
use crate::world::{Host, World, eventually};

/// A host that reaches its server through a proxy, its rollout under way.
fn behind_a_proxy(world: &World) -> (Host, Proxy) {
    let proxy = Proxy::start(Mode::Pass(world.agents_port));
    let mut host = world.provision("web1");
    host.connect_to(&proxy.url());
    host.start();
    eventually("the host reports", || {
        world.reported_version("web1").as_deref() == Some("1.0.0")
    });
    (host, proxy)
}

fn is_on_trial(host: &Host) -> bool {
    host.journal()["step"]["step"] == "trial"
}

#[test]
fn a_download_goes_on_where_a_killed_server_broke_it() {
    const BALLAST: usize = 24 * 1024 * 1024;
    let mut world = World::start();
    world.publish("2.0.0", Candidate::Large(BALLAST));
    let (host, proxy) = behind_a_proxy(&world);
    // Slow enough that the kill falls into the middle, however loaded the machine is.
    proxy.set(Mode::Slow(world.agents_port, 8 * 1024 * 1024));
    world.promote("2.0.0");
    let part = || {
        let downloads = std::fs::read_dir(host.root.join("var/lib/lockstep/downloads")).ok()?;
        let part = downloads
            .filter_map(Result::ok)
            .find(|entry| entry.path().extension().is_some_and(|e| e == "part"))?;
        part.metadata().ok().map(|metadata| metadata.len())
    };
    eventually("a third is there", || {
        part().is_some_and(|have| have > BALLAST as u64 / 3)
    });
    world.kill_server();
    let have = part().expect("what came is kept");
    assert!(
        have < BALLAST as u64,
        "the kill came too late to show anything"
    );
    eventually("the agent notices", || host.log().contains("tried again"));
    proxy.set(Mode::Pass(world.agents_port));
    let before = proxy.passed();
    world.start_server();
    let run = world.finished_run("web1", "2.0.0");
    assert_eq!(run["outcome"], "done", "{run}");
    let fetched = proxy.passed() - before;
    assert!(
        fetched < BALLAST as u64 - have + 8 * 1024 * 1024,
        "{fetched} bytes came again although {have} were there"
    );
    assert!(host.log().contains("going on with the download"));
}

#[test]
fn a_server_that_goes_away_in_probation_does_not_bring_the_old_version_back() {
    let world = World::start();
    let (host, proxy) = behind_a_proxy(&world);
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    eventually("the candidate is on trial", || is_on_trial(&host));
    proxy.set(Mode::Cut);
    // Longer than the time in which the candidate should have checked in: the old version is asked, and fails too.
    eventually("the witness was asked", || {
        host.log()
            .matches("was asked whether it reaches the server")
            .count()
            >= 3
    });
    assert!(is_on_trial(&host), "{}", host.journal());
    proxy.set(Mode::Pass(world.agents_port));
    assert_eq!(world.finished_run("web1", "2.0.0")["outcome"], "done");
    assert_eq!(host.current(), "2.0.0");
}

/// A server of this fleet that answers everything with one status.
fn overloaded_server(world: &World, status: u16) -> (u16, tokio::runtime::Runtime) {
    let read = |name: &str| std::fs::read_to_string(world.path("server/ca").join(name)).unwrap();
    let authority = CertificateAuthority::load(&read("ca.pem"), &read("ca.key")).unwrap();
    let clock = Clock::system();
    let certificate = authority
        .issue_server(
            &["127.0.0.1".into()],
            clock.now(),
            Duration::from_secs(3600),
        )
        .unwrap();
    let identity = ServerIdentity {
        chain_pem: certificate.chain_pem,
        key_pem: certificate.key_pem,
    };
    let tls = TlsAcceptorSource::new(
        &identity,
        &ClientAuth::Optional {
            ca_pem: read("ca.pem"),
        },
        &clock,
    )
    .unwrap();
    let status = http::StatusCode::from_u16(status).unwrap();
    let router = Router::new()
        .fallback(move || async move { (status, [("retry-after", "1")]).into_response() });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        tls::serve(
            listener,
            tls,
            router,
            Limits::default(),
            CancellationToken::new(),
        )
        .await
    });
    (port, runtime)
}

fn an_overloaded_server_causes_no_rollback(status: u16) {
    let world = World::start();
    let (host, proxy) = behind_a_proxy(&world);
    let (overloaded, _runtime) = overloaded_server(&world, status);
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    eventually("the candidate is on trial", || is_on_trial(&host));
    proxy.set(Mode::Pass(overloaded));
    let refused = format!("answers {status}");
    let told = || {
        std::fs::read_to_string(host.root.join("var/log/lockstep/candidate.log"))
            .unwrap_or_default()
    };
    eventually("the candidate was told several times", || {
        told().matches(&refused).count() >= 4
    });
    eventually(
        "it has been on trial for longer than a check-in may take",
        || {
            let status = host.status(&world).unwrap_or_default();
            status["supervisor"]["trial"]["for_s"]
                .as_u64()
                .is_some_and(|seconds| seconds >= 6)
        },
    );
    assert!(is_on_trial(&host), "{}", host.journal());
    proxy.set(Mode::Pass(world.agents_port));
    assert_eq!(world.finished_run("web1", "2.0.0")["outcome"], "done");
    assert_eq!(host.current(), "2.0.0");
}

#[test]
fn too_many_requests_causes_no_rollback() {
    an_overloaded_server_causes_no_rollback(429);
}

#[test]
fn service_unavailable_causes_no_rollback() {
    an_overloaded_server_causes_no_rollback(503);
}
