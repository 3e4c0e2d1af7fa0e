use lockstep_model::{
    AtLeast, Capacity, Counted, Counts, Ghost, GhostAction, LevelNames, Need, Outcome, PackageName,
    Phase, RunId, RunKind, RunReason, RunRecord, Share,
};

use super::*;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}
pub(super) fn name(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}
pub(super) fn host(text: &str) -> Holder {
    Holder::Host(name(text))
}
pub(super) fn ann() -> Holder {
    Holder::Operator("ann".into())
}
pub(super) fn waits() -> LockRequest {
    LockRequest {
        wait: true,
        ..LockRequest::default()
    }
}
pub(super) fn peeks() -> LockRequest {
    LockRequest::default()
}
/// A host that is fine, of the groups that its name begins with.
pub(super) fn fine(text: &str, groups: &[&str]) -> HostFacts {
    HostFacts {
        name: name(text),
        groups: groups.iter().map(ToString::to_string).collect(),
        silent: false,
        running: false,
        level: Level::FINE,
    }
}
pub(super) fn need(text: &str) -> Need {
    Need::parse(text, &LevelNames::default()).unwrap()
}
fn db() -> Vec<HostFacts> {
    ["db1", "db2", "db3"].map(|it| fine(it, &["db"])).into()
}
fn places(places: u32) -> LockRule {
    LockRule {
        capacity: Capacity::Number(places),
        ..LockRule::default()
    }
}
/// Capacity 2 over the group `db`, of which those count that are silent, in a run, or critical.
fn healthy() -> LockRule {
    LockRule {
        group: Some("db".into()),
        counts: Counts {
            silent: true,
            running: true,
            level: Some(Level::CRITICAL),
        },
        ..places(2)
    }
}

/// One lock, a fleet and a time, and what happens to them.
pub(super) struct World {
    pub(super) rule: LockRule,
    pub(super) state: LockState,
    pub(super) hosts: Vec<HostFacts>,
    pub(super) now: Timestamp,
}

impl World {
    pub(super) fn new(rule: LockRule, hosts: Vec<HostFacts>) -> Self {
        let (state, now) = (LockState::default(), at(0));
        Self {
            rule,
            state,
            hosts,
            now,
        }
    }
    pub(super) fn ask(&mut self, who: &Holder, request: &LockRequest) -> LockAnswer {
        let fleet = Fleet { hosts: &self.hosts };
        let (state, answer) = acquire(&self.rule, &self.state, who, request, &fleet, self.now);
        self.state = state;
        answer
    }
    /// The number of the grant; panics when refused.
    fn take(&mut self, who: &str) -> u64 {
        match self.ask(&host(who), &waits()) {
            LockAnswer::Granted { fence, .. } => fence.0,
            refused @ LockAnswer::Refused { .. } => panic!("{who}: {refused:?}"),
        }
    }
    /// Why it is refused, and its place in the queue; panics when granted.
    fn refusal(&mut self, who: &str) -> (LockRefusal, Option<u32>) {
        match self.ask(&host(who), &waits()) {
            LockAnswer::Refused { why, position, .. } => (why, position),
            granted @ LockAnswer::Granted { .. } => panic!("{who}: {granted:?}"),
        }
    }
    fn sentence(&mut self, who: &str) -> String {
        self.refusal(who).0.to_string()
    }
    fn release(&mut self, who: &str) {
        let (state, was_held) = release(&self.state, &host(who), None);
        assert!(was_held);
        self.state = state;
    }
    fn pass(&mut self, seconds: i64) {
        self.now += jiff::SignedDuration::from_secs(seconds);
    }
    fn stand(&self) -> Stand {
        let fleet = Fleet { hosts: &self.hosts };
        stand(&self.rule, &self.state, &fleet, self.now)
    }
}

#[test]
fn to_ask_again_changes_nothing_but_the_last_word() {
    let mut world = World::new(places(1), db());
    let run = |seed| RunId::new(at(0), [seed; 10]);
    let request = LockRequest {
        reason: "os".into(),
        run: Some(run(1)),
        boot_id: Some("before".into()),
        wait: false,
    };
    world.ask(&host("db1"), &request);
    let first = world.state.clone();
    world.pass(100);
    let answer = world.ask(&host("db1"), &peeks());
    let again = LockAnswer::Granted {
        fence: Fence(1),
        since: at(0),
        lease_until: None,
        again: true,
    };
    assert_eq!(answer, again);
    let mut expected = first;
    expected.holders[0].renewed_at = at(100);
    assert_eq!(world.state, expected);

    // After its restart the host confirms the grant. That it has restarted must stay visible.
    let after = LockRequest {
        boot_id: Some("after".into()),
        reason: "os, verifying".into(),
        ..request.clone()
    };
    assert_eq!(world.ask(&host("db1"), &after), again);
    expected.holders[0].reason = "os, verifying".into();
    assert_eq!(world.state, expected);
    let another = LockRequest {
        run: Some(run(2)),
        ..after
    };
    assert_eq!(world.ask(&host("db1"), &another), again);
    expected.holders[0].run = Some(run(2));
    expected.holders[0].boot_id = Some("after".into());
    assert_eq!(world.state, expected);
}

#[test]
fn grants_without_a_word_end_where_there_is_a_lease() {
    let mut world = World::new(places(1), db());
    world.rule.lease = Some(Interval::from_secs(7200));
    assert_eq!(world.take("db1"), 1);
    world.pass(7199);
    assert_eq!(
        world.sentence("db2"),
        "1 of 1 place is taken: db1 (holds it)"
    );
    world.pass(1);
    assert_eq!(world.stand().taken, []);
    assert_eq!(world.take("db2"), 2);
    assert!(world.state.held_by(&host("db1")).is_none());
    // Its number is of no use to the one before.
    let (state, was_held) = release(&world.state, &host("db1"), Some(Fence(1)));
    assert_eq!((state, was_held), (world.state.clone(), false));
    // One that comes late itself gets a new number.
    world.pass(7200);
    assert_eq!(world.take("db2"), 3);
    // Without a lease, never.
    world.rule.lease = None;
    world.pass(1_000_000_000);
    assert!(world.sentence("db1").contains("db2 (holds it)"));
}

#[test]
fn a_host_that_is_down_takes_a_place() {
    let mut world = World::new(healthy(), db());
    world.hosts[2].level = Level::DEAD;
    assert_eq!(world.take("db1"), 1);
    let refusal = world.sentence("db2");
    assert_eq!(
        refusal,
        "2 of 2 places are taken: db1 (holds it), db3 (dead)"
    );
    // It does not stand in its own way: two are down then, no more than before.
    assert_eq!(world.take("db3"), 2);
    world.release("db1");
    world.release("db3");
    // Sick is not critical, and hosts of other groups are no matter.
    world.hosts[2].level = Level::SICK;
    world.hosts.push(HostFacts {
        silent: true,
        ..fine("web1", &["web"])
    });
    assert_eq!(world.take("db2"), 3, "it came first");
    assert_eq!(world.take("db1"), 4);
    let taken = world.stand().taken;
    assert!(taken.iter().all(|it| it.counted == Counted::Holds) && taken.len() == 2);
}

#[test]
fn runs_that_wait_for_the_lock_do_not_take_its_places() {
    let mut world = World::new(healthy(), db());
    world.rule.capacity = Capacity::Number(1);
    world.rule.needs = vec![need("1 of db fine")];
    world.take("db3");
    for host in &mut world.hosts {
        host.running = true;
    }
    world.refusal("db1");
    world.refusal("db2");
    world.release("db3");
    world.hosts[2].running = false;
    // Would each count for the other, neither came to its turn.
    assert_eq!(world.take("db1"), 2);
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came() {
    let mut world = World::new(places(1), db());
    world.take("db3");
    assert_eq!(world.refusal("db1").1, Some(1));
    assert_eq!(world.refusal("db2").1, Some(2));
    assert_eq!(world.refusal("db1").1, Some(1));
    world.release("db3");
    let ahead = vec![host("db1")];
    assert_eq!(world.refusal("db2"), (LockRefusal::Turn { ahead }, Some(2)));
    // A look does not lose the turn, and whoever only looks has none.
    let LockAnswer::Refused { position, .. } = world.ask(&host("db2"), &peeks()) else {
        panic!("db1 is first")
    };
    assert_eq!(position, Some(2));
    let LockAnswer::Refused { why, position, .. } = world.ask(&ann(), &peeks()) else {
        panic!("db1 is first")
    };
    assert_eq!(
        (position, why.to_string().as_str()),
        (None, "1 other is first: db1")
    );
}

#[test]
fn who_stops_asking_loses_its_turn() {
    let mut world = World::new(places(1), db());
    world.take("db3");
    world.refusal("db1");
    world.pass(100);
    world.refusal("db2");
    world.release("db3");
    world.pass(79);
    assert!(world.sentence("db2").starts_with("1 other is first"));
    world.pass(1);
    assert_eq!(world.take("db2"), 2);
    assert_eq!(world.refusal("db1").1, Some(1));
}

#[test]
fn the_queue_is_bounded() {
    let mut world = World::new(places(1), db());
    world.take("db1");
    for number in 0..MOST_WAITERS {
        world.state.waiters.push(LockWaiter {
            holder: host(&format!("w{number}")),
            since: at(0),
            asked_at: at(0),
            reason: String::new(),
            run: None,
        });
    }
    let (why, position) = world.refusal("db2");
    assert!(
        why.to_string()
            .starts_with("10000 others are first: w0, w1"),
        "{why}"
    );
    assert_eq!((position, world.state.waiters.len()), (None, MOST_WAITERS));
    assert_eq!(world.refusal("w5000").1, Some(5001));
}

#[test]
fn one_whose_condition_does_not_hold_is_passed_over_and_keeps_its_turn() {
    let mut hosts = db();
    hosts.push(fine("web1", &["web"]));
    let mut world = World::new(places(2), hosts);
    world.rule.needs = vec![need("2 of 3 of db fine")];
    assert_eq!(world.take("db1"), 1);
    let (why, position) = world.refusal("db2");
    let words = "it needs 2 of 3 of db fine, and of the others 1 is fit (db1 is taken)";
    assert_eq!((why.to_string().as_str(), position), (words, Some(1)));
    assert_eq!(world.take("web1"), 2);
    world.release("db1");
    world.release("web1");
    // Two would be fit without db3, but db2 came before, and both cannot be spared.
    assert_eq!(world.sentence("db3"), "1 other is first: db2");
    assert_eq!(world.take("db2"), 3);
}

/// Both take a place already, so there is one for each, but the condition bears to lose one only.
#[test]
fn turns_hold_among_the_unwell() {
    let mut world = World::new(healthy(), db());
    world.rule.counts.level = Some(Level::SICK);
    world.rule.needs = vec![need("2 of db critical")];
    world.take_by_operator();
    world.hosts[0].level = Level::SICK;
    world.hosts[1].level = Level::SICK;
    assert_eq!(world.refusal("db1").1, Some(1));
    world.state = release(&world.state, &ann(), None).0;
    assert_eq!(world.sentence("db2"), "1 other is first: db1");
    assert_eq!(world.take("db1"), 2);
    assert!(
        world
            .sentence("db2")
            .starts_with("it needs 2 of db critical")
    );
}

/// A host of two groups, whose hosts take turns so that there is always one at work in one of them.
#[test]
fn nobody_is_passed_over_for_ever() {
    let mut hosts = vec![fine("a", &["g", "h"])];
    hosts.extend(["g1", "g2"].map(|it| fine(it, &["g"])));
    hosts.extend(["h1", "h2"].map(|it| fine(it, &["h"])));
    let mut world = World::new(places(3), hosts);
    world.rule.needs = vec![need("2 of 3 of g fine"), need("2 of 3 of h fine")];
    world.take("g1");
    let mut served_after = None;
    for minute in 0i64..200 {
        world.pass(60);
        // Every ten minutes one of the groups changes hands.
        if minute % 10 == 5 {
            let group = if minute / 10 % 2 == 0 { "h" } else { "g" };
            let ends = ["1", "2"].map(|n| host(&format!("{group}{n}")));
            let [first, second] = &ends;
            let next = if world.state.held_by(first).is_some() {
                second
            } else {
                first
            };
            let old = if next == first { second } else { first };
            world.state = release(&world.state, old, None).0;
            world.ask(next, &waits());
        }
        if let LockAnswer::Granted { .. } = world.ask(&host("a"), &waits()) {
            served_after = Some(minute);
            break;
        }
    }
    let served_after = served_after.expect("it is served");
    assert!((60..90).contains(&served_after), "{served_after}");
}

#[test]
fn a_holder_that_never_ends_does_not_make_a_waiter_hold_back_others() {
    let mut hosts = db();
    hosts.push(fine("web1", &["web"]));
    let mut world = World::new(places(2), hosts);
    world.rule.needs = vec![need("2 of 3 of db fine")];
    world.take("db1");
    let mut granted = Vec::new();
    for minute in 0..90 {
        world.refusal("db2");
        if let LockAnswer::Granted { .. } = world.ask(&host("web1"), &peeks()) {
            granted.push(minute);
            world.release("web1");
        }
        world.pass(60);
    }
    // When db2 has waited for an hour, the grant of db1 is an hour old.
    assert_eq!(granted, (0..90).collect::<Vec<_>>());
}

#[test]
fn a_lock_of_a_group_is_for_its_hosts_and_for_operators() {
    let mut hosts = db();
    hosts.push(fine("web1", &["web"]));
    let mut world = World::new(healthy(), hosts);
    assert_eq!(
        world.refusal("web1"),
        (LockRefusal::NotOfGroup { group: "db".into() }, None)
    );
    assert_eq!(world.refusal("unknown").1, None);
    assert!(matches!(
        world.ask(&ann(), &peeks()),
        LockAnswer::Granted { .. }
    ));
    assert_eq!(world.take("db1"), 2);
    assert!(
        world
            .sentence("db2")
            .contains("operator ann (holds it), db1 (holds it)")
    );
    // One that left the group stands in nobody's way, and leaves the queue when it asks.
    world.hosts[1].groups.clear();
    world.release("db1");
    assert_eq!(world.take("db3"), 3);
    assert_eq!(world.refusal("db2").1, None);
    assert_eq!(world.state.waiters, []);
}

#[test]
fn shares_are_of_the_group() {
    let hosts = (0..30).map(|n| fine(&format!("db{n:02}"), &["db"]));
    let others = (0..70).map(|n| fine(&format!("web{n:02}"), &["web"]));
    let mut world = World::new(healthy(), hosts.chain(others).collect());
    world.rule.capacity = Capacity::Percent(10);
    assert_eq!(world.stand().places, 3);
    world.rule.group = None;
    assert_eq!(world.stand().places, 10);
}

#[test]
fn a_disabled_lock_gives_no_places_and_takes_none_away() {
    let mut world = World::new(places(2), db());
    world.take("db1");
    world.state = disable(&world.state, "patch night is off", "ann", at(1));
    assert_eq!(world.take("db1"), 1);
    let (why, position) = world.refusal("db2");
    assert_eq!(
        (why.to_string().as_str(), position),
        ("it is disabled: patch night is off", Some(1))
    );
    world.state = enable(&world.state);
    world.rule.disabled = Some("for good".into());
    assert_eq!(world.sentence("db2"), "it is disabled: for good");
    world.rule.disabled = None;
    assert!(world.sentence("db3").starts_with("1 other is first: db2"));
    assert_eq!(world.take("db2"), 2);
}

#[test]
fn only_what_is_named_is_given_back() {
    let mut world = World::new(places(2), db());
    assert_eq!(free(&world.state, None), Err(FreeRefusal::NobodyHolds));
    world.take("db1");
    let (state, freed) = free(&world.state, None).unwrap();
    assert_eq!(
        (freed.holder, state.fence, state.holders.len()),
        (host("db1"), Fence(1), 0)
    );
    world.take("db2");
    world.refusal("db3");
    let why = |holder| free(&world.state, holder).unwrap_err().to_string();
    assert_eq!(why(None), "several hold it: say which of db1, db2");
    assert_eq!(
        why(Some(&host("db3"))),
        "db3 does not hold it, but db1, db2"
    );
    let (state, freed) = free(&world.state, Some(&host("db2"))).unwrap();
    assert_eq!(
        (freed.fence, state.holders.len(), state.waiters.len()),
        (Fence(2), 1, 1)
    );

    for (who, fence, was_held, holders, waiters) in [
        ("db1", None, true, 1, 1),
        ("db1", Some(Fence(1)), true, 1, 1),
        ("db1", Some(Fence(2)), false, 2, 1),
        ("db3", Some(Fence(2)), false, 2, 1),
        ("db3", None, false, 2, 0),
        ("web1", None, false, 2, 1),
    ] {
        let (state, held) = release(&world.state, &host(who), fence);
        let figures = (held, state.holders.len(), state.waiters.len());
        assert_eq!(figures, (was_held, holders, waiters), "{who} {fence:?}");
        assert_eq!(state.fence, Fence(2));
    }
    assert_eq!(forget(&world.state, &host("db1")).holders.len(), 1);
    assert_eq!(forget(&world.state, &host("db3")).waiters, []);
}

#[test]
fn how_a_lock_stands() {
    let mut world = World::new(healthy(), db());
    world.rule.capacity = Capacity::Number(1);
    world.rule.needs = vec![
        need("1 of db fine"),
        need("3 of db fine or 1 of standby fine"),
    ];
    world.take_by_operator();
    world.hosts[0].silent = true;
    world.hosts[1].running = true;
    let stand = world.stand();
    let taken: Vec<String> = stand.taken.iter().map(ToString::to_string).collect();
    assert_eq!(
        taken,
        ["operator ann (holds it)", "db1 (silent)", "db2 (in a run)"]
    );
    let unmet: Vec<String> = stand.unmet.iter().map(ToString::to_string).collect();
    let words = "it needs 3 of db fine or 1 of standby fine, and of the others none is fit";
    assert_eq!((stand.places, unmet), (1, vec![words.to_string()]));
}

impl World {
    /// An operator called ann takes a place.
    fn take_by_operator(&mut self) {
        let answer = self.ask(&ann(), &peeks());
        assert!(matches!(answer, LockAnswer::Granted { .. }), "{answer:?}");
    }
}

#[test]
fn refusals_in_words() {
    let taken = |by: &str, counted| lockstep_model::Taken {
        by: host(by),
        counted,
    };
    let three = vec![
        taken("db1", Counted::Holds),
        taken("db2", Counted::Silent),
        taken("db3", Counted::Level(Level::CRITICAL)),
    ];
    let many = |count: usize| {
        (0..count)
            .map(|n| host(&format!("h{n}")))
            .collect::<Vec<_>>()
    };
    let db = AtLeast {
        share: Share::Percent(60),
        group: "db".into(),
        level: Level::SOSO,
    };
    let table = [
        (
            LockRefusal::Full {
                places: 3,
                taken: three.clone(),
            },
            "3 of 3 places are taken: db1 (holds it), db2 (silent), db3 (critical)",
        ),
        (
            LockRefusal::Full {
                places: 1,
                taken: three[..1].to_vec(),
            },
            "1 of 1 place is taken: db1 (holds it)",
        ),
        (
            LockRefusal::Full {
                places: 1,
                taken: three.clone(),
            },
            "3 take its 1 place: db1 (holds it), db2 (silent), db3 (critical)",
        ),
        (
            LockRefusal::Full {
                places: 2,
                taken: three,
            },
            "3 take its 2 places: db1 (holds it), db2 (silent), db3 (critical)",
        ),
        (
            LockRefusal::Turn { ahead: many(12) },
            "12 others are first: h0, h1, h2, h3, h4, h5, h6, h7, h8, h9, 2 more",
        ),
        (LockRefusal::Turn { ahead: many(1) }, "1 other is first: h0"),
        (
            LockRefusal::Needs {
                need: Need(vec![db]),
                fit: 2,
                unfit: vec![
                    (name("db1"), Counted::Holds),
                    (name("db2"), Counted::Running),
                ],
            },
            "it needs 60% of db soso, and of the others 2 are fit (db1 is taken, db2 is in a run)",
        ),
        (
            LockRefusal::Disabled { why: "x".into() },
            "it is disabled: x",
        ),
        (
            LockRefusal::NotOfGroup { group: "db".into() },
            "it is for the hosts of group db only",
        ),
    ];
    for (refusal, words) in table {
        assert_eq!(refusal.to_string(), words);
    }
}

#[test]
fn ghosts_have_evidence() {
    let run = RunId::new(at(0), [1; 10]);
    let holder = LockHolder {
        holder: host("db1"),
        fence: Fence(7),
        since: at(0),
        renewed_at: at(0),
        reason: String::new(),
        run: Some(run),
        boot_id: Some("before".into()),
        steady_until: None,
    };
    let record = |phase, outcome| RunRecord {
        id: run,
        kind: RunKind::System,
        package: PackageName::system(),
        from: None,
        to: None,
        hash: None,
        generation: 0,
        by: String::new(),
        phase,
        waits: None,
        lock: None,
        outcome,
        reason: None,
        started_at: at(0),
        at: at(100),
        log: String::new(),
        link: None,
    };
    let well = HolderFacts {
        enrolled: true,
        silent_since: None,
        level: Level::FINE,
        boot_id: Some("before".into()),
        run: Some(record(Phase::Apply, None)),
    };
    let with_run = |phase, outcome| HolderFacts {
        run: Some(record(phase, outcome)),
        ..well.clone()
    };
    let look = |facts: &HolderFacts, second| ghost(&holder, facts, at(second));
    assert_eq!(look(&well, 1_000_000), None);

    // Everything is wrong at once: the first in the order is told.
    let mut facts = with_run(Phase::Apply, Some(Outcome::Stopped));
    facts.enrolled = false;
    facts.silent_since = Some(at(50));
    facts.level = Level::DEAD;
    assert_eq!(look(&facts, 2000), Some(Ghost::Decommissioned));
    facts.enrolled = true;
    let stopped = look(&facts, 2000).unwrap();
    assert_eq!(
        stopped.to_string(),
        format!("run {run} has stopped: in phase apply")
    );
    assert_eq!(stopped.action(), GhostAction::RetryOrSkip);
    facts.run.as_mut().unwrap().reason = Some(RunReason::ByHand);
    assert!(
        look(&facts, 2000)
            .unwrap()
            .to_string()
            .ends_with("rolled back by hand on the host")
    );
    facts.run.as_mut().unwrap().outcome = Some(Outcome::Failed);
    assert_eq!(
        look(&facts, 2000),
        Some(Ghost::RunOver {
            run,
            since: at(100)
        })
    );
    facts.run = Some(record(Phase::Reboot, None));
    assert_eq!(
        look(&facts, 1001),
        Some(Ghost::NeverRebooted { since: at(100) })
    );
    facts.boot_id = Some("after".into());
    assert_eq!(
        look(&facts, 1001),
        Some(Ghost::RebootedUnfit { level: Level::DEAD })
    );
    facts.level = Level::SOSO;
    // The run was heard of later than the host.
    assert_eq!(
        look(&facts, 1001),
        Some(Ghost::Unreachable { since: at(100) })
    );
    assert_eq!(look(&facts, 400), None);

    // A quarter of an hour to restart; boot ids that nobody said are no evidence.
    let rebooting = with_run(Phase::Reboot, None);
    assert_eq!(look(&rebooting, 1000), None);
    assert!(look(&rebooting, 1001).is_some());
    assert_eq!(
        look(
            &HolderFacts {
                boot_id: None,
                ..rebooting
            },
            1001
        ),
        None
    );
    // Sick, but not restarted: at work.
    let sick = HolderFacts {
        level: Level::SICK,
        ..well.clone()
    };
    assert_eq!(look(&sick, 1001), None);
    // Of another run.
    let mut other = with_run(Phase::Apply, Some(Outcome::Done));
    other.run.as_mut().unwrap().id = RunId::new(at(0), [2; 10]);
    assert_eq!(look(&other, 1001), None);
    // A person.
    let person = LockHolder {
        holder: ann(),
        ..holder.clone()
    };
    assert_eq!(
        ghost(
            &person,
            &HolderFacts {
                enrolled: false,
                ..sick
            },
            at(1001)
        ),
        None
    );
}

#[test]
fn a_place_is_kept_for_one_who_is_done_and_another_request_takes_that_back() {
    let fleet = Fleet { hosts: &[] };
    let rule = LockRule::default();
    let (state, _) = acquire(
        &rule,
        &LockState::default(),
        &host("db1"),
        &peeks(),
        &fleet,
        at(0),
    );
    let (state, was_held) = steady(&state, &host("db1"), at(100));
    assert!(was_held);
    // A second word does not prolong it, and nobody else gets the place meanwhile.
    let (state, _) = steady(&state, &host("db1"), at(200));
    assert_eq!(state.holders[0].steady_until, Some(at(100)));
    let (state, answer) = acquire(&rule, &state, &host("db2"), &peeks(), &fleet, at(1));
    assert!(matches!(answer, LockAnswer::Refused { .. }), "{answer:?}");
    let (state, _) = acquire(&rule, &state, &host("db1"), &peeks(), &fleet, at(2));
    assert_eq!(state.holders[0].steady_until, None);
    let (_, was_held) = steady(&LockState::default(), &host("db1"), at(1));
    assert!(!was_held);
}
