//! Pages while they are open: news comes by itself, a server that is away is told of, keys work, and all of it goes without
//! scripts, too.

use std::time::{Duration, Instant};

use lockstep_model::{Level, Value};
use lockstep_testkit::browser::{Colours, Page};

use super::site::{READY, Site, form};

/// True when the page hears of news.
const LIVE: &str = "document.documentElement.dataset.liveNow === 'yes'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_page_hears_of_news_and_says_when_it_does_not() {
    let mut site = Site::start().await;
    let page = site.sign_in("ann");
    let tab = page.tab();
    tab.goto("/rollouts/3");
    for it in [&page, &tab] {
        it.wait_until(LIVE, "the stream");
        it.eval("window.mark = 'the same document'");
    }
    assert_eq!(page.count("#unhandled a[href='/hosts/web01']"), 0);
    let value = Value::Text("failed".into());
    site.filled
        .ill(
            "web01",
            "unit:nginx",
            value,
            Level::DEAD,
            "it is not running",
        )
        .await;
    page.wait_for("#unhandled a[href='/hosts/web01']");
    // What the API does is shown where it is looked at.
    tab.click(&format!("{} >> button", form("/rollouts/3/pause")));
    tab.wait_for(&form("/rollouts/3/resume"));
    tab.wait_until(LIVE, "the stream");
    tab.eval("window.mark = 'the same document'");
    let halt = "/api/v1/rollouts/3/halt";
    let operator = &site.filled.world.operator;
    let _: serde_json::Value = operator.post_json(halt, &()).await.unwrap();
    tab.wait_gone(&form("/rollouts/3/resume"));
    tab.wait_text("main", "halted");
    assert_eq!(tab.eval("window.mark"), "the same document");
    assert_eq!(page.eval("window.mark"), "the same document");

    // A form that somebody fills in is not taken away under his hands.
    page.goto("/locks");
    page.wait_until(LIVE, "the stream");
    page.click("#lock-db >> details.action >> summary");
    page.fill("#lock-db >> field~Why", "I am writing");
    site.filled.host("db04").acquire("db").await;
    site.filled.host("db05").acquire("os").await;
    tab.goto("/locks");
    tab.wait_text("#lock-db", "3 waiting");
    assert_eq!(page.value("#lock-db >> field~Why"), "I am writing");
    drop(tab);

    page.goto("/");
    page.wait_until(LIVE, "the stream");
    page.eval("window.mark = 'the same document'");
    // A dialog that is closed leads nowhere: the page goes on living, and not only when a form would long have led away.
    page.press("?");
    page.click("dialog#keys >> button:Close");
    page.wait_gone("dialog#keys");
    let closed = Instant::now();
    let value = Value::Number {
        value: 97.0,
        unit: "%".into(),
    };
    site.filled
        .ill("web02", "cpu_busy", value, Level::DEAD, "at its limit")
        .await;
    page.wait_for("#unhandled a[href='/hosts/web02']");
    assert!(closed.elapsed() < Duration::from_secs(25));
    // The server goes away and comes back at the same address: the page says so, and recovers.
    let port = site.filled.world.running.operator_addr;
    site.filled.world.config.listen.operators = port;
    let Site { filled, browser } = site;
    let super::fleet::Filled { world, hosts, .. } = filled;
    let config = world.config.clone();
    world.running.stop().await;
    page.wait_text("#live-state", "Not live");
    assert!(page.text("main").contains("web01"), "what was there stays");
    let running = lockstep_server::Server::start(config, world.clock.clone())
        .await
        .unwrap();
    page.wait_gone("#live-state");
    assert_eq!(page.eval("window.mark"), "the same document");
    // The browser tells of requests that nobody answered, and that is all.
    for it in page.take_complaints() {
        let expected = [
            "ERR_CONNECTION_REFUSED",
            "ERR_CONNECTION_RESET",
            "ERR_HTTP2",
            "ERR_INCOMPLETE",
            "ERR_EMPTY_RESPONSE",
            "ERR_NETWORK",
        ];
        assert!(expected.iter().any(|error| it.contains(error)), "{it}");
    }
    drop(page);
    drop((browser, hosts));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_go_by_keys_without_scripts_and_for_those_who_may_only_look() {
    let site = Site::start().await;
    let page = site.sign_in("ann");
    keys(&page);
    themes(&page);
    without_scripts(&site);
    only_looking(&site).await;
}

fn keys(page: &Page) {
    page.press("/");
    assert!(page.has_focus("#search"));
    page.press("Escape");
    assert!(!page.has_focus("#search"));
    page.press("?");
    page.wait_for("dialog#keys");
    assert_eq!(promised(page), [true, true], "the rows can be acted on");
    page.press("Escape");
    page.wait_gone("dialog#keys");
    page.press("j");
    assert!(page.focused().starts_with("<a"), "{}", page.focused());
    page.press("g");
    page.press("l");
    page.wait_for("heading:Locks");
    page.wait_until(READY, "the script");
    page.press("?");
    page.wait_for("dialog#keys");
    assert_eq!(promised(page), [false, false], "a lock is not acknowledged");
    page.press("Escape");
    page.wait_gone("dialog#keys");
    page.press("/");
    page.write("web03");
    page.press("Enter");
    page.wait_for("heading~web03");
    assert_eq!(page.path(), "/hosts/web03");
    page.wait_until(READY, "the script");
    page.press("s");
    assert!(page.has_focus("form[action='/hosts/web03/silence'] select"));
    page.press("Escape");
    page.press("Escape");
    reachable(page, "/locks");
    reachable(page, "/");
}

/// Whether the list of keys says that something is acknowledged, and silenced.
fn promised(page: &Page) -> [bool; 2] {
    ["/ack", "/silence"].map(|needed| {
        let seen = format!("find('#keys [data-needs=\"{needed}\"]').length");
        page.eval(&seen) == 2
    })
}

/// All that can be clicked is reached by Tab, and is seen to have the focus when it has it.
fn reachable(page: &Page, address: &str) {
    page.goto(address);
    page.wait_until(READY, "the script");
    let all = "find('a[href], button, input:not([type=hidden]), select, textarea, summary')";
    page.eval(&format!("window.unreached = new Set({all})"));
    let count = page.eval("unreached.size").as_u64().unwrap();
    for _ in 0..=count {
        page.press("Tab");
        let seen = page.eval(
            "(() => { const it = document.activeElement; unreached.delete(it); const style = getComputedStyle(it); \
             return it === document.body || style.outlineStyle !== 'none' || style.boxShadow !== 'none'; })()",
        );
        assert!(
            seen == true,
            "{address}: the focus is not seen on {}",
            page.focused()
        );
    }
    let left = page.eval("[...unreached].map(describe)");
    assert_eq!(left, serde_json::json!([]), "{address}: not reached by Tab");
}

fn themes(page: &Page) {
    page.goto("/locks");
    let background = || page.eval("getComputedStyle(document.documentElement).backgroundColor");
    page.colours(Colours::Light);
    let light = background();
    page.colours(Colours::Dark);
    let dark = background();
    assert_ne!(light, dark, "it goes by the system");
    for (theme, expected) in [("light", &light), ("dark", &dark)] {
        page.click("details.menu >> summary");
        page.follow(&format!("details.menu >> button:{theme}"));
        assert_eq!(page.path(), "/locks");
        assert_eq!(background(), *expected, "it goes by the visitor's choice");
        assert_eq!(page.attribute("html", "data-theme").as_deref(), Some(theme));
    }
    page.click("details.menu >> summary");
    page.follow("details.menu >> button:auto");
    page.colours(Colours::Light);
}

fn without_scripts(site: &Site) {
    let page = site.stranger();
    page.scripts(false);
    super::site::sign_in(&page, "olaf");
    page.wait_text("noscript", "Without JavaScript");
    page.follow("nav >> link:Rollouts");
    page.follow("main a[href='/rollouts/3']");
    assert!(page.count("main svg") > 0, "graphs are drawn by the server");
    page.follow(&format!("{} >> button", form("/rollouts/3/pause")));
    assert!(page.text(".said").contains("paused by olaf"));
    page.follow(&format!("{} >> button", form("/rollouts/3/resume")));
    page.goto("/hosts/web03/items/disk_usage:%2Fvar?beside=others");
    assert!(page.count("main svg") > 0);
    assert!(page.text("#the-others").contains("other hosts of the"));
    page.click("#other-time >> summary");
    page.eval("document.querySelector('#other-time input[name=from]').value = '2026-11-20T20:00'");
    page.follow("#other-time >> button");
    let shown = page.text(".range .shown");
    assert!(shown.starts_with("2026-11-20 20:00:00 UTC"), "{shown}");
    assert_eq!(
        page.count("#the-others"),
        1,
        "what it is compared with is kept"
    );
    page.follow("main .where >> link:all its graphs");
    assert_eq!(page.text(".range .shown"), shown, "and the time goes along");
    page.fill("#search", "db02");
    page.press("Enter");
    page.wait_for("heading~db02");
    page.click("details.menu >> summary");
    page.follow("button:Sign out");
    assert_eq!(page.path(), "/sign-in");
}

async fn only_looking(site: &Site) {
    let page = site.sign_in("vera");
    for address in [
        "/",
        "/rollouts/3",
        "/locks",
        "/releases/shop",
        "/silences",
        "/hosts/web03",
        "/hosts/web03/items/disk_usage:%2Fvar",
        "/admin",
    ] {
        page.goto(address);
        // The menu has forms of one's own, and one may ask.
        assert_eq!(page.count("main form[method='post']"), 0, "{address}");
    }
    // Sent by hand all the same, with all that a form of hers would carry.
    page.click("details.menu >> summary");
    for (to, fields) in [
        ("/rollouts/3/halt", ""),
        ("/rollouts/3/skip-host", "&host=web20&why=x"),
        ("/locks/db/disable", "&why=x"),
        (
            "/releases/lockstep/promote",
            "&version=1.2.0&channel=stable",
        ),
        (
            "/problems/take-back",
            "&host=web03&item=disk_usage:/var&back=/",
        ),
        ("/hosts/web03/items/disk_usage:%2Fvar/ack", ""),
        (
            "/hosts/web03/items/disk_usage:%2Fvar/silence",
            "&note=x&for=1h",
        ),
        ("/hosts/web03/remove", ""),
        ("/admin/updates", "&updates=off"),
        ("/admin/users/add", "&name=eve&role=admin"),
    ] {
        let post = format!(
            "fetch('{to}', {{ method: 'POST', redirect: 'manual', \
             headers: {{ 'content-type': 'application/x-www-form-urlencoded' }}, \
             body: 'csrf=' + document.querySelector('input[name=csrf]').value + '{fields}' }}).then((it) => it.status)"
        );
        assert_eq!(page.eval(&post), 403, "{to}");
    }
    // Without the token of her session, nobody may: not even an admin, and not from another site.
    let admin = site.sign_in("ann");
    let post = "fetch('/rollouts/3/halt', { method: 'POST', redirect: 'manual', \
                headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'csrf=x' }).then((it) => it.status)";
    assert_eq!(admin.eval(post), 403);
    for page in [&page, &admin] {
        assert!(page.take_complaints().iter().all(|it| it.contains("403")));
    }
    let view: lockstep_model::api::operator::RolloutView = site.api("rollouts/3").await;
    assert_eq!(view.state.as_str(), "running");
}
