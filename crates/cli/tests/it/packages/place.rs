//! A host below a private root with a real apt, a signed repository for it, and a service that says what is done to it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::web::Web;
use crate::world::eventually;

/// The package that is kept current.
pub(super) const NAME: &str = "driveclient";

/// A version of the package in the making.
#[derive(Default)]
pub(super) struct Deb<'a> {
    pub(super) version: &'a str,
    /// Contents of `/etc/driveclient.conf`.
    pub(super) conffile: &'a str,
    /// What its `postinst` does.
    pub(super) postinst: &'a str,
}

pub(super) fn deb(version: &str) -> Deb<'_> {
    Deb {
        version,
        conffile: "the vendor's\n",
        postinst: "",
    }
}

/// What is published, and by whom.
pub(super) struct Repository {
    pub(super) web: Web,
    pub(super) dir: PathBuf,
    home: PathBuf,
    pub(super) key: String,
}

impl Repository {
    /// An empty one in a directory that all users may enter: apt reads as a user of its own.
    pub(super) fn new(dir: &Path) -> Self {
        let (files, home) = (dir.join("files"), dir.join("gpg"));
        std::fs::create_dir_all(files.join("debian/pool")).unwrap();
        std::fs::create_dir(&home).unwrap();
        chmod(&home, 0o700);
        let mut repository = Self {
            web: Web::serve(files.clone()),
            dir: files,
            home,
            key: String::new(),
        };
        repository.shell(
            "gpg --batch --quiet --passphrase '' --quick-generate-key 'Test <test@example.org>' ed25519 sign never",
        );
        repository.key = repository.shell("gpg --batch --armor --export");
        repository
    }

    fn shell(&self, script: &str) -> String {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-euc", script]).current_dir(&self.dir);
        shell.env("GNUPGHOME", &self.home).env("LC_ALL", "C");
        let output = shell.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{script}\n{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Builds these, and signs the repository anew.
    pub(super) fn publish(&self, debs: &[Deb<'_>]) {
        for deb in debs {
            let tree = self.dir.join("../build").join(deb.version);
            let control = format!(
                "Package: {NAME}\nVersion: {}\nArchitecture: all\nMaintainer: Test <test@example.org>\n\
                 Description: a package for a test\n",
                deb.version
            );
            put(&tree.join("DEBIAN/control"), &control);
            put(&tree.join("DEBIAN/conffiles"), "/etc/driveclient.conf\n");
            put(
                &tree.join("DEBIAN/postinst"),
                &format!("#!/bin/sh\nset -e\n{}\n", deb.postinst),
            );
            chmod(&tree.join("DEBIAN/postinst"), 0o755);
            put(&tree.join("etc/driveclient.conf"), deb.conffile);
            put(&tree.join("usr/share/driveclient/version"), deb.version);
            self.shell(&format!(
                "dpkg-deb --root-owner-group -Znone -b {} debian/pool/{NAME}_{}_all.deb",
                tree.display(),
                deb.version
            ));
        }
        self.sign();
    }

    /// Takes a version away, as vendors do who keep only the newest.
    pub(super) fn withdraw(&self, version: &str) {
        std::fs::remove_file(
            self.dir
                .join(format!("debian/pool/{NAME}_{version}_all.deb")),
        )
        .unwrap();
        self.sign();
    }

    fn sign(&self) {
        self.shell(
            "cd debian; arch=$(dpkg --print-architecture); dist=dists/serveragent
            mkdir -p $dist/main/binary-$arch
            apt-ftparchive packages pool > Packages.new; mv Packages.new $dist/main/binary-$arch/Packages
            rm -f $dist/InRelease; o=APT::FTPArchive::Release
            apt-ftparchive -o $o::Suite=serveragent -o $o::Codename=serveragent -o $o::Components=main \
                -o $o::Architectures=$arch release $dist > ../Release
            gpg --batch --yes --clearsign -o $dist/InRelease ../Release",
        );
    }

    /// What `version.txt` says from now on.
    pub(super) fn says(&self, version: &str) {
        put(&self.dir.join("version.txt"), version);
    }

    /// So often the repository itself was asked.
    pub(super) fn asked(&self) -> usize {
        self.web.asked("/debian/dists/serveragent/InRelease")
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        self.shell("gpgconf --kill all");
    }
}

/// A host.
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) talk: PathBuf,
    pub(super) repository: Repository,
    // Removed last.
    dir: Option<TempDir>,
}

impl Place {
    /// A host of its own, and its repository.
    pub(super) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("lockstep-it-").tempdir();
        let dir = dir.unwrap();
        chmod(dir.path(), 0o755);
        let mut place = Self::at(&dir.path().join("root"), dir.path());
        place.dir = Some(dir);
        place
    }

    /// Makes a host of a root, with what belongs to it beside.
    pub(super) fn at(root: &Path, beside: &Path) -> Self {
        for path in [
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/sources.list.d",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/info",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/cache/driveclient",
            "var/log/apt",
            "etc/lockstep/packages",
        ] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        for path in ["", "etc", "var", "var/lib", "var/cache"] {
            chmod(&root.join(path), 0o755);
        }
        put(
            &root.join("var/lib/dpkg/status"),
            "Package: base\nStatus: install ok installed\nMaintainer: Test <test@example.org>\nArchitecture: all\n\
             Version: 1\nDescription: there from the beginning\n",
        );
        let talk = beside.join("talk");
        std::fs::create_dir(&talk).unwrap();
        put(&root.join("etc/init.d/driveclient"), "");
        let tool = root.join("usr/sbin/service");
        let says = talk.display();
        put(
            &tool,
            &format!(
                "#!/bin/sh\n[ \"$1\" = {NAME} ] || exit 4\ncase \"$2\" in\n\
                 status) [ -e {says}/running ] || exit 3; exit 0;;\n\
                 stop) rm -f {says}/running;;\nstart) touch {says}/running;;\nesac\necho \"$2\" >> {says}/service\n"
            ),
        );
        chmod(&tool, 0o755);
        put(
            &root.join("etc/lockstep/update.toml"),
            "[limits]\nbusy_again = \"300ms\"\nlock_again = \"300ms\"\n[verify]\nfor = \"0s\"\n",
        );
        Self {
            root: root.into(),
            talk,
            repository: Repository::new(beside),
            dir: None,
        }
    }

    /// A host whose package is at a version, and whose repository has these.
    pub(super) fn with(installed: Deb<'_>, others: &[Deb<'_>]) -> Self {
        let place = Self::new();
        let version = installed.version.to_owned();
        place.repository.publish(&[installed]);
        place.configure("");
        place.must(&[]);
        assert_eq!(place.installed().as_deref(), Some(version.as_str()));
        place.repository.publish(others);
        let _ = std::fs::remove_file(place.talk.join("service"));
        place
    }

    /// Writes the package's file.
    pub(super) fn configure(&self, more: &str) {
        let text = format!(
            "service = \"driveclient\"\nidle_lock = \"/var/cache/driveclient/backup-running.lock\"\n{more}\n\
             [sources.apt]\nuri = \"{}/debian/\"\nsuite = \"serveragent\"\ncomponents = [\"main\"]\nkey = \"\"\"\n{}\"\"\"\n",
            self.repository.web.url(),
            self.repository.key
        );
        put(
            &self.root.join("etc/lockstep/packages/driveclient.toml"),
            &text,
        );
    }

    /// `lockstep package-update driveclient` with more arguments.
    pub(super) fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command.args(["package-update", NAME, "--root"]);
        command.arg(&self.root).args(more).stdin(Stdio::null());
        command.env_remove("JOURNAL_STREAM");
        command
    }

    pub(super) fn call(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    /// One that must end with 0; what it printed.
    pub(super) fn must(&self, more: &[&str]) -> String {
        ended(&self.call(more), 0)
    }

    /// The same without waiting for its end; what it says goes to a file of this name.
    pub(super) fn start(&self, log: &str, more: &[&str]) -> Running {
        let path = self.talk.join(log);
        let file = std::fs::File::create(&path).unwrap();
        let mut command = self.command(more);
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Running {
            child: command.spawn().unwrap(),
            log: path,
        }
    }

    /// A daemon that says what it does.
    pub(super) fn daemon(&self, log: &str, more: &[&str]) -> Running {
        let mut all = vec!["-d", "-v"];
        all.extend(more);
        self.start(log, &all)
    }

    /// The version that is there, as its own file says it and as dpkg does.
    pub(super) fn installed(&self) -> Option<String> {
        let file = self.root.join("usr/share/driveclient/version");
        let version = std::fs::read_to_string(file).ok()?;
        let status = std::fs::read_to_string(self.root.join("var/lib/dpkg/status")).unwrap();
        let stanza = status
            .split("\n\n")
            .find(|stanza| stanza.starts_with("Package: driveclient\n"))?;
        let is_whole = stanza.contains("\nStatus: install ok installed\n")
            || stanza.contains("\nStatus: hold ok installed\n");
        (is_whole && stanza.contains(&format!("\nVersion: {version}\n"))).then_some(version)
    }

    /// Holds the package back, as its operator does.
    pub(super) fn hold(&self) {
        let mut hold = Command::new("apt-mark");
        let config = self.root.join("var/lib/lockstep/packages/apt.conf");
        hold.args(["hold", NAME]).env("APT_CONFIG", config);
        ended(&hold.output().unwrap(), 0);
    }

    /// Has the service run, or not, without its having been told.
    pub(super) fn service(&self, runs: bool) {
        let running = self.talk.join("running");
        let _ = std::fs::remove_file(self.talk.join("service"));
        let _ = std::fs::remove_file(&running);
        if runs {
            put(&running, "");
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.talk.join("running").exists()
    }

    /// What was done to the service, in its order.
    pub(super) fn told(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.talk.join("service")).unwrap_or_default();
        text.lines().map(String::from).collect()
    }

    pub(super) fn idle_lock(&self) -> PathBuf {
        self.root.join("var/cache/driveclient/backup-running.lock")
    }

    /// The journal of the package's newest run.
    pub(super) fn journal(&self) -> Value {
        let path = self.root.join("var/lib/lockstep/runs/driveclient.json");
        let text = std::fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Records of runs that ended so.
    pub(super) fn ended(&self, outcome: &str) -> usize {
        let path = self.root.join("var/lib/lockstep/records.jsonl");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let plain = text.replace('\\', "");
        plain
            .lines()
            .filter(|line| line.contains(&format!("\"outcome\":\"{outcome}\"")))
            .count()
    }

    /// What a `postinst` does that says it is inside, and stays until it is told to go on.
    pub(super) fn gate(&self) -> String {
        let talk = self.talk.display();
        format!(
            "touch {talk}/inside; n=0; while [ ! -e {talk}/go ] && [ $n -lt 1200 ]; do sleep 0.05; n=$((n + 1)); done"
        )
    }

    pub(super) fn inside(&self) {
        eventually("the package's script is inside", || {
            self.talk.join("inside").exists()
        });
    }

    pub(super) fn go(&self) {
        put(&self.talk.join("go"), "");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (true, Some(dir)) = (std::thread::panicking(), &mut self.dir) {
            dir.disable_cleanup(true);
            eprintln!("everything is kept in {}", dir.path().display());
        }
    }
}

/// A command that has not ended yet. It is killed if the test does not wait for it.
pub(super) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(super) fn says(&self, words: &str) {
        eventually(&format!("{:?} in {}", words, self.log.display()), || {
            self.log().contains(words)
        });
    }

    pub(super) fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its exit code, once it has ended.
    pub(super) fn code(&mut self) -> Option<i32> {
        eventually("the command ends", || self.is_over());
        self.child.wait().unwrap().code()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(super) fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// What a command said, which ended with this code.
#[track_caller]
pub(super) fn ended(output: &Output, code: i32) -> String {
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert_eq!(output.status.code(), Some(code), "{}{}", said[0], said[1]);
    said.concat()
}

pub(super) fn put(path: &Path, text: &str) {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).unwrap();
    }
    std::fs::write(path, text).unwrap();
}

pub(super) fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}
