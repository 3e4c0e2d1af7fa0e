//! Users, their roles, tokens and sessions; and those who guess.

use std::time::Duration;

use lockstep_model::api::operator::{
    ApiTokenView, AuditView, CreatedApiToken, CreatedKiosk, KioskView, Me, NewApiToken, NewKiosk,
    NewUser, Password, SessionView, SetPassword, SetRole, UserView,
};
use lockstep_model::{Interval, Role, UserName};
use lockstep_net::client::{CallError, HttpClient};
use lockstep_server::OperatorFile;
use serde_json::{Value, json};

use crate::visitor::{Answer, Visitor};
use crate::world::{World, hours, operator_client, refusal, refused};

const PASSWORD: &str = "correct horse battery";
const MINUTE: Duration = Duration::from_secs(60);

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

async fn make(world: &World, name: &str, role: Role) {
    let new = NewUser {
        name: user(name),
        role,
        password: Some(Password(PASSWORD.into())),
    };
    let made: Result<UserView, _> = world.operator.post_json("/api/v1/users", &new).await;
    assert!(made.unwrap().has_password);
}

/// A new token of this user, made by `by`.
async fn token(
    by: &HttpClient,
    of: Option<&str>,
    role: Role,
    valid_for: Option<Interval>,
) -> Result<CreatedApiToken, CallError> {
    let new = NewApiToken {
        user: of.map(user),
        role,
        label: "for a test".into(),
        valid_for,
    };
    by.post_json("/api/v1/api-tokens", &new).await
}

fn client(world: &World, token: &CreatedApiToken) -> HttpClient {
    let file = OperatorFile::parse(&token.operator_file).unwrap();
    assert_eq!(file.token, token.token);
    operator_client(&file, &world.clock)
}

async fn me(client: &HttpClient) -> Result<Me, CallError> {
    client.get_json("/api/v1/me").await
}

/// A form that says name and password, with more headers.
async fn sign_in(world: &World, name: &str, password: &str, headers: &str) -> Answer {
    let segment = lockstep_pages::parts::link::segment;
    let form = format!(
        "name={}&password={}&to=%2Fhosts",
        segment(name),
        segment(password)
    );
    let request = format!(
        "POST /sign-in HTTP/1.0\r\nhost: x\r\n{headers}content-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{form}",
        form.len()
    );
    Visitor::stranger(world).exchange(&request).await
}

/// The cookie of a new session.
async fn cookie(world: &World, name: &str, password: &str) -> String {
    let answer = sign_in(world, name, password, "").await;
    assert_eq!(answer.leads_to(), "/hosts");
    let cookie = answer.header("set-cookie").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// A request of the API by a session.
async fn by_session(world: &World, cookie: &str, line: &str, more: &str, body: &str) -> Answer {
    let request = format!(
        "{line} HTTP/1.0\r\nhost: x\r\ncookie: {cookie}\r\n{more}content-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    Visitor::stranger(world).exchange(&request).await
}

async fn status(world: &World, cookie: &str) -> u16 {
    by_session(world, cookie, "GET /api/v1/me", "", "")
        .await
        .status
}

#[tokio::test]
async fn each_request_has_its_role() {
    let world = World::start().await;
    make(&world, "ann", Role::Admin).await;
    let mut clients = Vec::new();
    for role in Role::ALL {
        let token = token(&world.operator, Some("ann"), role, None)
            .await
            .unwrap();
        clients.push((role, client(&world, &token)));
    }
    let run = "0192d3a4-0000-7000-8000-000000000000";
    let requests = [
        (Role::Viewer, "GET", "me".to_owned()),
        (Role::Viewer, "GET", "api-tokens".into()),
        (Role::Viewer, "POST", "api-tokens".into()),
        (Role::Viewer, "DELETE", "api-tokens/1".into()),
        (Role::Viewer, "GET", "sessions".into()),
        (Role::Viewer, "DELETE", "sessions/1".into()),
        (Role::Viewer, "GET", "status".into()),
        (Role::Viewer, "GET", "hosts".into()),
        (Role::Viewer, "GET", "hosts/web1".into()),
        (Role::Viewer, "GET", "hosts/web1/explain".into()),
        (Role::Operator, "GET", "hosts/web1/work".into()),
        (Role::Viewer, "GET", format!("runs/{run}")),
        (Role::Viewer, "GET", "locks".into()),
        (Role::Viewer, "GET", "locks/db".into()),
        (Role::Viewer, "GET", "releases".into()),
        (Role::Viewer, "GET", "rollouts/1".into()),
        (Role::Viewer, "GET", "settings/updates".into()),
        (Role::Viewer, "GET", "audit".into()),
        (Role::Viewer, "GET", "audit/chain".into()),
        (Role::Viewer, "GET", "problems".into()),
        (Role::Viewer, "GET", "events".into()),
        (Role::Viewer, "GET", "silences".into()),
        (Role::Viewer, "GET", "acks".into()),
        (Role::Viewer, "GET", "deliveries".into()),
        (Role::Viewer, "GET", "alerts".into()),
        (Role::Operator, "GET", "tokens".into()),
        (Role::Operator, "POST", "tokens".into()),
        (Role::Operator, "DELETE", "tokens/1".into()),
        (Role::Operator, "DELETE", "hosts/web1".into()),
        (Role::Operator, "POST", format!("runs/{run}/retry")),
        (Role::Operator, "PUT", "locks/db".into()),
        (Role::Operator, "DELETE", "locks/db".into()),
        (Role::Operator, "POST", "locks/db/free".into()),
        (Role::Operator, "PUT", "locks/db/disabled".into()),
        (Role::Operator, "POST", "repo/metadata".into()),
        (Role::Operator, "POST", "promote".into()),
        (Role::Operator, "POST", "rollouts/1/pause".into()),
        (Role::Operator, "POST", "silences".into()),
        (Role::Operator, "DELETE", "silences/1".into()),
        (Role::Operator, "POST", "acks".into()),
        (Role::Operator, "GET", "fleet".into()),
        (Role::Operator, "POST", "fleet/reload".into()),
        (Role::Operator, "GET", "fleet/versions".into()),
        (Role::Operator, "GET", "fleet/versions/1".into()),
        (
            Role::Operator,
            "GET",
            "fleet/compare?before=1&after=2".into(),
        ),
        (Role::Operator, "POST", "suspects/clear".into()),
        (Role::Operator, "POST", "alert-test".into()),
        (Role::Operator, "PUT", "artifacts/00".into()),
        (Role::Admin, "GET", "users".into()),
        (Role::Admin, "POST", "users".into()),
        (Role::Admin, "GET", "users/eve".into()),
        (Role::Admin, "DELETE", "users/eve".into()),
        (Role::Admin, "PUT", "users/eve/role".into()),
        (Role::Admin, "PUT", "users/eve/password".into()),
        (Role::Admin, "PUT", "settings/updates".into()),
        (Role::Admin, "GET", "kiosks".into()),
        (Role::Admin, "POST", "kiosks".into()),
        (Role::Admin, "DELETE", "kiosks/1".into()),
    ];
    for (needed, method, path) in &requests {
        let path = format!("/api/v1/{path}");
        for (role, client) in &clients {
            // An empty order makes no sense anywhere, but whether one may give it is asked first.
            let body = match path.ends_with("/password") {
                true => json!({"password": "a"}),
                false => json!({}),
            };
            let outcome = match *method {
                "GET" => client.get_json::<Value>(&path).await,
                "POST" => client.post_json(&path, &body).await,
                "PUT" => client.put_json(&path, &body).await,
                _ => client.delete(&path).await,
            };
            let status = outcome.as_ref().err().and_then(CallError::status);
            let turned_away = matches!(status, Some(401 | 403));
            assert_eq!(
                turned_away,
                role < needed,
                "{role}: {method} {path}: {outcome:?}"
            );
        }
    }
    let words = refusal(
        clients[0]
            .1
            .post_json::<_, Value>("/api/v1/promote", &json!({}))
            .await,
    );
    assert_eq!(
        words,
        "this needs the role operator; ann has the role viewer here"
    );
    let asked = me(&clients[1].1).await.unwrap();
    assert_eq!(
        (asked.name, asked.role, asked.by.as_str()),
        (user("ann"), Role::Operator, "token")
    );
    a_screen_sees_the_wall_and_nothing_else(&world).await;
}

async fn a_screen_sees_the_wall_and_nothing_else(world: &World) {
    let new = NewKiosk {
        label: "the office".into(),
        valid_for: Some(Interval::from_secs(7 * 86_400)),
    };
    let made: Result<CreatedKiosk, _> = world.operator.post_json("/api/v1/kiosks", &new).await;
    let made = made.unwrap();
    let (_, token) = made.address.split_once("/kiosk?token=").unwrap();
    let ask = async |cookie: &str, path: &str| {
        let request = format!(
            "GET {path} HTTP/1.0\r\nhost: x\r\naccept: text/html\r\ncookie: {cookie}\r\n\r\n"
        );
        Visitor::stranger(world).exchange(&request).await
    };

    // The address is traded for a cookie, and what is wrong with one is said without a place to type a password.
    let wrong = format!("/kiosk?token={}0", &token[..token.len() - 1]);
    let wrong = ask("", &wrong).await;
    assert!(wrong.status == 401 && wrong.body.contains("an admin makes another one"));
    let opened = ask("", &format!("/kiosk?token={token}")).await;
    assert_eq!(opened.leads_to(), "/kiosk");
    assert_eq!(opened.header("referrer-policy"), Some("no-referrer"));
    let cookie = opened.header("set-cookie").unwrap();
    for part in [
        "__Host-lockstep-kiosk=",
        "HttpOnly",
        "Secure",
        "Max-Age=604800",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let wall = ask(&cookie, "/kiosk").await;
    assert_eq!(wall.header("cache-control"), Some("no-store"));
    assert!(wall.header("set-cookie").unwrap().starts_with(&cookie));
    let page = wall.page();
    assert!(page.contains("Problems now") && !page.contains("csrf") && !page.contains("<form"));
    assert!(
        page.contains("problems:") && !page.contains("silences:"),
        "its topics alone"
    );

    // It hears when the wall has changed, and of nothing else.
    let live = |cookie: &str| {
        format!(
            "GET /live HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\ncookie: {cookie}\r\n\r\n"
        )
    };
    let heard = Visitor::stranger(world)
        .begins(&live(&cookie), "\n\n")
        .await;
    assert_eq!(heard.status, 200);
    assert_eq!(heard.header("content-type"), Some("text/event-stream"));
    assert!(heard.body.contains("event: board") && heard.body.contains("problems:"));
    assert!(!heard.body.contains("silences:"), "{}", heard.body);

    // Whoever has the cookie has nothing else by it.
    for path in [
        "/",
        "/hosts",
        "/items",
        "/events",
        "/rollouts",
        "/runs",
        "/locks",
        "/releases",
        "/silences",
        "/admin",
        "/admin/users",
        "/me",
        "/search?q=web",
    ] {
        let answer = ask(&cookie, path).await;
        assert!(answer.leads_to().starts_with("/sign-in"), "{path}");
    }
    for path in ["me", "hosts", "problems", "status", "kiosks", "fleet"] {
        assert_eq!(
            ask(&cookie, &format!("/api/v1/{path}")).await.status,
            401,
            "{path}"
        );
    }
    for path in ["/metrics", "/status"] {
        assert_eq!(ask(&cookie, path).await.status, 401, "{path}");
    }
    let bearer =
        |token: &str| format!("GET /api/v1/me HTTP/1.0\r\nauthorization: Bearer {token}\r\n\r\n");
    assert_eq!(
        Visitor::stranger(world)
            .exchange(&bearer(token))
            .await
            .status,
        401
    );
    for path in [
        "/kiosk",
        "/problems/ack",
        "/theme",
        "/sign-out",
        "/api/v1/acks",
    ] {
        let line = format!("POST {path}");
        let answer = by_session(world, &cookie, &line, "", "{}").await;
        assert!(
            matches!(answer.status, 401 | 403 | 405),
            "{path}: {}",
            answer.status
        );
    }

    // It lives, is told when it was used, and its end is one at once.
    let kiosks: Vec<KioskView> = world.operator.get_json("/api/v1/kiosks").await.unwrap();
    assert_eq!(
        (
            kiosks[0].used_at,
            kiosks[0].used_from.as_str(),
            kiosks[0].made_by.as_str()
        ),
        (Some(world.now()), "127.0.0.1", "admin")
    );
    let path = format!("/api/v1/kiosks/{}", made.id);
    world.operator.delete::<Value>(&path).await.unwrap();
    assert_eq!(
        ask(&cookie, "/kiosk").await.leads_to(),
        "/sign-in?to=%2Fkiosk"
    );
    assert_eq!(ask("", &format!("/kiosk?token={token}")).await.status, 401);
    let over = format!("GET /live HTTP/1.0\r\nhost: x\r\ncookie: {cookie}\r\n\r\n");
    let over = Visitor::stranger(world).exchange(&over).await;
    assert!(matches!(over.status, 303 | 401), "{}", over.status);
    let audit: Vec<AuditView> = world.operator.get_json("/api/v1/audit").await.unwrap();
    let deeds = format!("{audit:?}");
    for deed in [
        "made kiosk token",
        "opened the wall from 127.0.0.1",
        "revoked kiosk token",
    ] {
        assert!(deeds.contains(deed), "{deed}: {deeds}");
    }
    assert!(!deeds.contains(token.rsplit('.').next().unwrap()));

    // One with an end ends.
    let made: CreatedKiosk = world
        .operator
        .post_json("/api/v1/kiosks", &new)
        .await
        .unwrap();
    let (_, address) = made.address.split_once("/kiosk").unwrap();
    let cookie = ask("", &format!("/kiosk{address}")).await;
    let cookie = cookie
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(ask(&cookie, "/kiosk").await.status, 200);
    world.driver.advance(Duration::from_secs(7 * 86_400));
    assert_eq!(ask(&cookie, "/kiosk").await.status, 303);
}

#[tokio::test]
async fn a_token_may_do_no_more_than_its_user_and_has_its_end() {
    let world = World::start().await;
    make(&world, "bob", Role::Operator).await;
    let hour = Some(Interval::from_secs(3600));
    let made = token(&world.operator, Some("bob"), Role::Operator, hour)
        .await
        .unwrap();
    let bob = client(&world, &made);

    // Nobody gives what he does not have, and nobody but admins gives to others.
    let more = token(&bob, None, Role::Admin, None).await;
    assert_eq!(refused(more), (403, "not-allowed".into()));
    let others = token(&bob, Some("admin"), Role::Viewer, None).await;
    assert_eq!(refused(others), (403, "not-allowed".into()));
    let beyond = token(&world.operator, Some("bob"), Role::Admin, None).await;
    assert_eq!(refused(beyond), (409, "conflict".into()));
    let nobody = token(&world.operator, Some("eve"), Role::Viewer, None).await;
    assert_eq!(refused(nobody), (404, "not-found".into()));
    let own = token(&bob, None, Role::Operator, None).await.unwrap();
    let list = async |by: &HttpClient| -> Vec<ApiTokenView> {
        by.get_json("/api/v1/api-tokens").await.unwrap()
    };
    assert_eq!(
        (list(&bob).await.len(), list(&world.operator).await.len()),
        (2, 3)
    );

    // When it was used is noted now and then.
    let used = async || {
        let found = list(&world.operator).await;
        let found = found.into_iter().find(|it| it.id == made.id);
        found.unwrap().used_at.unwrap()
    };
    let first = used().await;
    world.driver.advance(4 * MINUTE);
    me(&bob).await.unwrap();
    assert_eq!(used().await, first);
    world.driver.advance(2 * MINUTE);
    me(&bob).await.unwrap();
    assert_eq!(used().await, world.now());

    // The user's role counts for every token of his.
    let role = SetRole { role: Role::Viewer };
    let path = "/api/v1/users/bob/role";
    let view: UserView = world.operator.put_json(path, &role).await.unwrap();
    assert_eq!((view.role, view.tokens), (Role::Viewer, 2));
    assert_eq!(me(&bob).await.unwrap().role, Role::Viewer);

    world.driver.advance(54 * MINUTE);
    assert_eq!(refused(me(&bob).await), (401, "not-authenticated".into()));
    let bob = client(&world, &own);
    assert_eq!(me(&bob).await.unwrap().role, Role::Viewer);
    let mut all = list(&world.operator).await.into_iter();
    let of_admin = all.find(|it| it.user == user("admin")).unwrap();
    let path = format!("/api/v1/api-tokens/{}", of_admin.id);
    assert_eq!(
        refused(bob.delete::<Value>(&path).await),
        (404, "not-found".into())
    );
    bob.delete::<Value>(&format!("/api/v1/api-tokens/{}", own.id))
        .await
        .unwrap();
    assert_eq!(refused(me(&bob).await), (401, "not-authenticated".into()));
}

#[tokio::test]
async fn a_removed_user_is_nobody_at_once_and_somebody_stays_admin() {
    let world = World::start().await;
    make(&world, "ann", Role::Admin).await;
    make(&world, "bob", Role::Viewer).await;
    let bob = client(
        &world,
        &token(&world.operator, Some("bob"), Role::Viewer, None)
            .await
            .unwrap(),
    );
    let (one, other) = (
        cookie(&world, "bob", PASSWORD).await,
        cookie(&world, "bob", PASSWORD).await,
    );
    assert_eq!(
        (status(&world, &one).await, status(&world, &other).await),
        (200, 200)
    );
    let view: UserView = world.operator.get_json("/api/v1/users/bob").await.unwrap();
    assert_eq!(
        (view.sessions, view.tokens, view.signed_in_at),
        (2, 1, Some(world.now()))
    );

    // A session is ended by whoever it belongs to, or by an admin, under a name that is no secret.
    let sessions: Vec<SessionView> = bob.get_json("/api/v1/sessions").await.unwrap();
    assert_eq!(sessions.len(), 2);
    assert!(
        sessions
            .iter()
            .all(|it| !one.contains(&it.id) && it.from == "127.0.0.1")
    );
    bob.delete::<Value>(&format!("/api/v1/sessions/{}", sessions[0].id))
        .await
        .unwrap();
    let left = [status(&world, &one).await, status(&world, &other).await];
    assert!(left == [200, 401] || left == [401, 200], "{left:?}");

    // A new password ends them all, and the old one is worth nothing.
    let path = "/api/v1/users/bob/password";
    let set = |password: &str, old: Option<&str>| SetPassword {
        password: Password(password.into()),
        old: old.map(|old| Password(old.into())),
    };
    for (short, word) in [("short", "at least 15"), ("bobbobbobbobbobbob", "name")] {
        let words = refusal(
            world
                .operator
                .put_json::<_, Value>(path, &set(short, None))
                .await,
        );
        assert!(words.contains(word), "{words}");
    }
    let new = "another horse battery";
    assert_eq!(
        refused(bob.put_json::<_, Value>(path, &set(new, None)).await).0,
        400
    );
    let wrong = bob
        .put_json::<_, Value>(path, &set(new, Some("wrong horse battery")))
        .await;
    assert_eq!(refused(wrong), (403, "not-allowed".into()));
    let right = bob
        .put_json::<_, Value>(path, &set(new, Some(PASSWORD)))
        .await;
    right.unwrap();
    let left = [status(&world, &one).await, status(&world, &other).await];
    assert_eq!(left, [401, 401]);
    assert_eq!(sign_in(&world, "bob", PASSWORD, "").await.status, 401);
    let one = cookie(&world, "bob", new).await;
    assert_eq!(status(&world, &one).await, 200);

    world
        .operator
        .delete::<Value>("/api/v1/users/bob")
        .await
        .unwrap();
    assert_eq!(status(&world, &one).await, 401);
    assert_eq!(refused(me(&bob).await), (401, "not-authenticated".into()));
    assert_eq!(sign_in(&world, "bob", new, "").await.status, 401);

    world
        .operator
        .delete::<Value>("/api/v1/users/ann")
        .await
        .unwrap();
    let last = world.operator.delete::<Value>("/api/v1/users/admin").await;
    assert_eq!(refused(last), (409, "conflict".into()));
    let role = SetRole {
        role: Role::Operator,
    };
    let last = world
        .operator
        .put_json::<_, Value>("/api/v1/users/admin/role", &role)
        .await;
    assert!(refusal(last).contains("is the last admin"));

    let audit: Vec<AuditView> = world.operator.get_json("/api/v1/audit").await.unwrap();
    let deeds: Vec<String> = audit
        .iter()
        .map(|it| format!("{} {}", it.who, it.what))
        .collect();
    for deed in [
        "admin made user bob, role viewer",
        "bob signed in from 127.0.0.1",
        "bob ended a session of user bob",
        "bob set the password of user bob",
        "admin removed user bob",
    ] {
        assert!(deeds.iter().any(|it| it == deed), "{deed}: {deeds:#?}");
    }
    assert!(!format!("{deeds:?}").contains(new));
}

#[tokio::test]
async fn guessing_is_stopped_and_a_restart_does_not_help() {
    let world = World::start().await;
    make(&world, "ann", Role::Viewer).await;
    let masked = |answer: Answer, name: &str| {
        let wait = answer.header("retry-after").map(str::to_owned);
        (answer.status, wait, answer.body.replace(name, "NAME"))
    };
    // Whether there is such a user is not told: neither before the lock-out nor by it.
    for attempt in 0..6 {
        let known = masked(
            sign_in(&world, "ann", "wrong horse battery", "").await,
            "ann",
        );
        let unknown = masked(
            sign_in(&world, "eve", "wrong horse battery", "").await,
            "eve",
        );
        assert_eq!(known, unknown, "attempt {attempt}");
        let (status, wait, page) = known;
        match attempt {
            0..5 => assert!(status == 401 && page.contains("the name or the password is wrong")),
            _ => {
                assert_eq!((status, wait.as_deref()), (429, Some("60")));
                assert!(page.contains("try again in 1 minute"), "{page}");
            }
        }
    }
    let world = world.restart_after(59 * Duration::from_secs(1)).await;
    assert_eq!(sign_in(&world, "ann", PASSWORD, "").await.status, 429);
    // Others from the same address are not kept out, and neither are tokens.
    make(&world, "bob", Role::Viewer).await;
    cookie(&world, "bob", PASSWORD).await;
    world.driver.advance(Duration::from_secs(1));
    // The next failure costs twice as much; a success forgives.
    assert_eq!(
        sign_in(&world, "ann", "wrong horse battery", "")
            .await
            .status,
        401
    );
    let answer = sign_in(&world, "ann", PASSWORD, "").await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("120"))
    );
    world.driver.advance(2 * MINUTE);
    cookie(&world, "ann", PASSWORD).await;
    for _ in 0..4 {
        assert_eq!(
            sign_in(&world, "ann", "wrong horse battery", "")
                .await
                .status,
            401
        );
    }
    cookie(&world, "ann", PASSWORD).await;
    let view: UserView = world.operator.get_json("/api/v1/users/ann").await.unwrap();
    assert_eq!(view.locked_until, None);
}

#[tokio::test]
async fn forms_and_requests_of_other_sites_do_nothing() {
    let world = World::start().await;
    make(&world, "ann", Role::Operator).await;
    for headers in [
        "sec-fetch-site: cross-site\r\n",
        "origin: https://evil\r\n",
        "origin: null\r\n",
    ] {
        let answer = sign_in(&world, "ann", PASSWORD, headers).await;
        assert_eq!(
            (answer.status, answer.header("set-cookie")),
            (403, None),
            "{headers}"
        );
    }
    let answer = sign_in(&world, "ann", PASSWORD, "sec-fetch-site: same-origin\r\n").await;
    let cookie = answer.header("set-cookie").unwrap().to_owned();
    let mut parts = cookie.split("; ");
    let cookie = parts.next().unwrap();
    let (name, secret) = cookie.split_once('=').unwrap();
    assert_eq!((name, secret.len()), ("__Host-lockstep", 64));
    let attributes: Vec<&str> = parts.collect();
    assert_eq!(
        attributes,
        [
            "Path=/",
            "Secure",
            "HttpOnly",
            "SameSite=Lax",
            "Max-Age=604800"
        ]
    );

    // What changes something carries the session's token; what reads does not.
    let csrf = lockstep_trust::identity::SessionSecret::parse(secret)
        .unwrap()
        .csrf();
    let asked = by_session(&world, cookie, "GET /api/v1/me", "", "")
        .await
        .page();
    let asked: Me = serde_json::from_str(&asked).unwrap();
    assert_eq!((asked.role, asked.by.as_str()), (Role::Operator, "session"));
    let order = r#"{"hosts":["web1"],"groups":[],"items":[],"lasts":"1h","reason":"a test"}"#;
    let (good, bad) = (
        format!("x-csrf-token: {csrf}\r\n"),
        "x-csrf-token: 00\r\n".to_owned(),
    );
    for (headers, expected) in [
        (String::new(), 403),
        (bad, 403),
        (format!("{good}sec-fetch-site: cross-site\r\n"), 403),
        (good, 200),
    ] {
        let line = "POST /api/v1/silences";
        let answer = by_session(&world, cookie, line, &headers, order).await;
        assert_eq!(answer.status, expected, "{headers}: {}", answer.body);
    }

    // Pages: whoever has no session is sent to sign in, and back; never elsewhere.
    let stranger = Visitor::stranger(&world);
    let sent = stranger.get("/search?q=web%201").await;
    assert_eq!(sent.leads_to(), "/sign-in?to=%2Fsearch%3Fq%3Dweb%25201");
    assert_eq!(stranger.send("/sign-out", &[]).await.status, 401);
    let form = [("name", "ann"), ("password", PASSWORD), ("to", "//evil")];
    assert_eq!(stranger.send("/sign-in", &form).await.leads_to(), "/");
    let out = async |field: &str| {
        let form = format!("csrf={field}");
        let request = format!(
            "POST /sign-out HTTP/1.0\r\nhost: x\r\ncookie: {cookie}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{form}",
            form.len()
        );
        stranger.exchange(&request).await
    };
    for wrong in ["", "00", &csrf[1..]] {
        assert_eq!(out(wrong).await.status, 403);
    }
    assert_eq!(status(&world, cookie).await, 200);
    let answer = out(&csrf).await;
    assert_eq!(answer.leads_to(), "/sign-in");
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(status(&world, cookie).await, 401);
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_after_a_week_in_any_case() {
    let world = World::start().await;
    let file = world.config.data.join("admin.password");
    let password = std::fs::read_to_string(&file).unwrap();
    let first = cookie(&world, "admin", password.trim()).await;
    let second = cookie(&world, "admin", password.trim()).await;
    let left_open = cookie(&world, "admin", password.trim()).await;
    for _ in 0..15 {
        assert_eq!(status(&world, &first).await, 200);
        // A page that fetches itself again uses nothing.
        by_session(&world, &left_open, "GET /api/v1/me", "x-live: 1\r\n", "").await;
        world.driver.advance(hours(11));
    }
    assert_eq!(
        status(&world, &left_open).await,
        401,
        "left open is not used"
    );
    assert_eq!(
        status(&world, &second).await,
        401,
        "not used for more than twelve hours"
    );
    let open: Vec<SessionView> = world.operator.get_json("/api/v1/sessions").await.unwrap();
    assert_eq!(open.len(), 1);
    // It was used 165 hours after it began.
    assert_eq!(status(&world, &first).await, 200);
    world.driver.advance(hours(3));
    assert_eq!(status(&world, &first).await, 401, "after seven days");

    // The password of the first start is gone from the disk once it is worth nothing. An admin's session tells it.
    let third = cookie(&world, "admin", password.trim()).await;
    let secret = third.split_once('=').unwrap().1;
    let csrf = lockstep_trust::identity::SessionSecret::parse(secret)
        .unwrap()
        .csrf();
    let header = format!("x-csrf-token: {csrf}\r\n");
    let line = "PUT /api/v1/users/admin/password";
    let without = json!({"password": PASSWORD}).to_string();
    assert_eq!(
        by_session(&world, &third, line, &header, &without)
            .await
            .status,
        400
    );
    assert!(file.exists());
    let with = json!({"password": PASSWORD, "old": password.trim()}).to_string();
    assert_eq!(
        by_session(&world, &third, line, &header, &with)
            .await
            .status,
        204
    );
    assert!(!file.exists());
    assert_eq!(
        status(&world, &third).await,
        200,
        "the session that did it stays"
    );
    // A token of an admin needs no old one: it is the way back in for whoever forgot it.
    let path = "/api/v1/users/admin/password";
    let set = json!({"password": "yet another battery"});
    world
        .operator
        .put_json::<_, Value>(path, &set)
        .await
        .unwrap();
    assert_eq!(status(&world, &third).await, 401);
    cookie(&world, "admin", "yet another battery").await;
}

#[tokio::test]
async fn who_owns_the_machine_gets_back_in() {
    let world = World::start().await;
    let file = world.config.data.join("admin.password");
    let before = std::fs::read_to_string(&file).unwrap();
    // Somebody else is an admin, and admin may do nothing any more and has no token.
    make(&world, "eve", Role::Admin).await;
    let eves = token(&world.operator, Some("eve"), Role::Admin, None)
        .await
        .unwrap();
    let eve = client(&world, &eves);
    let path = "/api/v1/users/admin";
    eve.delete::<Value>(path).await.unwrap();
    assert!(me(&world.operator).await.is_err());

    let refused = lockstep_server::rescue(&world.config, &world.clock).await;
    assert!(refused.is_err(), "a server runs on the data directory");
    let World {
        dir: _dir,
        clock,
        config,
        running,
        ..
    } = world;
    running.stop().await;
    assert_eq!(
        lockstep_server::rescue(&config, &clock).await.unwrap(),
        file
    );
    let after = std::fs::read_to_string(&file).unwrap();
    assert_ne!(before, after);
    let running = lockstep_server::Server::start(config.clone(), clock.clone())
        .await
        .unwrap();
    let operator_file = OperatorFile::parse(&eves.operator_file).unwrap();
    let eve = operator_client(
        &OperatorFile {
            server: running.operator_url().into(),
            ..operator_file
        },
        &clock,
    );
    let view: UserView = eve.get_json(path).await.unwrap();
    assert_eq!((view.role, view.has_password), (Role::Admin, true));
    let audit: Vec<AuditView> = eve.get_json("/api/v1/audit").await.unwrap();
    assert!(
        audit
            .iter()
            .any(|it| it.who == "admin" && it.what.contains("on the server's machine"))
    );
    running.stop().await;
}

#[tokio::test]
async fn a_viewers_token_does_not_become_the_password_of_its_user() {
    let world = World::start().await;
    let new = json!({"name": "ci", "role": "operator"});
    let made: UserView = world
        .operator
        .post_json("/api/v1/users", &new)
        .await
        .unwrap();
    assert!(!made.has_password);
    let weak = token(&world.operator, Some("ci"), Role::Viewer, None)
        .await
        .unwrap();
    let set = SetPassword {
        password: Password(PASSWORD.into()),
        old: None,
    };
    let path = "/api/v1/users/ci/password";
    let ci = client(&world, &weak);
    let answer: Result<Value, _> = ci.put_json(path, &set).await;
    assert_eq!(answer.unwrap_err().status(), Some(403));
    assert_eq!(sign_in(&world, "ci", PASSWORD, "").await.status, 401);
    world
        .operator
        .put_json::<_, Value>(path, &set)
        .await
        .unwrap();
    cookie(&world, "ci", PASSWORD).await;
}
