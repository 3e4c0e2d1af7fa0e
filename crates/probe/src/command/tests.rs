//! Real programs: scripts made for it, and the plugins that everybody has.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lockstep_host::fs::{Mode, write_durable};
use lockstep_model::{Level, Value};
use tempfile::TempDir;
use tokio::time::Instant;

use super::find;
use crate::Permits;
use crate::probe::{Found, Order, Probe};
use crate::remote::world::{PATIENCE, now, order, serve};

/// A directory with programs in it, which the user `nobody` can reach.
pub(super) struct Programs {
    dir: TempDir,
    permits: Permits,
}

impl Programs {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let permits = Permits {
            plugins: vec!["/nowhere".into(), dir.path().into()],
            scripts: vec![dir.path().into()],
            ..Permits::default()
        };
        Self { dir, permits }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A shell script of this name.
    pub(super) fn put(self, name: &str, script: &str) -> Self {
        let path = self.dir.path().join(name);
        write_durable(
            &path,
            format!("#!/bin/sh\n{script}\n").as_bytes(),
            Mode::Private,
        )
        .unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        self
    }

    /// A whole command of agent.toml.
    pub(super) fn command(mut self, item: &str, command: &[&str]) -> Self {
        let command = command.iter().map(|part| (*part).into()).collect();
        self.permits.commands.insert(item.into(), command);
        self
    }

    pub(super) fn permits(mut self, change: impl FnOnce(&mut Permits)) -> Self {
        change(&mut self.permits);
        self
    }

    pub(super) fn order(&self, name: &str) -> Order {
        let mut order = order(name);
        order.permits = Arc::new(self.permits.clone());
        order
    }

    pub(super) fn probe(&self, name: &str) -> Arc<dyn Probe> {
        find(&self.order(name)).unwrap().unwrap()
    }

    pub(super) async fn look(&self, name: &str) -> Vec<Found> {
        self.probe(name).look(now()).await
    }

    /// Looks once, and shows each item.
    pub(super) async fn shown(&self, name: &str) -> Vec<String> {
        shown(&self.look(name).await)
    }
}

pub(super) fn shown(found: &[Found]) -> Vec<String> {
    let show = |found: &Found| match &found.verdict {
        Some(verdict) => format!(
            "{} = {} [{}: {}]",
            found.item,
            found.value,
            verdict.level.name(),
            verdict.why
        ),
        None => format!("{} = {}", found.item, found.value),
    };
    found.iter().map(show).collect()
}

#[tokio::test]
async fn exit_states_are_levels() {
    let programs = Programs::new()
        .put("p", "echo \"it is $LOCKSTEP_ITEM | n=7s\"")
        .put("exit", "echo words; exit 5");
    assert_eq!(
        programs.shown("plugin:p").await,
        [
            "plugin:p = 7.0 s [fine: it is plugin:p]",
            "plugin:p/n = 7.0 s"
        ]
    );
    assert_eq!(
        programs.shown("plugin:exit").await,
        ["plugin:exit = none (exit status 5, which plugins do not have: words)"]
    );
    for (code, expected) in [
        ("0", "plugin:dummy = OK: said [fine: OK: said]"),
        ("1", "plugin:dummy = WARNING: said [sick: WARNING: said]"),
        (
            "2",
            "plugin:dummy = CRITICAL: said [critical: CRITICAL: said]",
        ),
        ("3", "plugin:dummy = none (UNKNOWN: said)"),
        // It calls a state that it does not know so itself.
        (
            "4",
            "plugin:dummy = none (UNKNOWN: Status 4 is not a supported error state)",
        ),
    ] {
        let dummy = ["/usr/lib/nagios/plugins/check_dummy", code, "said"];
        let programs = Programs::new().command("plugin:dummy", &dummy);
        assert_eq!(programs.shown("plugin:dummy").await, [expected]);
    }
}

#[tokio::test]
async fn the_plugins_of_monitoring_plugins_are_understood() {
    let at = |plugin| format!("/usr/lib/nagios/plugins/{plugin}");
    let web = serve(|mut stream| async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            .await;
    })
    .await;
    let port = web.port().to_string();
    let programs = Programs::new()
        .command(
            "plugin:disk",
            &[&at("check_disk"), "-w", "1%", "-c", "0%", "-p", "/"],
        )
        .command(
            "plugin:load",
            &[&at("check_load"), "-w", "9999", "-c", "9999"],
        )
        .command(
            "plugin:procs",
            &[&at("check_procs"), "-w", "1:", "-c", "1:"],
        )
        .command(
            "plugin:users",
            &[&at("check_users"), "-w", "999", "-c", "9999"],
        )
        .command(
            "plugin:tcp",
            &[&at("check_tcp"), "-H", "127.0.0.1", "-p", &port],
        )
        .command(
            "plugin:http",
            &[&at("check_http"), "-I", "127.0.0.1", "-p", &port],
        )
        .command(
            "plugin:closed",
            &[&at("check_tcp"), "-H", "127.0.0.1", "-p", "1"],
        )
        .command(
            "plugin:age",
            &[
                &at("check_file_age"),
                "-f",
                "/etc/passwd",
                "-w",
                "999999999",
                "-c",
                "999999999",
            ],
        );
    let mut seen = Vec::new();
    for name in ["disk", "load", "procs", "users", "tcp", "http", "age"] {
        let found = programs.look(&format!("plugin:{name}")).await;
        assert_eq!(found[0].level(), Some(Level::FINE), "{:?}", shown(&found));
        assert!(
            matches!(found[0].value, Value::Number { .. }),
            "{:?}",
            shown(&found)
        );
        seen.extend(found.into_iter().skip(1));
    }
    let units: Vec<_> = seen
        .iter()
        .map(|found| match &found.value {
            Value::Number { unit, .. } => format!("{} {unit}", found.item),
            other => panic!("{}: {other:?}", found.item),
        })
        .collect();
    assert_eq!(
        units,
        [
            "plugin:disk// bytes",
            "plugin:load/load1 ",
            "plugin:load/load5 ",
            "plugin:load/load15 ",
            "plugin:procs/procs ",
            "plugin:users/users ",
            "plugin:tcp/time s",
            "plugin:http/time s",
            "plugin:http/size bytes",
            "plugin:age/age s",
            "plugin:age/size bytes",
        ]
    );
    // The plugin's megabytes are those of `df`.
    let space = rustix::fs::statvfs("/").unwrap();
    let used = ((space.f_blocks - space.f_bfree) * space.f_frsize) as f64;
    let said = seen[0].number();
    assert!((said - used).abs() < used * 0.05 + 64e6, "{said} {used}");
    let closed = programs.look("plugin:closed").await;
    assert_eq!(
        closed[0].level(),
        Some(Level::CRITICAL),
        "{:?}",
        shown(&closed)
    );
    assert_eq!(programs.shown("plugin:load/load5").await.len(), 1);
}

#[tokio::test]
async fn a_program_that_does_not_end_is_killed_with_its_children() {
    let programs = Programs::new()
        .put("hangs", "echo begun; sleep 600 & sleep 600")
        .put("endless", "yes")
        .put("holds", "sleep 600 & echo \"done | n=1\"")
        .put("dies", "kill -9 $$");
    for name in ["hangs", "endless"] {
        let began = Instant::now();
        let hangs = find(
            &programs
                .order(&format!("plugin:{name}"))
                .within(Duration::from_secs(1)),
        )
        .unwrap()
        .unwrap();
        let found = shown(&hangs.look(now()).await);
        assert!(
            found[0].contains("it was killed, for it had not ended within 0.9 s"),
            "{found:?}"
        );
        assert!(began.elapsed() < PATIENCE / 2);
    }
    let began = Instant::now();
    assert_eq!(
        programs.shown("plugin:holds").await[0],
        "plugin:holds = 1.00 [fine: done]"
    );
    assert!(began.elapsed() < PATIENCE / 2);
    assert_eq!(
        programs.shown("plugin:dies").await,
        ["plugin:dies = none (it was ended by signal: 9 (SIGKILL))"]
    );
}

#[tokio::test]
async fn what_was_there_before_a_failure_is_there_without_a_value() {
    let programs = Programs::new().put(
        "p",
        "test -e $0.gone && exec sleep 600; echo 'ok | a=1 b=2c'",
    );
    let order = programs.order("plugin:p").within(Duration::from_secs(2));
    let probe = find(&order).unwrap().unwrap();
    assert_eq!(Arc::clone(&probe).look(now()).await.len(), 3);
    let again = Arc::clone(&probe).look(now()).await;
    assert!(
        matches!(&again[2].value, Value::Number { unit, value } if unit == "/s" && *value == 0.0)
    );
    let programs = programs.put("p.gone", "");
    let lost = probe.look(now()).await;
    let names: Vec<_> = lost.iter().map(|found| found.item.as_str()).collect();
    assert_eq!(names, ["plugin:p", "plugin:p/a", "plugin:p/b"]);
    assert!(
        lost.iter()
            .all(|found| found.none().starts_with("it was killed") && found.verdict.is_none())
    );
    drop(programs);
}

#[tokio::test]
async fn odd_output_is_made_fit() {
    let programs = Programs::new()
        .put("latin", "printf 'caf\\351 \\033[31mred\\n'")
        .put("silent", "echo trouble >&2; exit 2")
        .put("nothing", "true")
        .put(
            "long",
            "echo first; yes 'more and more' | head -c 300000; exit 1",
        );
    assert_eq!(
        programs.shown("plugin:latin").await,
        ["plugin:latin = caf\u{fffd}  [31mred [fine: caf\u{fffd}  [31mred]"]
    );
    assert_eq!(
        programs.shown("plugin:silent").await,
        ["plugin:silent = trouble [critical: trouble]"]
    );
    assert_eq!(
        programs.shown("plugin:nothing").await,
        ["plugin:nothing = it said nothing [fine: it said nothing]"]
    );
    let found = programs.look("plugin:long").await;
    assert!(
        found[0].why().starts_with("first\nmore and more\nmore") && found[0].why().len() <= 1024
    );
}

#[tokio::test]
async fn a_program_gets_an_environment_of_its_own() {
    let programs = Programs::new().put("env", "env | sort | tr '\\n' ' '; id -un; pwd");
    let state = tempfile::tempdir().unwrap();
    std::fs::set_permissions(state.path(), PermissionsExt::from_mode(0o711)).unwrap();
    let mut order = programs.order("plugin:env");
    order.state_dir = Some(state.path().into());
    let said = shown(&find(&order).unwrap().unwrap().look(now()).await).remove(0);
    let own_dir = state.path().join("plugin-env");
    let user = if rustix::process::geteuid().is_root() {
        "nobody"
    } else {
        ""
    };
    let host = lockstep_host::machine::hostname();
    let expected = format!(
        "LC_ALL=C LOCKSTEP_HOST={host} LOCKSTEP_ITEM=plugin:env LOCKSTEP_STATE_DIR={} \
         PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PWD=/ {user}",
        own_dir.display()
    );
    // The shell adds where it is.
    let said = said.replace("OLDPWD=/ ", "").replace("_=/usr/bin/env ", "");
    assert!(said.contains(&expected), "{said}\n{expected}");
    assert_eq!(
        std::fs::metadata(own_dir).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[tokio::test]
async fn a_program_can_remember_things() {
    let programs = Programs::new().put(
        "count",
        "cd $LOCKSTEP_STATE_DIR && echo x >> seen && echo \"$(wc -l < seen) looks\"",
    );
    let state = tempfile::tempdir().unwrap();
    std::fs::set_permissions(state.path(), PermissionsExt::from_mode(0o711)).unwrap();
    let mut order = programs.order("plugin:count");
    order.state_dir = Some(state.path().into());
    for n in ["1", "2"] {
        let found = find(&order).unwrap().unwrap().look(now()).await;
        assert_eq!(found[0].value, Value::Text(format!("{n} looks")));
    }
}

#[tokio::test]
async fn only_what_the_host_permits_is_run() {
    let programs = Programs::new()
        .put("ok", "echo $# $1")
        .put("writable", "true")
        .put("plain", "true");
    let mode = |name: &str, mode| {
        std::fs::set_permissions(programs.path().join(name), PermissionsExt::from_mode(mode))
            .unwrap();
    };
    mode("writable", 0o757);
    mode("plain", 0o644);
    let why = async |name: &str| match find(&programs.order(name)).unwrap() {
        Err(why) => why,
        Ok(probe) => shown(&probe.look(now()).await).remove(0),
    };
    assert!(
        why("plugin:../ok")
            .await
            .contains("not the name of a program")
    );
    assert!(
        why("plugin:missing")
            .await
            .contains("there is no missing in /nowhere, ")
    );
    assert!(
        why("plugin:writable")
            .await
            .contains("others than root and the agent's own user can change it")
    );
    assert!(
        why("plugin:plain")
            .await
            .contains("plain is not executable")
    );
    let asked = programs.order("plugin:ok").with("arguments", &["a b"][..]);
    let refusal = find(&asked).unwrap().unwrap_err();
    assert!(
        refusal.contains("agent.toml") && refusal.contains("\"plugin:ok\""),
        "{refusal}"
    );

    let programs = programs.permits(|permits| permits.arguments = true);
    let asked = programs.order("plugin:ok").with("arguments", &["a b"][..]);
    assert_eq!(
        shown(&find(&asked).unwrap().unwrap().look(now()).await),
        ["plugin:ok = 1 a b [fine: 1 a b]"]
    );
    let programs = programs
        .command("plugin:ok", &["/bin/echo", "mine"])
        .command("plugin:rel", &["echo"]);
    assert_eq!(
        programs.shown("plugin:ok").await,
        ["plugin:ok = mine [fine: mine]"]
    );
    let asked = programs.order("plugin:ok").with("arguments", "x");
    assert!(
        find(&asked)
            .unwrap()
            .unwrap_err()
            .contains("whole command in agent.toml")
    );
    assert!(programs.shown("plugin:rel").await[0].contains("not an absolute path"));
}

#[tokio::test]
async fn root_runs_nothing_as_root_by_accident() {
    if !rustix::process::geteuid().is_root() {
        // The agent is not root here, and there is nothing to give up.
        return;
    }
    let who = async |user: &str| {
        let programs = Programs::new()
            .put("id", "id -u")
            .permits(|permits| permits.user = user.into());
        programs.shown("plugin:id").await.remove(0)
    };
    assert!(
        who("no-such-user")
            .await
            .contains("no such user in /etc/passwd")
    );
    assert_eq!(who("root").await, "plugin:id = 0 [fine: 0]");
    assert_eq!(who("nobody").await, "plugin:id = 65534 [fine: 65534]");
}

#[tokio::test]
async fn four_run_at_the_same_time() {
    let script = "cd ${0%/*}/running; touch $$; ls | wc -l; sleep 0.2; rm $$";
    let mut programs = Programs::new();
    for n in 0..12 {
        programs = programs.put(&format!("p{n}"), script);
    }
    let running = programs.path().join("running");
    std::fs::create_dir(&running).unwrap();
    std::fs::set_permissions(running, PermissionsExt::from_mode(0o777)).unwrap();
    let probes = (0..12).map(|n| programs.probe(&format!("plugin:p{n}")));
    let looks: Vec<_> = probes.map(|probe| probe.look(now())).collect();
    let found = futures_util::future::join_all(looks).await.concat();
    let most = found.iter().map(|found| match &found.value {
        Value::Text(count) => count.parse::<u32>().unwrap(),
        other => panic!("{other:?}"),
    });
    assert!(most.max().unwrap() <= 4, "{:?}", shown(&found));
}

#[tokio::test]
async fn json_gives_several_items() {
    let programs = Programs::new().put(
        "pools",
        r#"echo '{"text":"two","items":[{"name":"a","value":82.5,"unit":"%","level":"sick","text":"full"},{"name":"b"}]}'; exit 1"#,
    ).put("half", "echo '{'");
    assert_eq!(
        programs.shown("plugin:pools").await,
        [
            "plugin:pools = 82.5 % [sick: two]",
            "plugin:pools/a = 82.5 % [sick: full]",
            "plugin:pools/b = none (the program has no value for it)",
        ]
    );
    assert!(programs.shown("plugin:half").await[0].contains("begins as JSON"));
    assert_eq!(
        programs.shown("script:pools/a").await,
        ["script:pools/a = 82.5 % [sick: full]"]
    );
}

#[tokio::test]
async fn scripts_print_values() {
    let programs = Programs::new()
        .put(
            "queue",
            "echo '# queues'; echo waiting=12; echo state=all well; echo age=5m",
        )
        .put("fails", "echo a=1; echo no way >&2; exit 7")
        .put("odd", "echo hello");
    assert_eq!(
        programs.shown("script:queue").await,
        [
            "script:queue = 0.00 [fine: ]",
            "script:queue/waiting = 12.00",
            "script:queue/state = all well",
            "script:queue/age = 300.0 s",
        ]
    );
    assert_eq!(
        programs.shown("script:fails").await[0],
        "script:fails = 7.00 [critical: exit status 7: no way]"
    );
    assert_eq!(
        programs.shown("script:odd").await,
        ["script:odd = 0.00 [soso: \"hello\" is not NAME=VALUE]"]
    );
    assert_eq!(
        programs.shown("script:queue/wait*").await,
        ["script:queue/waiting = 12.00"]
    );
}
