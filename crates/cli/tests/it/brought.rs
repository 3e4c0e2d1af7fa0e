//! An update from a stick, on a host that reaches no server.

use std::path::PathBuf;
use std::process::Output;

use crate::candidate::Candidate;
use crate::world::{Host, World, bundle, eventually};

/// `agent update --bundle FILE` with more arguments: its exit code, and all that it said.
fn update(world: &World, host: &Host, file: &str, more: &[&str]) -> (Option<i32>, String) {
    let args: Vec<&str> = ["update", "--bundle", file]
        .iter()
        .chain(more)
        .copied()
        .collect();
    let Output {
        status,
        stdout,
        stderr,
    } = host.agent(world, &args);
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    (status.code(), said)
}

/// A bundle as a mirror has it.
fn on_stick(world: &World, version: &str) -> PathBuf {
    let dir = world.path(&format!("stick/repo/targets/lockstep/{version}"));
    let mut files = std::fs::read_dir(dir).unwrap();
    files.next().unwrap().unwrap().path()
}

#[test]
fn a_host_without_a_network_is_updated_from_a_stick() {
    let mut world = World::start();
    let host = world.host("web1");
    world.publish("2.0.0", Candidate::Good);
    world.publish("3.0.0", Candidate::DiesAtStart);
    world.must(&["release", "mirror", "stick"]);
    Candidate::Good.lay_out(&world.path("trees/9.9.9"));
    let unsigned = bundle("9.9.9");
    let build = ["release", "build", "trees/9.9.9", "--package", "lockstep"];
    world.must(&[&build[..], &["--version", "9.9.9", "-o", &unsigned]].concat());
    world.kill_server();
    eventually("the host notices that it is alone", || {
        let status = host.status(&world).unwrap_or_default();
        status["worker"]["link"] == "unreachable"
    });

    // Without the metadata of the stick the host knows of no such release.
    let stick = on_stick(&world, "2.0.0");
    std::fs::copy(&stick, world.path("alone")).unwrap();
    let (code, said) = update(&world, &host, "alone", &[]);
    assert_eq!(code, Some(3), "{said}");

    // What nobody signed is not taken, whoever brings it, and neither is a byte more or less.
    let (code, said) = update(&world, &host, &unsigned, &["--metadata", "stick"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("no release of lockstep that the publisher signed"),
        "{said}"
    );
    let mut bytes = std::fs::read(&stick).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(world.path("damaged"), bytes).unwrap();
    let (code, said) = update(&world, &host, "damaged", &["--metadata", "stick/repo"]);
    assert_eq!(code, Some(3), "{said}");
    let (code, said) = update(&world, &host, "alone", &["--metadata", "trees"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("holds no metadata"), "{said}");
    assert_eq!(host.current(), "1.0.0");

    let (code, said) = update(&world, &host, stick.to_str().unwrap(), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("done"), "{said}");
    assert_eq!(host.current(), "2.0.0");
    let again = || update(&world, &host, stick.to_str().unwrap(), &[]).0 == Some(4);
    eventually("there is nothing more to do", again);

    // It has to prove itself as ever.
    let bad = on_stick(&world, "3.0.0");
    let (code, said) = update(&world, &host, bad.to_str().unwrap(), &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("rolled-back"), "{said}");
    assert_eq!(host.current(), "2.0.0");

    // The server hears of it when it is there again.
    world.start_server();
    let run = world.finished_run("web1", "2.0.0");
    assert_eq!(run["outcome"], "done", "{run}");
    assert_eq!(run["by"], "a person on the host, who brought the bundle");
    eventually("the host reports 2.0.0", || {
        world.reported_version("web1").as_deref() == Some("2.0.0")
    });
}
