//! Debian's Xymon clients under a rollout: a real server, and the client as it is.

pub(crate) mod client;

use std::process::Command;

use client::{Client, lay_out_package};

use crate::world::{World, eventually, free_port};

const FLEET: &str = r#"
[strategy.careful]
canaries = 1
bake = "200ms"

[channel.stable]
strategy = "careful"

[follow.xymon-client]
hosts = ["web*.example.org"]
"#;

/// Hosts, and addresses from which they say something without their client.
const HOSTS: [(&str, &str); 2] = [
    ("web1.example.org", "127.0.0.5"),
    ("web2.example.org", "127.0.0.6"),
];

struct Xymon {
    world: World,
    port: u16,
}

impl Xymon {
    fn new() -> Self {
        let port = free_port();
        let world = World::start_with(&format!(
            "gateway.xymon = {{ listen = \"127.0.0.1:{port}\", home = \"xymon\", reload = \"100ms\" }}"
        ));
        world.fleet(FLEET);
        let etc = world.path("xymon/etc");
        std::fs::create_dir_all(&etc).unwrap();
        let hosts: String = HOSTS
            .map(|(host, _)| format!("0.0.0.0 {host} #\n"))
            .concat();
        std::fs::write(etc.join("hosts.cfg"), hosts).unwrap();
        std::fs::write(
            etc.join("client-local.cfg"),
            "[linux]\nfile:/etc/hostname\n",
        )
        .unwrap();
        Self { world, port }
    }

    fn promotes(&self, version: &str) {
        let name = format!("xymon-{version}");
        lay_out_package(&self.world.path(&name), version);
        self.world.promote_tree("xymon-client", version, &name);
    }

    fn client(&self, host: &'static str) -> Client {
        let home = self.world.path(&format!("home-{host}"));
        Client::install(home, host, self.port, "xymon-client")
    }

    /// Says something as a client at an address would, and hears the answer.
    fn say(&self, from: &str, message: &str) -> Vec<u8> {
        const TALK: &str = "import socket, sys\n\
            s = socket.create_connection(('127.0.0.1', int(sys.argv[2])), 20, (sys.argv[1], 0))\n\
            s.sendall(sys.argv[3].encode())\n\
            s.shutdown(socket.SHUT_WR)\n\
            while piece := s.recv(65536): sys.stdout.buffer.write(piece)\n";
        let port = self.port.to_string();
        let mut python = Command::new("python3");
        let output = python.args(["-c", TALK, from, &port, message]).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        output.stdout
    }

    /// What a host is told when it reports that it runs a version.
    fn report(&self, (host, from): (&str, &str), runs: &str) -> String {
        let host = host.replace('.', ",");
        let message = format!("client {host}.linux linux\n[date]\nx\n[clientversion]\n{runs}\n");
        String::from_utf8(self.say(from, &message)).unwrap()
    }

    /// Waits until one of two hosts, both of which run a version, is told of another; its number.
    fn first_told(&self, runs: &str, version: &str) -> usize {
        let line = format!("clientversion:xymon-client-{version}\n");
        let mut first = None;
        eventually("one host's turn comes", || {
            first = HOSTS
                .iter()
                .position(|host| self.report(*host, runs).ends_with(&line));
            first.is_some()
        });
        first.unwrap()
    }
}

#[test]
fn a_rollout_governs_xymon_clients_and_stops_at_one_that_fails() {
    let xymon = Xymon::new();
    eventually("the hosts are known", || {
        xymon.report(HOSTS[0], "none") == "file:/etc/hostname\n"
    });
    let clients = HOSTS.map(|(host, _)| xymon.client(host));
    for client in &clients {
        client.round();
    }
    let shown = xymon.world.must(&["host", "show", HOSTS[1].0]);
    assert!(
        shown.contains("disk_usage:/") && shown.contains("cpu_load"),
        "{shown}"
    );

    xymon.promotes("7.1.0");
    let canary = xymon.first_told("none", "7.1.0");
    let other = 1 - canary;
    clients[canary].round();
    assert!(clients[canary].has("7.1.0"));
    // The canary has not reported what it runs, so it is nobody else's turn.
    clients[other].round();
    assert!(!clients[other].has("7.1.0"));
    clients[canary].round();
    eventually("the other one's turn comes", || {
        let told = xymon.report(HOSTS[other], "none");
        told.ends_with("clientversion:xymon-client-7.1.0\n")
    });
    for _ in 0..2 {
        clients[other].round();
        assert!(clients[other].has("7.1.0"));
    }
    xymon.world.rollout_becomes("7.1.0", "done");
    let shown = xymon.world.must(&["host", "show", HOSTS[1].0]);
    assert!(shown.contains("7.1.0"), "{shown}");

    // A client that fetches a version and cannot use it stops the rollout.
    let old = "xymon-client-7.1.0";
    xymon.promotes("7.2.0");
    let failing = HOSTS[xymon.first_told(old, "7.2.0")];
    let (_, from) = failing;
    assert!(xymon.say(from, "download lockstep-1.0.0.tar").is_empty());
    let archive = xymon.say(from, "download xymon-client-7.2.0.tar");
    assert!(archive.len() > 100_000, "{}", archive.len());
    xymon.report(failing, old);
    let state = xymon.world.rollout_state("7.2.0");
    assert_eq!(state, "running", "it may be at it");
    xymon.report(failing, old);
    xymon.world.rollout_becomes("7.2.0", "halted");
}
