//! Locks: who gets a place, who waits, and what operators do about it.

use std::time::Duration;

use lockstep_model::api::operator::{DisableLock, FreeLock, LockFreed, LockView};
use lockstep_model::api::{LockAnswer, LockReleased, LockRequest, LockStanding};
use lockstep_model::{Fence, Holder, LockName, LockRefusal, LockState};
use lockstep_net::client::{CallError, EventStream, HttpClient};
use lockstep_plan::policy::AgentPolicy;
use lockstep_store::{DatabaseUrl, Store};
use tokio::time::timeout;

use crate::world::{Host, World, host, refusal, refused};

pub(crate) fn held_by(name: &str) -> Holder {
    Holder::Host(host(name))
}

/// Asks for a lock, and waits in its queue.
pub(crate) fn waiting(reason: &str) -> LockRequest {
    LockRequest {
        reason: reason.into(),
        wait: true,
        ..LockRequest::default()
    }
}

/// The number of the grant; none if there was a refusal.
pub(crate) fn fence(answer: &LockAnswer) -> Option<u64> {
    match answer {
        LockAnswer::Granted { fence, .. } => Some(fence.0),
        LockAnswer::Refused { .. } => None,
    }
}

#[track_caller]
pub(crate) fn why(answer: LockAnswer) -> LockRefusal {
    match answer {
        LockAnswer::Refused { why, .. } => why,
        granted => panic!("{granted:?}"),
    }
}

pub(crate) async fn ask(
    client: &HttpClient,
    lock: &str,
    request: &LockRequest,
) -> Result<LockAnswer, CallError> {
    let path = format!("/agent/v1/locks/{lock}");
    client.put_json(&path, request).await
}

impl Host {
    /// Asks for a lock, and waits if there is no place.
    pub(crate) async fn acquire(&self, lock: &str) -> LockAnswer {
        ask(&self.client, lock, &waiting("os")).await.unwrap()
    }

    pub(crate) async fn release(&self, lock: &str, question: &str) -> bool {
        let path = format!("/agent/v1/locks/{lock}{question}");
        let released: LockReleased = self.client.delete(&path).await.unwrap();
        released.was_held
    }

    /// The number of the grant that it has.
    pub(crate) async fn holds(&self, lock: &str) -> Option<u64> {
        let path = format!("/agent/v1/locks/{lock}");
        let standing: LockStanding = self.client.get_json(&path).await.unwrap();
        standing.fence.map(|fence| fence.0)
    }
}

impl World {
    pub(crate) async fn lock(&self, name: &str) -> LockView {
        let path = format!("/api/v1/locks/{name}");
        self.operator.get_json(&path).await.unwrap()
    }

    pub(crate) async fn free(
        &self,
        lock: &str,
        holder: Option<Holder>,
        why: &str,
    ) -> Result<LockFreed, CallError> {
        let order = FreeLock {
            holder,
            why: why.into(),
        };
        let path = format!("/api/v1/locks/{lock}/free");
        self.operator.post_json(&path, &order).await
    }

    async fn disable(&self, lock: &str, why: &str) -> Result<(), CallError> {
        let order = DisableLock { why: why.into() };
        let path = format!("/api/v1/locks/{lock}/disabled");
        self.operator.put_json(&path, &order).await
    }

    async fn enable(&self, lock: &str) -> Result<(), CallError> {
        let path = format!("/api/v1/locks/{lock}/disabled");
        self.operator.delete(&path).await
    }

    /// Hosts that are enrolled and well.
    pub(crate) async fn hosts(&self, names: &[&str]) -> Vec<Host> {
        let mut hosts = Vec::new();
        for name in names {
            let host = self.enroll(name).await;
            host.report("1.0.0", true).await.unwrap();
            hosts.push(host);
        }
        hosts
    }
}

/// A test that waits in vain fails by this limit instead of hanging.
pub(crate) async fn is_called(stream: &mut EventStream) {
    let event = timeout(Duration::from_secs(20), stream.next()).await;
    let event = event.expect("it is called in time").unwrap().unwrap();
    assert_eq!(event.name, "report");
}

#[tokio::test]
async fn to_ask_again_is_a_success_that_changes_nothing() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let first = web1.acquire("db").await;
    let since = world.now();
    let granted = |fence: u64, again: bool| LockAnswer::Granted {
        fence: Fence(fence),
        since,
        lease_until: None,
        again,
    };
    assert_eq!(first, granted(1, false));
    world.driver.advance(Duration::from_secs(30));
    assert_eq!(web1.acquire("db").await, granted(1, true));
    assert_eq!(web1.holds("db").await, Some(1));
    let grant = &world.lock("db").await.lock.state.holders[0];
    assert_eq!((grant.since, grant.renewed_at), (since, world.now()));
    assert_eq!(grant.reason, "os");

    assert!(web1.release("db", "?fence=1").await);
    assert!(!web1.release("db", "?fence=1").await, "it was given back");
    assert!(!web1.release("db", "").await);
    assert_eq!(web1.holds("db").await, None);
    assert_eq!(fence(&web1.acquire("db").await), Some(2));
}

#[tokio::test]
async fn places_are_given_in_the_order_in_which_they_were_asked_for() {
    let world = World::start().await;
    let hosts = world.hosts(&["web1", "web2", "web3", "web4"]).await;
    let [web1, web2, web3, web4] = &hosts[..] else {
        unreachable!()
    };
    let mut called = web2.client.events("/agent/v1/stream").await.unwrap();
    assert_eq!(fence(&web1.acquire("db").await), Some(1));
    for (place, host) in [(1, web2), (2, web3)] {
        let answer = host.acquire("db").await;
        let LockAnswer::Refused { why, position, .. } = answer else {
            panic!("{answer:?}")
        };
        let words = "1 of 1 place is taken: web1 (holds it)";
        assert_eq!((why.to_string().as_str(), position), (words, Some(place)));
    }
    // One who does not wait has no place in the queue.
    let request = LockRequest::default();
    let answer = ask(&web4.client, "db", &request).await.unwrap();
    assert!(matches!(answer, LockAnswer::Refused { position: None, .. }));
    let view = world.lock("db").await;
    let queue: Vec<_> = view
        .lock
        .state
        .waiters
        .iter()
        .map(|it| &it.holder)
        .collect();
    assert_eq!(queue, [&held_by("web2"), &held_by("web3")]);

    // The first one is called when the place is free, and nobody overtakes it.
    assert!(web1.release("db", "").await);
    is_called(&mut called).await;
    for other in [web3, web4, web1] {
        let ahead = match why(other.acquire("db").await) {
            LockRefusal::Turn { ahead } => ahead,
            why => panic!("{why:?}"),
        };
        assert_eq!(ahead[0], held_by("web2"));
    }
    assert_eq!(fence(&web2.acquire("db").await), Some(2));
    web2.release("db", "").await;
    assert_eq!(fence(&web3.acquire("db").await), Some(3));
}

#[tokio::test]
async fn who_stops_asking_loses_its_turn() {
    let world = World::start().await;
    let hosts = world.hosts(&["web1", "web2", "web3"]).await;
    hosts[0].acquire("db").await;
    hosts[1].acquire("db").await;
    world.driver.advance(Duration::from_secs(100));
    hosts[2].acquire("db").await;
    hosts[0].release("db", "").await;
    assert!(matches!(
        why(hosts[2].acquire("db").await),
        LockRefusal::Turn { .. }
    ));
    world.driver.advance(Duration::from_secs(81));
    assert_eq!(fence(&hosts[2].acquire("db").await), Some(2));
    assert!(world.lock("db").await.lock.state.waiters.is_empty());
}

#[tokio::test]
async fn a_disabled_lock_gives_no_places_and_takes_none() {
    let world = World::start().await;
    let hosts = world.hosts(&["web1", "web2"]).await;
    assert_eq!(refused(world.disable("db", "freeze").await).0, 404);
    hosts[0].acquire("db").await;
    for bad in ["", "  ", &"w".repeat(501)] {
        assert_eq!(refused(world.disable("db", bad).await).0, 400);
    }
    world.disable("db", "freeze of Friday").await.unwrap();
    world.disable("db", "freeze of Friday").await.unwrap();
    assert_eq!(
        fence(&hosts[0].acquire("db").await),
        Some(1),
        "it has it still"
    );
    let words = why(hosts[1].acquire("db").await).to_string();
    assert_eq!(words, "it is disabled: freeze of Friday");
    hosts[0].release("db", "").await;
    assert!(fence(&hosts[1].acquire("db").await).is_none());
    let disabled = world.lock("db").await.lock.state.disabled.unwrap();
    assert_eq!(disabled.why, "freeze of Friday");

    let mut called = hosts[1].client.events("/agent/v1/stream").await.unwrap();
    world.enable("db").await.unwrap();
    world.enable("db").await.unwrap();
    is_called(&mut called).await;
    assert_eq!(fence(&hosts[1].acquire("db").await), Some(2));
    assert!(world.is_noted("disabled lock db: freeze of Friday").await);
    assert!(world.is_noted("enabled lock db").await);

    world
        .fleet("[lock.os]\ndisabled = \"until monday\"\n")
        .await;
    let words = why(hosts[0].acquire("os").await).to_string();
    assert_eq!(words, "it is disabled: until monday");
    world.enable("os").await.unwrap();
    assert!(
        fence(&hosts[0].acquire("os").await).is_none(),
        "the file says so still"
    );
    world.fleet("[lock.os]\n").await;
    assert_eq!(fence(&hosts[0].acquire("os").await), Some(1));
}

#[tokio::test]
async fn a_grant_ends_with_its_lease_and_the_trail_says_so() {
    let world = World::start().await;
    world.fleet("[lock.db]\nlease = \"5m\"\n").await;
    let hosts = world.hosts(&["web1", "web2"]).await;
    hosts[0].acquire("db").await;
    hosts[1].acquire("db").await;
    world.driver.advance(Duration::from_secs(299));
    assert_eq!(fence(&hosts[0].acquire("db").await), Some(1));
    world.driver.advance(Duration::from_secs(299));
    assert_eq!(hosts[0].holds("db").await, Some(1));
    assert!(fence(&hosts[1].acquire("db").await).is_none());
    world.driver.advance(Duration::from_secs(1));
    assert_eq!(hosts[0].holds("db").await, None);
    let view = world.lock("db").await;
    assert_eq!((view.lock.state.holders.len(), view.taken.len()), (0, 0));
    assert_eq!(fence(&hosts[1].acquire("db").await), Some(2));
    assert!(
        world
            .is_noted("ended the lease of lock db of web1 (grant 1, since ")
            .await
    );
    // What is over is no place that could be given back.
    assert!(!hosts[0].release("db", "?fence=1").await);
    assert_eq!(hosts[1].holds("db").await, Some(2));
}

#[tokio::test]
async fn freeing_asks_for_a_reason_and_the_old_grant_is_worth_nothing() {
    let world = World::start().await;
    world.fleet("[lock.db]\ncapacity = 2\n").await;
    let hosts = world.hosts(&["web1", "web2", "web3"]).await;
    assert_eq!(
        refused(world.free("db", None, "gone").await),
        (409, "conflict".into())
    );
    hosts[0].acquire("db").await;
    hosts[1].acquire("db").await;
    hosts[2].acquire("db").await;
    let mut called = hosts[2].client.events("/agent/v1/stream").await.unwrap();
    let web1 = Some(held_by("web1"));
    for bad in ["", " \n", &"w".repeat(501)] {
        let answer = world.free("db", web1.clone(), bad).await;
        assert_eq!(refused(answer), (400, "bad-request".into()));
    }
    assert!(refusal(world.free("db", None, "which?").await).contains("say which of web1, web2"));
    let stranger = world.free("db", Some(held_by("web3")), "no").await;
    assert!(refusal(stranger).contains("web3 does not hold it"));

    let freed = world.free("db", web1, "the disk burned").await.unwrap();
    assert_eq!(
        (freed.freed.holder, freed.freed.fence),
        (held_by("web1"), Fence(1))
    );
    is_called(&mut called).await;
    assert!(
        world
            .is_noted("freed lock db of web1 (grant 1, since ")
            .await
    );
    assert!(world.is_noted("for os): the disk burned").await);
    assert_eq!(hosts[0].holds("db").await, None, "phases check this");
    assert_eq!(fence(&hosts[2].acquire("db").await), Some(3));
    hosts[1].release("db", "").await;
    // It comes back, and what is left of its former life gives nothing back.
    assert_eq!(fence(&hosts[0].acquire("db").await), Some(4));
    assert!(!hosts[0].release("db", "?fence=1").await);
    assert_eq!(hosts[0].holds("db").await, Some(4));
}

#[tokio::test]
async fn a_host_gives_back_its_own_places_only() {
    let world = World::start().await;
    let hosts = world.hosts(&["web1", "web2"]).await;
    hosts[0].acquire("db").await;
    assert!(!hosts[1].release("db", "").await);
    assert!(!hosts[1].release("db", "?fence=1").await);
    assert_eq!(hosts[1].holds("db").await, None);
    assert_eq!(hosts[0].holds("db").await, Some(1));
    // A body that names another one is a field that nobody knows.
    let forged = serde_json::json!({"reason": "x", "holder": {"host": "web1"}});
    let answer: LockAnswer = hosts[1]
        .client
        .put_json("/agent/v1/locks/db", &forged)
        .await
        .unwrap();
    assert!(fence(&answer).is_none());
}

#[tokio::test]
async fn the_locks_of_a_removed_host_are_free() {
    let world = World::start().await;
    let hosts = world.hosts(&["web1", "web2", "web3"]).await;
    hosts[0].acquire("db").await;
    hosts[1].acquire("db").await;
    hosts[2].acquire("os").await;
    hosts[0].acquire("os").await;
    let mut called = hosts[1].client.events("/agent/v1/stream").await.unwrap();
    let remove = async || world.operator.delete::<()>("/api/v1/hosts/web1").await;
    remove().await.unwrap();
    is_called(&mut called).await;
    let noted =
        "freed lock db of web1 (grant 1, since 2026-11-21T00:00:00Z, for os): the host was removed";
    assert!(world.is_noted(noted).await);
    assert_eq!(fence(&hosts[1].acquire("db").await), Some(2));
    assert!(world.lock("os").await.lock.state.waiters.is_empty());
    let answer = ask(&hosts[0].client, "db", &waiting("os")).await;
    assert_eq!(refused(answer), (401, "not-authenticated".into()));
    assert_eq!(refused(remove().await).0, 404);
}

#[tokio::test]
async fn operators_hold_locks_by_their_own_name() {
    let world = World::start().await;
    world
        .fleet("[group.db]\nhosts = [\"db*\"]\n[lock.db]\ngroup = \"db\"\n")
        .await;
    let db1 = world.enroll("db1").await;
    let take = async || -> LockAnswer {
        let request = waiting("I look at the disks");
        world
            .operator
            .put_json("/api/v1/locks/db", &request)
            .await
            .unwrap()
    };
    assert_eq!(fence(&take().await), Some(1));
    assert_eq!(fence(&take().await), Some(1));
    let words = why(db1.acquire("db").await).to_string();
    assert!(
        words.starts_with("1 of 1 place is taken: operator "),
        "{words}"
    );
    assert!(!db1.release("db", "").await);
    let give = async |question: &str| -> LockReleased {
        let path = format!("/api/v1/locks/db{question}");
        world.operator.delete(&path).await.unwrap()
    };
    assert!(!give("?fence=7").await.was_held);
    assert!(give("?fence=1").await.was_held);
    assert!(!give("").await.was_held);
    assert_eq!(fence(&db1.acquire("db").await), Some(2));
    // The list has it, with its rule.
    let list: Vec<LockView> = world.operator.get_json("/api/v1/locks").await.unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].lock.rule.group.as_deref(), Some("db"));
    assert_eq!((list[0].places, list[0].taken.len()), (1, 1));
}

#[tokio::test]
async fn rubbish_is_refused_with_problem_documents() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let good = serde_json::json!({"reason": "os"});
    let put = async |client: &HttpClient, path: &str, body: &serde_json::Value| {
        client.put_json::<_, serde_json::Value>(path, body).await
    };
    let sides = [
        (&web1.client, "/agent/v1/locks"),
        (&world.operator, "/api/v1/locks"),
    ];
    for (client, locks) in sides {
        for name in ["Db", "a..b", "-x", "a%2f..%2fb", "%00", &"n".repeat(65)] {
            let answer = put(client, &format!("{locks}/{name}"), &good).await;
            assert_eq!(refused(answer), (400, "bad-request".into()), "{name}");
            let answer = client
                .get_json::<serde_json::Value>(&format!("{locks}/{name}"))
                .await;
            assert_eq!(refused(answer).0, 400, "{name}");
        }
        for body in [
            serde_json::json!([7]),
            serde_json::json!("db"),
            serde_json::json!({"reason": 7}),
            serde_json::json!({"reason": "r".repeat(201)}),
            serde_json::json!({"boot_id": "b".repeat(65)}),
            serde_json::json!({"run": "../../etc/passwd"}),
            serde_json::json!({"wait": "yes"}),
        ] {
            let answer = put(client, &format!("{locks}/db"), &body).await;
            assert_eq!(refused(answer), (400, "bad-request".into()), "{body}");
        }
        let large = serde_json::json!({"reason": "r".repeat(5_000)});
        let answer = put(client, &format!("{locks}/db"), &large).await;
        assert_eq!(refused(answer), (413, "too-large".into()));
        for fence in ["x", "-1", "1.5", "99999999999999999999"] {
            let path = format!("{locks}/db?fence={fence}");
            let answer = client.delete::<serde_json::Value>(&path).await;
            assert_eq!(refused(answer).0, 400, "{fence}");
        }
        let answer = client
            .post_json::<_, serde_json::Value>(&format!("{locks}/db"), &good)
            .await;
        assert_eq!(refused(answer).0, 405);
    }
    let nowhere = world
        .operator
        .get_json::<LockView>("/api/v1/locks/db")
        .await;
    assert_eq!(refused(nowhere), (404, "not-found".into()));
    let list: Vec<LockView> = world.operator.get_json("/api/v1/locks").await.unwrap();
    assert!(list.is_empty(), "nothing of all that was a lock");
    // Words that break neither lists nor figures.
    let hostile = waiting("\u{0}\u{1b}[2J\r\n<script>\"\\{}");
    ask(&web1.client, "db", &hostile).await.unwrap();
    let grant = &world.lock("db").await.lock.state.holders[0];
    assert_eq!(grant.reason, hostile.reason);
}

#[tokio::test]
async fn an_agent_that_has_to_update_first_may_use_locks() {
    let only_newer = AgentPolicy::parse(">=2").unwrap();
    let world = World::with(|config| config.agents = only_newer).await;
    let web1 = world.enroll("web1").await;
    assert_eq!(refused(web1.report("1.0.0", true).await).0, 426);
    assert_eq!(fence(&web1.acquire("db").await), Some(1));
    assert_eq!(web1.holds("db").await, Some(1));
    assert!(web1.release("db", "").await);
}

#[tokio::test]
async fn there_is_always_room_for_locks_that_the_fleet_file_names() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let file = world.config.data.join("server.db");
    let url = DatabaseUrl::Sqlite(file.clone());
    assert!(file.exists(), "{}", file.display());
    let store = Store::open(&url).await.unwrap();
    let one = |number: u32| {
        let store = &store;
        async move {
            let name = LockName::parse(&format!("l{number}")).unwrap();
            let used = LockState {
                fence: Fence(1),
                ..LockState::default()
            };
            let change = move |_: &LockState| (Some(used.clone()), ());
            store.change_lock(&name, change).await.unwrap();
        }
    };
    futures_util::future::join_all((0..8_000).map(one)).await;
    let full = ask(&web1.client, "another", &waiting("os")).await;
    assert!(refusal(full).contains("there are 8000 locks already"));
    assert_eq!(fence(&web1.acquire("l7999").await), Some(2));
    world.fleet("[lock.another]\n").await;
    assert_eq!(fence(&web1.acquire("another").await), Some(1));
    // What is idle and not named is no matter for anybody.
    let list: Vec<LockView> = world.operator.get_json("/api/v1/locks").await.unwrap();
    let names: Vec<&str> = list.iter().map(|it| it.lock.name.as_str()).collect();
    assert_eq!(names, ["another", "l7999"]);
}
