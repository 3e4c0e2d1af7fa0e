//! One rollout over a fleet in which some hosts have our agent and others do not: native agents, Debian's Xymon clients,
//! a host with `foreman_dlm_updater` and one that asks by FleetLock. What one of them shows, all others are held by.

mod fleet;
mod fleetlock;
mod foreman;

use std::path::Path;

use crate::world::eventually;
use fleet::{ALL, DLM, FLEETLOCK, LOCK, Mixed, time};

/// Who has to go first with the second release. The draw is made of the rollout's number and the hosts' names.
const CANARY: &str = "xy3";

impl Mixed {
    /// A good release goes to one of them, and behind its proof to all.
    fn a_good_release_reaches_all(&mut self) {
        let version = "2.0.0";
        let id = self.promotes(version, |_| ());
        let canary = self.canary(&id);
        self.updater.start();
        eventually("the rollout is done", || {
            for client in &self.clients {
                client.round();
                self.looks(&id, &canary, version);
            }
            if !self.granted {
                let answer = self.fleetlock.asks();
                self.granted = answer.status == 200;
                assert!(matches!(answer.status, 200 | 409), "{answer:?}");
                self.looks(&id, &canary, version);
                if self.granted {
                    self.fleetlock.is_up();
                }
            }
            self.updater.has_ended();
            self.looks(&id, &canary, version)["state"] == "done"
        });
        assert_eq!(self.who_has(version), ALL);
        for host in ALL {
            assert_eq!(self.known(host).as_deref(), Some(version), "{host}");
        }
        let view = self.rollout(&id);
        let runs = self.runs_to(version);
        let proven = time(&view["waves"][0]["proven_at"]);
        assert_eq!(runs[0].1, canary, "{runs:?}");
        assert_eq!(runs.len(), 6, "{runs:?}");
        for (began, host, outcome) in &runs {
            assert_eq!(outcome, "done", "{host}");
            assert!(
                *host == canary || *began > proven,
                "{host}: {runs:?} {view}"
            );
        }
    }

    /// A bad one goes to a Xymon client, whose host is sick of it, and to nobody else: not to agents that would take it
    /// by themselves, and not to hosts that ask for a lock, which nobody holds.
    fn a_bad_release_stops_at_the_first(&mut self) {
        let version = "3.0.0";
        self.updater.forget();
        self.granted = false;
        let id = self.promotes(version, burden);
        assert_eq!(self.canary(&id), CANARY, "by the names of all hosts");
        let [other, first] = &self.clients[..] else {
            panic!("two clients")
        };
        let refused = self.fleetlock.asks();
        let kind = (refused.status, refused.kind.as_str());
        assert_eq!(kind, (409, "failed_lock_not_let_go"), "{refused:?}");
        assert_eq!(self.explained(FLEETLOCK).0, "wave");
        assert!(refused.value.contains("wave"), "{refused:?}");
        self.updater.start();
        eventually("the updater is refused", || {
            self.updater.log().contains("could not acquire lock")
        });
        first.round();
        assert!(first.has(version));
        assert_eq!(self.rollout(&id)["state"], "running");
        other.round();
        first.round();
        self.world.rollout_becomes(version, "halted");
        let why = self.rollout(&id)["why"].to_string();
        assert!(why.contains("worse"), "{why}");

        // Everybody else has asked again since, and was told why.
        let reported = |mixed: &Self| -> Vec<String> {
            let natives = mixed.natives.iter();
            natives.map(|it| mixed.reported_at(it)).collect()
        };
        for _ in 0..2 {
            let before = reported(self);
            eventually("the agents have reported since", || {
                let now = reported(self);
                now.iter().zip(&before).all(|(now, before)| now != before)
            });
        }
        other.round();
        assert_eq!(other.answer(), "clientversion:site-2.0.0\n");
        let refused = self.fleetlock.asks();
        let words = self.explained(FLEETLOCK).1;
        let kind = (refused.status, refused.kind.as_str());
        assert_eq!(kind, (409, "failed_lock_not_let_go"), "{refused:?}");
        assert_eq!(refused.value, words);
        let words = self.explained(DLM).1;
        eventually("the updater has asked again", || {
            self.updater.log().contains(&words)
        });
        assert!(!self.updater.has_ended());
        let lock = self.world.json(&["lock", "show", LOCK, "--json"]);
        let holders = lock["state"]["holders"].as_array();
        assert_eq!(holders.map(Vec::len), Some(0), "{lock}");
        assert_eq!(self.who_has(version), [CANARY]);
        let runs = self.runs_to(version);
        assert!(runs.iter().all(|it| it.1 == CANARY), "{runs:?}");
        for host in ALL.into_iter().filter(|it| *it != CANARY) {
            assert_eq!(self.known(host).as_deref(), Some("2.0.0"), "{host}");
            assert_eq!(self.explained(host).0, "halted", "{host}");
        }
    }
}

/// Spoils a release: under it, the client's host is so busy that nothing else gets its turn.
fn burden(tree: &Path) {
    let script = tree.join("bin/xymonclient-linux.sh");
    let text = std::fs::read_to_string(&script).unwrap();
    let busy = "echo ' 12:00:00 up 3 days,  1:00,  1 user,  load average: 999999.00, 999999.00, 999999.00'";
    let spoilt = text.replace("\nuptime\n", &format!("\n{busy}\n"));
    assert_ne!(spoilt, text);
    std::fs::write(script, spoilt).unwrap();
}

#[test]
fn one_gate_holds_for_agents_and_for_clients_of_three_other_systems() {
    let mut mixed = Mixed::new();
    mixed.a_good_release_reaches_all();
    mixed.a_bad_release_stops_at_the_first();
}
