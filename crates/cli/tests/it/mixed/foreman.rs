//! `foreman_dlm_updater` as it is on PyPI, with certificates made by `openssl`.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

const EXTENSIONS: &str = "[req]\ndistinguished_name = dn\n[dn]\n\
    [authority]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\n\
    [leaf]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = IP:127.0.0.1\n";

/// An authority of its own, the gateway's certificate, and a host's.
pub(super) struct Certificates(TempDir);

impl Certificates {
    pub(super) fn make(host: &str) -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        std::fs::write(made.path("openssl.cnf"), EXTENSIONS).unwrap();
        made.issue("ca", "an authority for tests", "authority");
        made.issue("server", "the gateway", "leaf");
        made.issue("host", host, "leaf");
        made
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn issue(&self, file: &str, name: &str, extensions: &str) {
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-config", "openssl.cnf", "-days", "2"])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-extensions", extensions])
            .args(["-subj", &format!("/CN={name}")])
            .args(["-keyout", &format!("{file}.key")])
            .args(["-out", &format!("{file}.pem")])
            .current_dir(self.0.path());
        if extensions == "leaf" {
            openssl.args(["-CA", "ca.pem", "-CAkey", "ca.key"]);
        }
        let output = openssl
            .output()
            .expect("this test needs the command openssl");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

/// A host with the updater. Its script of the stage `update` leaves a file.
pub(super) struct Updater {
    home: PathBuf,
    child: Option<Child>,
}

impl Updater {
    pub(super) fn install(
        home: PathBuf,
        certificates: &Certificates,
        port: u16,
        lock: &str,
    ) -> Self {
        let updater = Self { home, child: None };
        let path = |name: &str| updater.home.join(name);
        for (stage, does) in [
            // There is always something to update.
            ("needs_update", "exit 1"),
            ("pre_update", "exit 0"),
            ("update", "touch ../updated"),
            ("needs_reboot", "exit 0"),
            ("post_update", "exit 0"),
        ] {
            let directory = path(&format!("{stage}.d"));
            std::fs::create_dir_all(&directory).unwrap();
            let text = format!("#!/bin/sh\ncd {}\n{does}\n", directory.display());
            executable(&directory.join("10-script"), &text);
        }
        executable(&path("reboot"), "#!/bin/sh\nexit 1\n");
        let mut config = format!(
            "[main]\nlogretention = 3\nloglevel = DEBUG\nlock_name = {lock}\nforeman_url = https://127.0.0.1:{port}\n"
        );
        for (key, file) in [
            ("client_crt", certificates.path("host.pem")),
            ("client_key", certificates.path("host.key")),
            ("ca", certificates.path("ca.pem")),
            ("log", path("log")),
            ("lock", path("pid")),
            ("state", path("state")),
            ("reboot_cmd", path("reboot")),
            ("needs_update.d", path("needs_update.d")),
            ("pre_update.d", path("pre_update.d")),
            ("update.d", path("update.d")),
            ("needs_reboot.d", path("needs_reboot.d")),
            ("post_update.d", path("post_update.d")),
        ] {
            config += &format!("{key} = {}\n", file.display());
        }
        std::fs::write(path("config.ini"), config).unwrap();
        updater
    }

    /// Starts it. A minute is a second for it, because it asks for a lock once in a minute.
    pub(super) fn start(&mut self) {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python/bin/python3");
        let mut command = Command::new("faketime");
        command
            .args(["-f", "+0 x60"])
            .arg(python)
            .args(["-c", "from foreman_dlm_updater import main; main()"])
            .arg("--cfg")
            .arg(self.home.join("config.ini"))
            .env_remove("REQUESTS_CA_BUNDLE")
            .env("NO_PROXY", "*")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // faketime is its parent, so both are ended together.
            .process_group(0);
        let started = command.spawn();
        let started = started.expect("scripts/parts installs faketime and the updater");
        self.child = Some(started);
    }

    /// True if it has ended, as it does when all went well.
    pub(super) fn has_ended(&mut self) -> bool {
        let ended = self.child.as_mut().unwrap().try_wait().unwrap();
        if let Some(status) = ended {
            assert!(status.success(), "{}", self.log());
        }
        ended.is_some()
    }

    /// True if its update ran since this was forgotten last.
    pub(super) fn has_updated(&self) -> bool {
        self.home.join("updated").exists()
    }

    pub(super) fn forget(&self) {
        std::fs::remove_file(self.home.join("updated")).unwrap();
        std::fs::remove_file(self.home.join("log")).unwrap();
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("log")).unwrap_or_default()
    }
}

impl Drop for Updater {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            if let (Ok(None), Some(group)) = (child.try_wait(), group_of(child)) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait();
        }
    }
}

fn group_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

fn executable(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
