//! RHQ agents under a rollout: a real server, and wget in the place of the agents.

use std::process::Command;

use crate::world::{World, eventually, free_port};

const FLEET: &str = r#"
[strategy.careful]
canaries = 1
bake = "200ms"

[channel.stable]
strategy = "careful"

[host.db1]
address = "127.0.0.2"

[host.db2]
address = "127.0.0.3"

[follow.rhq-agent]
hosts = ["db1", "db2"]
"#;

const ADDRESSES: [&str; 2] = ["127.0.0.2", "127.0.0.3"];

struct Rhq {
    world: World,
    port: u16,
}

impl Rhq {
    fn new() -> Self {
        let port = free_port();
        let world = World::start_with(&format!(
            "gateway.rhq = {{ listen = \"127.0.0.1:{port}\", package = \"rhq-agent\" }}"
        ));
        world.fleet(FLEET);
        Self { world, port }
    }

    /// Publishes and promotes an agent.
    fn promotes(&self, version: &str) {
        let tree = self.world.path(&format!("rhq-{version}"));
        std::fs::create_dir(&tree).unwrap();
        let stamp = tree.join("rhq-agent-update-version.properties");
        let text = format!(
            "rhq-agent.latest.version={version}\nrhq-agent.latest.build-number=b{version}\n"
        );
        std::fs::write(&stamp, text).unwrap();
        let mut zip = Command::new("python3");
        zip.args(["-m", "zipfile", "-c", "rhq-enterprise-agent.jar"]);
        zip.arg(stamp.file_name().unwrap()).current_dir(&tree);
        assert!(zip.status().unwrap().success());
        let tree = format!("rhq-{version}");
        self.world.promote_tree("rhq-agent", version, &tree);
    }

    /// What wget gets from an address; none if it was refused.
    fn get(&self, from: &str, path: &str) -> Option<String> {
        let mut wget = Command::new("wget");
        wget.args([
            "-q",
            "-O",
            "-",
            "--no-proxy",
            "--tries=1",
            "--bind-address",
            from,
        ]);
        wget.arg(format!("http://127.0.0.1:{}/agentupdate/{path}", self.port));
        let output = wget.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(text)
    }

    /// The version that an address is told of.
    fn told(&self, from: &str) -> Option<String> {
        let said = self.get(from, "version")?;
        let key = "rhq-agent.latest.version=";
        let line = said.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.to_owned())
    }

    /// The address that is told of a version first, while the other one is told of what it had.
    fn canary(&self, version: &str, before: Option<&str>) -> &'static str {
        let mut first = None;
        eventually("one host's turn comes", || {
            first = ADDRESSES
                .into_iter()
                .find(|from| self.told(from).as_deref() == Some(version));
            first.is_some()
        });
        let first = first.unwrap();
        let other = ADDRESSES.into_iter().find(|it| *it != first).unwrap();
        assert_eq!(self.told(other).as_deref(), before);
        first
    }

    fn rolls_out(&self, version: &str, before: Option<&str>) {
        self.promotes(version);
        let first = self.canary(version, before);
        let other = ADDRESSES.into_iter().find(|it| *it != first).unwrap();
        for from in [first, other] {
            eventually("its turn comes", || {
                self.told(from).as_deref() == Some(version)
            });
            assert!(self.get(from, "download").is_some());
        }
        eventually("the rollout is done", || {
            let rollouts = self.world.json(&["rollout", "list", "--json"]);
            let mut rollouts = rollouts.as_array().unwrap().iter();
            let of_it =
                rollouts.find(|it| it["package"] == "rhq-agent" && it["version"] == version);
            of_it.is_some_and(|it| it["state"] == "done")
        });
    }
}

#[test]
fn a_rollout_governs_rhq_agents_by_their_addresses() {
    let rhq = Rhq::new();
    // Their first question makes them hosts of the server.
    for from in ADDRESSES {
        assert_eq!(rhq.told(from), None);
    }
    let hosts = rhq.world.must(&["host", "list"]);
    assert!(hosts.contains("db1") && hosts.contains("db2"), "{hosts}");
    rhq.rolls_out("4.12.0", None);
    // Strangers get what is proven.
    assert_eq!(rhq.told("127.0.0.9").as_deref(), Some("4.12.0"));
    rhq.rolls_out("4.13.0", Some("4.12.0"));
    let shown = rhq.world.must(&["host", "show", "db1"]);
    assert!(shown.contains("4.13.0"), "{shown}");

    rhq.world.must(&["server", "updates", "off"]);
    assert_eq!(rhq.get("127.0.0.2", "download"), None);
    assert_eq!(rhq.told("127.0.0.2").as_deref(), Some("4.13.0"));
}
