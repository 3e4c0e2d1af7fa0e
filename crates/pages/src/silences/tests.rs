use lockstep_model::Role;

use super::*;
use crate::frame::tests::with_frame;
use crate::problems::testing::minutes;

fn silence(id: &str, reason: &str) -> Quiet {
    Quiet {
        silence: Silence {
            id: id.into(),
            hosts: vec![Glob::parse("db*").unwrap()],
            groups: vec!["web".into()],
            items: Vec::new(),
            starts_at: minutes(10 * 24 * 60),
            ends_at: minutes(-60),
            owner: "bob".into(),
            reason: reason.into(),
            run: None,
        },
        holds_back: 7,
        hosts: 3,
        oldest: Some(minutes(9 * 24 * 60)),
        worst: Vec::new(),
    }
}

fn page(
    role: Role,
    quiet: &[Quiet],
    draft: &Draft,
    preview: Option<Result<Preview, String>>,
) -> String {
    let page = Silences {
        quiet,
        maintenance: &[],
        acks: &[],
        draft,
        preview,
        zone: "Europe/Zurich",
    };
    with_frame(role, |frame| page.draw(frame))
}

#[test]
fn a_silence_says_whom_why_until_when_and_what_it_hides() {
    let page = page(
        Role::Operator,
        &[silence("3fa90c17", "racks <b>")],
        &Draft::default(),
        None,
    );
    for part in [
        "group web, db*",
        "all items",
        "racks &lt;b&gt;",
        "7 problems on 3 hosts",
        "ends today",
        "hides something for more than 7 days",
        "lockstep silence end 3fa90c17",
        "action=\"/silences/end\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_viewer_makes_and_ends_nothing() {
    let page = page(Role::Viewer, &[silence("1", "x")], &Draft::default(), None);
    assert!(!page.contains("action=\"/silences") && !page.contains("New silence"));
}

#[test]
fn a_draft_is_shown_with_what_it_would_do_and_no_address_has_the_secret_of_the_session() {
    let draft = Draft {
        hosts: "db1 \"><script>".into(),
        lasts: "4h".into(),
        reason: "it's known".into(),
        ..Draft::default()
    };
    let preview = Preview {
        problems: 7,
        hosts: 31,
        worst: Vec::new(),
    };
    let page = page(Role::Operator, &[], &draft, Some(Ok(preview)));
    assert!(page.contains("7 problems on 31 hosts") && !page.contains("\"><script>"));
    assert!(page.contains("--why &#39;it") || page.contains("--why '"));
    // A form that is sent by GET carries its hidden fields; the secret is on the button that posts.
    let form = page.split("id=\"new-silence\"").nth(1).unwrap();
    let form = form.split("</form>").next().unwrap();
    assert!(
        !form.contains("type=\"hidden\"") && form.contains("<button name=\"csrf\" value=\"c5rf\">")
    );
}

#[test]
fn a_draft_becomes_a_silence_or_says_what_is_wrong() {
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let draft = Draft {
        hosts: "web1, db*\nmail1".into(),
        items: "unit:a b\ndisk_usage:*".into(),
        groups: "web".into(),
        from: "2026-12-01T02:00".into(),
        lasts: "4h".into(),
        reason: " racks ".into(),
        ..Draft::default()
    };
    let new = draft.read("UTC", now).unwrap();
    assert_eq!(new.hosts.len(), 3);
    assert_eq!(new.items[0].as_str(), "unit:a b");
    assert_eq!(new.starts_at.unwrap().to_string(), "2026-12-01T02:00:00Z");
    assert_eq!(new.reason, "racks");
    let wrong = |change: fn(&mut Draft)| {
        let mut draft = draft.clone();
        change(&mut draft);
        draft.read("UTC", now).unwrap_err()
    };
    assert!(wrong(|it| it.from = "soon".into()).starts_with("from:"));
    assert!(wrong(|it| it.hosts = "x".repeat(300)).starts_with("hosts:"));
    // Nobody silences the whole fleet by leaving a field empty.
    let nobody = wrong(|it| (it.hosts, it.groups) = (String::new(), String::new()));
    assert!(nobody.contains("whole fleet"));
    for endless in ["never", "end", ""] {
        let mut draft = draft.clone();
        draft.lasts = endless.into();
        let said = draft.read("UTC", now).unwrap_err();
        assert!(said.starts_with("for:"), "{said}");
    }
}

#[test]
fn the_command_takes_what_the_page_says() {
    let draft = Draft {
        hosts: "db*".into(),
        from: "2026-12-01T02:00".into(),
        lasts: "tomorrow".into(),
        reason: "racks".into(),
        ..Draft::default()
    };
    // It is noon in UTC, and twenty hours until nine in Zurich.
    let page = page(Role::Operator, &[], &draft, None);
    let twin =
        "lockstep silence add --host 'db*' --from 2026-12-01T02:00:00Z --for 20h --why racks";
    assert!(page.contains(twin), "{page}");
    // Before anybody chose, it says what the form would send.
    let fresh = self::page(Role::Operator, &[], &Draft::default(), None);
    let first = fresh.find("<select name=\"for\"><option value=\"1h\">");
    assert!(first.is_some() && fresh.contains("lockstep silence add --for 1h --why WHY"));
    let wrong = Draft {
        lasts: "never".into(),
        ..draft
    };
    let wrong = self::page(Role::Operator, &[], &wrong, None);
    assert!(wrong.contains("<option value=\"never\" selected>") && wrong.contains("--for never"));
}

#[test]
fn what_changes_while_somebody_types_comes_alone() {
    let draft = Draft {
        hosts: "db1 \"><script>".into(),
        ..Draft::default()
    };
    let held = Held {
        level: lockstep_model::Level::SICK,
        host: lockstep_model::HostName::parse("db1").unwrap(),
        item: lockstep_model::ItemName::parse("unit:<b>").unwrap(),
    };
    let seen = Ok(Preview {
        problems: 3,
        hosts: 1,
        worst: vec![held],
    });
    let part = with_frame(Role::Operator, |frame| {
        typed(&draft, Some(&seen), "UTC", frame)
    });
    for words in [
        "id=\"silence-preview\"",
        "3 problems on one host",
        "unit:&lt;b&gt;",
        "and 2 more",
        "id=\"silence-twin\"",
    ] {
        assert!(part.contains(words), "{words}: {part}");
    }
    assert!(!part.contains("<html") && !part.contains("<script") && !part.contains("c5rf"));
    let wrong = Err("hosts: <b>".to_owned());
    let part = with_frame(Role::Operator, |frame| {
        typed(&draft, Some(&wrong), "UTC", frame)
    });
    assert!(part.contains("hosts: &lt;b&gt;"));
}
