//! What people do about problems: somebody is on it, it shall be quiet. Each action does what it says, as the API sees it.

use lockstep_model::alert::Ack;
use lockstep_model::api::operator::{HostView, ProblemView, SilenceView};

use super::site::{Site, act, form};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problems_are_acknowledged_silenced_and_taken_back() {
    let site = Site::start().await;
    let page = site.sign_in("olaf");
    let acks = async || -> Vec<Ack> { site.api("acks").await };
    let silences = async || -> Vec<SilenceView> {
        let all: Vec<SilenceView> = site.api("silences").await;
        all.into_iter()
            .filter(|it| it.silence.run.is_none())
            .collect()
    };

    // web03 is acknowledged and edge03 silenced before anybody looks: neither stands among the unhandled.
    let row = "#unhandled tr:has(a[href='/hosts/web05'])";
    assert_eq!(page.count("#unhandled a[href='/hosts/web03']"), 0);
    let ack = format!("{row} {}", form("/problems/ack"));
    let twin = "lockstep ack web05 unit:nginx";
    let _ = act(
        &page,
        &ack,
        &[("Note", "I restart it"), ("For", "4 hours")],
        twin,
    );
    let on = acks().await;
    let on = on.iter().find(|it| it.host.as_str() == "web05").unwrap();
    assert_eq!((on.by.as_str(), on.note.as_str()), ("olaf", "I restart it"));
    assert!(on.until.is_some());
    page.wait_gone(row);

    let row = "#unhandled tr:has(a[href='/hosts/db02'])";
    let silence = format!("{row} {}", form("/problems/silence"));
    let twin = "lockstep silence add --host db02 --item memory_available";
    let _ = act(&page, &silence, &[("Why", "a bigger machine comes")], twin);
    let quiet = silences().await;
    let quiet = quiet
        .iter()
        .find(|it| it.silence.reason == "a bigger machine comes")
        .unwrap();
    assert_eq!(
        (quiet.silence.owner.as_str(), quiet.holds_back),
        ("olaf", 1)
    );

    // Both are on the page of what is quiet, and are ended there.
    page.goto("/silences");
    let of_web05 = "#acks tr:has(a[href='/hosts/web05'])";
    let back = format!("{of_web05} {}", form("/problems/take-back"));
    let _ = act(
        &page,
        &back,
        &[],
        "lockstep ack web05 unit:nginx --take-back",
    );
    assert!(acks().await.iter().all(|it| it.host.as_str() != "web05"));
    assert_eq!(page.path(), "/silences");
    let id = &quiet.silence.id;
    let end = format!("{}:has(input[value='{id}'])", form("/silences/end"));
    let _ = act(&page, &end, &[], &format!("lockstep silence end {id}"));
    assert!(silences().await.iter().all(|it| it.silence.id != *id));

    // A new one is looked at before it is made.
    page.click("#new >> summary");
    page.fill("#new-silence >> field~Hosts", "web*");
    page.fill("#new-silence >> field~Items", "disk_usage:*");
    page.fill("#new-silence >> field:Why", "new disks");
    // What it would do is there without a click, and with one too.
    page.wait_text("#silence-preview", "2 problems on");
    page.wait_text("#silence-twin", "--item 'disk_usage:*'");
    page.follow("#new-silence >> button:Preview");
    page.wait_text("#silence-preview", "2 problems on");
    assert!(
        page.text("#new-silence >> .twin")
            .contains("lockstep silence add --host 'web*' --item 'disk_usage:*'")
    );
    page.follow("#new-silence >> button:Silence");
    assert_eq!(
        silences()
            .await
            .iter()
            .filter(|it| it.silence.reason == "new disks")
            .count(),
        1
    );

    // Rows that are chosen together are acknowledged together.
    page.goto("/");
    let unhandled = async || -> Vec<ProblemView> { site.api("problems?unhandled=true").await };
    assert!(!unhandled().await.is_empty());
    // Keys open the forms of the row that is picked, one at a time.
    page.press("j");
    page.press("a");
    page.wait_for("tr.picked details[open] form[action='/problems/ack']");
    page.press("Escape");
    page.press("s");
    page.wait_for("tr.picked details[open] form[action='/problems/silence']");
    assert_eq!(page.count("#unhandled details.action[open]"), 1);
    page.press("Escape");
    page.press("Escape");
    page.wait_gone("#unhandled details.action[open]");
    page.click("#unhandled thead >> field:Choose all rows");
    page.fill("#bulk >> field~Note", "all mine");
    page.follow("#bulk >> button:Ack");
    assert_eq!(unhandled().await.len(), 0);
    page.wait_gone("#bulk");

    // A host as a whole, and hosts that are ticked.
    page.goto("/hosts/web07");
    let twin = "lockstep silence add --host web07";
    let silence = form("/hosts/web07/silence");
    let _ = act(
        &page,
        &silence,
        &[("Why", "it is carried downstairs")],
        twin,
    );
    page.goto("/hosts?q=web0");
    page.click("tbody tr:has(a[href='/hosts/web08']) input[type='checkbox']");
    page.click("tbody tr:has(a[href='/hosts/web06']) input[type='checkbox']");
    page.fill("field~Note", "two at once");
    page.follow("button:Silence");
    assert_eq!(page.path(), "/hosts?q=web0");
    let quiet = silences().await;
    let hosts_of = |reason: &str| -> Vec<String> {
        let found = quiet.iter().filter(|it| it.silence.reason == reason);
        let mut hosts: Vec<String> = found
            .flat_map(|it| it.silence.hosts.iter().map(ToString::to_string))
            .collect();
        hosts.sort();
        hosts
    };
    assert_eq!(hosts_of("it is carried downstairs"), ["web07"]);
    assert_eq!(hosts_of("two at once"), ["web06", "web08"]);
    // Nothing can be collected from a host that holds no stream, and the page says so.
    page.goto("/hosts/web07");
    assert!(
        page.text(&format!("{} >> .twin", form("/hosts/web07/report")))
            .contains("lockstep host report web07")
    );
    page.follow(&format!("{} >> button", form("/hosts/web07/report")));
    page.wait_text("main", "web07");
    assert!(page.take_complaints().iter().all(|it| it.contains("409")));

    // A host that is gone for good is removed. Who looks at it just then is told; who removed it is elsewhere by then.
    let elsewhere = page.tab();
    elsewhere.goto("/hosts/edge08");
    page.goto("/hosts/edge08");
    let sure = [("Type edge08", "edge08")];
    let _ = act(
        &page,
        &form("/hosts/edge08/remove"),
        &sure,
        "lockstep host remove edge08",
    );
    let hosts: Vec<HostView> = site.api("hosts").await;
    assert!(hosts.iter().all(|it| it.name.as_str() != "edge08"));
    page.assert_clean();
    elsewhere.wait_text("#live-state", "no longer there");
    assert!(
        elsewhere
            .take_complaints()
            .iter()
            .all(|it| it.contains("404"))
    );
}
