//! An agent alone with answers that a server could give.

use lockstep_model::{Interval, Level, Phase};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn agent(character: Character) -> Agent {
    let common = Arc::new(Common::new(character));
    let host = HostName::parse("sim-00001").unwrap();
    let carried = vec![Carried::at(PackageName::lockstep(), Some(version("1.0.0")))];
    Agent::new(&common, 1, host, carried, at(0))
}

fn wants(text: &str, generation: u64) -> Desired {
    wants_of("lockstep", text, generation)
}

fn wants_of(package: &str, text: &str, generation: u64) -> Desired {
    // By way of JSON: what is added to an order later has a default.
    serde_json::from_value(serde_json::json!({
        "package": package, "version": text, "target": format!("{package}/{text}"),
        "hash": ContentHash::of(format!("{package}{text}").as_bytes()),
        "length": 1000, "not_before": at(0), "generation": generation,
    }))
    .unwrap()
}

fn answer(desired: &[Desired]) -> ReportAnswer {
    ReportAnswer {
        desired: desired.to_vec(),
        next_report: Interval::from_secs(60),
        updates: Updates::On,
        server_time: at(0),
        server_version: version("1.0.0"),
        work: None,
        commands: Vec::new(),
        wishes: Vec::new(),
    }
}

/// What an agent did within some time, with a server that answers everything at once.
#[derive(Default)]
struct Story {
    reports: Vec<Report>,
    records: Vec<RunRecord>,
    fetches: usize,
    ended: Vec<Ended>,
    fell_silent: bool,
}

fn live(agent: &mut Agent, from: i64, to: i64, desired: &[Desired]) -> Story {
    let mut story = Story::default();
    let mut now = at(from);
    while now < at(to) {
        let mut acts = 0;
        while let Some(act) = agent.next(now) {
            acts += 1;
            assert!(acts < 100, "it never comes to rest: {act:?}");
            match act {
                Act::Report(report) => {
                    story.reports.push(*report);
                    agent.answered(answer(desired), now);
                }
                Act::Record(record) => {
                    story.records.push(*record);
                    agent.recorded();
                }
                Act::Events(batch) => agent.stored(batch.events.last().unwrap().number),
                Act::Fetch { .. } => {
                    story.fetches += 1;
                    agent.fetched(now);
                }
                Act::FetchWork => panic!("there is no work document"),
                Act::FallSilent => {
                    story.fell_silent = true;
                    return story;
                }
            }
            story.ended.extend(agent.take_ended());
        }
        story.ended.extend(agent.take_ended());
        let due = agent.due();
        assert!(due > now, "nothing to do, but due at once");
        now = due;
    }
    story
}

fn phases(story: &Story) -> Vec<(Phase, Option<Outcome>)> {
    let phase = |record: &RunRecord| (record.phase, record.outcome);
    story.records.iter().map(phase).collect()
}

#[test]
fn it_reports_at_once_and_then_as_the_server_says() {
    let mut agent = agent(Character::default());
    let story = live(&mut agent, 0, 600, &[]);
    assert!(
        (10..=12).contains(&story.reports.len()),
        "{}",
        story.reports.len()
    );
    assert_eq!(story.reports[0].items.len(), 40);
    assert!(story.records.is_empty());
}

#[test]
fn its_own_interval_comes_before_the_servers() {
    let mut agent = agent(Character {
        report: Some(Duration::from_secs(10)),
        ..Character::default()
    });
    let story = live(&mut agent, 0, 600, &[]);
    assert!(
        (54..=67).contains(&story.reports.len()),
        "{}",
        story.reports.len()
    );
}

#[test]
fn a_hint_is_followed_at_once() {
    let mut agent = agent(Character::default());
    live(&mut agent, 0, 1, &[]);
    assert_eq!(agent.next(at(10)), None);
    agent.hinted(at(10));
    agent.hinted(at(11));
    assert!(matches!(agent.next(at(12)), Some(Act::Report(_))));
    assert_eq!(
        agent.answered(answer(&[]), at(13)),
        Some(Duration::from_secs(3))
    );
    assert_eq!(agent.next(at(13)), None, "two hints are one report");
}

#[test]
fn an_order_is_fetched_applied_tried_and_proven() {
    let mut agent = agent(Character::default());
    let story = live(&mut agent, 0, 60, &[wants("2.0.0", 7)]);
    assert_eq!(
        phases(&story),
        [
            (Phase::Apply, None),
            (Phase::Verify, None),
            (Phase::Done, Some(Outcome::Done))
        ]
    );
    assert_eq!(story.fetches, 1);
    assert_eq!(story.ended.len(), 1);
    let tried = story
        .reports
        .iter()
        .filter(|it| !it.installed[0].proven)
        .count();
    assert!(tried >= 3, "on probation it reports often: {tried}");
    let last = &story.reports.last().unwrap().installed[0];
    assert_eq!((&last.version, last.proven), (&version("2.0.0"), true));
    assert_eq!(last.previous, Some(version("1.0.0")));
    let took = story.records[2].at.duration_since(story.records[0].at);
    assert!((7..=8).contains(&took.as_secs()), "{took:#}");
}

#[test]
fn a_bad_version_comes_back_and_is_not_tried_again_without_a_newer_order() {
    let mut agent = agent(Character {
        bad_version: Some(version("2.0.0")),
        ..Character::default()
    });
    let story = live(&mut agent, 0, 300, &[wants("2.0.0", 7)]);
    assert_eq!(
        phases(&story).last(),
        Some(&(Phase::Done, Some(Outcome::RolledBack)))
    );
    assert_eq!(story.fetches, 1, "it is tried once");
    let last = story.reports.last().unwrap();
    assert_eq!(
        (&last.installed[0].version, last.installed[0].proven),
        (&version("1.0.0"), true)
    );
    assert_eq!(last.skipped, [wants("2.0.0", 7).hash]);
    let code = serde_json::to_value(&story.records[2].reason).unwrap();
    assert_eq!(code["code"], "worker-exited");
    assert_eq!(
        live(&mut agent, 300, 400, &[wants("2.0.0", 8)]).fetches,
        1,
        "a newer order"
    );
}

#[test]
fn an_older_order_is_refused_for_each_package_by_itself() {
    let mut agent = agent(Character::default());
    live(&mut agent, 0, 60, &[wants("2.0.0", 7)]);
    let story = live(&mut agent, 60, 200, &[wants("1.0.0", 6)]);
    assert_eq!(story.fetches, 0);
    assert_eq!(story.reports.last().unwrap().kept[0].code, "older-order");
    assert_eq!(
        agent.version(&PackageName::lockstep()),
        Some(&version("2.0.0"))
    );
    let story = live(
        &mut agent,
        200,
        400,
        &[wants_of("driveclient", "1.20.3", 3)],
    );
    assert_eq!(story.fetches, 1, "another package has orders of its own");
    let driveclient = PackageName::parse("driveclient").unwrap();
    assert_eq!(agent.version(&driveclient), Some(&version("1.20.3")));
}

#[test]
fn two_packages_change_one_after_the_other() {
    let mut agent = agent(Character::default());
    let both = [wants("2.0.0", 7), wants_of("driveclient", "1.20.3", 8)];
    let story = live(&mut agent, 0, 200, &both);
    assert_eq!(story.fetches, 2);
    let phases = phases(&story);
    assert_eq!(
        phases[2].1,
        Some(Outcome::Done),
        "the first ends before the second begins"
    );
    assert_eq!(phases[5].1, Some(Outcome::Done));
}

#[test]
fn an_order_that_is_taken_back_is_given_up_before_its_trial() {
    let mut agent = agent(Character {
        apply: Duration::from_secs(300),
        ..Character::default()
    });
    live(&mut agent, 0, 30, &[wants("2.0.0", 7)]);
    let story = live(&mut agent, 30, 200, &[]);
    assert_eq!(phases(&story), [(Phase::Done, Some(Outcome::Postponed))]);
    let again = live(&mut agent, 200, 900, &[wants("2.0.0", 7)]);
    assert_eq!(again.ended.last().unwrap().outcome, Outcome::Done);
}

#[test]
fn a_silent_one_is_never_heard_of_again() {
    let mut agent = agent(Character {
        silent: 1.0,
        ..Character::default()
    });
    let story = live(&mut agent, 0, 100, &[wants("2.0.0", 7)]);
    assert!(story.fell_silent && agent.is_silent());
    assert_eq!(phases(&story), [(Phase::Apply, None)]);
    assert_eq!(agent.next(at(10_000)), None);
}

#[test]
fn a_version_that_is_worse_shows_in_the_items() {
    let mut agent = agent(Character {
        worse_version: Some(version("2.0.0")),
        worse: 1.0,
        ..Character::default()
    });
    let story = live(&mut agent, 0, 300, &[wants("2.0.0", 7)]);
    assert_eq!(
        story.ended[0].outcome,
        Outcome::Done,
        "it does not see it by itself"
    );
    assert_eq!(story.reports.last().unwrap().items[0].level, Level::SICK);
    let story = live(&mut agent, 300, 900, &[wants("1.0.0", 8)]);
    assert!(story.reports.last().unwrap().items[0].level < Level::SICK);
}

#[test]
fn after_a_failure_it_waits_as_long_as_the_server_says() {
    let mut agent = agent(Character::default());
    assert!(matches!(agent.next(at(0)), Some(Act::Report(_))));
    agent.failed(Some(Duration::from_secs(100)), at(0));
    assert_eq!(agent.next(at(99)), None);
    assert!(agent.due() >= at(100) && agent.due() < at(200));
    assert!(matches!(agent.next(agent.due()), Some(Act::Report(_))));
}

#[test]
fn a_bundle_that_does_not_come_is_asked_for_again() {
    let mut agent = agent(Character::default());
    agent.next(at(0));
    agent.answered(answer(&[wants("2.0.0", 7)]), at(0));
    agent.recorded();
    let fetch = |act: &Option<Act>| matches!(act, Some(Act::Fetch { .. }));
    let hash = wants("2.0.0", 7).hash;
    let target = format!("lockstep/{hash}.2.0.0");
    assert_eq!(
        agent.next(at(1)),
        Some(Act::Fetch {
            target,
            length: 1000
        })
    );
    agent.not_fetched(Some(Duration::from_secs(20)), at(1));
    assert_eq!(agent.next(at(20)), None);
    assert!(fetch(&agent.next(at(41))));
}

#[test]
fn equal_seeds_live_equal_lives_and_others_do_not() {
    let run = |seed| {
        let mut agent = agent(Character {
            seed,
            ..Character::default()
        });
        live(&mut agent, 0, 500, &[wants("2.0.0", 7)]).reports
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
