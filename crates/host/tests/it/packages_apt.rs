//! apt and dpkg themselves, below a private root, with a signed repository behind a web server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_host::packages::{
    Apt, Output, PackageError, PackageManager, Patience, Repaired, Restart,
};
use lockstep_model::{AptSource, Sources};
use tempfile::TempDir;

use super::packages_parts::{
    Gate, Key, Web, hold_lock, install, installed, name, needs, nobody, open_directory,
    package_error, shell, version, without_packages,
};
use super::trials::{PATIENCE, block_on, put};

/// A package in the making.
struct Deb<'a> {
    name: &'a str,
    version: &'a str,
    /// Contents of `/etc/NAME.conf`.
    conffile: Option<&'a str>,
    /// `postinst`, `preinst` and what they do.
    scripts: &'a [(&'a str, &'a str)],
}

fn deb<'a>(name: &'a str, version: &'a str) -> Deb<'a> {
    let scripts = &[];
    Deb {
        name,
        version,
        conffile: None,
        scripts,
    }
}

/// A host, and a repository for it.
struct World {
    manager: PackageManager,
    root: PathBuf,
    repo: PathBuf,
    web: Web,
    key: Key,
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        needs(&[
            ("apt-get", "apt"),
            ("dpkg-deb", "dpkg"),
            ("apt-ftparchive", "apt-utils"),
            ("python3", "python3"),
        ]);
        let dir = open_directory();
        let (root, repo) = (dir.path().join("root"), dir.path().join("repo"));
        std::fs::create_dir(&repo).unwrap();
        for path in [
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/sources.list.d",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/info",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/log/apt",
        ] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        put(root.join("var/lib/dpkg/status"), "");
        let patience = Patience {
            lock: PATIENCE,
            question: PATIENCE,
            refresh: PATIENCE,
            change: PATIENCE,
        };
        Self {
            manager: PackageManager::Apt(Apt::below(&root)).with_patience(patience),
            web: Web::serve(repo.clone()),
            key: Key::make(dir.path(), "key"),
            root,
            repo,
            dir,
        }
    }

    /// A world whose repository has these, known to the host.
    fn with(debs: &[Deb<'_>]) -> Self {
        let world = Self::new();
        world.publish(debs);
        assert!(world.ensure_source(&world.key.public));
        world.refresh();
        world
    }

    fn publish(&self, debs: &[Deb<'_>]) {
        for deb in debs {
            self.build(deb);
        }
        self.sign(&self.key);
    }

    fn build(&self, deb: &Deb<'_>) {
        let Deb { name, version, .. } = deb;
        let tree = self.dir.path().join(format!("build/{name}-{version}"));
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Test <test@example.org>\n\
             Description: a package for a test\n"
        );
        put(tree.join("DEBIAN/control"), control);
        put(tree.join(format!("usr/share/{name}/version")), version);
        if let Some(text) = deb.conffile {
            put(tree.join(format!("etc/{name}.conf")), text);
            put(tree.join("DEBIAN/conffiles"), format!("/etc/{name}.conf\n"));
        }
        for (script, text) in deb.scripts {
            put(
                tree.join("DEBIAN").join(script),
                format!("#!/bin/sh\nset -e\n{text}\n"),
            );
            shell(&tree, &format!("chmod 755 DEBIAN/{script}"), &[]);
        }
        let pack = format!(
            "dpkg-deb --root-owner-group -Znone -b . {}/{name}_{version}_all.deb",
            self.repo.display()
        );
        shell(&tree, &pack, &[]);
    }

    fn sign(&self, key: &Key) {
        let script = "apt-ftparchive packages . > Packages.new; mv Packages.new Packages; rm -f Release InRelease; \
            apt-ftparchive release . > ../Release; gpg --batch --yes --clearsign -o InRelease ../Release";
        key.shell(&self.repo, script);
    }

    fn ensure_source(&self, key: &str) -> bool {
        block_on(self.manager.ensure_source(&name("foo"), &self.sources(key))).unwrap()
    }

    fn sources(&self, key: &str) -> Sources {
        let apt = AptSource {
            uri: self.web.url(),
            suite: "./".into(),
            components: Vec::new(),
            key: key.into(),
        };
        Sources {
            apt: Some(apt),
            dnf: None,
        }
    }

    fn refresh(&self) {
        let refreshed = block_on(self.manager.refresh()).unwrap();
        assert!(refreshed.is_complete(), "{refreshed:?}");
    }

    fn install(&self, wanted: Option<&str>) -> Result<Output, PackageError> {
        install(&self.manager, "foo", wanted)
    }

    fn installed(&self) -> Option<String> {
        installed(&self.manager, "foo")
    }

    fn is_whole(&self) -> bool {
        block_on(self.manager.repair_interrupted()).unwrap() == Repaired::Nothing
    }

    /// Another user of apt below the same root.
    fn impatient(&self, patience: Patience) -> PackageManager {
        self.manager.clone().with_patience(patience)
    }
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn apt_a_fresh_package_is_installed_upgraded_and_then_left_alone() {
    let world = World::with(&[deb("foo", "1"), deb("bar", "1")]);
    assert_eq!(world.installed(), None);
    let output = world.install(None).unwrap();
    assert_eq!(output.changed.len(), 1);
    assert_eq!(
        (output.changed[0].from.clone(), output.changed[0].to.clone()),
        (None, Some(version("1")))
    );
    assert_eq!(world.installed().as_deref(), Some("1"));
    assert_eq!(read(world.root.join("usr/share/foo/version")), "1");
    assert_eq!(world.install(None).unwrap(), Output::default());

    world.publish(&[deb("foo", "1.10"), deb("foo", "1.9~rc1")]);
    assert_eq!(
        world.install(None).unwrap(),
        Output::default(),
        "nothing is known of it before a refresh"
    );
    world.refresh();
    let output = world.install(None).unwrap();
    assert_eq!(
        (output.changed[0].from.clone(), output.changed[0].to.clone()),
        (Some(version("1")), Some(version("1.10")))
    );
    assert_eq!(read(world.root.join("usr/share/foo/version")), "1.10");
    assert!(world.is_whole());
    assert_eq!(
        installed(&world.manager, "bar"),
        None,
        "only what was named"
    );
}

#[test]
fn apt_an_exact_version_comes_and_the_earlier_one_comes_back() {
    let world = World::with(&[deb("foo", "1"), deb("foo", "2"), deb("foo", "1:0.5")]);
    world.install(Some("2")).unwrap();
    assert_eq!(world.installed().as_deref(), Some("2"));
    let refused = world.install(Some("1")).unwrap_err();
    assert!(matches!(refused, PackageError::Older { .. }), "{refused}");
    assert_eq!(world.installed().as_deref(), Some("2"));
    let back = block_on(
        world
            .manager
            .install(&name("foo"), Some(&version("1")), true),
    )
    .unwrap();
    assert_eq!(back.changed[0].to, Some(version("1")));
    assert_eq!(world.installed().as_deref(), Some("1"));
    world.install(Some("1:0.5")).unwrap();
    assert_eq!(world.installed().as_deref(), Some("1:0.5"));
}

#[test]
fn apt_what_was_fetched_is_installed_without_its_repository() {
    let world = World::with(&[deb("foo", "1"), deb("foo", "2")]);
    let fetch = |wanted: &str| {
        let wanted = version(wanted);
        block_on(world.manager.download(Some((&name("foo"), &wanted))))
    };
    fetch("2").unwrap();
    assert_eq!(world.installed(), None, "nothing was changed");
    without_packages(&world.repo, "deb");
    world.install(Some("2")).unwrap();
    assert_eq!(world.installed().as_deref(), Some("2"));
    assert!(fetch("3").is_err(), "nobody has it");

    // The way back can be fetched, too.
    world.publish(&[deb("foo", "1"), deb("foo", "2")]);
    world.refresh();
    fetch("1").unwrap();
    assert_eq!(world.installed().as_deref(), Some("2"));
    block_on(world.manager.download(None)).unwrap();
}

#[test]
fn apt_a_repository_that_is_behind_is_named() {
    let world = World::with(&[deb("foo", "1"), deb("foo", "2")]);
    let behind = world.install(Some("3")).unwrap_err().to_string();
    assert_eq!(
        behind,
        "no repository of this host has foo 3; they have 2, 1"
    );
    let unknown = install(&world.manager, "nosuch", None).unwrap_err();
    assert!(
        matches!(unknown, PackageError::NoCandidate { .. }),
        "{unknown}"
    );
    // Newer here than there: nothing to be done.
    world.install(Some("2")).unwrap();
    std::fs::remove_file(world.repo.join("foo_2_all.deb")).unwrap();
    world.publish(&[]);
    world.refresh();
    assert_eq!(world.install(None).unwrap(), Output::default());
    assert_eq!(world.installed().as_deref(), Some("2"));
}

#[test]
fn apt_what_is_held_stays() {
    let world = World::with(&[
        deb("foo", "1"),
        deb("foo", "2"),
        deb("bar", "1"),
        deb("bar", "2"),
    ]);
    world.install(Some("1")).unwrap();
    install(&world.manager, "bar", Some("1")).unwrap();
    let config = world.root.join("var/lib/lockstep/packages/apt.conf");
    shell(&world.root, "apt-mark hold foo", &[("APT_CONFIG", &config)]);
    assert!(block_on(world.manager.held(&name("foo"))).unwrap());
    assert!(!block_on(world.manager.held(&name("bar"))).unwrap());
    for wanted in [None, Some("2")] {
        let held = world.install(wanted).unwrap_err();
        assert!(matches!(held, PackageError::Held { .. }), "{held}");
    }
    assert_eq!(world.install(Some("1")).unwrap(), Output::default());

    let pending = block_on(world.manager.pending()).unwrap();
    let seen: Vec<_> = pending
        .iter()
        .map(|one| {
            (
                one.name.as_str(),
                one.installed.clone(),
                one.candidate.as_str(),
                one.held,
            )
        })
        .collect();
    let one = Some(version("1"));
    assert_eq!(
        seen,
        [("bar", one.clone(), "2", false), ("foo", one, "2", true)]
    );
    let upgraded = block_on(world.manager.upgrade_all()).unwrap();
    assert_eq!(upgraded.changed.len(), 1);
    assert_eq!(upgraded.changed[0].name, "bar");
    assert_eq!(world.installed().as_deref(), Some("1"));
    assert_eq!(block_on(world.manager.pending()).unwrap().len(), 1);
}

#[test]
fn apt_a_changed_configuration_file_is_kept_without_a_question() {
    let one = Deb {
        conffile: Some("one\n"),
        ..deb("foo", "1")
    };
    let two = Deb {
        conffile: Some("two\n"),
        ..deb("foo", "2")
    };
    let world = World::with(&[one, two]);
    world.install(Some("1")).unwrap();
    let path = world.root.join("etc/foo.conf");
    put(&path, "mine\n");
    world.install(Some("2")).unwrap();
    assert_eq!(read(&path), "mine\n");
    assert_eq!(read(world.root.join("etc/foo.conf.dpkg-dist")), "two\n");
}

#[test]
fn apt_a_script_that_fails_is_named_and_the_next_version_installs() {
    let bad = Deb {
        scripts: &[("postinst", "echo the disk is on fire; exit 3")],
        ..deb("foo", "2")
    };
    let world = World::with(&[deb("foo", "1"), bad, deb("foo", "3")]);
    world.install(Some("1")).unwrap();
    let failed = world.install(Some("2")).unwrap_err().to_string();
    assert!(
        failed.starts_with("cannot install foo 2: apt-get: exit status: 100"),
        "{failed}"
    );
    assert!(
        failed.contains("the disk is on fire") && failed.contains("exit status 3"),
        "{failed}"
    );
    assert_eq!(world.installed(), None, "it is not whole");
    let unrepaired = block_on(world.manager.repair_interrupted())
        .unwrap_err()
        .to_string();
    assert!(
        unrepaired.contains("foo 2 (half-configured)"),
        "{unrepaired}"
    );
    assert!(
        world.install(Some("2")).is_err(),
        "it is not taken for installed"
    );

    let good = world.install(Some("3")).unwrap();
    assert!(good.broken.is_empty());
    assert_eq!(world.installed().as_deref(), Some("3"));
    assert!(world.is_whole());
}

#[test]
fn apt_back_from_a_script_that_fails() {
    let bad = Deb {
        scripts: &[("postinst", "exit 1")],
        ..deb("foo", "2")
    };
    let world = World::with(&[deb("foo", "1"), bad]);
    world.install(Some("1")).unwrap();
    assert!(world.install(None).is_err());
    block_on(
        world
            .manager
            .install(&name("foo"), Some(&version("1")), true),
    )
    .unwrap();
    assert_eq!(world.installed().as_deref(), Some("1"));
    assert!(world.is_whole());
}

#[test]
fn apt_a_broken_stranger_does_not_stop_ours() {
    let bad = Deb {
        scripts: &[("postinst", "exit 1")],
        ..deb("stranger", "1")
    };
    let world = World::with(&[bad, deb("foo", "1")]);
    assert!(install(&world.manager, "stranger", None).is_err());
    let output = world.install(None).unwrap();
    assert_eq!(world.installed().as_deref(), Some("1"));
    assert_eq!(output.broken, ["stranger 1 (half-configured)"]);
}

/// Kills apt, dpkg and the script in the middle of it; what is left is completed by the next call.
fn killed_in(script: &str) {
    let gates = open_directory();
    let gate = Gate::make(gates.path());
    let text = gate.in_shell();
    let scripts = [(script, text.as_str())];
    let slow = Deb {
        scripts: &scripts,
        ..deb("foo", "2")
    };
    let world = World::with(&[deb("foo", "1"), slow, deb("foo", "3")]);
    world.install(Some("1")).unwrap();
    block_on(async {
        let (wanted, two) = (name("foo"), version("2"));
        tokio::select! {
            ended = world.manager.install(&wanted, Some(&two), false) => panic!("{ended:?}"),
            () = gate.wait_begun() => {}
        }
    });
    gate.open();
    assert_eq!(world.installed(), None, "{script}");
    let completed = block_on(world.manager.repair_interrupted()).unwrap();
    assert!(
        matches!(&completed, Repaired::Completed { packages, .. } if packages[0].starts_with("foo ")),
        "{completed:?}"
    );
    assert!(world.is_whole());
    assert!(world.installed().is_some());
    world.install(Some("3")).unwrap();
    assert_eq!(world.installed().as_deref(), Some("3"));
}

#[test]
fn apt_killed_while_configuring() {
    killed_in("postinst");
}

#[test]
fn apt_killed_while_unpacking() {
    killed_in("preinst");
}

#[test]
fn apt_a_change_that_takes_too_long_is_killed_whole_and_completed_later() {
    let gates = open_directory();
    let gate = Gate::make(gates.path());
    let text = format!(
        "echo $$ > {}/pid\n{}",
        gates.path().display(),
        gate.in_shell()
    );
    let scripts = [("postinst", text.as_str())];
    let world = World::with(&[Deb {
        scripts: &scripts,
        ..deb("foo", "1")
    }]);
    let brief = Duration::from_secs(1);
    let hurried = world.impatient(Patience {
        change: brief,
        lock: brief,
        question: PATIENCE,
        refresh: PATIENCE,
    });
    block_on(async {
        let wanted = name("foo");
        let (ended, ()) = tokio::join!(hurried.install(&wanted, None, false), gate.wait_begun());
        let error = package_error(ended).unwrap_err();
        assert!(
            matches!(
                error,
                PackageError::Tool {
                    timed_out: true,
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains("killed after"), "{error}");
    });
    let pid = read(gates.path().join("pid")).trim().parse().unwrap();
    assert!(
        block_on(lockstep_host::process::wait_gone(pid, PATIENCE)).unwrap(),
        "the script goes with it"
    );
    gate.open();
    world.install(None).unwrap();
    assert_eq!(world.installed().as_deref(), Some("1"));
}

#[test]
fn apt_somebody_else_at_work_is_waited_for_and_named() {
    let gates = open_directory();
    let gate = Gate::make(gates.path());
    let text = gate.in_shell();
    let scripts = [("postinst", text.as_str())];
    let world = World::with(&[
        deb("foo", "1"),
        Deb {
            scripts: &scripts,
            ..deb("slow", "1")
        },
    ]);
    block_on(async {
        let other = world.manager.clone();
        let slow = tokio::spawn(async move { other.install(&name("slow"), None, false).await });
        gate.wait_begun().await;
        let brief = Patience {
            lock: Duration::from_millis(100),
            ..Patience::default()
        };
        let busy = world
            .impatient(brief)
            .install(&name("foo"), None, false)
            .await;
        let busy = package_error(busy).unwrap_err();
        assert!(
            matches!(&busy, PackageError::Busy { holder: Some(holder), .. } if holder.pid > 1),
            "{busy}"
        );
        assert!(busy.to_string().contains("(apt-get)"), "{busy}");

        let wanted = name("foo");
        let mut waits = Box::pin(world.manager.install(&wanted, None, false));
        assert!(
            tokio::time::timeout(Duration::from_millis(300), &mut waits)
                .await
                .is_err(),
            "it waits"
        );
        let (done, ()) = tokio::join!(waits, gate.let_go());
        done.unwrap();
        slow.await.unwrap().unwrap();
    });
    assert_eq!(world.installed().as_deref(), Some("1"));
    assert_eq!(installed(&world.manager, "slow").as_deref(), Some("1"));
    assert!(world.is_whole());
}

#[test]
fn apt_lists_that_are_locked_are_waited_for_and_their_holder_named() {
    let gates = open_directory();
    let gate = Gate::make(gates.path());
    let world = World::with(&[deb("foo", "1")]);
    let lock = world.root.join("var/lib/apt/lists/lock");
    block_on(async {
        let brief = Patience {
            lock: Duration::from_millis(100),
            ..Patience::default()
        };
        let refused = async {
            gate.wait_begun().await;
            let refused = world.impatient(brief).refresh().await;
            let mut waits = Box::pin(world.manager.refresh());
            assert!(
                tokio::time::timeout(Duration::from_millis(300), &mut waits)
                    .await
                    .is_err(),
                "it waits"
            );
            let (refreshed, ()) = tokio::join!(waits, gate.let_go());
            assert!(refreshed.unwrap().is_complete());
            refused
        };
        let (held, refused) = tokio::join!(hold_lock(&lock, &gate), refused);
        assert!(held.succeeded(), "{}", held.output);
        let words = package_error(refused).unwrap_err().to_string();
        assert!(
            words.starts_with("cannot look at the repositories: ") && words.contains("(python3"),
            "{words}"
        );
        assert!(words.contains("lists/lock was held by process "), "{words}");
    });
}

#[test]
fn apt_a_source_is_written_once_and_for_all_to_read() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let world = World::with(&[deb("foo", "1")]);
    let source = world
        .root
        .join("etc/apt/sources.list.d/lockstep-foo.sources");
    let key = world.root.join("etc/apt/keyrings/lockstep-foo.asc");
    let inodes = || [&source, &key].map(|path| std::fs::metadata(path).unwrap().ino());
    let before = inodes();
    assert!(!world.ensure_source(&world.key.public), "nothing to do");
    assert_eq!(inodes(), before, "nothing is written");
    let text = read(&source);
    assert!(
        text.contains(&format!(
            "URIs: {}\nSuites: ./\nSigned-By: {}\n",
            world.web.url(),
            key.display()
        )),
        "{text}"
    );
    for path in [&source, &key] {
        assert_eq!(
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o644
        );
    }
    // What others changed is put right.
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(world.ensure_source(&world.key.public));
    put(
        &source,
        text.replace("Signed-By", "Trusted: yes\nSigned-By"),
    );
    assert!(world.ensure_source(&world.key.public));
    assert_eq!(read(&source), text);
    // Another package manager's repository is none of ours.
    let none = Sources::default();
    assert!(!block_on(world.manager.ensure_source(&name("foo"), &none)).unwrap());
}

#[test]
fn apt_a_source_that_breaks_all_others_is_taken_away_again() {
    let world = World::new();
    world.publish(&[deb("foo", "1")]);
    let theirs = format!(
        "Types: deb\nURIs: {}\nSuites: ./\nSigned-By: /their/key.asc\n",
        world.web.url()
    );
    put(
        world.root.join("etc/apt/sources.list.d/theirs.sources"),
        &theirs,
    );
    let sources = world.sources(&world.key.public);
    for _ in 0..2 {
        let refused = package_error(block_on(
            world.manager.ensure_source(&name("foo"), &sources),
        ))
        .unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("Conflicting values set for option Signed-By"),
            "{refused}"
        );
        assert!(
            !world
                .root
                .join("etc/apt/sources.list.d/lockstep-foo.sources")
                .exists()
        );
    }
    // A file that is broken without us is not ours to judge.
    put(
        world.root.join("etc/apt/sources.list.d/theirs.sources"),
        "Types: deb\nURIs: x\n",
    );
    assert!(world.ensure_source(&world.key.public));
    assert!(
        world
            .root
            .join("etc/apt/sources.list.d/lockstep-foo.sources")
            .exists()
    );
}

#[test]
fn apt_a_wrong_key_installs_nothing() {
    let world = World::new();
    world.publish(&[deb("foo", "1")]);
    let other = Key::make(world.dir.path(), "other");
    world.ensure_source(&other.public);
    // Also on a host that allows what is not signed.
    put(
        world.root.join("etc/apt/apt.conf.d/99careless"),
        "APT::Get::AllowUnauthenticated \"true\";\nAcquire::AllowInsecureRepositories \"true\";\n",
    );
    let refreshed = block_on(world.manager.refresh()).unwrap();
    assert!(
        refreshed
            .problems
            .iter()
            .any(|line| line.contains("NO_PUBKEY") || line.contains("not signed")),
        "{refreshed:?}"
    );
    let refused = world.install(None).unwrap_err();
    assert!(
        matches!(refused, PackageError::NoCandidate { .. }),
        "{refused}"
    );
    assert_eq!(world.installed(), None);
    // With the right key it goes on.
    assert!(world.ensure_source(&world.key.public));
    world.refresh();
    world.install(None).unwrap();
}

#[test]
fn apt_a_tampered_release_is_not_believed() {
    let world = World::with(&[deb("foo", "1")]);
    world.build(&deb("foo", "2"));
    // Somebody adds a package, and describes it, but has no key.
    let tamper = "apt-ftparchive packages . > Packages; hash=$(sha256sum Packages | cut -d' ' -f1); \
        size=$(stat -c %s Packages); sed -i \"s/^ [0-9a-f]\\{64\\} .* Packages$/ $hash $size Packages/\" InRelease";
    shell(&world.repo, tamper, &[]);
    let refreshed = block_on(world.manager.refresh()).unwrap();
    assert!(!refreshed.is_complete());
    assert_eq!(
        block_on(world.manager.candidate(&name("foo"))).unwrap(),
        Some(version("1"))
    );
    assert!(matches!(
        world.install(Some("2")),
        Err(PackageError::NoVersion { .. })
    ));
}

#[test]
fn apt_a_tampered_package_is_not_installed() {
    let world = World::with(&[deb("foo", "1")]);
    world.build(&Deb {
        scripts: &[("postinst", "echo evil")],
        ..deb("foo", "1")
    });
    let refused = world.install(None).unwrap_err().to_string();
    assert!(
        refused.contains("Hash Sum mismatch") || refused.contains("unexpected size"),
        "{refused}"
    );
    assert_eq!(world.installed(), None);
    assert!(world.is_whole());
}

#[test]
fn apt_a_stranger_that_cannot_be_reached_stops_nothing() {
    let world = World::new();
    world.publish(&[deb("foo", "1")]);
    let stranger = format!("Types: deb\nURIs: {}\nSuites: ./\n", nobody());
    put(
        world.root.join("etc/apt/sources.list.d/stranger.sources"),
        stranger,
    );
    put(
        world.root.join("etc/apt/apt.conf.d/retries"),
        "Acquire::Retries \"0\";\n",
    );
    world.ensure_source(&world.key.public);
    let refreshed = block_on(world.manager.refresh()).unwrap();
    assert!(
        refreshed
            .problems
            .iter()
            .any(|line| line.contains("onnect")),
        "{refreshed:?}"
    );
    world.install(None).unwrap();
    assert_eq!(world.installed().as_deref(), Some("1"));
}

#[test]
fn apt_versions_are_compared_as_dpkg_does() {
    let world = World::new();
    for (a, b, newer) in [
        ("1.10", "1.9", true),
        ("1.0~rc1", "1.0", false),
        ("1:0", "9", true),
        ("1", "1.0", false),
        ("2", "2", false),
    ] {
        assert_eq!(
            block_on(world.manager.is_newer(&version(a), &version(b))).unwrap(),
            newer,
            "{a} {b}"
        );
    }
    let nonsense = block_on(world.manager.is_newer(&version("1:"), &version("1")));
    assert!(nonsense.is_err(), "{nonsense:?}");
}

#[test]
fn apt_is_found_where_dpkg_has_a_list_and_says_when_to_restart() {
    let world = World::with(&[deb("foo", "1")]);
    assert!(
        PackageManager::detect(&world.root).is_none(),
        "nothing is installed"
    );
    world.install(None).unwrap();
    let found = PackageManager::detect(&world.root).unwrap();
    assert_eq!(found.name(), "apt");
    assert_eq!(block_on(found.needs_restart()).unwrap(), Restart::NotNeeded);
    put(world.root.join("run/reboot-required"), "");
    put(
        world.root.join("run/reboot-required.pkgs"),
        "linux-image\nfoo\nlinux-image\n",
    );
    let packages = vec!["foo".to_owned(), "linux-image".to_owned()];
    assert_eq!(
        block_on(found.needs_restart()).unwrap(),
        Restart::Needed { packages }
    );
}

#[test]
fn apt_scripts_see_nothing_of_this_process_and_are_asked_nothing() {
    let text = "env > \"$DPKG_ROOT/env\"; cat; readlink /proc/self/fd/0 >> \"$DPKG_ROOT/env\"";
    let world = World::with(&[Deb {
        scripts: &[("postinst", text)],
        ..deb("foo", "1")
    }]);
    world.install(None).unwrap();
    let env = read(world.root.join("env"));
    for line in [
        "DEBIAN_FRONTEND=noninteractive",
        "LC_ALL=C",
        "APT_LISTCHANGES_FRONTEND=none",
        "NEEDRESTART_MODE=l",
        "/dev/null",
    ] {
        assert!(env.lines().any(|seen| seen == line), "{line}: {env}");
    }
    assert!(!env.contains("CARGO"), "{env}");
    // Roots that cannot be written into apt's configuration are refused.
    let odd = PackageManager::Apt(Apt::below(Path::new("/tmp/a\";b")));
    assert!(matches!(
        package_error(block_on(odd.candidate(&name("foo")))),
        Err(PackageError::Root { .. })
    ));
}
