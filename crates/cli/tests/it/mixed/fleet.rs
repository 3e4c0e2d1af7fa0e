//! The fleet of the test: its hosts with their clients, one server for them, and what can be seen of all of them.

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::fleetlock::FleetLock;
use super::foreman::{Certificates, Updater};
use crate::world::{Host, World, eventually, free_port};
use crate::xymon::client::{Client, lay_out_package};

/// A host watches itself, and only its load counts, which no other work on this machine brings to the limit.
const FLEET: &str = r#"
[group.native]
hosts = ["nat*"]
report = "1s"
sample = "1s"

[host.nat1]
[host.nat2]
[host.xy2]
[host.xy3]
[host.dlm1]
[host.fl1]

[fitness.cpu_load]
sick = ">= 1000"

[strategy.careful]
canaries = 1
bake = "500ms"
failed = 0
worse = 0
on_worse = "halt"
items = ["cpu_load"]

[channel.stable]
strategy = "careful"

[follow.site]
"#;

const NATIVES: [&str; 2] = ["nat1", "nat2"];
const XYMON: [&str; 2] = ["xy2", "xy3"];
pub(super) const DLM: &str = "dlm1";
pub(super) const FLEETLOCK: &str = "fl1";
pub(super) const ALL: [&str; 6] = ["nat1", "nat2", "xy2", "xy3", DLM, FLEETLOCK];

/// The lock of both hosts that ask for one.
pub(super) const LOCK: &str = "restart";

pub(super) struct Mixed {
    pub(super) world: World,
    pub(super) natives: Vec<Host>,
    pub(super) clients: Vec<Client>,
    pub(super) updater: Updater,
    pub(super) fleetlock: FleetLock,
    /// True if the host that asks by FleetLock was let go by the rollout under way.
    pub(super) granted: bool,
    _certificates: Certificates,
}

impl Mixed {
    pub(super) fn new() -> Self {
        let certificates = Certificates::make(DLM);
        let (xymon, dlm, fleetlock) = (free_port(), free_port(), free_port());
        let path = |name: &str| certificates.path(name).display().to_string();
        let gateways = format!(
            "gateway.xymon = {{ listen = \"127.0.0.1:{xymon}\", package = \"site\" }}\n\
             gateway.fleetlock = {{ listen = \"127.0.0.1:{fleetlock}\", package = \"site\" }}\n\
             gateway.foreman-dlm = {{ listen = \"127.0.0.1:{dlm}\", package = \"site\", cert = {:?}, key = {:?}, client_ca = {:?} }}\n",
            path("server.pem"),
            path("server.key"),
            path("ca.pem"),
        );
        let world = World::start_with(&gateways);
        world.fleet(FLEET);
        let install = |host: &'static str| Client::install(world.path(host), host, xymon, "site");
        let mut mixed = Self {
            clients: XYMON.map(install).into(),
            updater: Updater::install(world.path(DLM), &certificates, dlm, LOCK),
            fleetlock: FleetLock {
                port: fleetlock,
                host: FLEETLOCK,
                group: LOCK,
            },
            natives: Vec::new(),
            granted: false,
            _certificates: certificates,
            world,
        };
        mixed.everybody_comes();
        mixed
    }

    /// Every host is heard of, each in its own way.
    fn everybody_comes(&mut self) {
        for name in NATIVES {
            let mut host = self.world.provision(name);
            let config = host.root.join("etc/lockstep/agent.toml");
            let text = std::fs::read_to_string(&config).unwrap();
            let text = text.replace("window = \"2s\"", "window = \"600ms\"");
            std::fs::write(&config, text + "[bundles]\nallow = [\"site\"]\n").unwrap();
            host.start();
            self.natives.push(host);
        }
        for client in &self.clients {
            client.round();
        }
        self.fleetlock.is_up();
        self.updater.start();
        eventually("the updater has been there", || self.updater.has_ended());
        self.updater.forget();
        for name in NATIVES {
            eventually("the host reports", || {
                self.world.reported_version(name).as_deref() == Some("1.0.0")
            });
        }
        let hosts = self.world.json(&["host", "list", "--json"]);
        let names = hosts.as_array().unwrap().iter();
        let mut names: Vec<&str> = names.map(|it| it["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        let mut all = ALL;
        all.sort_unstable();
        assert_eq!(names, all);
    }

    /// Publishes and promotes a release for all of them: our agents take it as a bundle, Xymon's clients as what they
    /// unpack over their home, and to the two others it is a name for what they do by themselves. The number of its rollout.
    pub(super) fn promotes(&self, version: &str, spoil: impl FnOnce(&Path)) -> String {
        let name = format!("site-{version}");
        let tree = self.world.path(&name);
        lay_out_package(&tree, version);
        let check = "[check]\ncommand = [\"bin/xymon\", \"--version\"]\n";
        std::fs::write(tree.join("bundle.toml"), check).unwrap();
        spoil(&tree);
        self.world.promote_tree("site", version, &name);
        let rollouts = self.world.json(&["rollout", "list", "--json"]);
        let mut rollouts = rollouts.as_array().unwrap().iter();
        let rollout = rollouts.find(|it| it["version"] == version).unwrap();
        rollout["id"].to_string()
    }

    pub(super) fn rollout(&self, id: &str) -> Value {
        self.world
            .json(&["rollout", "show", id, "--hosts", "--json"])
    }

    /// The one host that goes first, once it may.
    pub(super) fn canary(&self, id: &str) -> String {
        let mut view = Value::Null;
        eventually("the first wave is open", || {
            view = self.rollout(id);
            view["waves"][0]["opened_at"].is_string()
        });
        let first = view["waves"][0]["hosts"].as_array().unwrap();
        assert_eq!(first.len(), 1, "{view}");
        assert_eq!(view["waves"][1]["hosts"].as_array().unwrap().len(), 5);
        first[0]["name"].as_str().unwrap().to_owned()
    }

    /// Who has a version, as can be seen where they are.
    pub(super) fn who_has(&self, version: &str) -> Vec<&'static str> {
        let mut who = Vec::new();
        for (host, name) in self.natives.iter().zip(NATIVES) {
            let link = std::fs::read_link(host.root.join("opt/lockstep/packages/site"));
            if link.is_ok_and(|slot| slot.ends_with(version)) {
                who.push(name);
            }
        }
        let clients = self.clients.iter();
        who.extend(clients.filter(|it| it.has(version)).map(|it| it.host));
        if self.updater.has_updated() {
            who.push(DLM);
        }
        if self.granted {
            who.push(FLEETLOCK);
        }
        who
    }

    /// Looks who has a version, and that it is the canary alone until it is proven there.
    pub(super) fn looks(&self, id: &str, canary: &str, version: &str) -> Value {
        let who = self.who_has(version);
        // Asked for behind it: what was not open now was not open then.
        let view = self.rollout(id);
        if !view["waves"][1]["opened_at"].is_string() {
            assert!(who.iter().all(|it| *it == canary), "{who:?}: {view}");
        }
        view
    }

    /// What a host runs of the package, proven, as the server knows it.
    pub(super) fn known(&self, host: &str) -> Option<String> {
        let shown = self.world.json(&["host", "show", host, "--json"]);
        let mut packages = shown["packages"].as_array()?.iter();
        let site = packages.find(|it| it["package"] == "site" && it["proven"] == true)?;
        Some(site["version"].as_str()?.to_owned())
    }

    /// The code and the words of what keeps a host from the release.
    pub(super) fn explained(&self, host: &str) -> (String, String) {
        let explained = self.world.json(&["explain", host, "site", "--json"]);
        let text = |key: &str| explained["packages"][0][key].as_str().unwrap().to_owned();
        (text("gate"), text("words"))
    }

    /// Runs to a version: when they began, their hosts, and how they ended, the oldest first.
    pub(super) fn runs_to(&self, version: &str) -> Vec<(Timestamp, String, String)> {
        let runs = self.world.json(&["run", "list", "--json"]);
        let runs = runs.as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut runs: Vec<_> = runs
            .filter(|it| it["package"] == "site" && it["to"] == version)
            .map(|it| {
                (
                    time(&it["started_at"]),
                    text(&it["host"]),
                    text(&it["outcome"]),
                )
            })
            .collect();
        runs.sort();
        runs
    }

    /// When a native host has reported last.
    pub(super) fn reported_at(&self, host: &Host) -> String {
        let status = host.status(&self.world).unwrap_or_default();
        status["worker"]["reported_at"].to_string()
    }
}

pub(super) fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}
