//! The same server over PostgreSQL.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lockstep_model::Role;
use lockstep_model::api::ReportAnswer;
use lockstep_model::api::operator::{BoardThen, RolloutView, ServerStatus};
use lockstep_net::client::{ClientSettings, HttpClient, Roots};
use lockstep_server::{OperatorFile, Server, backup};
use lockstep_store::DatabaseUrl;
use lockstep_testkit::Postgres;
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::timeout;

use crate::visitor::Visitor;
use crate::world::{self, Publisher, World, refused};

/// Copies what the servers of one fleet share beside the database.
pub(crate) fn copy_keys(from: &Path, to: &Path) {
    for name in [
        "ca/ca.pem",
        "ca/ca.key",
        "keys/snapshot.pem",
        "keys/timestamp.pem",
    ] {
        let path = to.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(from.join(name), path).unwrap();
    }
}

#[tokio::test]
async fn of_two_servers_over_one_database_one_decides() {
    let postgres = Postgres::start().unwrap();
    let url = DatabaseUrl::parse(&postgres.fresh_database().unwrap()).unwrap();
    let world = World::with(|config| config.database = Some(url)).await;
    let mut config = world.config.clone();
    config.data = world.dir.path().join("second");
    copy_keys(&world.config.data, &config.data);
    let second = Server::start(config, world.clock.clone()).await.unwrap();
    assert!(second.first_start.is_none());

    let mut publisher = Publisher::begin(&world).await;
    publisher.publish(&world, &["1.0.0"]).await;
    let web1 = world.enroll("web1").await;
    let mut settings = ClientSettings::new(second.agent_url(), Roots::Ca(second.ca_pem.clone()));
    settings.identity = Some(web1.identity.clone());
    let at_second = HttpClient::new(settings, &world.clock).unwrap();
    let report = web1.report_of("0.9.0", true);
    let _: ReportAnswer = at_second
        .post_json("/agent/v1/report", &report)
        .await
        .unwrap();
    world.running.tick().await.unwrap();

    world.promote("1.0.0").await.unwrap();
    assert_eq!(world.rollout(1).await.state.as_str(), "running");

    // The first one goes, and the second one takes over at once; the host is told by it, and so is the operator.
    let file = OperatorFile {
        server: second.operator_url().into(),
        ..world.operator_file
    };
    let operator = world::operator_client(&file, &world.clock);
    world.running.stop().await;
    second.tick().await.unwrap();
    let answer: ReportAnswer = at_second
        .post_json("/agent/v1/report", &report)
        .await
        .unwrap();
    assert_eq!(answer.desired[0].version.to_string(), "1.0.0");
    let report = web1.report_of("1.0.0", true);
    let _: ReportAnswer = at_second
        .post_json("/agent/v1/report", &report)
        .await
        .unwrap();
    second.tick().await.unwrap();
    let view: RolloutView = operator.get_json("/api/v1/rollouts/1").await.unwrap();
    assert_eq!(view.state.as_str(), "done");
    second.stop().await;
}

/// While somebody's look back is not at its end, others wait; who comes when too many wait is told to come again.
async fn who_looks_back_waits_for_the_place(world: &World, database: &str) {
    let vera = Visitor::sign_in(world, "vera", Role::Viewer).await;
    world.running.tick().await.unwrap();
    let mut raw = PgConnection::connect(database).await.unwrap();
    let lock = "BEGIN; LOCK TABLE snapshots IN ACCESS EXCLUSIVE MODE";
    raw.execute(lock).await.unwrap();
    // Each of another moment, as answers are shared. One has the place, and eight wait for it.
    let ask = |minutes: u64| {
        let at = world.now() - Duration::from_secs(60 * minutes);
        let path = format!("/api/v1/board?at={at}");
        async move { world.operator.get_json::<BoardThen>(&path).await }
    };
    let mut asking: FuturesUnordered<_> = (1..=10).map(ask).collect();
    let first = timeout(Duration::from_secs(20), asking.next()).await;
    assert_eq!(refused(first.unwrap().unwrap()), (503, "busy".into()));
    let at = world.now() - Duration::from_secs(3600);
    for path in [format!("/api/v1/board?at={at}"), format!("/board?at={at}")] {
        let answer = vera.get(&path).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.body);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=5).contains(&wait), "{path}: {wait}");
        assert!(answer.body.contains("other people look back just now"));
    }
    raw.execute("ROLLBACK").await.unwrap();
    // On a slow machine some have waited too long.
    let answers: Vec<_> = asking.by_ref().collect().await;
    assert_eq!(answers.len(), 9);
    assert!(answers.iter().any(Result::is_ok), "{answers:?}");
    vera.get(&format!("/board?at={at}")).await.page();
}

#[tokio::test]
async fn a_rollout_runs_over_postgresql() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.fresh_database().unwrap();
    let url = DatabaseUrl::parse(&database).unwrap();
    let world = World::with(|config| config.database = Some(url)).await;
    let status: ServerStatus = world.operator.get_json("/api/v1/status").await.unwrap();
    assert_eq!(status.database, "postgres");
    let mut publisher = Publisher::begin(&world).await;
    publisher.publish(&world, &["1.0.0"]).await;
    let web1 = world.enroll("web1").await;
    web1.report("0.9.0", true).await.unwrap();
    world.promote("1.0.0").await.unwrap();
    world.rollout(1).await;
    assert_eq!(web1.wanted("0.9.0").await.as_deref(), Some("1.0.0"));
    web1.report("1.0.0", true).await.unwrap();
    assert_eq!(world.rollout(1).await.state.as_str(), "done");
    who_looks_back_waits_for_the_place(&world, &database).await;

    // A backup is the way back to a file of one's own.
    let path = world.dir.path().join("backup.tar.zst");
    let file = std::fs::File::create(&path).unwrap();
    backup::backup(&world.config, file, world.now())
        .await
        .unwrap();
    let mut config = world.config.clone();
    config.database = None;
    config.data = world.dir.path().join("moved");
    backup::restore(&config, std::fs::File::open(&path).unwrap())
        .await
        .unwrap();
    let moved = Server::start(config, world.clock.clone()).await.unwrap();
    assert!(moved.first_start.is_none());
    moved.stop().await;
    world.running.stop().await;
}
