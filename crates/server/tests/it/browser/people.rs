//! What admins do, and what everybody does about himself. Each action does what it says, as the API sees it.

use lockstep_model::Role;
use lockstep_model::api::Updates;
use lockstep_model::api::operator::{ApiTokenView, FleetView, ServerStatus, TokenView, UserView};
use lockstep_testkit::browser::Page;

use super::site::{PASSWORD, Site, act, form, send, sign_in};
use crate::health::write;

const OTHER: &str = "another long and secret word";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_and_programs_are_let_in_and_out() {
    let site = Site::start().await;
    let page = site.sign_in("ann");
    users(&site, &page).await;
    tokens(&site, &page).await;
    fleet(&site, &page).await;
    oneself(&site).await;
}

async fn users(site: &Site, page: &Page) {
    let user = async |name: &str| -> Option<UserView> {
        let users: Vec<UserView> = site.api("users").await;
        users.into_iter().find(|it| it.name.as_str() == name)
    };
    page.goto("/admin/users");
    let fields = [("Name", "bob"), ("Role", "viewer"), ("Password", PASSWORD)];
    let _ = act(
        page,
        &form("/admin/users/add"),
        &fields,
        "lockstep user add",
    );
    assert_eq!(user("bob").await.unwrap().role, Role::Viewer);
    let bob = site.sign_in("bob");
    let base = "/admin/users/bob";
    let role = form(&format!("{base}/role"));
    let _ = act(
        page,
        &role,
        &[("Role", "operator")],
        "lockstep user role bob",
    );
    assert_eq!(user("bob").await.unwrap().role, Role::Operator);
    bob.goto("/locks");
    bob.wait_for("details.action >> summary");
    let password = form(&format!("{base}/password"));
    let _ = act(
        page,
        &password,
        &[("New password", OTHER)],
        "lockstep user passwd bob",
    );
    // It ended his session.
    bob.goto("/locks");
    assert_eq!(bob.path(), "/sign-in?to=%2Flocks");
    bob.fill("field:Name", "bob");
    bob.fill("field:Password", OTHER);
    bob.follow("button:Sign in");
    assert_eq!(bob.path(), "/locks");
    let remove = form(&format!("{base}/remove"));
    let _ = act(page, &remove, &[], "lockstep user remove bob");
    assert!(user("bob").await.is_none());
    bob.reload();
    assert_eq!(bob.path(), "/sign-in?to=%2Flocks");
    let _ = bob.take_complaints();
}

async fn tokens(site: &Site, page: &Page) {
    let tokens = async || -> Vec<TokenView> { site.api("tokens").await };
    let before = tokens().await.len();
    page.goto("/admin/enrolment");
    let fields = [
        ("How many", "3"),
        ("Valid for", "2h"),
        ("Only for the host", ""),
    ];
    send(
        page,
        &form("/admin/enrolment/create"),
        &fields,
        "lockstep token create",
    );
    page.wait_text("main", "lockstep-agent");
    let made = tokens().await;
    assert_eq!(made.len(), before + 1);
    let made = made.into_iter().find(|it| it.uses == 3).unwrap();
    assert_eq!(made.created_by, "ann");
    page.follow("link:I have it");
    let revoke = form(&format!("/admin/enrolment/{}/revoke", made.id));
    let _ = act(
        page,
        &revoke,
        &[],
        &format!("lockstep token revoke {}", made.id),
    );
    assert!(
        tokens()
            .await
            .iter()
            .any(|it| it.id == made.id && it.revoked)
    );
}

async fn fleet(site: &Site, page: &Page) {
    let world = &site.filled.world;
    let updates = async || -> Updates {
        let status: ServerStatus = site.api("status").await;
        status.updates
    };
    page.goto("/admin");
    let _ = act(
        page,
        &form("/admin/updates"),
        &[],
        "lockstep server updates off",
    );
    assert_eq!(updates().await, Updates::Off);
    page.wait_text("#strip", "updates are off");
    page.goto("/admin");
    let _ = act(
        page,
        &form("/admin/updates"),
        &[],
        "lockstep server updates on",
    );
    assert_eq!(updates().await, Updates::On);

    page.goto("/admin/fleet");
    let version = async || -> u64 {
        let view: FleetView = site.api("fleet").await;
        view.version
    };
    let before = version().await;
    let text = std::fs::read_to_string(world.config.fleet_file()).unwrap();
    write(
        &world.config.fleet_file(),
        &format!("{text}\n[lock.another]\n"),
    );
    let _ = act(
        page,
        &form("/admin/fleet/reload"),
        &[],
        "lockstep fleet reload",
    );
    assert_eq!(version().await, before + 1);
    // A mistake is told with its place, and the old file stays.
    write(
        &world.config.fleet_file(),
        &format!("{text}\n[lokc.another]\n"),
    );
    page.follow(&format!("{} >> button", form("/admin/fleet/reload")));
    page.wait_text("main", "unknown");
    assert_eq!(version().await, before + 1);
    write(&world.config.fleet_file(), &text);
    let _ = page.take_complaints();

    page.goto("/admin/alerts");
    send(
        page,
        &form("/admin/alerts/test"),
        &[],
        "lockstep alert test ops",
    );
    page.wait_text("main", "delivered");
}

async fn oneself(site: &Site) {
    let page = site.sign_in("vera");
    page.goto("/me");
    let fields = [("What it is for", "my script"), ("Valid for", "a week")];
    send(
        &page,
        &form("/me/create-token"),
        &fields,
        "lockstep user token create",
    );
    page.wait_text("main", "only time");
    let tokens: Vec<ApiTokenView> = site.api("api-tokens").await;
    let made = tokens.iter().find(|it| it.label == "my script").unwrap();
    assert_eq!((made.user.as_str(), made.role), ("vera", Role::Viewer));

    page.goto("/me");
    let id = &made.id;
    let revoke = format!("{}:has(input[value='{id}'])", form("/me/revoke-token"));
    let twin = format!("lockstep user token revoke {id}");
    let _ = act(&page, &revoke, &[], &twin);
    let tokens: Vec<ApiTokenView> = site.api("api-tokens").await;
    assert!(tokens.iter().all(|it| it.id != *id));

    // A session that was left open elsewhere is ended from here.
    let elsewhere = site.sign_in("vera");
    page.goto("/me");
    // The row of this page's own session says so.
    let other = "#sessions tbody tr:not(:has(b))";
    let end = format!("{other} {}", form("/me/end-session"));
    let _ = act(&page, &end, &[], "lockstep user session end ");
    elsewhere.goto("/locks");
    assert_eq!(elsewhere.path(), "/sign-in?to=%2Flocks");
    let _ = elsewhere.take_complaints();

    // A new password ends the other sessions, and the old one is worth nothing.
    let elsewhere = site.sign_in("vera");
    page.goto("/me");
    let fields = [
        ("Password now", PASSWORD),
        ("New password again", OTHER),
        ("New password", OTHER),
    ];
    let change = form("/me/password");
    page.click(&format!("{change} >> ^details >> summary"));
    for (label, words) in fields {
        page.fill(&format!("{change} >> field:{label}"), words);
    }
    page.follow(&format!("{change} >> button"));
    page.wait_for(".said");
    elsewhere.goto("/locks");
    assert_eq!(elsewhere.path(), "/sign-in?to=%2Flocks");
    elsewhere.fill("field:Name", "vera");
    elsewhere.fill("field:Password", PASSWORD);
    elsewhere.follow("button:Sign in");
    elsewhere.wait_for("#refused");
    assert_eq!(elsewhere.value("field:Name"), "vera");
    // The browser notes the 401 of a refused attempt.
    assert!(
        elsewhere
            .take_complaints()
            .iter()
            .all(|it| it.contains("401"))
    );

    page.click("details.menu >> summary");
    page.follow("button:Sign out");
    assert_eq!(page.path(), "/sign-in");
    assert!(
        page.cookies()
            .iter()
            .all(|it| it["name"] != "__Host-lockstep")
    );
    page.goto("/hosts");
    assert_eq!(page.path(), "/sign-in?to=%2Fhosts");
    let olaf = site.stranger();
    sign_in(&olaf, "olaf");
    let cookies = olaf.cookies();
    let session = cookies
        .iter()
        .find(|it| it["name"] == "__Host-lockstep")
        .unwrap();
    assert!(
        session["httpOnly"] == true && session["secure"] == true,
        "{session}"
    );
    assert_ne!(session["sameSite"], "None");
}
