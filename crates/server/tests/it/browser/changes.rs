//! What people do about changes: rollouts, releases, locks, runs. Each action does what it says, as the API sees it.

use lockstep_model::api::operator::{LockView, ReleaseView, RolloutView};
use lockstep_model::{RunCommand, RunVerb};
use lockstep_testkit::browser::Page;

use super::site::{Site, act, form};

async fn state(site: &Site, id: u64) -> String {
    let view: RolloutView = site.api(&format!("rollouts/{id}")).await;
    view.state.to_string()
}

/// Says something to a rollout on its page.
#[track_caller]
fn say(page: &Page, id: u64, verb: &str) -> String {
    page.goto(&format!("/rollouts/{id}"));
    let form = form(&format!("/rollouts/{id}/{verb}"));
    act(page, &form, &[], &format!("lockstep rollout {verb} {id}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_ordered_held_up_and_taken_back() {
    let site = Site::start().await;
    let page = site.sign_in("olaf");

    assert!(say(&page, 3, "pause").contains("paused by olaf"));
    assert_eq!(state(&site, 3).await, "holding");
    assert_eq!(page.path(), "/rollouts/3");
    // What was done is said once.
    page.reload();
    page.wait_gone(".said");
    let _ = say(&page, 3, "resume");
    assert_eq!(state(&site, 3).await, "running");
    left_out(&site, &page).await;
    let _ = say(&page, 3, "skip-wave");
    let view: RolloutView = site.api("rollouts/3").await;
    assert!(
        view.waves[1].skipped_by.as_deref() == Some("olaf"),
        "{:?}",
        view.waves[1].skipped_by
    );
    let _ = say(&page, 3, "halt");
    assert_eq!(state(&site, 3).await, "halted");
    let _ = say(&page, 3, "rollback");
    assert_eq!(state(&site, 3).await, "rolling-back");
    assert_eq!(
        page.count("main form.action"),
        0,
        "there is nothing left to say"
    );

    releases(&site, &page).await;
    locks(&site, &page).await;
    runs(&site, &page).await;
}

/// A host is left out of the rollout on its page, and taken in again.
async fn left_out(site: &Site, page: &Page) {
    let view: RolloutView = site.api("rollouts/3").await;
    let mut hosts = view.waves.iter().flat_map(|wave| &wave.hosts);
    let host = hosts.find(|it| it.state == "ordered").unwrap();
    let host = host.name.as_str();
    page.goto("/rollouts/3");
    assert!(page.count("#tail ol li") > 0, "{}", page.text("#tail"));
    assert!(page.text("#strategy").contains("waves of"));
    let said = act(
        page,
        &form("/rollouts/3/skip-host"),
        &[("Host", host), ("Why", "its disk is being replaced")],
        "lockstep rollout skip-host 3 HOST",
    );
    assert!(
        said.contains(&format!("{host} is left out of rollout 3")),
        "{said}"
    );
    page.wait_text("#skipped-hosts", "its disk is being replaced");
    // It was told to begin, so it counts until it says that it has not.
    page.wait_text(&format!("#host-{host}"), "ordered");
    let twin = format!("lockstep rollout unskip-host 3 {host}");
    let said = act(page, &form("/rollouts/3/unskip-host"), &[], &twin);
    assert!(said.contains("again"), "{said}");
    assert_eq!(page.count("#skipped-hosts ul"), 0);
}

async fn releases(site: &Site, page: &Page) {
    let of = |version: &str| format!("section[aria-label='Version {version}']");
    page.goto("/releases/shop");
    page.wait_text(&of("4.1.0"), "suspect");
    let clear = format!("{} {}", of("4.1.0"), form("/releases/shop/clear"));
    let said = act(
        page,
        &clear,
        &[("Why", "the canary's disk was full")],
        "lockstep release clear shop 4.1.0",
    );
    assert!(said.contains("not suspect"), "{said}");
    let listed: Vec<ReleaseView> = site.api("releases").await;
    assert!(listed.iter().all(|it| it.suspect.is_none()));

    let promote = format!("{} {}", of("4.2.0"), form("/releases/shop/promote"));
    let twin = "lockstep release promote shop 4.2.0 --to stable";
    let said = act(page, &promote, &[("Urgent", "yes")], twin);
    assert!(said.contains("shop 4.2.0"), "{said}");
    assert_eq!(page.path(), "/rollouts/5");
    let view: RolloutView = site.api("rollouts/5").await;
    assert!(view.urgent && view.version.to_string() == "4.2.0");
}

async fn locks(site: &Site, page: &Page) {
    let lock = async |name: &str| -> LockView { site.api(&format!("locks/{name}")).await };
    page.goto("/locks");
    // The place of a run that has stopped is not offered to be taken away: the run is to be retried or skipped.
    assert!(page.text("#lock-db").contains("db01 may not come back"));
    assert_eq!(page.count("#lock-db form[action='/locks/db/free']"), 0);
    let disable = form("/locks/db/disable");
    let said = act(
        page,
        &disable,
        &[("Why", "freeze of Friday")],
        "lockstep lock disable db",
    );
    assert!(said.contains("db gives no places"), "{said}");
    assert_eq!(
        lock("db").await.lock.state.disabled.unwrap().why,
        "freeze of Friday"
    );
    page.wait_text("#lock-db", "freeze of Friday");
    let _ = act(
        page,
        &form("/locks/db/enable"),
        &[],
        "lockstep lock enable db",
    );
    assert!(lock("db").await.lock.state.disabled.is_none());

    // A holder that has fallen silent can be freed, by somebody who says why.
    let said = act(
        page,
        &form("/locks/edge/free"),
        &[("Why", "it burned")],
        "lockstep lock free edge --holder edge08",
    );
    assert!(
        said.contains("edge08 does not hold edge any more"),
        "{said}"
    );
    assert!(site.filled.world.is_noted("for os): it burned").await);
}

async fn runs(site: &Site, page: &Page) {
    let stopped = site.filled.stopped;
    let path = format!("/runs/{stopped}");
    // What the host is told when it asks.
    let told = async || -> RunCommand {
        let path = format!("/agent/v1{path}/command");
        let command: Option<RunCommand> = site
            .filled
            .host("db01")
            .client
            .get_json(&path)
            .await
            .unwrap();
        command.unwrap()
    };
    page.goto(&path);
    // What a script wrote stays text.
    assert!(
        page.text("main")
            .contains("<script>alert('not markup')</script>")
    );
    let twin = format!("lockstep run retry {stopped}");
    let _ = act(page, &form(&format!("{path}/retry")), &[], &twin);
    assert_eq!(told().await.verb, RunVerb::Retry);
    let twin = format!("lockstep run skip {stopped}");
    let skip = form(&format!("{path}/skip"));
    let _ = act(page, &skip, &[("Why", "mended by hand")], &twin);
    let command = told().await;
    assert_eq!(
        (command.verb, command.why.as_str()),
        (RunVerb::Skip, "mended by hand")
    );
    assert_eq!(command.by, "olaf");
}
