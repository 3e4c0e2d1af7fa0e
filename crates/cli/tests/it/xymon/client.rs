//! Debian's Xymon client as it is, with a home of its own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the client's own installation consists of.
const PROGRAMS: [&str; 5] = [
    "clientupdate",
    "logfetch",
    "xymon",
    "xymonclient.sh",
    "xymonclient-linux.sh",
];

/// Lays out what a client's package has: its programs, and a file that says which version it is.
pub(crate) fn lay_out_package(tree: &Path, version: &str) {
    copy_programs(&tree.join("bin"));
    std::fs::create_dir(tree.join("etc")).unwrap();
    std::fs::write(tree.join("etc/news"), version).unwrap();
}

fn copy_programs(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/parts/xymon/usr/lib/xymon/client/bin");
    std::fs::create_dir_all(to).unwrap();
    for name in PROGRAMS {
        let copied = std::fs::copy(from.join(name), to.join(name));
        copied.expect("scripts/parts unpacks Xymon's client");
    }
}

/// A client of a host, which reports to a port of this machine.
pub(crate) struct Client {
    home: PathBuf,
    pub(crate) host: &'static str,
    port: u16,
    package: &'static str,
}

impl Client {
    /// Installs one. `package` is what it updates itself to.
    pub(crate) fn install(
        home: PathBuf,
        host: &'static str,
        port: u16,
        package: &'static str,
    ) -> Self {
        copy_programs(&home.join("bin"));
        for directory in ["etc", "tmp", "logs", "path"] {
            std::fs::create_dir(home.join(directory)).unwrap();
        }
        // The script measures in the background for five minutes, and waits five seconds for what it measured before.
        for idle in ["vmstat", "sleep"] {
            let path = home.join("path").join(idle);
            std::fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self {
            home,
            host,
            port,
            package,
        }
    }

    /// One round of its script, as it is started every five minutes. It reports, and updates itself if it is told to.
    pub(crate) fn round(&self) {
        let mut command = Command::new(self.home.join("bin/xymonclient.sh"));
        let path = self.home.join("path");
        command
            .current_dir(&self.home)
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", path.display()),
            )
            .env("XYMONHOME", &self.home)
            .env("XYMONTMP", self.home.join("tmp"))
            .env("XYMON", self.home.join("bin/xymon"))
            .env("XYMSRV", "127.0.0.1")
            .env("XYMONDPORT", self.port.to_string())
            .env("MACHINE", self.host.replace('.', ","))
            .env("MACHINEDOTS", self.host)
            .env("SERVEROSTYPE", "linux")
            .env("CONFIGCLASS", "linux")
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", self.host);
    }

    /// True if it has a version of the package.
    pub(crate) fn has(&self, version: &str) -> bool {
        let says = self.read("etc/clientversion.cfg") == format!("{}-{version}", self.package);
        let has = self.read("etc/news") == version;
        assert_eq!(says, has, "what it says is what it has");
        says
    }

    /// The last answer that the server gave it.
    pub(crate) fn answer(&self) -> String {
        self.read(&format!("tmp/logfetch.{}.cfg", self.host))
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.join(name)).unwrap_or_default()
    }
}
