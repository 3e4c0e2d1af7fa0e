//! Our server on a free port, and Debian's Xymon as `scripts/parts` unpacks it.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use lockstep_gateway::config::Gateways;
use lockstep_gateway::xymon::server::{Bounds, serve_within};
use lockstep_model::HostName;
use lockstep_net::tls::TlsAcceptorSource;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::desk::Desk;

/// How long anything may take before the test fails.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Our server.
pub(crate) struct Server {
    pub(crate) desk: Arc<Desk>,
    pub(crate) address: SocketAddr,
    pub(crate) reload: Arc<Notify>,
    pub(crate) home: TempDir,
    _stop: DropGuard,
}

/// How it is set up.
pub(crate) struct Setup {
    pub(crate) listen: &'static str,
    /// Lines of `[gateway.xymon]`.
    pub(crate) keys: &'static str,
    pub(crate) bounds: Bounds,
    pub(crate) tls: Option<TlsAcceptorSource>,
    /// `etc/hosts.cfg` and `etc/client-local.cfg`.
    pub(crate) hosts: &'static str,
    pub(crate) local: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0",
            keys: "",
            bounds: Bounds::default(),
            tls: None,
            hosts: "127.0.0.1 www.example.org # CLASS:web\n",
            local: "[linux]\nlog:/var/log/messages:10240\n",
        }
    }
}

impl Setup {
    pub(crate) async fn start(self) -> Server {
        let home = tempfile::tempdir().unwrap();
        write(&home.path().join("etc/hosts.cfg"), self.hosts);
        write(&home.path().join("etc/client-local.cfg"), self.local);
        fs::create_dir(home.path().join("download")).unwrap();
        let table = format!(
            "[xymon]\nlisten = {:?}\nhome = {:?}\nsenders = [\"127.0.0.0/8\", \"::1\"]\n{}",
            self.listen,
            home.path(),
            self.keys
        );
        let gateways: Gateways = toml::from_str(&table).unwrap();
        let config = gateways.xymon.unwrap();
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (desk, reload, stop) = (Desk::new(), Arc::default(), CancellationToken::new());
        tokio::spawn(serve_within(
            listener,
            config,
            self.tls,
            Arc::clone(&desk),
            Arc::clone(&reload),
            stop.clone(),
            self.bounds,
        ));
        Server {
            desk,
            address,
            reload,
            home,
            _stop: stop.drop_guard(),
        }
    }
}

impl Server {
    /// Sends a message, half-closes, and hears the answer.
    pub(crate) async fn say(&self, message: &str) -> String {
        let answer = say(self.address, message.as_bytes()).await;
        String::from_utf8(answer).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        write(&self.home.path().join(name), text);
    }

    /// The samples that a host told, newest last, as `ITEM VALUE LEVEL`.
    pub(crate) fn samples(&self, host: &str) -> Vec<String> {
        let host = HostName::parse(host).unwrap();
        let heard = self.desk.heard.lock().unwrap();
        let of_host = heard.iter().filter(|(name, ..)| *name == host);
        let samples = of_host.flat_map(|(_, said, _)| &said.samples);
        samples
            .map(|it| {
                let level = it.verdict.as_ref().map_or("-", |it| it.level.name());
                format!("{} {} {level}", it.item, it.value)
            })
            .collect()
    }
}

pub(crate) async fn say(address: SocketAddr, message: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has heard enough may close before all is sent.
    let _ = stream.write_all(message).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("an answer ends in time");
    answer
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A file of Debian's Xymon.
pub(crate) fn part(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/parts/xymon/usr/lib/xymon");
    let path = root.join(name);
    assert!(
        path.exists(),
        "{} is missing: run scripts/parts",
        path.display()
    );
    path
}

/// A private copy of Debian's client. The whole of it belongs to whoever runs the test, as its updates need.
pub(crate) struct Client {
    pub(crate) home: TempDir,
    server: SocketAddr,
}

impl Client {
    pub(crate) fn new(server: SocketAddr) -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for directory in ["bin", "etc", "tmp", "logs", "path"] {
            fs::create_dir(at(directory)).unwrap();
        }
        copy_programs(&at("bin"));
        // The script measures in the background for five minutes, and waits five seconds for what it measured before.
        for idle in ["vmstat", "sleep"] {
            write(&at("path").join(idle), "#!/bin/sh\nexit 0\n");
            fs::set_permissions(at("path").join(idle), Permissions::from_mode(0o755)).unwrap();
        }
        Self { home, server }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    /// Runs one of its programs as `www.example.org`; its exit code and what it wrote.
    pub(crate) async fn run(&self, program: &str, args: &[&str]) -> (Option<i32>, String) {
        let home = self.home.path();
        let path = format!(
            "{}:/usr/bin:/bin:/usr/sbin:/sbin",
            self.at("path").display()
        );
        let mut command = Command::new(self.at(program));
        command
            .args(args)
            .current_dir(home)
            .env_clear()
            .env("PATH", path)
            .env("XYMONHOME", home)
            .env("XYMONTMP", home.join("tmp"))
            .env("XYMON", home.join("bin/xymon"))
            .env("XYMSRV", self.server.ip().to_string())
            .env("XYMONDPORT", self.server.port().to_string())
            .env("MACHINE", "www,example,org")
            .env("MACHINEDOTS", "www.example.org")
            .env("SERVEROSTYPE", "linux")
            .env("CONFIGCLASS", "linux")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = timeout(LONG, command.output());
        let output = output.await.expect("the client ends in time").unwrap();
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    }

    /// One round of `xymonclient.sh`, as `xymonlaunch` starts it every five minutes.
    pub(crate) async fn round(&self) -> (Option<i32>, String) {
        self.run("bin/xymonclient.sh", &[]).await
    }

    /// What an update leaves behind if it does not end.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let names = fs::read_dir(self.at("tmp")).unwrap();
        let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut left: Vec<String> = names
            .filter(|name| name.starts_with(".update.") || name.starts_with(".inprogress"))
            .collect();
        left.sort();
        left
    }
}

pub(crate) fn copy_programs(to: &Path) {
    for name in [
        "clientupdate",
        "logfetch",
        "xymon",
        "xymonclient.sh",
        "xymonclient-linux.sh",
    ] {
        fs::copy(part("client/bin").join(name), to.join(name)).unwrap();
    }
}
