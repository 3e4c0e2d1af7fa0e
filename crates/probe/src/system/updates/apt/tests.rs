use super::*;
use crate::system::world::{World, at};

const STATUS_FILE: &str = "\
Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21.22

Package: openssl
Status: install ok installed
Architecture: amd64
Version: 3.0.11-1~deb12u2

Package: openssl
Status: install ok installed
Architecture: i386
Version: 3.0.11-1~deb12u2

Package: tzdata
Status: install ok installed
Architecture: all
Version: 2024a-0+deb12u1

Package: held
Status: hold ok installed
Architecture: amd64
Version: 1

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: own
Status: install ok installed
Architecture: amd64
Version: 99
";

fn package(name: &str, version: &str, architecture: &str) -> String {
    format!(
        "Package: {name}\nVersion: {version}\nInstalled-Size: 1\nArchitecture: {architecture}\nDescription: x\n\n"
    )
}

struct Machine {
    world: World,
    survey: Survey,
}

impl Machine {
    fn new() -> Self {
        let world = World::new();
        world.put(STATUS, STATUS_FILE);
        let mut machine = Self {
            world,
            survey: Survey::default(),
        };
        machine.archive(
            "deb_dists_bookworm",
            "Label: Debian\nSuite: stable",
            &[
                ("openssl", "3.0.11-1~deb12u2", "amd64"),
                ("held", "2", "amd64"),
                ("removed", "2", "amd64"),
                ("own", "1", "amd64"),
                ("new", "1", "amd64"),
            ],
        );
        machine
    }

    fn archive(&mut self, name: &str, head: &str, packages: &[(&str, &str, &str)]) {
        self.put(
            &format!("{name}_InRelease"),
            &format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{head}\nSHA256:\n 0 Suite: x-security\n"),
        );
        let list: String = packages
            .iter()
            .map(|(name, version, architecture)| package(name, version, architecture))
            .collect();
        self.put(&format!("{name}_main_binary-amd64_Packages"), &list);
    }

    fn put(&self, name: &str, text: &str) {
        self.world.put(format!("{LISTS}/{name}"), text);
    }

    fn look(&mut self) -> Result<(usize, Vec<String>), String> {
        self.world.touch(LISTS, 1000);
        self.survey = Survey::default();
        self.again()
    }

    fn again(&mut self) -> Result<(usize, Vec<String>), String> {
        let pending = self.survey.pending(self.world.root(), at(2000))?.unwrap();
        Ok((pending.packages, pending.security.clone()))
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().copied().map(String::from).collect()
}

#[test]
fn newer_versions_are_pending_and_held_packages_are_not() {
    let mut machine = Machine::new();
    assert_eq!(machine.look(), Ok((0, vec![])));
    let packages = [
        ("openssl", "3.0.11-1~deb12u3", "amd64"),
        ("tzdata", "2024b-0+deb12u1", "all"),
    ];
    machine.archive(
        "deb_dists_bookworm-updates",
        "Suite: stable-updates",
        &packages,
    );
    assert_eq!(machine.look(), Ok((2, vec![])));
}

#[test]
fn fixes_come_from_security_archives() {
    for head in [
        "Label: Debian-Security",
        "Suite: noble-security",
        "Codename: bookworm-security",
    ] {
        let mut machine = Machine::new();
        let fix = [("openssl", "3.0.11-1~deb12u3", "amd64")];
        machine.archive("sec_dists_bookworm-security", head, &fix);
        assert_eq!(machine.look(), Ok((1, names(&["openssl:amd64"]))), "{head}");
        // A newer version from elsewhere does not make the fix less of one.
        let newer = [("openssl", "3.0.11-1~deb12u9", "amd64")];
        machine.archive("deb_dists_bookworm-updates", "Label: Debian", &newer);
        assert_eq!(machine.look(), Ok((1, names(&["openssl:amd64"]))), "{head}");
    }
}

#[test]
fn each_architecture_is_looked_at_by_itself() {
    let mut machine = Machine::new();
    let both = [("openssl", "3.1", "amd64"), ("openssl", "3.1", "i386")];
    machine.archive("deb_dists_x", "Label: x", &both);
    assert_eq!(machine.look(), Ok((2, vec![])));
    // A package may become one for all architectures, which replaces the native one.
    let mut machine = Machine::new();
    machine.archive("deb_dists_x", "Label: x", &[("openssl", "3.1", "all")]);
    assert_eq!(machine.look(), Ok((1, vec![])));
}

#[test]
fn backports_are_not_pending() {
    let mut machine = Machine::new();
    let head = "Suite: stable-backports\nNotAutomatic: yes\nButAutomaticUpgrades: yes";
    let packages = [("openssl", "3.2-1~bpo12+1", "amd64")];
    machine.archive("deb_dists_bookworm-backports", head, &packages);
    assert_eq!(machine.look(), Ok((0, vec![])));
}

#[test]
fn what_ubuntu_holds_back_is_not_pending() {
    let mut machine = Machine::new();
    for (part, count) in [("10", 0), ("100", 1)] {
        let list = package("openssl", "3.1", "amd64");
        let list = list.replace(
            "Description",
            &format!("Phased-Update-Percentage: {part}\nDescription"),
        );
        machine.put("ubuntu_dists_noble_main_binary-amd64_Packages", &list);
        assert_eq!(machine.look(), Ok((count, vec![])));
    }
}

#[test]
fn lists_of_containers_are_unpacked() {
    let mut machine = Machine::new();
    let text = package("filler", "1", "amd64").repeat(3000) + &package("openssl", "3.1", "amd64");
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let path = machine.world.root().join(LISTS).join("x_Packages.lz4");
    let put = |bytes: &[u8]| {
        lockstep_host::fs::write_durable(&path, bytes, lockstep_host::fs::Mode::Public).unwrap();
    };
    put(&packed);
    assert_eq!(machine.look(), Ok((1, vec![])));
    put(&packed[..packed.len() / 2]);
    assert!(
        machine
            .look()
            .unwrap_err()
            .contains("x_Packages.lz4 cannot be read")
    );
}

#[test]
fn what_cannot_be_read_is_said_and_not_guessed() {
    let mut machine = Machine::new();
    machine.put("x_Packages.gz", "");
    assert!(machine.look().unwrap_err().contains("Acquire::GzipIndexes"));
    let mut machine = Machine::new();
    std::fs::remove_dir_all(machine.world.root().join(LISTS)).unwrap();
    std::fs::create_dir(machine.world.root().join(LISTS)).unwrap();
    assert!(machine.look().unwrap_err().contains("there are no lists"));
    let mut machine = Machine::new();
    machine.world.touch(LISTS, 2000 - 31 * 86_400);
    let why = machine.again().unwrap_err();
    assert!(
        why.contains("are 31 days old; let apt-get update run"),
        "{why}"
    );
    machine.world.put(format!("{LISTS}/partial/x"), "");
    machine.world.touch(LISTS, 2000 - 31 * 86_400);
    assert!(
        machine.again().is_ok(),
        "it was refreshed, and there was nothing new"
    );
}

#[test]
fn unchanged_files_are_not_read_again() {
    let mut machine = Machine::new();
    let status = machine.world.root().join(STATUS);
    machine.world.touch(STATUS, 1000);
    assert_eq!(machine.look(), Ok((0, vec![])));
    // As long as before, so that nothing but the time tells.
    let other = STATUS_FILE.replace("Version: 3.0.11", "Version: 2.0.11");
    let list = package("openssl", "3.1", "amd64");
    machine.world.put(STATUS, &other);
    machine.put("x_Packages", &list);
    machine.world.touch(STATUS, 1000);
    machine.world.touch(LISTS, 1000);
    assert_eq!(machine.again(), Ok((0, vec![])));
    machine.world.touch(STATUS, 1001);
    assert_eq!(machine.again(), Ok((1, vec![])));
    std::fs::remove_file(status).unwrap();
    let gone = machine.survey.pending(machine.world.root(), at(2000));
    assert_eq!(gone, Ok(None));
}

#[test]
fn heads_of_release_files() {
    let security = Archive {
        is_security: true,
        is_not_automatic: false,
    };
    assert_eq!(
        Archive::parse("Suite: oldstable-security\nSHA256:\n 1 2 x\n"),
        security
    );
    assert_eq!(
        Archive::parse("SHA256:\n 1\nLabel: Debian-Security\n"),
        Archive::default()
    );
    assert_eq!(Archive::parse(""), Archive::default());
}

/// Compares with `apt` itself, whatever this machine has installed, and says what it cost.
#[tokio::test]
#[ignore = "its answer depends on the machine"]
async fn apt_on_this_machine_thinks_the_same() {
    use lockstep_host::exec::Exec;
    use std::collections::BTreeSet;
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = |name| {
            status
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap()
                .to_owned()
        };
        format!("{}, {}", line("VmHWM"), line("VmRSS"))
    };
    let (root, before) = (Path::new("/"), memory());
    let started = tokio::time::Instant::now();
    let mut packages = survey(&root.join(STATUS), &root.join(LISTS)).unwrap();
    let took = started.elapsed();
    println!(
        "{} updates, {} of them fixes, in {took:?}",
        packages.packages,
        packages.security.len()
    );
    println!("before: {before}\nafter:  {}", memory());
    let mut apt = Exec::new("apt", std::time::Duration::from_secs(60))
        .args(["list", "--upgradable"])
        .env("LC_ALL", "C");
    apt.output_cap = 1024 * 1024;
    let apt = apt.run().await.unwrap();
    let theirs: Vec<&str> = apt
        .output
        .lines()
        .filter(|line| line.contains("[upgradable from"))
        .collect();
    let fixes: BTreeSet<String> = theirs
        .iter()
        .filter(|line| line.contains("-security"))
        .map(|line| {
            let name = line.split('/').next().unwrap();
            format!("{name}:{}", line.split(' ').nth(2).unwrap())
        })
        .collect();
    println!(
        "apt: {} updates, {} of them fixes",
        theirs.len(),
        fixes.len()
    );
    packages.security.retain(|fix| !fixes.contains(fix));
    println!("fixes that only we know: {:?}", packages.security);
    assert_eq!(packages.packages, theirs.len());
}
