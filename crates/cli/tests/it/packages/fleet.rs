//! A package that the server wants to be current, on a host that has the last word.

use serde_json::Value;

use super::place::{Deb, NAME, Place, chmod, deb, put};
use crate::world::{Host, World, eventually};

/// The lock's holders.
fn holders(world: &World) -> Vec<Value> {
    let view = world.json(&["lock", "show", "backup", "--json"]);
    view["state"]["holders"].as_array().unwrap().clone()
}

/// A fleet file that wants the package on one host, and watches the size of a file there.
fn want(world: &World, place: &Place, gauge: &str, spread: &str) {
    put(&world.path("server/key.asc"), &place.repository.key);
    let url = place.repository.web.url();
    let text = format!(
        r#"[defaults]
sample = "1s"
report = "1s"
items = ["uptime", "file_size:{gauge}"]
[fitness.uptime]
dead = "< 0s"
[fitness.file_size]
sick = ">= 100B"
[host.web1]
[lock.backup]
[package.{NAME}]
hosts = ["web1"]
apt = {{ uri = "{url}/debian/", suite = "serveragent", components = ["main"], key_file = "key.asc" }}
service = "driveclient"
idle_lock = "/var/cache/driveclient/backup-running.lock"
lock = "backup"
spread = "{spread}"
every = "1d"
"#
    );
    put(&world.path("server/fleet.toml"), &text);
    world.must(&["fleet", "reload"]);
}

/// Permits the package and the key, as the host's operator does who has read what it was refused for.
fn permit(host: &Host, gauge_dir: &str, key: Option<&str>) {
    let packages = key.map_or(String::new(), |key| {
        format!("[packages]\nnames = [\"drive*\"]\nkeys = [{key:?}]\nservices = [\"driveclient\"]\nidle_locks = [\"/var/cache/driveclient/*\"]\n")
    });
    let path = host.root.join("etc/lockstep/agent.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let head = text.split("[probes]").next().unwrap();
    put(
        &path,
        &format!("{head}[probes]\nfiles = [{gauge_dir:?}]\n{packages}"),
    );
}

/// The run of the package that brings a version, as the server has it.
fn run_to(world: &World, version: &str) -> Value {
    let runs = world.json(&["run", "list", "--host", "web1", "--json"]);
    let is_it = |run: &&Value| run["package"] == NAME && run["to"] == version;
    runs.as_array()
        .unwrap()
        .iter()
        .find(is_it)
        .cloned()
        .unwrap_or_default()
}

#[test]
fn what_the_server_wants_is_done_where_the_host_permits_it_and_undone_where_it_harms() {
    let world = World::start();
    chmod(&world.path(""), 0o755);
    let mut host = world.provision("web1");
    let beside = world.path("beside");
    std::fs::create_dir(&beside).unwrap();
    chmod(&beside, 0o755);
    let place = Place::at(&host.root, &beside);
    put(
        &host.root.join("etc/lockstep/update.toml"),
        "[limits]\nlock_again = \"300ms\"\n[verify]\nfor = \"1s\"\nwithin = \"4s\"\nitems = [\"file_size\"]\n",
    );
    let gauge = place.talk.join("gauge");
    put(&gauge, "well");
    let gauge_dir = place.talk.canonicalize().unwrap();
    let gauge_dir = gauge_dir.to_str().unwrap();
    let gate = place.gate();
    let heals = format!("echo well > {}\n{gate}", gauge.display());
    place.repository.publish(&[Deb {
        postinst: &heals,
        ..deb("1")
    }]);
    let gauge_path = gauge.to_str().unwrap();
    want(&world, &place, gauge_path, "none");

    // Nothing is permitted by default, and what would have to be is said.
    permit(&host, gauge_dir, None);
    host.start();
    eventually("the host refuses the package", || {
        host.log().contains("add it to packages.names")
    });
    assert!(place.installed().is_none() && run_to(&world, "1").is_null());
    let shown = world.must(&["fleet", "show", "web1"]);
    let hash = shown
        .split(|c: char| !c.is_ascii_hexdigit())
        .find(|word| word.len() == 64)
        .unwrap_or_else(|| panic!("no key in {shown}"));
    host.kill();
    permit(&host, gauge_dir, Some(hash));
    host.start();

    // It is begun by the agent, under the lock.
    place.inside();
    let held = holders(&world);
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(held[0]["holder"]["host"], "web1");
    place.go();
    eventually("the run is done", || {
        run_to(&world, "1")["outcome"] == "done"
    });
    assert_eq!(place.installed().as_deref(), Some("1"));
    assert!(
        run_to(&world, "1")["by"]
            .as_str()
            .unwrap()
            .contains("fleet file")
    );
    eventually("the lock is free", || holders(&world).is_empty());

    // A version that makes the host sick is taken back. A person brings it, for the agent looks each day only.
    let harm = format!("head -c 200 /dev/zero > {}", gauge.display());
    place.repository.publish(&[Deb {
        postinst: &harm,
        ..deb("2")
    }]);
    place.configure("lock = \"backup\"");
    place.service(true);
    let ended = place.call(&["-v"]);
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let log = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}{log}");
    assert!(
        said.contains("file_size") && said.contains("sick"),
        "{said}{log}"
    );
    assert_eq!(place.installed().as_deref(), Some("1"), "{log}");
    assert!(place.runs() && !place.idle_lock().exists());
    assert_eq!(place.told(), ["stop", "start", "stop", "start"]);
    eventually("the server knows", || {
        run_to(&world, "2")["outcome"] == "rolled-back"
    });
    assert!(holders(&world).is_empty());

    // It is not brought again by itself.
    let mut daemon = place.daemon("daemon.log", &["--spread", "none"]);
    daemon.says("nothing to do");
    assert!(daemon.log().contains("was taken back on this host"));
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(place.installed().as_deref(), Some("1"));

    // What the host permitted when the server asked for it, it may not permit any more when its moment comes.
    want(&world, &place, gauge_path, "30d:100%");
    let work = host.root.join("var/lib/lockstep/work.json");
    eventually("the host has the new work document", || {
        std::fs::read_to_string(&work).is_ok_and(|text| text.contains("30d:100%"))
    });
    host.kill();
    place.repository.publish(&[deb("3")]);
    let said = place.must(&["--work", "--by", "the fleet file"]);
    assert!(said.contains("this host's moment is"), "{said}");
    permit(&host, gauge_dir, None);
    let mut waits = place.start("waits.log", &["-v"]);
    waits.says("does not permit the package driveclient");
    assert_eq!(waits.terminate(), Some(0));
    assert_eq!(place.installed().as_deref(), Some("1"));
    permit(&host, gauge_dir, Some(hash));
    place.must(&[]);
    assert_eq!(place.installed().as_deref(), Some("3"));
}
