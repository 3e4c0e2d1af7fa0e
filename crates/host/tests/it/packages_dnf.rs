//! dnf and rpm themselves, below a private root, with a signed repository behind a web server.
//!
//! The scripts of packages are Lua, which rpm runs within itself: there is no shell below the root.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_host::packages::{
    Dnf, Output, PackageError, PackageManager, Patience, Repaired, Restart,
};
use lockstep_model::{DnfSource, Sources};
use tempfile::TempDir;

use super::packages_parts::{
    Gate, Key, Web, hold_lock, install, installed, name, needs, nobody, open_directory,
    package_error, shell, version, without_packages,
};
use super::trials::{PATIENCE, block_on, put};

/// A package in the making.
struct Rpm<'a> {
    name: &'a str,
    /// Without the release, which is always 1.
    version: &'a str,
    epoch: &'a str,
    /// Contents of `/etc/NAME.conf`.
    conffile: Option<&'a str>,
    /// `post` or `pre`, and what it does in Lua.
    script: Option<(&'a str, &'a str)>,
}

fn rpm<'a>(name: &'a str, version: &'a str) -> Rpm<'a> {
    Rpm {
        name,
        version,
        epoch: "0",
        conffile: None,
        script: None,
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
            ("dnf", "dnf"),
            ("rpmbuild", "rpm"),
            ("rpmsign", "rpm"),
            ("createrepo_c", "createrepo-c"),
            ("python3", "python3"),
        ]);
        assert!(
            rustix::process::geteuid().is_root(),
            "rpm works below another root for root only: run these tests as root"
        );
        let dir = open_directory();
        let (root, repo) = (dir.path().join("root"), dir.path().join("repo"));
        std::fs::create_dir(&repo).unwrap();
        std::fs::create_dir_all(root.join("etc/yum.repos.d")).unwrap();
        put(root.join("etc/dnf/dnf.conf"), "[main]\nretries=1\n");
        let patience = Patience {
            lock: PATIENCE,
            question: PATIENCE,
            refresh: PATIENCE,
            change: PATIENCE,
        };
        Self {
            manager: PackageManager::Dnf(Dnf::below(&root)).with_patience(patience),
            web: Web::serve(repo.clone()),
            key: Key::make(dir.path(), "key"),
            root,
            repo,
            dir,
        }
    }

    /// A world whose repository has these, known to the host.
    fn with(rpms: &[Rpm<'_>]) -> Self {
        let world = Self::new();
        world.publish(rpms);
        assert!(world.ensure_source(&world.key.public));
        world.refresh();
        world
    }

    fn publish(&self, rpms: &[Rpm<'_>]) {
        for rpm in rpms {
            self.build(rpm, &self.key);
        }
        self.describe(&self.key);
    }

    fn build(&self, rpm: &Rpm<'_>, key: &Key) {
        let Rpm {
            name,
            version,
            epoch,
            ..
        } = rpm;
        let dir = self.dir.path().join(format!("build/{name}-{version}"));
        let script = rpm.script.map_or_else(String::new, |(which, lua)| {
            format!("%{which} -p <lua>\n{lua}\n")
        });
        let (conf, listed) = match rpm.conffile {
            Some(text) => (
                format!(
                    "mkdir -p %{{buildroot}}/etc\nprintf '{text}' > %{{buildroot}}/etc/{name}.conf\n"
                ),
                format!("%config(noreplace) /etc/{name}.conf\n"),
            ),
            None => (String::new(), String::new()),
        };
        let spec = format!(
            "Name: {name}\nEpoch: {epoch}\nVersion: {version}\nRelease: 1\nSummary: a package for a test\nLicense: none\n\
             BuildArch: noarch\n%description\nNothing.\n%install\nmkdir -p %{{buildroot}}/usr/share/{name}\n\
             printf {version} > %{{buildroot}}/usr/share/{name}/version\n{conf}{script}\
             %files\n/usr/share/{name}/version\n{listed}"
        );
        put(dir.join("package.spec"), spec);
        let build = format!(
            "rpmbuild -bb --quiet --define \"_topdir $PWD/top\" --define '_rpmdir {repo}' \
             --define '_tmppath {tmp}' --define '_build_name_fmt %%{{NAME}}-%%{{VERSION}}.rpm' package.spec; \
             rpmsign --define '_gpg_name test@example.org' --define '__gpg /usr/bin/gpg' --define '_tmppath {tmp}' \
             --addsign '{repo}/{name}-{version}.rpm'",
            repo = self.repo.display(),
            tmp = dir.display(),
        );
        key.shell(&dir, &build);
    }

    fn describe(&self, key: &Key) {
        let script = "createrepo_c -q .; rm -f repodata/repomd.xml.asc; gpg --batch --armor --detach-sign repodata/repomd.xml";
        key.shell(&self.repo, script);
    }

    fn ensure_source(&self, key: &str) -> bool {
        block_on(self.manager.ensure_source(&name("foo"), &self.sources(key))).unwrap()
    }

    fn sources(&self, key: &str) -> Sources {
        let dnf = DnfSource {
            baseurl: self.web.url(),
            key: key.into(),
            signed_metadata: true,
        };
        Sources {
            apt: None,
            dnf: Some(dnf),
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
}

impl Drop for World {
    /// gpg, which dnf asks about signatures, leaves an agent running for each repository.
    fn drop(&mut self) {
        let script = "for home in var/cache/dnf/*/pubring; do [ ! -d \"$home\" ] || gpgconf --homedir \"$home\" --kill all; done";
        shell(&self.root, script, &[]);
    }
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn dnf_a_fresh_package_is_installed_upgraded_and_then_left_alone() {
    let world = World::with(&[rpm("foo", "1"), rpm("bar", "1")]);
    assert_eq!(world.installed(), None);
    let output = world.install(None).unwrap();
    assert_eq!(output.changed.len(), 1);
    assert_eq!(
        (output.changed[0].from.clone(), output.changed[0].to.clone()),
        (None, Some(version("1-1")))
    );
    assert_eq!(world.installed().as_deref(), Some("1-1"));
    assert_eq!(read(world.root.join("usr/share/foo/version")), "1");
    assert_eq!(world.install(None).unwrap(), Output::default());

    world.publish(&[rpm("foo", "1.10"), rpm("foo", "1.9~rc1")]);
    assert_eq!(
        world.install(None).unwrap(),
        Output::default(),
        "nothing is known of it before a refresh"
    );
    world.refresh();
    let output = world.install(None).unwrap();
    let change = (output.changed[0].from.clone(), output.changed[0].to.clone());
    assert_eq!(change, (Some(version("1-1")), Some(version("1.10-1"))));
    assert_eq!(read(world.root.join("usr/share/foo/version")), "1.10");
    assert!(world.is_whole());
    assert_eq!(
        installed(&world.manager, "bar"),
        None,
        "only what was named"
    );
}

#[test]
fn dnf_an_exact_version_comes_and_the_earlier_one_comes_back() {
    let epoch = Rpm {
        epoch: "1",
        ..rpm("foo", "0.5")
    };
    let world = World::with(&[rpm("foo", "1"), rpm("foo", "2"), epoch]);
    world.install(Some("2-1")).unwrap();
    assert_eq!(world.installed().as_deref(), Some("2-1"));
    let refused = world.install(Some("1-1")).unwrap_err();
    assert!(matches!(refused, PackageError::Older { .. }), "{refused}");
    let back = block_on(
        world
            .manager
            .install(&name("foo"), Some(&version("1-1")), true),
    )
    .unwrap();
    assert_eq!(back.changed[0].to, Some(version("1-1")));
    assert_eq!(world.installed().as_deref(), Some("1-1"));
    world.install(Some("1:0.5-1")).unwrap();
    assert_eq!(world.installed().as_deref(), Some("1:0.5-1"));
}

#[test]
fn dnf_what_was_fetched_is_installed_without_its_repository() {
    let world = World::with(&[rpm("foo", "1"), rpm("foo", "2")]);
    let fetch = |wanted: &str| {
        let wanted = version(wanted);
        block_on(world.manager.download(Some((&name("foo"), &wanted))))
    };
    fetch("2-1").unwrap();
    assert_eq!(world.installed(), None, "nothing was changed");
    without_packages(&world.repo, "rpm");
    world.install(Some("2-1")).unwrap();
    assert_eq!(world.installed().as_deref(), Some("2-1"));
    assert!(fetch("3-1").is_err(), "nobody has it");

    // The way back can be fetched, too.
    world.publish(&[rpm("foo", "1"), rpm("foo", "2")]);
    world.refresh();
    fetch("1-1").unwrap();
    assert_eq!(world.installed().as_deref(), Some("2-1"));
    block_on(world.manager.download(None)).unwrap();
}

#[test]
fn dnf_a_repository_that_is_behind_is_named() {
    let world = World::with(&[rpm("foo", "1"), rpm("foo", "2")]);
    let behind = world.install(Some("3-1")).unwrap_err();
    assert!(
        matches!(&behind, PackageError::NoVersion { available, .. } if available.len() == 2),
        "{behind}"
    );
    let unknown = install(&world.manager, "nosuch", None).unwrap_err();
    assert!(
        matches!(unknown, PackageError::NoCandidate { .. }),
        "{unknown}"
    );
    world.install(Some("2-1")).unwrap();
    std::fs::remove_file(world.repo.join("foo-2.rpm")).unwrap();
    world.publish(&[]);
    world.refresh();
    assert_eq!(world.install(None).unwrap(), Output::default());
    assert_eq!(world.installed().as_deref(), Some("2-1"));
}

#[test]
fn dnf_what_is_held_stays() {
    let world = World::with(&[
        rpm("foo", "1"),
        rpm("foo", "2"),
        rpm("bar", "1"),
        rpm("bar", "2"),
    ]);
    world.install(Some("1-1")).unwrap();
    install(&world.manager, "bar", Some("1-1")).unwrap();
    put(
        world.root.join("etc/dnf/dnf.conf"),
        "[main]\nexcludepkgs=foo\n",
    );
    assert!(block_on(world.manager.held(&name("foo"))).unwrap());
    assert!(!block_on(world.manager.held(&name("bar"))).unwrap());
    for wanted in [None, Some("2-1")] {
        let held = world.install(wanted).unwrap_err();
        assert!(matches!(held, PackageError::Held { .. }), "{held}");
    }
    assert_eq!(world.install(Some("1-1")).unwrap(), Output::default());

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
    let one = Some(version("1-1"));
    assert_eq!(
        seen,
        [
            ("bar.noarch", one.clone(), "2-1", false),
            ("foo.noarch", one, "2-1", true)
        ]
    );
    let upgraded = block_on(world.manager.upgrade_all()).unwrap();
    assert_eq!(upgraded.changed.len(), 1);
    assert_eq!(upgraded.changed[0].name, "bar.noarch");
    assert_eq!(world.installed().as_deref(), Some("1-1"));
    assert_eq!(block_on(world.manager.pending()).unwrap().len(), 1);
    assert!(
        block_on(world.manager.upgrade_all())
            .unwrap()
            .changed
            .is_empty()
    );
}

#[test]
fn dnf_a_changed_configuration_file_is_kept_without_a_question() {
    let one = Rpm {
        conffile: Some("one"),
        ..rpm("foo", "1")
    };
    let two = Rpm {
        conffile: Some("two"),
        ..rpm("foo", "2")
    };
    let world = World::with(&[one, two]);
    world.install(Some("1-1")).unwrap();
    let path = world.root.join("etc/foo.conf");
    put(&path, "mine");
    world.install(Some("2-1")).unwrap();
    assert_eq!(read(&path), "mine");
    assert_eq!(read(world.root.join("etc/foo.conf.rpmnew")), "two");
}

#[test]
fn dnf_a_last_script_that_fails_is_named_and_the_next_version_installs() {
    let bad = Rpm {
        script: Some(("post", "error('the disk is on fire')")),
        ..rpm("foo", "2")
    };
    let world = World::with(&[rpm("foo", "1"), bad, rpm("foo", "3")]);
    world.install(Some("1-1")).unwrap();
    let failed = world.install(Some("2-1")).unwrap_err().to_string();
    assert!(
        failed.starts_with("cannot install foo 2-1: dnf: a script of a package failed: "),
        "{failed}"
    );
    assert!(failed.contains("the disk is on fire"), "{failed}");
    assert_eq!(
        world.installed(),
        None,
        "rpm calls it installed, but it is not whole"
    );
    assert!(block_on(world.manager.repair_interrupted()).is_err());
    assert!(
        world.install(Some("2-1")).is_err(),
        "it is not taken for installed"
    );
    world.install(Some("3-1")).unwrap();
    assert_eq!(world.installed().as_deref(), Some("3-1"));
    assert!(world.is_whole());
}

#[test]
fn dnf_a_first_script_that_fails_leaves_the_earlier_version() {
    let bad = Rpm {
        script: Some(("pre", "error('no room for it')")),
        ..rpm("foo", "2")
    };
    let world = World::with(&[rpm("foo", "1"), bad, rpm("foo", "3")]);
    world.install(Some("1-1")).unwrap();
    let failed = world.install(Some("2-1")).unwrap_err().to_string();
    assert!(failed.contains("no room for it"), "{failed}");
    assert_eq!(world.installed().as_deref(), Some("1-1"));
    assert!(world.is_whole());
    world.install(None).unwrap();
    assert_eq!(world.installed().as_deref(), Some("3-1"));
}

/// Kills dnf in the middle of a script; what is left is completed by the next call.
fn killed(is_upgrade: bool, still_published: bool) {
    let world = World::new();
    std::fs::create_dir_all(world.root.join("gate")).unwrap();
    let gate = Gate::make(&world.root.join("gate"));
    let lua = gate.in_lua(&world.root);
    let slow = Rpm {
        script: Some(("post", &lua)),
        ..rpm("foo", "2")
    };
    world.publish(&[rpm("foo", "1"), slow, rpm("foo", "3")]);
    world.ensure_source(&world.key.public);
    world.refresh();
    if is_upgrade {
        world.install(Some("1-1")).unwrap();
    }
    block_on(async {
        let (wanted, two) = (name("foo"), version("2-1"));
        tokio::select! {
            ended = world.manager.install(&wanted, Some(&two), false) => panic!("{ended:?}"),
            () = gate.wait_begun() => {}
        }
    });
    gate.open();
    if !still_published {
        std::fs::remove_file(world.repo.join("foo-2.rpm")).unwrap();
        world.publish(&[]);
        world.refresh();
    }
    assert_eq!(world.installed(), None, "it is not whole");
    let completed = block_on(world.manager.repair_interrupted()).unwrap();
    assert!(
        matches!(&completed, Repaired::Completed { packages, .. } if packages[0].starts_with("foo ")),
        "{completed:?}"
    );
    assert_eq!(world.installed().as_deref(), Some("2-1"));
    assert!(world.is_whole());
    world.install(Some("3-1")).unwrap();
    assert_eq!(world.installed().as_deref(), Some("3-1"));
    assert_eq!(read(world.root.join("usr/share/foo/version")), "3");
}

#[test]
fn dnf_killed_in_a_fresh_install() {
    killed(false, true);
}

#[test]
fn dnf_killed_in_an_upgrade() {
    killed(true, true);
}

#[test]
fn dnf_killed_in_an_upgrade_to_what_is_published_no_more() {
    killed(true, false);
}

#[test]
fn dnf_somebody_else_at_work_is_waited_for_and_named() {
    let world = World::new();
    std::fs::create_dir_all(world.root.join("gate")).unwrap();
    let gate = Gate::make(&world.root.join("gate"));
    let lua = gate.in_lua(&world.root);
    let slow = Rpm {
        script: Some(("post", &lua)),
        ..rpm("slow", "1")
    };
    world.publish(&[rpm("foo", "1"), slow]);
    world.ensure_source(&world.key.public);
    world.refresh();
    // Not this process's own way to install: another program, as an administrator starts it.
    let theirs = lockstep_host::exec::Exec::new("/usr/bin/dnf", PATIENCE).args([
        "-y",
        &format!("--installroot={}", world.root.display()),
        &format!("--setopt=reposdir={}/etc/yum.repos.d", world.root.display()),
        "install",
        "slow",
    ]);
    block_on(async {
        let theirs = tokio::spawn(theirs.run());
        gate.wait_begun().await;
        let brief = Patience {
            lock: Duration::from_millis(100),
            ..Patience::default()
        };
        let hurried = world.manager.clone().with_patience(brief);
        let busy = package_error(hurried.install(&name("foo"), None, false).await).unwrap_err();
        assert!(
            matches!(&busy, PackageError::Busy { holder: Some(holder), .. } if holder.pid > 1),
            "{busy}"
        );
        assert!(busy.to_string().contains("(dnf)"), "{busy}");

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
        let theirs = theirs.await.unwrap().unwrap();
        assert!(theirs.succeeded(), "{}", theirs.output);
    });
    assert_eq!(world.installed().as_deref(), Some("1-1"));
    assert_eq!(installed(&world.manager, "slow").as_deref(), Some("1-1"));
}

#[test]
fn dnf_rpms_own_lock_is_waited_for() {
    let gates = open_directory();
    let gate = Gate::make(gates.path());
    let world = World::with(&[rpm("foo", "1")]);
    world.install(None).unwrap();
    let inside = shell(&world.root, "rpm --eval '%{_rpmlock_path}'", &[]);
    let lock = world.root.join(inside.trim().trim_start_matches('/'));
    assert!(lock.exists(), "{}", lock.display());
    block_on(async {
        let refused = async {
            gate.wait_begun().await;
            let brief = Patience {
                lock: Duration::from_millis(100),
                ..Patience::default()
            };
            let hurried = world.manager.clone().with_patience(brief);
            let refused = hurried.install(&name("foo"), None, false).await;
            gate.let_go().await;
            refused
        };
        let (held, refused) = tokio::join!(hold_lock(&lock, &gate), refused);
        assert!(held.succeeded(), "{}", held.output);
        let words = package_error(refused).unwrap_err().to_string();
        assert!(
            words.contains("was held by process ") && words.contains("(python3"),
            "{words}"
        );
    });
}

#[test]
fn dnf_a_source_is_written_once_and_for_all_to_read() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let world = World::with(&[rpm("foo", "1")]);
    let repo = world.root.join("etc/yum.repos.d/lockstep-foo.repo");
    let key = world.root.join("etc/pki/rpm-gpg/RPM-GPG-KEY-lockstep-foo");
    let inodes = || [&repo, &key].map(|path| std::fs::metadata(path).unwrap().ino());
    let before = inodes();
    assert!(!world.ensure_source(&world.key.public), "nothing to do");
    assert_eq!(inodes(), before, "nothing is written");
    for path in [&repo, &key] {
        assert_eq!(
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o644
        );
    }
    put(&repo, read(&repo).replace("gpgcheck=1", "gpgcheck=0"));
    assert!(world.ensure_source(&world.key.public));
    assert!(read(&repo).contains("\ngpgcheck=1\nrepo_gpgcheck=1\n"));
    let none = Sources::default();
    assert!(!block_on(world.manager.ensure_source(&name("foo"), &none)).unwrap());
}

#[test]
fn dnf_a_wrong_key_installs_nothing() {
    let world = World::new();
    world.publish(&[rpm("foo", "1")]);
    let other = Key::make(world.dir.path(), "other");
    world.ensure_source(&other.public);
    // Metadata is refused.
    let refreshed = block_on(world.manager.refresh()).unwrap();
    assert!(!refreshed.is_complete());
    let refused = world.install(None).unwrap_err();
    assert!(
        matches!(refused, PackageError::NoCandidate { .. }),
        "{refused}"
    );
    // So are packages, where the metadata has the right signature and they have not.
    world.build(&rpm("foo", "1"), &world.key);
    world.describe(&other);
    world.refresh();
    let refused = world.install(None).unwrap_err().to_string();
    assert!(
        refused.starts_with("cannot install foo 1-1: dnf: exit status: 1"),
        "{refused}"
    );
    assert!(
        refused.contains("not installed") || refused.contains("GPG"),
        "{refused}"
    );
    assert_eq!(world.installed(), None);
    assert!(world.is_whole());
}

#[test]
fn dnf_tampered_metadata_and_packages_are_refused() {
    let world = World::with(&[rpm("foo", "1")]);
    // A package that is not the one that was described.
    world.build(
        &Rpm {
            script: Some(("post", "print('evil')")),
            ..rpm("foo", "1")
        },
        &world.key,
    );
    let refused = world.install(None).unwrap_err().to_string();
    assert!(refused.contains("cannot install foo 1-1"), "{refused}");
    assert_eq!(world.installed(), None);
    // A description that its signature does not fit.
    world.build(&rpm("foo", "2"), &world.key);
    shell(
        &world.repo,
        "cp repodata/repomd.xml.asc ../asc; createrepo_c -q .; cp ../asc repodata/repomd.xml.asc",
        &[],
    );
    assert!(!block_on(world.manager.refresh()).unwrap().is_complete());
    assert!(world.install(Some("2-1")).is_err());
    assert_eq!(world.installed(), None);
    assert!(world.is_whole());
}

#[test]
fn dnf_a_stranger_that_cannot_be_reached_stops_nothing() {
    let world = World::new();
    world.publish(&[rpm("foo", "1")]);
    let stranger = format!("[stranger]\nname=stranger\nbaseurl={}\n", nobody());
    put(world.root.join("etc/yum.repos.d/a-stranger.repo"), stranger);
    world.ensure_source(&world.key.public);
    let refreshed = block_on(world.manager.refresh()).unwrap();
    assert!(
        refreshed
            .problems
            .iter()
            .any(|line| line.contains("stranger")),
        "{refreshed:?}"
    );
    world.install(None).unwrap();
    assert_eq!(world.installed().as_deref(), Some("1-1"));
}

#[test]
fn dnf_versions_are_compared_as_rpm_does() {
    let world = World::new();
    for (a, b, newer) in [
        ("1.10-1", "1.9-1", true),
        ("1.0~rc1-1", "1.0-1", false),
        ("1.0^git1-1", "1.0-1", true),
        ("1:0-1", "9-1", true),
        ("1-2.el9", "1-10.el9", false),
        ("2-1", "2-1", false),
    ] {
        assert_eq!(
            block_on(world.manager.is_newer(&version(a), &version(b))).unwrap(),
            newer,
            "{a} {b}"
        );
    }
    let macros = block_on(
        world
            .manager
            .is_newer(&version("1%(touch${IFS}/tmp/x)"), &version("1-1")),
    );
    assert!(matches!(
        package_error(macros),
        Err(PackageError::Version { .. })
    ));
}

#[test]
fn dnf_is_found_where_it_is_configured() {
    let world = World::new();
    let found = PackageManager::detect(&world.root).unwrap();
    assert_eq!(found.name(), "dnf");
    // Whether the plugin is there depends on the machine; an answer there is in any case.
    let restart = block_on(found.needs_restart()).unwrap();
    assert!(
        matches!(restart, Restart::Unknown | Restart::NotNeeded),
        "{restart:?}"
    );
}
