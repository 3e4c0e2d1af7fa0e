//! What may stand between agent and server: a connection that is slow or cut, or a server that is overloaded.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes everything on, to this port.
    Pass(u16),
    /// Passes everything on at so many bytes a second towards the agent.
    Slow(u16, u64),
    /// Closes every connection, those under way too.
    Cut,
}

/// A proxy on a port of its own; connections follow its mode from one moment to the next.
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: Arc<Mutex<Mode>>,
    passed: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) fn start(mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, passed) = (Arc::new(Mutex::new(mode)), Arc::new(AtomicU64::new(0)));
        let (shared, count) = (mode.clone(), passed.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                let (mode, passed) = (shared.clone(), count.clone());
                std::thread::spawn(move || connect(client, &mode, &passed));
            }
        });
        Self {
            address,
            mode,
            passed,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// Bytes that were passed on towards agents so far.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

fn connect(client: TcpStream, mode: &Arc<Mutex<Mode>>, passed: &Arc<AtomicU64>) {
    let (Mode::Pass(port) | Mode::Slow(port, _)) = *mode.lock().unwrap() else {
        return;
    };
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
        return;
    };
    let up = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (shared, uncounted) = (mode.clone(), Arc::new(AtomicU64::new(0)));
    std::thread::spawn(move || pump(up.0, up.1, &shared, &uncounted, port, false));
    pump(server, client, mode, passed, port, true);
}

/// Passes bytes on until either side ends, or the mode does not lead to this server any more.
fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    mode: &Mutex<Mode>,
    passed: &AtomicU64,
    port: u16,
    towards_agent: bool,
) {
    from.set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let mut buffer = [0; 16 * 1024];
    loop {
        let mode = *mode.lock().unwrap();
        let leads_here = matches!(mode, Mode::Pass(to) | Mode::Slow(to, _) if to == port);
        if !leads_here {
            break;
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                if to.write_all(&buffer[..read]).is_err() {
                    break;
                }
                passed.fetch_add(read as u64, Ordering::Relaxed);
                if let (Mode::Slow(_, rate), true) = (mode, towards_agent) {
                    // This pause is the slow line itself, not a wait for anything.
                    std::thread::sleep(Duration::from_secs_f64(read as f64 / rate as f64));
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
