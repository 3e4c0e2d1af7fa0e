use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use lockstep_gateway::dmon::client::{self, Agent, Config, State, Upgrade};
use lockstep_model::{
    Bucket, HostName, ItemName, ItemState, Level, LevelNames, Series, Value, Version, View,
};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::{Port, ask};
use crate::desk::Desk;

const NOW: i64 = 1_700_000_000;

/// An agent whose server is at 127.0.0.2.
#[derive(Default)]
struct Fake {
    stopped: AtomicUsize,
    upgraded: AtomicUsize,
}

impl Agent for Fake {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    fn version(&self) -> String {
        "1.0.0".into()
    }

    fn is_server(&self, address: IpAddr) -> bool {
        address.to_string() == "127.0.0.2"
    }

    async fn state(&self) -> Result<State, String> {
        let state = |item: &str, level| ItemState {
            item: ItemName::parse(item).unwrap(),
            value: Value::Number {
                value: 2.0,
                unit: String::new(),
            },
            level,
            since: self.now(),
            why: String::new(),
            no_data: false,
            flapping: false,
            pending: None,
        };
        Ok(State {
            host: HostName::parse("web1").unwrap(),
            server: "https://server1:7440".into(),
            work: Some(self.now()),
            log: "standard error".into(),
            log_level: "info".into(),
            names: LevelNames::default(),
            items: vec![state("cpu_load", Level::FINE), state("users", Level::SICK)],
            watched: vec![(
                HostName::parse("ups").unwrap(),
                vec![state("battery", Level::FINE)],
            )],
        })
    }

    async fn stop(&self, secret: &str) -> Result<(), String> {
        if secret != "secret" {
            return Err("it is not the secret".into());
        }
        self.stopped.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn history(
        &self,
        _host: Option<HostName>,
        _view: View,
        names: Vec<ItemName>,
    ) -> Result<Vec<Series>, String> {
        if names.is_empty() {
            return Err("there is no history yet".into());
        }
        let series = |item: ItemName| Series {
            item,
            unit: String::new(),
            from: self.now(),
            to: self.now(),
            bucket_ms: 600_000,
            buckets: vec![Bucket {
                at: self.now(),
                count: 1,
                mean: 1.5,
                min: 1.5,
                max: 1.5,
            }],
        };
        Ok(names.into_iter().map(series).collect())
    }

    async fn send(&self) -> Result<(String, Timestamp), String> {
        Ok(("server1".into(), self.now()))
    }

    async fn upgrade(&self) -> Result<Upgrade, String> {
        match self.upgraded.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(Upgrade::To(Version::parse("1.1.0").unwrap())),
            1 => Ok(Upgrade::Nothing),
            _ => Err("updates are switched off\non this host".into()),
        }
    }

    async fn zap(&self) -> Result<String, String> {
        Ok("ok folded 2".into())
    }
}

/// Its port, open until it is dropped.
struct Open {
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn open(agent: &Arc<Fake>, more: &str) -> Open {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config: Config = toml::from_str(&format!("listen = \"{address}\"\n{more}")).unwrap();
    let serving = tokio::spawn(client::serve(listener, config, Arc::clone(agent)));
    Open {
        address,
        task: serving.abort_handle(),
    }
}

#[tokio::test]
async fn the_nine_commands_are_byte_for_byte() {
    let agent = Arc::new(Fake::default());
    let desk = Desk::new();
    let server = Port::open(&desk, "").await;
    let port = open(&agent, &format!("server = \"{}\"", server.address)).await;
    let ask = async |line: &str| {
        let answer = ask(port.address, "127.0.0.1", format!("{line}\n").as_bytes()).await;
        let name = line.split(' ').next().unwrap();
        let body = answer.strip_prefix(&format!("COMMAND {name}\n"));
        let body = body.and_then(|body| body.strip_suffix("\nCOMMAND DONE\n"));
        body.unwrap_or_else(|| panic!("{line}: {answer}"))
            .to_owned()
    };
    assert_eq!(ask("PING").await, "PONG from Client lockstep-1.0.0");
    let state = ask("STATE").await;
    let lines: Vec<&str> = state.lines().collect();
    assert_eq!(lines.len(), 9, "{state}");
    assert_eq!(
        lines[3],
        format!("-- listening on port {} as a Client", port.address.port())
    );
    assert!(lines[4].starts_with("-- Client is processing a command-session << 127.0.0.1 port "));
    assert_eq!(lines[7], "-- work 2023-11-14T22:13:20Z");
    assert_eq!(
        lines[8],
        "-- Client state : {\"fine\":1,\"items\":2,\"sick\":1}"
    );
    assert_eq!(ask("STOP wrong").await, "refused: it is not the secret");
    assert_eq!(agent.stopped.load(Ordering::SeqCst), 0);
    assert_eq!(ask("STOP secret").await, "ok stopping");
    assert_eq!(agent.stopped.load(Ordering::SeqCst), 1);
    assert_eq!(
        ask("HIST D 100 web1 users cpu_load").await,
        r#"{"resp":"ok rows 1","data":{"cols":["TIME","cpu_load","users"],"rows":[[1699999800,1.5,1.5]]}}"#
    );
    assert_eq!(
        ask("HIST").await,
        r#"{"resp":"refused: there is no history yet"}"#
    );
    assert_eq!(ask("SEND").await, "next_send server1 2023-11-14T22:13:20Z");
    assert_eq!(ask("ZAP").await, "ok folded 2");
    assert_eq!(ask("SERVER PING").await, "PONG from Server");
    let report: serde_json::Value = serde_json::from_str(&ask("REPORT").await).unwrap();
    assert_eq!(report["web1"]["users"]["level"], "sick");
    assert_eq!(report["ups"]["battery"]["time"], NOW);
}

#[tokio::test]
async fn upgrade_is_for_the_server_and_takes_no_program() {
    let agent = Arc::new(Fake::default());
    let port = open(&agent, "").await;
    let program = b"UPGRADE {\"text\":\"#!/usr/bin/perl\"}\n";
    let from_elsewhere = ask(port.address, "127.0.0.1", b"UPGRADE\n").await;
    assert_eq!(
        from_elsewhere,
        "COMMAND UPGRADE\nrefused: UPGRADE is for this host's server\nCOMMAND DONE\n"
    );
    let with_program = ask(port.address, "127.0.0.2", program).await;
    assert!(with_program.contains("\nrefused: programs are not taken, only signed releases"));
    assert_eq!(
        agent.upgraded.load(Ordering::SeqCst),
        0,
        "nothing was begun"
    );
    for line in [
        "upgrade web1 ok 1.0.0 \u{2192} 1.1.0",
        "upgrade web1 ok 1.0.0",
        "upgrade web1 refused: updates are switched off on this host",
    ] {
        let answer = ask(port.address, "127.0.0.2", b"UPGRADE\n").await;
        assert_eq!(answer, format!("COMMAND UPGRADE\n{line}\nCOMMAND DONE\n"));
    }
}

#[tokio::test]
async fn others_are_turned_away() {
    let agent = Arc::new(Fake::default());
    let port = open(&agent, "senders = [\"127.0.0.1\"]").await;
    assert_eq!(ask(port.address, "127.0.0.3", b"PING\n").await, "");
    for from in ["127.0.0.1", "127.0.0.2"] {
        assert!(
            ask(port.address, from, b"PING\n").await.contains("PONG"),
            "{from}"
        );
    }
    let nowhere = ask(port.address, "127.0.0.1", b"SERVER PING\n").await;
    assert!(
        nowhere.contains("refused: agent.toml names no server of dmon"),
        "{nowhere}"
    );
}
