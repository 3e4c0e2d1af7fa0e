//! What people say of problems: somebody is on it, and do not tell us for a while.

use lockstep_model::alert::{Ack, Silence};
use lockstep_model::api::operator::{NewAck, NewSilence, SilenceView};
use lockstep_model::{Glob, Interval, Level};

use crate::health::{Inbox, all_to, item, told_world};
use crate::world::{World, host, hours, refused};

const DISK: &str = "disk_usage:/";

fn new_ack(name: &str) -> NewAck {
    NewAck {
        host: host("web1"),
        item: Some(item(name)),
        note: "I delete old logs".into(),
        lasts: None,
    }
}

fn new_silence(hosts: &[&str], reason: &str) -> NewSilence {
    NewSilence {
        hosts: hosts.iter().map(|it| Glob::parse(it).unwrap()).collect(),
        groups: Vec::new(),
        items: Vec::new(),
        starts_at: None,
        lasts: Interval::from_secs(3_600),
        reason: reason.into(),
    }
}

#[tokio::test]
async fn an_acknowledgement_is_told_and_ends_with_its_problem() {
    let (world, web1, inbox) = told_world().await;
    let post = async |new: &NewAck| {
        let acks: Result<Vec<Ack>, _> = world.operator.post_json("/api/v1/acks", new).await;
        acks
    };
    assert_eq!(
        refused(post(&new_ack(DISK)).await),
        (404, "not-found".into())
    );
    web1.says(&world, &[(DISK, Level::SICK), ("users", Level::SICK)])
        .await;
    world.pass(1).await;
    world.pass(10).await;
    assert_eq!(inbox.told().len(), 1);
    let acks = post(&new_ack(DISK)).await.unwrap();
    assert_eq!((acks.len(), acks[0].by.as_str()), (1, "admin"));
    assert!(world.is_noted("acknowledged disk_usage:/ of web1").await);
    world.pass(1).await;
    assert_eq!(inbox.heard()[2..], ["acknowledged web1 disk_usage:/"]);
    assert!(
        inbox.told()[1].entries[0]
            .note
            .contains("I delete old logs")
    );
    let unhandled = "/api/v1/problems?unhandled=true";
    let left: Vec<serde_json::Value> = world.operator.get_json(unhandled).await.unwrap();
    assert_eq!((left.len(), left[0]["item"].as_str()), (1, Some("users")));

    // Worse than what was acknowledged is news.
    web1.says(&world, &[(DISK, Level::DEAD), ("users", Level::SICK)])
        .await;
    world.pass(61).await;
    assert_eq!(inbox.heard()[3..], ["worse web1 disk_usage:/"]);
    let both = NewAck {
        item: None,
        ..new_ack(DISK)
    };
    assert_eq!(post(&both).await.unwrap().len(), 2, "both at once");
    let path = "/api/v1/acks?host=web1&item=users";
    world.operator.delete::<()>(path).await.unwrap();
    assert_eq!(refused(world.operator.delete::<()>(path).await).0, 404);
    assert!(
        world
            .is_noted("took the acknowledgement of users of web1 back")
            .await
    );

    web1.says(&world, &[(DISK, Level::FINE), ("users", Level::SICK)])
        .await;
    world.pass(1).await;
    world.pass(61).await;
    let acks: Vec<Ack> = world.operator.get_json("/api/v1/acks").await.unwrap();
    assert!(acks.is_empty(), "{acks:?}");
    for bad in ["x".repeat(1_001), "a\u{7}b".into()] {
        let new = NewAck {
            note: bad,
            ..new_ack("users")
        };
        assert_eq!(refused(post(&new).await), (400, "bad-request".into()));
    }
}

#[tokio::test]
async fn a_silence_holds_back_and_what_is_still_bad_at_its_end_is_told() {
    let (world, web1, inbox) = told_world().await;
    let web2 = world.enroll("web2").await;
    let post = async |new: &NewSilence| {
        let silence: Result<Silence, _> = world.operator.post_json("/api/v1/silences", new).await;
        silence
    };
    let too_long = NewSilence {
        lasts: Interval::from_secs(31 * 86_400),
        ..new_silence(&["web1"], "a long holiday")
    };
    for bad in [new_silence(&["web1"], " "), too_long] {
        assert_eq!(refused(post(&bad).await), (400, "bad-request".into()));
    }
    let silence = post(&new_silence(&["web1"], "a new disk")).await.unwrap();
    assert_eq!(silence.owner, "admin");
    assert!(world.is_noted("a new disk").await);
    for web in [&web1, &web2] {
        web.says(&world, &[(DISK, Level::SICK)]).await;
    }
    world.pass(1).await;
    world.pass(30).await;
    assert_eq!(inbox.heard(), ["problem web2 disk_usage:/"]);
    let silences = "/api/v1/silences";
    let views: Vec<SilenceView> = world.operator.get_json(silences).await.unwrap();
    assert_eq!((views.len(), views[0].holds_back), (1, 1));
    let problems = world.problems().await;
    let held = problems.iter().find(|it| it.trouble.host == web1.name);
    assert!(
        held.unwrap()
            .silence
            .as_ref()
            .unwrap()
            .contains("a new disk")
    );

    let path = format!("/api/v1/silences/{}", silence.id);
    world.operator.delete::<()>(&path).await.unwrap();
    assert_eq!(refused(world.operator.delete::<()>(&path).await).0, 404);
    assert!(
        world
            .is_noted(&format!("ended silence {}", silence.id))
            .await
    );
    world.pass(61).await;
    world.pass(10).await;
    assert_eq!(inbox.heard()[1..], ["problem web1 disk_usage:/"]);
    let views: Vec<SilenceView> = world.operator.get_json(silences).await.unwrap();
    assert!(views.is_empty());
}

#[tokio::test]
async fn a_recurring_silence_of_the_fleet_file_ends_by_the_clock() {
    let world = World::start().await;
    let inbox = Inbox::new(&world, "ops");
    // The world begins at midnight.
    let night =
        "[silence.night]\nitems = [\"disk_*\"]\nhours = \"00:00-02:00\"\nreason = \"backup\"\n";
    world.fleet(&(all_to(&inbox) + night)).await;
    let web1 = world.enroll("web1").await;
    let report = async || {
        web1.says(&world, &[(DISK, Level::SICK), ("users", Level::SICK)])
            .await
    };
    report().await;
    world.pass(1).await;
    world.pass(30).await;
    assert_eq!(inbox.heard(), ["problem web1 users"]);
    let views: Vec<SilenceView> = world.operator.get_json("/api/v1/silences").await.unwrap();
    assert_eq!((views.len(), views[0].holds_back), (1, 1));
    assert_eq!(views[0].silence.reason, "backup");
    world.driver.advance(hours(2));
    report().await;
    world.pass(1).await;
    world.pass(10).await;
    assert_eq!(inbox.heard()[1..], ["problem web1 disk_usage:/"]);
    let note = &inbox.told()[1].entries[0].note;
    assert!(note.contains("backup"), "{note}");
}
