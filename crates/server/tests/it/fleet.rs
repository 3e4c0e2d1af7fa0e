//! The fleet file: taken over, refused, followed, and told to the hosts.

use std::time::{Duration, SystemTime};

use lockstep_model::api::operator::{FleetView, ServerStatus};
use lockstep_model::api::{ReportAnswer, WorkAnswer};
use lockstep_model::{Interval, Work};
use lockstep_net::client::{ClientSettings, HttpClient, Roots};
use lockstep_server::{OperatorFile, Server};
use lockstep_store::DatabaseUrl;
use lockstep_testkit::Postgres;

use crate::health::write;
use crate::postgres::copy_keys;
use crate::world::{World, operator_client, refusal, refused};

const SLOW: &str = "[group.web]\nhosts = [\"web*\"]\nsample = \"2m\"\n";
const SLOWER: &str = "[group.web]\nhosts = [\"web*\"]\nsample = \"10m\"\n";
/// Two mistakes in two lines.
const BAD: &str = "[group.web]\nhosts = [\"web*\"]\nsample = \"soon\"\nitmes = [\"cpu_load\"]\n";

async fn in_force(world: &World) -> FleetView {
    world.operator.get_json("/api/v1/fleet").await.unwrap()
}

#[tokio::test]
async fn a_bad_file_is_refused_with_all_errors_and_the_old_one_stays() {
    let world = World::with(|config| write(&config.data.join("fleet.toml"), SLOW)).await;
    let first = in_force(&world).await;
    assert_eq!((first.version, first.files[0].text.as_str()), (1, SLOW));
    assert!(world.is_noted("took over fleet file 1").await);

    let path = world.config.fleet_file();
    write(&path, BAD);
    let refused = world.reload().await;
    assert_eq!(refused.as_ref().unwrap_err().status(), Some(400));
    let words = refusal(refused);
    for place in ["fleet.toml:3:", "fleet.toml:4:", "itmes"] {
        assert!(words.contains(place), "{place} in {words}");
    }
    let view = in_force(&world).await;
    assert_eq!(
        (view.version, view.files, view.refused.len()),
        (1, first.files, 2)
    );

    // The same words a second time are no new version.
    write(&path, SLOW);
    let view = world.reload().await.unwrap();
    assert_eq!((view.version, view.refused.len()), (1, 0));
}

#[tokio::test]
async fn a_file_that_tells_a_host_more_than_it_can_fetch_is_refused() {
    let world = World::start().await;
    let arguments: Vec<String> = (0..15_000).map(|n| format!("\"{n:040}\"")).collect();
    let fragment = format!(
        "[item.\"script:*\"]\narguments = [{}]\n",
        arguments.join(", ")
    );
    write(&world.config.data.join("fleet.d/scripts.toml"), &fragment);
    let web1 = "[host.web1]\nitems = [\"script:a\"]\n";
    world.fleet(web1).await;
    let web2 = "[host.web2]\nitems = [\"script:a\", \"script:b\"]\n";
    write(&world.config.fleet_file(), &format!("{web1}{web2}"));
    let words = refusal(world.reload().await);
    assert!(
        words.contains("work document of web2 has 1")
            && words.contains(&format!("{} at most", Work::LARGEST)),
        "{words}"
    );
    let view = in_force(&world).await;
    assert_eq!((view.version, view.refused), (1, vec![words]));
}

#[tokio::test]
async fn a_server_starts_with_a_bad_file_and_says_what_is_wrong_with_it() {
    let world = World::with(|config| write(&config.data.join("fleet.toml"), BAD)).await;
    let none = world.operator.get_json::<FleetView>("/api/v1/fleet").await;
    assert!(refusal(none).contains("fleet.toml:3:"));
    let web1 = world.enroll("web1").await;
    assert_eq!(web1.report("1.0.0", true).await.unwrap().work, None);
    std::fs::remove_file(world.config.fleet_file()).unwrap();
    assert_eq!(refused(world.reload().await).0, 400);
}

#[tokio::test]
async fn a_change_is_noticed() {
    let world = World::start().await;
    let none = world.operator.get_json::<FleetView>("/api/v1/fleet").await;
    assert!(refusal(none).contains("there is no fleet file"));
    write(&world.config.fleet_file(), SLOW);
    world.running.tick().await.unwrap();
    assert_eq!(in_force(&world).await.version, 1);
    let fragment = world.config.data.join("fleet.d/db.toml");
    write(
        &fragment,
        "[group.db]\nhosts = [\"db*\"]\nsample = \"5m\"\n",
    );
    world.running.tick().await.unwrap();
    let view = in_force(&world).await;
    assert_eq!((view.version, view.files.len()), (2, 2));
    write(
        &fragment,
        "[group.db]\nhosts = [\"db*\"]\nsample = \"now\"\n",
    );
    world.running.tick().await.unwrap();
    let view = in_force(&world).await;
    assert_eq!((view.version, view.refused.len()), (2, 1));
    assert!(
        view.refused[0].contains("fleet.d/db.toml:3:"),
        "{}",
        view.refused[0]
    );
    std::fs::remove_file(&fragment).unwrap();
    world.running.tick().await.unwrap();
    let view = in_force(&world).await;
    assert_eq!(
        (view.version, view.refused.len(), view.files.len()),
        (3, 0, 1)
    );
}

#[tokio::test]
async fn a_host_learns_of_its_work_by_the_answer_to_its_report() {
    let world = World::start().await;
    let (web1, other) = (world.enroll("web1").await, world.enroll("other").await);
    assert_eq!(web1.report("1.0.0", true).await.unwrap().work, None);
    let none = web1.client.get_json::<WorkAnswer>("/agent/v1/work").await;
    assert_eq!(refused(none), (404, "not-found".into()));

    world.fleet(SLOW).await;
    let hash = web1.report("1.0.0", true).await.unwrap().work.unwrap();
    let told: WorkAnswer = web1.client.get_json("/agent/v1/work").await.unwrap();
    assert_eq!(
        (told.hash, told.work.sample),
        (hash, Interval::from_secs(120))
    );
    let seen: WorkAnswer = world
        .operator
        .get_json("/api/v1/hosts/web1/work")
        .await
        .unwrap();
    assert_eq!(seen, told);
    let tag = format!("\"{hash}\"");
    let again = web1.client.with_header("if-none-match", &tag).unwrap();
    let unchanged = again.get_json::<WorkAnswer>("/agent/v1/work").await;
    assert_eq!(unchanged.unwrap_err().status(), Some(304));

    // Nobody has named the other one.
    let others: WorkAnswer = other.client.get_json("/agent/v1/work").await.unwrap();
    let names = |work: &Work| -> Vec<String> {
        work.items
            .iter()
            .map(|it| it.name.as_str().to_owned())
            .collect()
    };
    let defaults = Work::default();
    assert_eq!(
        (others.work.sample, others.work.report),
        (defaults.sample, defaults.report)
    );
    for name in names(&defaults) {
        assert!(names(&others.work).contains(&name), "{name}");
    }

    world.fleet(SLOWER).await;
    let changed = web1.report("1.0.0", true).await.unwrap().work.unwrap();
    assert_ne!(changed, hash);
    let told: WorkAnswer = again.get_json("/agent/v1/work").await.unwrap();
    assert_eq!(
        (told.hash, told.work.sample),
        (changed, Interval::from_secs(600))
    );
    let same = other.report("1.0.0", true).await.unwrap().work;
    assert_eq!(
        same,
        Some(others.hash),
        "what changes for others is no news to it"
    );
}

#[tokio::test]
async fn a_host_without_an_agent_is_in_the_work_of_its_watcher() {
    let world = World::start().await;
    let (web1, web2) = (world.enroll("web1").await, world.enroll("web2").await);
    let text = "[host.web1]\n[host.web2]\n[host.ups1]\nvia = \"web1\"\naddress = \"192.0.2.7\"\nitems = [\"ping\"]\n";
    world.fleet(text).await;
    let work = async |host: &crate::world::Host| {
        let told: WorkAnswer = host.client.get_json("/agent/v1/work").await.unwrap();
        told.work.watched
    };
    let watched = work(&web1).await;
    assert_eq!(
        (
            watched.len(),
            watched[0].host.as_str(),
            watched[0].address.as_str()
        ),
        (1, "ups1", "192.0.2.7")
    );
    assert!(work(&web2).await.is_empty());
}

#[tokio::test]
async fn how_often_a_host_reports_is_said_by_the_fleet_file() {
    let world = World::start().await;
    let (slow, web1) = (world.enroll("slow").await, world.enroll("web1").await);
    world.fleet("[host.slow]\nreport = \"1h\"\n").await;
    let next = slow.report("1.0.0", true).await.unwrap().next_report;
    assert!(next.duration() > Duration::from_secs(3_000), "{next}");
    web1.report("1.0.0", true).await.unwrap();
    // After sixteen minutes only one of the two is late.
    world.driver.advance(Duration::from_secs(16 * 60));
    let status: ServerStatus = world.operator.get_json("/api/v1/status").await.unwrap();
    assert_eq!((status.hosts, status.silent), (2, 1));
}

#[tokio::test]
async fn a_server_without_its_file_follows_the_database() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    world.fleet(SLOW).await;
    world.fleet(SLOWER).await;
    let hash = web1.report("1.0.0", true).await.unwrap().work;
    let path = world.config.fleet_file();
    std::fs::remove_file(&path).unwrap();
    let world = world.restart().await;
    world.running.tick().await.unwrap();
    let view = in_force(&world).await;
    assert_eq!((view.version, view.files[0].text.as_str()), (2, SLOWER));
    let web1 = web1.at(&world);
    assert_eq!(web1.report("1.0.0", true).await.unwrap().work, hash);

    // A file that is older than what is in force takes nothing back.
    write(&path, SLOW);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    file.set_modified(long_ago).unwrap();
    let world = world.restart().await;
    world.running.tick().await.unwrap();
    assert_eq!(in_force(&world).await.version, 2);
    // Unless somebody says so.
    assert_eq!(world.reload().await.unwrap().version, 3);
}

#[tokio::test]
async fn what_one_server_accepts_the_other_follows() {
    let postgres = Postgres::start().unwrap();
    let url = DatabaseUrl::parse(&postgres.fresh_database().unwrap()).unwrap();
    let world = World::with(|config| config.database = Some(url)).await;
    let mut config = world.config.clone();
    config.data = world.dir.path().join("second");
    copy_keys(&world.config.data, &config.data);
    let second = Server::start(config.clone(), world.clock.clone())
        .await
        .unwrap();
    let file = OperatorFile {
        server: second.operator_url().into(),
        ..world.operator_file.clone()
    };
    let at_second = operator_client(&file, &world.clock);
    let web1 = world.enroll("web1").await;
    let mut settings = ClientSettings::new(second.agent_url(), Roots::Ca(second.ca_pem.clone()));
    settings.identity = Some(web1.identity.clone());
    let agent_at_second = HttpClient::new(settings, &world.clock).unwrap();
    let hash_at_second = async || {
        let report = web1.report_of("1.0.0", true);
        let answer: ReportAnswer = agent_at_second
            .post_json("/agent/v1/report", &report)
            .await
            .unwrap();
        answer.work
    };

    world.fleet(SLOW).await;
    second.tick().await.unwrap();
    let view: FleetView = at_second.get_json("/api/v1/fleet").await.unwrap();
    assert_eq!((view.version, view.files[0].text.as_str()), (1, SLOW));
    let hash = web1.report("1.0.0", true).await.unwrap().work;
    assert!(hash.is_some());
    assert_eq!(hash_at_second().await, hash);

    // And the other way round; the first one's own file, which has not changed, does not fight back.
    write(&config.fleet_file(), SLOWER);
    second.tick().await.unwrap();
    world.running.tick().await.unwrap();
    world.running.tick().await.unwrap();
    let view = in_force(&world).await;
    assert_eq!((view.version, view.files[0].text.as_str()), (2, SLOWER));
    assert_eq!(
        hash_at_second().await,
        web1.report("1.0.0", true).await.unwrap().work
    );
    second.stop().await;
    world.running.stop().await;
}
