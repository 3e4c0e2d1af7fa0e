//! The admin pages and one's own: what is done by their forms is seen by the API, and who may not is refused.

use std::time::Duration;

use lockstep_model::Role;
use lockstep_model::api::Updates;
use lockstep_model::api::operator::{
    ApiTokenView, AuditView, Me, SessionView, SetUpdates, TokenView, UserView,
};
use lockstep_net::client::{ClientSettings, HttpClient, Roots};
use lockstep_trust::identity::HostKey;
use serde::de::DeserializeOwned;

use crate::health::write;
use crate::visitor::{Answer, PASSWORD, Visitor};
use crate::world::{World, host};

const OTHER_PASSWORD: &str = "another long and secret word";

impl World {
    async fn api<T: DeserializeOwned>(&self, path: &str) -> T {
        let path = format!("/api/v1/{path}");
        self.operator.get_json(&path).await.unwrap()
    }

    async fn user(&self, name: &str) -> UserView {
        self.api(&format!("users/{name}")).await
    }

    async fn enrolment_tokens(&self) -> Vec<TokenView> {
        self.api("tokens").await
    }

    async fn sessions_of(&self, name: &str) -> Vec<SessionView> {
        let mut sessions: Vec<SessionView> = self.api("sessions").await;
        sessions.retain(|session| session.user.as_str() == name);
        sessions
    }

    async fn api_tokens_of(&self, name: &str) -> Vec<ApiTokenView> {
        let mut tokens: Vec<ApiTokenView> = self.api("api-tokens").await;
        tokens.retain(|token| token.user.as_str() == name);
        tokens
    }
}

/// What stands between these two in a page.
#[track_caller]
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = page.split_once(before).expect(before);
    rest.split_once(after).expect(after).0
}

/// That a secret was sent in the page alone, for nobody to keep.
#[track_caller]
fn shown_once(answer: &Answer, secret: &str) {
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("location"), None);
    assert!(!answer.head.contains(secret));
}

#[tokio::test]
async fn a_token_is_made_shown_once_used_and_revoked_on_pages() {
    let world = World::start().await;
    let olaf = Visitor::sign_in(&world, "olaf", Role::Operator).await;
    let before = world.enrolment_tokens().await.len();

    let order = [("uses", "2"), ("valid", "2h"), ("host", "")];
    let answer = olaf.post("/admin/enrolment/create", &order).await;
    assert_eq!(answer.status, 200);
    let token = between(&answer.body, "--token ", "<").to_owned();
    let secret = token.split('.').nth(2).unwrap();
    shown_once(&answer, secret);
    assert!(answer.body.contains("For 2 hosts."));

    // It is good.
    let key = HostKey::generate(&host("web1")).unwrap();
    world.enroll_with("web1", &token, &key).await.unwrap();
    let tokens = world.enrolment_tokens().await;
    assert_eq!(tokens.len(), before + 1);
    let made = tokens.iter().find(|it| it.created_by == "olaf").unwrap();
    assert_eq!((made.uses, made.used), (2, 1));

    // A board of a second ago would do for a page. A minute is more than this machine's own clock can have gone meanwhile.
    world.driver.advance(Duration::from_secs(60));
    let page = olaf.get("/admin/enrolment").await.page();
    assert!(page.contains(&made.id) && page.contains("1 of 2"));
    assert!(page.contains(r#"href="/hosts/web1""#), "the newest host");
    assert!(!page.contains(secret));

    let path = format!("/admin/enrolment/{}/revoke", made.id);
    assert_eq!(olaf.post(&path, &[]).await.leads_to(), "/admin/enrolment");
    let tokens = world.enrolment_tokens().await;
    assert!(
        tokens
            .iter()
            .any(|it| it.created_by == "olaf" && it.revoked)
    );
    assert_eq!(olaf.post(&path, &[]).await.status, 404);

    for wrong in [
        ("uses", "0"),
        ("valid", "900d"),
        ("valid", "soon"),
        ("host", "A b"),
    ] {
        let mut order = vec![("uses", "1"), ("valid", "1d"), ("host", "")];
        order.retain(|(name, _)| *name != wrong.0);
        order.push(wrong);
        let answer = olaf.post("/admin/enrolment/create", &order).await;
        assert_eq!(answer.status, 400, "{wrong:?}");
    }
}

#[tokio::test]
async fn users_are_made_changed_and_removed_on_pages() {
    let world = World::start().await;
    let ann = Visitor::sign_in(&world, "ann", Role::Admin).await;
    let vera = Visitor::sign_in(&world, "vera", Role::Viewer).await;
    assert_eq!(vera.get("/admin/users").await.status, 403);

    let bob = [("name", "bob"), ("role", "viewer"), ("password", "")];
    assert_eq!(
        ann.post("/admin/users/add", &bob).await.leads_to(),
        "/admin/users"
    );
    let made = world.user("bob").await;
    assert_eq!((made.role, made.has_password), (Role::Viewer, false));
    assert_eq!(ann.post("/admin/users/add", &bob).await.status, 409);

    let short = [("password", "short")];
    assert_eq!(
        ann.post("/admin/users/bob/password", &short).await.status,
        400
    );
    let long = [("password", OTHER_PASSWORD)];
    ann.post("/admin/users/bob/password", &long)
        .await
        .leads_to();
    assert!(world.user("bob").await.has_password);
    let role = [("role", "operator")];
    ann.post("/admin/users/bob/role", &role).await.leads_to();
    assert_eq!(world.user("bob").await.role, Role::Operator);

    // What others are signed in by, and what their programs come in by, is ended.
    let order = [("label", "a gate"), ("role", "viewer"), ("valid", "1d")];
    assert_eq!(vera.post("/me/create-token", &order).await.status, 200);
    let page = ann.get("/admin/users?user=vera").await.page();
    assert!(page.contains("a gate") && page.contains("Show everybody"));
    assert!(!page.contains("(this one)"), "that is ann's");
    let token = world.api_tokens_of("vera").await.remove(0);
    let id = [("id", token.id.as_str())];
    ann.post("/admin/users/revoke-token", &id).await.leads_to();
    assert!(world.api_tokens_of("vera").await.is_empty());
    let session = world.sessions_of("vera").await.remove(0);
    let id = [("id", session.id.as_str())];
    ann.post("/admin/users/end-session", &id).await.leads_to();
    assert!(vera.get("/me").await.leads_to().starts_with("/sign-in"));

    ann.post("/admin/users/bob/remove", &[]).await.leads_to();
    let users: Vec<UserView> = world.api("users").await;
    assert!(users.iter().all(|user| user.name.as_str() != "bob"));
    let page = ann.get("/admin/users").await.page();
    assert!(page.contains("(you)") && !page.contains("/admin/users/bob/"));
    assert!(!page.contains(OTHER_PASSWORD) && !page.contains("$argon2"));

    // The trail has it all, and is searched.
    let page = ann
        .get("/admin/audit?who=ANN&words=removed+user")
        .await
        .page();
    assert_eq!(page.matches("removed user bob").count(), 1);
    assert!(!page.contains("made user bob"));
    let page = ann
        .get("/admin/audit?words=nothing+of+that+kind")
        .await
        .page();
    assert!(page.contains("Nothing fits."));
    assert!(page.contains("lockstep audit verify --after"));
    assert_eq!(ann.get("/admin/audit?before=nonsense").await.status, 400);
}

#[tokio::test]
async fn everybody_has_their_own_password_sessions_and_tokens() {
    let world = World::start().await;
    let vera = Visitor::sign_in(&world, "vera", Role::Viewer).await;
    let ann = Visitor::sign_in(&world, "ann", Role::Admin).await;

    let order = [("label", "a gate"), ("role", "viewer"), ("valid", "")];
    let answer = vera.post("/me/create-token", &order).await;
    assert_eq!(answer.status, 200);
    let token = between(&answer.body, "token = &quot;", "&quot;").to_owned();
    shown_once(&answer, &token);
    let mut settings = ClientSettings::new(
        world.running.operator_url(),
        Roots::Ca(world.running.ca_pem.clone()),
    );
    settings.bearer = Some(token.clone());
    let program = HttpClient::new(settings, &world.clock).unwrap();
    let me: Me = program.get_json("/api/v1/me").await.unwrap();
    assert_eq!((me.name.as_str(), me.role), ("vera", Role::Viewer));
    let page = vera.get("/me").await.page();
    assert!(page.contains("a gate") && page.contains("(this one)") && !page.contains(&token));
    let greedy = [("label", "x"), ("role", "operator"), ("valid", "1d")];
    assert_eq!(vera.post("/me/create-token", &greedy).await.status, 403);

    // One's own page is no way to what others have, not even for an admin.
    let id = world.api_tokens_of("vera").await.remove(0).id;
    let id = [("id", id.as_str())];
    assert!(!ann.get("/me").await.page().contains("a gate"));
    assert_eq!(ann.post("/me/revoke-token", &id).await.status, 404);
    assert_eq!(vera.post("/me/revoke-token", &id).await.leads_to(), "/me");
    assert!(program.get_json::<Me>("/api/v1/me").await.is_err());

    // A second browser, whose session ends with the password.
    let sign_in = async |password| {
        let form = [("name", "vera"), ("password", password)];
        vera.send("/sign-in", &form).await.status
    };
    assert_eq!(sign_in(PASSWORD).await, 303);
    assert_eq!(world.sessions_of("vera").await.len(), 2);
    let change = async |old, new, again| {
        let form = [("old", old), ("password", new), ("again", again)];
        vera.post("/me/password", &form).await
    };
    let wrong = change("not the password at all", OTHER_PASSWORD, OTHER_PASSWORD).await;
    assert_eq!(wrong.status, 403);
    assert_eq!(change(PASSWORD, OTHER_PASSWORD, PASSWORD).await.status, 400);
    let changed = change(PASSWORD, OTHER_PASSWORD, OTHER_PASSWORD).await;
    assert_eq!(changed.leads_to(), "/me");
    assert!(!changed.head.contains("secret"));
    assert_eq!(world.sessions_of("vera").await.len(), 1);
    assert_eq!(sign_in(PASSWORD).await, 401);

    let own = world.sessions_of("vera").await.remove(0);
    let id = [("id", own.id.as_str())];
    assert_eq!(vera.post("/me/end-session", &id).await.leads_to(), "/me");
    assert!(vera.get("/me").await.leads_to().starts_with("/sign-in"));
}

#[tokio::test]
async fn the_fleet_file_and_its_receivers_are_looked_after_on_pages() {
    let world = World::start().await;
    let olaf = Visitor::sign_in(&world, "olaf", Role::Operator).await;
    let vera = Visitor::sign_in(&world, "vera", Role::Viewer).await;
    let page = olaf.get("/admin/fleet").await.page();
    assert!(page.contains("There is no fleet file."));

    let text = "[user.ann]\nmail = \"ann@example.org\"\n\n[alert.all]\nto = [\"ann\"]\n";
    write(&world.config.fleet_file(), text);
    let answer = olaf.post("/admin/fleet/reload", &[]).await;
    assert_eq!(answer.leads_to(), "/admin/fleet");
    let page = olaf.get("/admin/fleet").await.page();
    assert!(page.contains("number <b>1</b>") && page.contains("ann@example.org"));
    assert!(
        !vera
            .get("/admin/fleet")
            .await
            .page()
            .contains("ann@example.org")
    );

    write(&world.config.fleet_file(), "[user.ann]\nmial = \"<x>\"\n");
    olaf.post("/admin/fleet/reload", &[]).await.leads_to();
    // Mistakes repeat the lines of the file, which viewers may not read.
    let page = olaf.get("/admin/fleet").await.page();
    assert!(page.contains("fleet.toml:2:") && page.contains("number <b>1</b>"));
    let page = vera.get("/admin/fleet").await.page();
    assert!(!page.contains("fleet.toml:2:") && page.contains("which operators can read"));

    let page = vera.get("/admin/alerts").await.page();
    assert!(page.contains("mail to ann@example.org") && page.contains("Nothing was sent yet."));
    let page = olaf
        .post("/admin/alerts/test", &[("receiver", "ann")])
        .await
        .page();
    // This server knows no mail server.
    assert!(page.contains("1 of 1 ways failed") && page.contains("[mail]"));
    let nobody = olaf
        .post("/admin/alerts/test", &[("receiver", "zoe")])
        .await;
    assert_eq!(nobody.status, 404);
    let trail: Vec<AuditView> = world.api("audit").await;
    assert!(
        trail
            .iter()
            .any(|it| it.who == "olaf" && it.what == "sent a test to ann")
    );
}

#[tokio::test]
async fn who_may_not_is_refused_and_so_is_a_form_of_nobody() {
    let world = World::start().await;
    let vera = Visitor::sign_in(&world, "vera", Role::Viewer).await;
    let olaf = Visitor::sign_in(&world, "olaf", Role::Operator).await;
    let ann = Visitor::sign_in(&world, "ann", Role::Admin).await;
    let id = world.enrolment_tokens().await.remove(0).id;
    let revoke = format!("/admin/enrolment/{id}/revoke");
    let for_operators: [(&str, &[(&'static str, &'static str)]); 4] = [
        (
            "/admin/enrolment/create",
            &[("uses", "1"), ("valid", "1d"), ("host", "")],
        ),
        (&revoke, &[]),
        ("/admin/fleet/reload", &[]),
        ("/admin/alerts/test", &[("receiver", "ann")]),
    ];
    let for_admins: [(&str, &[(&'static str, &'static str)]); 7] = [
        ("/admin/updates", &[("updates", "off")]),
        (
            "/admin/users/add",
            &[("name", "bob"), ("role", "admin"), ("password", "")],
        ),
        ("/admin/users/ann/password", &[("password", OTHER_PASSWORD)]),
        ("/admin/users/ann/role", &[("role", "viewer")]),
        ("/admin/users/ann/remove", &[]),
        ("/admin/users/end-session", &[("id", "x")]),
        ("/admin/users/revoke-token", &[("id", "x")]),
    ];
    let page = vera.get("/me").await.page();
    let veras = between(&page, r#"name="csrf" value=""#, "\"");
    let page = olaf.get("/me").await.page();
    let olafs = between(&page, r#"name="csrf" value=""#, "\"");
    let with = |csrf, fields: &[(&'static str, &'static str)]| {
        let fields = fields.iter().copied();
        fields.chain([("csrf", csrf)]).collect::<Vec<_>>()
    };
    for (path, fields) in for_operators.iter().chain(&for_admins) {
        let refused = vera.send(path, &with(veras, fields)).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.body.contains("this needs the role"), "{path}");
        // Without the session's word, which no other site knows.
        let refused = ann.send(path, fields).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.body.contains("not one of this session"), "{path}");
    }
    for (path, fields) in &for_admins {
        let refused = olaf.send(path, &with(olafs, fields)).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.body.contains("this needs the role admin"), "{path}");
    }
    assert_eq!(vera.get("/admin/enrolment").await.status, 403);
    assert_eq!(olaf.get("/admin/users").await.status, 403);
    for path in [
        "/admin",
        "/admin/audit",
        "/admin/fleet",
        "/admin/alerts",
        "/me",
    ] {
        vera.get(path).await.page();
    }
    assert!(!world.enrolment_tokens().await[0].revoked);
    assert_eq!(world.user("ann").await.role, Role::Admin);

    // The one who may.
    assert!(
        olaf.get("/admin")
            .await
            .page()
            .contains("An admin can switch them.")
    );
    let answer = ann.post("/admin/updates", &[("updates", "off")]).await;
    assert_eq!(answer.leads_to(), "/admin");
    let set: SetUpdates = world.api("settings/updates").await;
    assert_eq!(set.updates, Updates::Off);
    let page = ann.get("/admin").await.page();
    assert!(page.contains("updates are off") && page.contains("lockstep server updates on"));
}
