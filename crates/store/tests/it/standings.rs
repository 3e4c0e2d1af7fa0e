//! What a decider reads: the fleet in brief, rollouts that can move, runs that are held against a release.

use lockstep_model::api::{Kept, RunStatus};
use lockstep_model::{Outcome, PackageName, Phase, Platform, RolloutId, RolloutState, RunId};
use lockstep_store::Standing;

use crate::engine::Place;
use crate::samples::{at, decided, done, enroll, host, order, record, report, version};

pub(crate) async fn the_fleet_is_seen_in_brief(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1", "web2", "web3"]).await;
    store
        .record_report(&host("web1"), &report(1), at(10))
        .await
        .unwrap();
    let mut running = report(1);
    running.installed[0].proven = false;
    running.facts.platform = Some(Platform::parse("linux-aarch64").unwrap());
    running.run = Some(RunStatus {
        id: RunId::new(at(0), [1; 10]),
        package: PackageName::lockstep(),
        to: Some((&version("1.5.0")).into()),
        phase: Phase::Apply,
    });
    store
        .record_report(&host("web2"), &running, at(20))
        .await
        .unwrap();

    let lockstep = PackageName::lockstep();
    let silent = Standing {
        host: host("web3"),
        enrolled_at: at(0),
        last_seen: None,
        platform: Some(Platform::parse("linux-x86_64").unwrap()),
        version: None,
        proven: false,
        running: false,
        kept: false,
        os: "Debian GNU/Linux 12 (bookworm)".into(),
        kernel: "6.1.0".into(),
        in_run: false,
        gateway: None,
    };
    let proven = Standing {
        host: host("web1"),
        last_seen: Some(at(10)),
        version: Some(version("1.4.0")),
        proven: true,
        ..silent.clone()
    };
    let on_the_way = Standing {
        host: host("web2"),
        last_seen: Some(at(20)),
        platform: Some(Platform::parse("linux-aarch64").unwrap()),
        version: Some(version("1.4.0")),
        running: true,
        in_run: true,
        ..silent.clone()
    };
    let fleet = store.standings(&lockstep).await.unwrap();
    assert_eq!(fleet, [proven.clone(), on_the_way.clone(), silent.clone()]);

    // Another package is another question, and a newer report another answer.
    let other = PackageName::parse("driveclient").unwrap();
    let fleet = store.standings(&other).await.unwrap();
    assert!(fleet.iter().all(|it| it.version.is_none() && !it.running));
    store
        .record_report(&host("web2"), &report(2), at(30))
        .await
        .unwrap();
    store.remove_host(&host("web3"), at(30)).await.unwrap();
    let settled = Standing {
        last_seen: Some(at(30)),
        host: host("web2"),
        ..proven.clone()
    };
    assert_eq!(store.standings(&lockstep).await.unwrap(), [proven, settled]);
}

pub(crate) async fn large_fleets_come_whole(place: Place) {
    let store = place.open().await;
    enroll(&store, &["a-host"]).await;
    place
        .execute(
            "INSERT INTO hosts (name, key, facts, enrolled_at) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
             SELECT 'web' || CAST(n.i AS TEXT), h.key, h.facts, h.enrolled_at FROM n, hosts h",
        )
        .await;
    let fleet = store.standings(&PackageName::lockstep()).await.unwrap();
    assert_eq!(fleet.len(), 2001);
    assert!(fleet.windows(2).all(|two| two[0].host < two[1].host));
}

pub(crate) async fn only_what_can_move_is_looked_at(place: Place) {
    let store = place.open().await;
    let mut before = store
        .promote(&order("1.0.0"), |_| Vec::new())
        .await
        .unwrap();
    for (state, moves) in [
        (RolloutState::Running, true),
        (RolloutState::Holding, true),
        (RolloutState::RollingBack, true),
        (RolloutState::Halted, false),
        (RolloutState::Done, false),
        (RolloutState::Cancelled, false),
    ] {
        let mut after = before.clone();
        after.state = state;
        store
            .save_rollout(&before, decided(&after, &[]), None, at(1))
            .await
            .unwrap();
        let moving = store.moving_rollouts().await.unwrap();
        assert_eq!(moving == [after.clone()], moves, "{state}");
        assert_eq!(moving.len(), usize::from(moves), "{state}");
        before = after;
    }
}

pub(crate) async fn only_failures_are_held_against_a_release(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let ended = |number: u8, generation: u64, outcome| {
        let mut record = done(record(number, i64::from(number), 10));
        record.generation = generation;
        record.outcome = Some(outcome);
        record
    };
    let failed = ended(1, 7, Outcome::Failed);
    let rolled_back = ended(2, 8, Outcome::RolledBack);
    for record in [
        failed.clone(),
        rolled_back.clone(),
        ended(3, 8, Outcome::Postponed),
        ended(4, 8, Outcome::Done),
        record(5, 5, 10),
    ] {
        store
            .record_run(&host("web1"), &record, at(50))
            .await
            .unwrap();
    }
    let ids = async |rollout: Option<u64>| -> Vec<RunId> {
        let runs = store.blamed_runs(rollout.map(RolloutId)).await.unwrap();
        runs.into_iter().map(|run| run.record.id).collect()
    };
    assert_eq!(ids(None).await, [rolled_back.id, failed.id]);
    assert_eq!(ids(Some(8)).await, [rolled_back.id]);
    assert!(ids(Some(9)).await.is_empty());
}

pub(crate) async fn what_a_host_keeps_by_its_own_word_is_seen(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let (lockstep, client) = (
        PackageName::lockstep(),
        PackageName::parse("driveclient").unwrap(),
    );
    let kept = async |report| -> [bool; 2] {
        store
            .record_report(&host("web1"), &report, at(10))
            .await
            .unwrap();
        let mut kept = [false; 2];
        for (kept, package) in kept.iter_mut().zip([&lockstep, &client]) {
            *kept = store.standings(package).await.unwrap()[0].kept;
        }
        kept
    };
    assert_eq!(kept(report(1)).await, [false, false]);
    // Updates are switched off: that holds for what is installed.
    let mut off = report(1);
    off.updates_enabled = false;
    assert_eq!(kept(off).await, [true, false]);
    // Of all that keeps a host from an order only a person's word counts.
    let mut keeps = report(1);
    for (code, by_hand) in [("held-by-hand", true), ("failed-before", false)] {
        keeps.kept = vec![Kept {
            package: client.clone(),
            version: version("1.5.0"),
            code: code.into(),
            words: String::new(),
            until: None,
        }];
        assert_eq!(kept(keeps.clone()).await, [false, by_hand], "{code}");
    }
    assert_eq!(kept(report(1)).await, [false, false]);
}

pub(crate) async fn a_host_is_what_it_said_last(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let said = async || -> (String, String) {
        let standings = store.standings(&PackageName::lockstep()).await.unwrap();
        (standings[0].os.clone(), standings[0].kernel.clone())
    };
    // Before its first report: what it said at its enrolment.
    assert_eq!(
        said().await,
        (
            "Debian GNU/Linux 12 (bookworm)".to_owned(),
            "6.1.0".to_owned()
        )
    );
    let mut newer = report(1);
    newer.facts.os = "Debian GNU/Linux 13 (trixie)".into();
    newer.facts.kernel = "6.12.48".into();
    store
        .record_report(&host("web1"), &newer, at(10))
        .await
        .unwrap();
    assert_eq!(
        said().await,
        (
            "Debian GNU/Linux 13 (trixie)".to_owned(),
            "6.12.48".to_owned()
        )
    );
}
