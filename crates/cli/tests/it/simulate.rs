//! `lockstep rollout simulate`, without a server.

use std::process::{Command, Output};

use serde_json::Value;

fn simulate(dir: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lockstep"))
        .args([
            "rollout",
            "simulate",
            "--start",
            "2026-03-02T09:00:00Z",
            "--runs",
            "3",
        ])
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_fleet_of_invented_hosts_is_simulated_drawn_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let quiet = [
        "--hosts",
        "500",
        "--fail",
        "0%",
        "--noise",
        "0%",
        "--offline",
        "0%",
    ];
    let output = simulate(dir.path(), &[&quiet[..], &["--svg", "plan.svg"]].concat());
    let (shown, complaints) = said(&output);
    assert!(output.status.success(), "{shown}{complaints}");
    for words in [
        "lockstep to stable: 500 hosts (invented hosts, the default strategy)",
        "WAITED FOR",
        "finished after ",
        "the last after ",
        "downloads at once",
        "a release that breaks 50% of hosts is stopped after",
        "was done in 3 of 3 simulations",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let drawing = std::fs::read_to_string(dir.path().join("plan.svg")).unwrap();
    assert!(drawing.starts_with("<svg ") && !drawing.contains("<script"));
    let output = simulate(dir.path(), &[&quiet[..], &["--json"]].concat());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&found["hosts"], &found["end"]),
        (&500.into(), &"done".into())
    );
    assert_eq!(found["waves"].as_array().unwrap().len(), 5);
    let last: Value = found["waves"][4].clone();
    assert_eq!(last["hosts"], 250);
    assert!(last["opened_at"].as_str().unwrap() > "2026-03-02T09:08");
}

#[test]
fn hosts_and_strategy_come_from_the_fleet_file() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = "[group.web]\nhosts = [\"web1\", \"web2\", \"web3\"]\n\
        [strategy.two]\nwaves = [\"1\", \"100%\"]\nbake = \"1h\"\n\
        [channel.stable]\nstrategy = \"two\"\n";
    std::fs::write(dir.path().join("fleet.toml"), fleet).unwrap();
    let output = simulate(
        dir.path(),
        &["--fleet", "fleet.toml", "--json", "--offline", "0%"],
    );
    let (shown, complaints) = said(&output);
    assert!(output.status.success(), "{shown}{complaints}");
    let found: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(found["hosts"], 3);
    assert_eq!(found["waves"].as_array().unwrap().len(), 2);
    assert!(found["took_s"].as_f64().unwrap() > 3600.0);
}

#[test]
fn what_cannot_work_is_said_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("never.toml"), "fit = \"100%\"\n").unwrap();
    std::fs::write(dir.path().join("wrong.toml"), "wave = [\"1\"]\n").unwrap();
    let never = simulate(dir.path(), &["--hosts", "50", "--strategy", "never.toml"]);
    let (shown, _) = said(&never);
    assert_eq!(never.status.code(), Some(1));
    assert!(
        shown.contains("It can never finish. fit = \"100%\": 50 of 50 hosts"),
        "{shown}"
    );
    for (arguments, code, words) in [
        (&["--hosts", "0"][..], 2, "1..=10000000"),
        (&["--hosts", "5", "--fail", "7"], 2, "\"100%\""),
        (&["--hosts", "5", "--uplink", "5MB"], 2, "100Mbit/s"),
        (&["--hosts", "5", "--size", "5Mbit/s"], 2, "5MB or 300kB"),
        (&["--hosts", "5", "--offline", "100%"], 1, "below that"),
        (&["--hosts", "5", "--strategy", "gone.toml"], 1, "gone.toml"),
        (
            &["--hosts", "5", "--strategy", "wrong.toml"],
            1,
            "[strategy.NAME]",
        ),
        (&["--operator", "gone.toml"], 1, "gone.toml"),
    ] {
        let output = simulate(dir.path(), arguments);
        let (_, complaints) = said(&output);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {complaints}"
        );
        assert!(complaints.contains(words), "{arguments:?}: {complaints}");
    }
}
