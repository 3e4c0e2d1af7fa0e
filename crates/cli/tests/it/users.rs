//! Users, their tokens and sessions, from the command line against a real server.

use std::os::unix::fs::PermissionsExt;

use crate::world::World;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn users_are_made_get_tokens_and_go() {
    let world = World::bare("");
    // What the first start said, and what it did not.
    let said = std::fs::read_to_string(world.path("server.log")).unwrap();
    let password = std::fs::read_to_string(world.path("server/admin.password")).unwrap();
    assert!(
        said.contains("The pages are at https://127.0.0.1:"),
        "{said}"
    );
    assert!(said.contains("server/admin.password.") && !said.contains(password.trim()));

    let me = world.json(&["whoami", "--json"]);
    assert_eq!(
        (&me["name"], &me["role"]),
        (&"admin".into(), &"admin".into())
    );
    assert_eq!(world.must(&["whoami"]), "admin, role admin\n");

    // Without a terminal nobody can be asked, and a password from a file is not printed.
    let output = world.run(&["user", "add", "ann", "--role", "operator"]);
    assert_eq!(output.status.code(), Some(1));
    let words = text(&output.stderr);
    assert!(
        words.contains("no terminal to ask for the password; name a file with --password-file"),
        "{words}"
    );
    std::fs::write(world.path("short"), "too short\n").unwrap();
    let add = [
        "user",
        "add",
        "ann",
        "--role",
        "operator",
        "--password-file",
    ];
    let output = world.run(&[&add[..], &["short"]].concat());
    assert!(
        text(&output.stderr).contains("at least 15 characters"),
        "{output:?}"
    );
    std::fs::write(world.path("good"), "correct horse battery\n").unwrap();
    let made = world.must(&[&add[..], &["good"]].concat());
    assert_eq!(made, "made user ann, role operator\n");
    let again = world.run(&[&add[..], &["good"]].concat());
    assert_eq!(again.status.code(), Some(3), "there is one: {again:?}");
    world.must(&["user", "add", "gates", "--role", "viewer", "--no-password"]);

    let users = world.json(&["user", "list", "--json"]);
    let users: Vec<_> = users
        .as_array()
        .unwrap()
        .iter()
        .map(|user| {
            let word = |key: &str| user[key].as_str().unwrap().to_owned();
            (word("name"), word("role"), user["has_password"] == true)
        })
        .collect();
    let expected = [
        ("admin", "admin", true),
        ("ann", "operator", true),
        ("gates", "viewer", false),
    ];
    assert_eq!(
        users,
        expected.map(|(name, role, has)| (name.into(), role.into(), has))
    );

    // A token in a file of its own, which is as good as its role.
    let create = [
        "user",
        "token",
        "create",
        "--user",
        "ann",
        "--role",
        "operator",
        "--label",
        "ann's laptop",
    ];
    world.must(&[&create[..], &["--valid-for", "1d", "-o", "ann.toml"]].concat());
    let mode = world
        .path("ann.toml")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let output = world.run(&[&create[..], &["-o", "ann.toml"]].concat());
    assert!(!output.status.success(), "nothing is overwritten");
    let as_ann = |args: &[&str]| world.run(&[args, &["--operator", "ann.toml"]].concat());
    assert_eq!(text(&as_ann(&["whoami"]).stdout), "ann, role operator\n");
    let refused = as_ann(&["user", "list"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let words = text(&refused.stderr);
    assert!(
        words.contains("this needs the role admin; ann has the role operator here"),
        "{words}"
    );
    let refused = as_ann(&[
        "user",
        "token",
        "create",
        "--role",
        "admin",
        "--label",
        "more",
        "-o",
        "more.toml",
    ]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(
        !world.path("more.toml").exists(),
        "no empty file is left behind"
    );
    let token = text(
        &as_ann(&[
            "user", "token", "create", "--role", "viewer", "--label", "less",
        ])
        .stdout,
    );
    assert!(token.starts_with("lso1."), "{token}");

    // Changing one's own password takes the old one.
    std::fs::write(world.path("new"), "another horse battery\n").unwrap();
    let passwd = [
        "user",
        "passwd",
        "ann",
        "--password-file",
        "new",
        "--old-password-file",
    ];
    assert_eq!(
        as_ann(&[&passwd[..], &["new"]].concat()).status.code(),
        Some(3)
    );
    assert!(as_ann(&[&passwd[..], &["good"]].concat()).status.success());

    world.must(&["user", "role", "ann", "viewer"]);
    assert_eq!(text(&as_ann(&["whoami"]).stdout), "ann, role viewer\n");
    assert_eq!(
        as_ann(&["silence", "add", "--all", "--for", "1h", "--why", "x"])
            .status
            .code(),
        Some(3)
    );
    let tokens = world.json(&["user", "token", "list", "--json"]);
    let of_ann = tokens
        .as_array()
        .unwrap()
        .iter()
        .find(|token| token["label"] == "ann's laptop");
    world.must(&[
        "user",
        "token",
        "revoke",
        of_ann.unwrap()["id"].as_str().unwrap(),
    ]);
    assert_eq!(as_ann(&["whoami"]).status.code(), Some(3));
    assert!(world.must(&["user", "token", "list"]).contains("less"));
    assert_eq!(
        world.must(&["user", "session", "list"]),
        "nobody has signed in\n"
    );
    assert!(
        !world
            .run(&["user", "session", "end", "00"])
            .status
            .success()
    );

    world.must(&["user", "remove", "ann"]);
    assert!(!world.must(&["user", "token", "list"]).contains("less"));
    let last = world.run(&["user", "remove", "admin"]);
    assert_eq!(last.status.code(), Some(3));
    assert!(text(&last.stderr).contains("the last admin"), "{last:?}");

    // An admin's token needs no old password; the first one is removed from the disk.
    world.must(&["user", "passwd", "admin", "--password-file", "new"]);
    assert!(!world.path("server/admin.password").exists());
    let log = std::fs::read_to_string(world.path("server.log")).unwrap();
    assert!(!log.contains("horse battery"));
}
