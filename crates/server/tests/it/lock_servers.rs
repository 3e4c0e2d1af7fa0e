//! Locks under load, and over two servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lockstep_model::api::{LockAnswer, LockReleased};
use lockstep_net::client::{ClientSettings, HttpClient, Identity, Roots};
use lockstep_server::{Running, Server};
use lockstep_store::DatabaseUrl;
use lockstep_testkit::Postgres;

use crate::locks::{ask, fence, waiting};
use crate::postgres::copy_keys;
use crate::world::World;

fn client(world: &World, server: &Running, identity: &Identity) -> HttpClient {
    let mut settings = ClientSettings::new(server.agent_url(), Roots::Ca(server.ca_pem.clone()));
    settings.identity = Some(identity.clone());
    HttpClient::new(settings, &world.clock).unwrap()
}

#[tokio::test]
async fn two_servers_never_give_more_places_than_there_are() {
    const CLIENTS: usize = 20;
    const ROUNDS: usize = 5;
    const PLACES: usize = 3;
    let postgres = Postgres::start().unwrap();
    let url = DatabaseUrl::parse(&postgres.fresh_database().unwrap()).unwrap();
    let world = World::with(|config| config.database = Some(url)).await;
    let fleet = format!("[group.web]\nhosts = [\"web*\"]\n[lock.web]\ncapacity = {PLACES}\n");
    world
        .fleet(&format!("{fleet}group = \"web\"\ncounts = [\"silent\"]\n"))
        .await;
    let mut config = world.config.clone();
    config.data = world.dir.path().join("second");
    copy_keys(&world.config.data, &config.data);
    let second = Server::start(config, world.clock.clone()).await.unwrap();

    let inside = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for number in 0..CLIENTS {
        let host = world.enroll(&format!("web{number}")).await;
        let servers = [&world.running, &second].map(|it| client(&world, it, &host.identity));
        let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
        tasks.push(tokio::spawn(async move {
            let mut fences = Vec::new();
            let mut turn = number;
            while fences.len() < ROUNDS {
                turn += 1;
                let answer = ask(&servers[turn % 2], "web", &waiting("os"))
                    .await
                    .unwrap();
                let Some(granted) = fence(&answer) else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                let path = format!("/agent/v1/locks/web?fence={granted}");
                let other = &servers[(turn + 1) % 2];
                let released: LockReleased = other.delete(&path).await.unwrap();
                assert!(released.was_held, "grant {granted} was its own");
                fences.push(granted);
            }
            fences
        }));
    }
    let mut fences = Vec::new();
    for task in tasks {
        fences.extend(task.await.unwrap());
    }
    let most = most.load(Ordering::SeqCst);
    assert!((2..=PLACES).contains(&most), "{most} at once");
    // Each grant has a number of its own, and none was given in vain.
    fences.sort_unstable();
    let all: Vec<u64> = (1..=(CLIENTS * ROUNDS) as u64).collect();
    assert_eq!(fences, all);
    second.stop().await;
    world.running.stop().await;
}

/// S15 of the figures, through the whole agent API: TLS, the certificate's look-up, the decision, the commit. In release
/// mode: `cargo test --release -p lockstep-server --test it -- --ignored --nocapture s15`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of some seconds"]
async fn s15_durable_acquire_and_release_of_64_clients() {
    const CLIENTS: usize = 64;
    let time = Duration::from_secs(10);
    let world = World::start().await;
    let mut hosts = Vec::new();
    for number in 0..CLIENTS {
        hosts.push(world.enroll(&format!("web{number}")).await);
    }
    let one_each: Vec<String> = (0..CLIENTS).map(|number| format!("own{number}")).collect();
    world.fleet("[lock.shared]\ncapacity = 64\n").await;
    for (what, locks) in [
        ("a lock each", one_each),
        ("one lock of 64 places", vec!["shared".to_owned(); CLIENTS]),
    ] {
        let begun = Instant::now();
        let tasks = hosts.iter().zip(locks).map(|(host, lock)| {
            let client = host.client.clone();
            tokio::spawn(async move {
                let (mut times, mut refused) = (Vec::new(), 0_u64);
                while begun.elapsed() < time {
                    let started = Instant::now();
                    let answer = ask(&client, &lock, &waiting("os")).await.unwrap();
                    let LockAnswer::Granted { fence, .. } = answer else {
                        refused += 1;
                        continue;
                    };
                    let path = format!("/agent/v1/locks/{lock}?fence={fence}");
                    let released: LockReleased = client.delete(&path).await.unwrap();
                    assert!(released.was_held);
                    times.push(started.elapsed());
                }
                (times, refused)
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let (mut times, mut refused) = (Vec::new(), 0);
        for task in tasks {
            let (some, not) = task.await.unwrap();
            times.extend(some);
            refused += not;
        }
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        println!(
            "{what}: {:.0} pairs/s, p50 {:?}, p99 {:?}, refused {refused}",
            times.len() as f64 / begun.elapsed().as_secs_f64(),
            at(50),
            at(99)
        );
        assert_eq!(refused, 0, "there is a place for each");
    }
}
