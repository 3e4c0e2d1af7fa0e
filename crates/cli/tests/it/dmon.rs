//! dmon's two ports with real processes: a server, an agent, a client of dmon that is not there, and raw sockets in the
//! place of `nc`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::candidate::Candidate;
use crate::world::{Host, World, eventually, free_port};

const FLEET: &str = r#"
[host.old1]
address = "127.0.0.1"
"#;

/// `echo COMMAND | nc 127.0.0.1 PORT`; nothing while nobody listens.
fn nc(port: u16, command: &str) -> String {
    let mut text = String::new();
    if let Ok(mut stream) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))) {
        let _ = stream.write_all(format!("{command}\n").as_bytes());
        let _ = stream.read_to_string(&mut text);
    }
    text
}

/// The body of an answer, whose frame is checked.
fn body(port: u16, command: &str) -> String {
    let answer = nc(port, command);
    let name = command.split(' ').next().unwrap();
    let body = answer.strip_prefix(&format!("COMMAND {name}\n"));
    let body = body.and_then(|body| body.strip_suffix("COMMAND DONE\n"));
    body.unwrap_or_else(|| panic!("{command}: {answer:?}"))
        .to_owned()
}

fn json(port: u16, command: &str) -> Value {
    serde_json::from_str(&body(port, command)).unwrap()
}

/// A host whose agent answers dmon's commands.
fn host_with_port(world: &World, name: &str, port: u16, server: u16) -> Host {
    let mut host = world.provision(name);
    let path = host.root.join("etc/lockstep/agent.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str(&format!(
        "[gateway.dmon]\nlisten = \"127.0.0.1:{port}\"\nserver = \"127.0.0.1:{server}\"\n"
    ));
    std::fs::write(&path, text).unwrap();
    host.start();
    eventually("the agent answers dmon's PING", || {
        nc(port, "PING").contains("PONG")
    });
    eventually("it has reported", || {
        world.reported_version(name).as_deref() == Some("1.0.0")
    });
    host
}

#[test]
fn a_fleet_of_dmon_meets_our_server_and_our_agents() {
    let (server, client) = (free_port(), free_port());
    let world = World::start_with(&format!(
        "gateway.dmon = {{ listen = \"127.0.0.1:{server}\", client_port = {client} }}"
    ));
    world.fleet(FLEET);
    let mut host = host_with_port(&world, "web1", client, server);

    let pong = "COMMAND PING\nPONG from Server\nCOMMAND DONE\n";
    assert_eq!(nc(server, "PING"), pong);
    let pong = "COMMAND PING\nPONG from Client lockstep-1.0.0\nCOMMAND DONE\n";
    assert_eq!(nc(client, "PING"), pong);
    assert!(body(client, "SERVER PING").contains("PONG from Server"));
    let state = body(client, "STATE");
    assert!(
        state.contains(&format!("-- listening on port {client} as a Client\n")),
        "{state}"
    );

    a_client_of_dmon_reports(&world, server);

    // Our agent's history, asked directly and through the server.
    let mut rows = Value::Null;
    eventually("there is history", || {
        rows = json(client, "HIST H");
        rows["data"]["rows"]
            .as_array()
            .is_some_and(|rows| !rows.is_empty())
    });
    let cols: Vec<&str> = rows["data"]["cols"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        cols[0] == "TIME" && cols[1..].is_sorted() && cols.contains(&"cpu_load"),
        "{cols:?}"
    );
    let through = json(server, "CLIENT web1 HIST H 100 web1 cpu_load");
    assert_eq!(
        through["data"]["cols"],
        serde_json::json!(["TIME", "cpu_load"])
    );
    assert!(body(client, "ZAP").starts_with("ok folded "));
    assert!(body(client, "SEND").starts_with("next_send https://127.0.0.1"));
    assert!(json(client, "REPORT")["web1"]["cpu_load"].is_object());
    assert!(body(server, "ALLSEND").contains("-- web1\nnext_send "));

    an_upgrade_is_a_signed_release(&world, &host, server, client);

    // STOP takes the secret of this start, which only the agent's user can read.
    let path = host.root.join("run/lockstep/dmon.stp");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = std::fs::read_to_string(&path).unwrap();
    assert_eq!(secret.trim().len(), 32);
    let wrong: String = secret.trim().chars().rev().collect();
    assert!(body(client, &format!("STOP {wrong}")).starts_with("refused: "));
    assert!(nc(client, "PING").contains("PONG"), "nothing has changed");
    assert_eq!(
        body(client, &format!("STOP {}", secret.trim())),
        "ok stopping\n"
    );
    host.wait_dead();
    assert!(
        !host.log().contains(secret.trim()),
        "no secret is in the log"
    );
}

/// A host without our agent reports by dmon's words, and what it says is what ours would have said.
fn a_client_of_dmon_reports(world: &World, server: u16) {
    let said = json(
        server,
        r#"REPORT {"old1":{"load":{"value":0.5,"level":"fine"}}}"#,
    );
    assert_eq!(said["resp"], "ok report from [old1] for old1");
    assert!(said["work"].is_i64(), "{said}");
    let said = json(server, r#"EVENTS [[0,"old1","load","sick","fine",9.5]]"#);
    assert_eq!(said["resp"], "ok 1 events from [old1] for old1");
    let clients = json(server, "CLIENTS old1 load 1");
    assert_eq!(clients["cdmp"]["old1"]["load"]["level"], "sick");
    assert_eq!(clients["events"][0]["previous"], "fine", "{clients}");
    let shown = world.json(&["host", "show", "old1", "--json"]);
    assert!(shown.to_string().contains("\"load\""), "{shown}");
    // Nobody overrides what a host with our agent says of itself.
    let said = json(server, r#"REPORT {"web1":{"load":99}}"#);
    assert!(
        said["resp"].as_str().unwrap().starts_with("refused: "),
        "{said}"
    );
}

fn an_upgrade_is_a_signed_release(world: &World, host: &Host, server: u16, client: u16) {
    let pid = host.pid();
    for port in [server, client] {
        let answer = body(port, "UPGRADE {\"text\":\"#!/usr/bin/perl\\nprint 1\"}");
        assert!(
            answer.starts_with("refused: programs are not taken"),
            "{answer}"
        );
    }
    assert_eq!(body(client, "UPGRADE"), "upgrade web1 ok 1.0.0\n");
    assert!(body(server, "UPGRADE").contains("upgrade web1 ok 1.0.0\n"));
    world.publish("1.1.0", Candidate::Good);
    world.promote("1.1.0");
    eventually("the server orders the new version", || {
        body(server, "UPGRADE web1").contains("upgrade web1 ok 1.0.0 \u{2192} 1.1.0\n")
    });
    eventually("the new version answers", || {
        nc(client, "PING") == "COMMAND PING\nPONG from Client lockstep-1.1.0\nCOMMAND DONE\n"
    });
    world.finished_run("web1", "1.1.0");
    assert_eq!(host.pid(), pid);
    assert_eq!(
        host.status(world).unwrap()["supervisor"]["pid"],
        pid,
        "it stays the same process"
    );
    eventually("the server knows", || {
        body(server, "UPGRADE web1") == "upgrade web1 ok 1.1.0\n"
    });
}
