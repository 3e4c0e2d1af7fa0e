//! Is somebody listening on a port? Of TCP the kernel is asked for who listens ([`diag`]), where it can be asked so;
//! else, and of UDP, the sources are `/proc/net/tcp`, `tcp6`, `udp`, `udp6`.

mod diag;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{ItemName, Value};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::{Kernel, number};
use crate::aside::Aside;
use crate::probe::{Found, Look, Order, Probe};

/// How much of such a list is read, in bytes: about 7000 sockets.
const MOST_BYTES: u64 = 1024 * 1024;
/// `TCP_LISTEN` of the kernel.
const LISTENS: &str = "0A";
/// `TCP_CLOSE`, which is what an UDP socket is that has not been connected.
const RECEIVES: &str = "07";

/// One port of this machine, whatever the address.
#[derive(Debug)]
pub(super) struct Listening {
    item: ItemName,
    protocol: Protocol,
    port: u16,
    timeout: Duration,
    kernel: Arc<Kernel>,
    aside: Arc<Aside>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Udp,
}

/// Ports of one protocol, read once in a round.
type Cell = OnceCell<Result<HashSet<u16>, String>>;

impl Listening {
    pub(super) fn new(order: &Order) -> Result<Self, String> {
        let item = order.item()?;
        let (protocol, port) = parse(order.object().unwrap_or_default()).ok_or(
            "listening needs a port: listening:443, which is listening:tcp/443, or listening:udp/53",
        )?;
        Ok(Self {
            item,
            protocol,
            port,
            timeout: order.timeout,
            kernel: Arc::clone(&order.kernel),
            aside: Arc::clone(&order.aside),
        })
    }

    async fn find(&self, at: Timestamp) -> Result<Value, String> {
        let deadline = Instant::now() + self.timeout;
        let (key, files, state) = match self.protocol {
            Protocol::Tcp => ("tcp sockets", ["net/tcp", "net/tcp6"], LISTENS),
            Protocol::Udp => ("udp sockets", ["net/udp", "net/udp6"], RECEIVES),
        };
        let cell = self.kernel.cell::<Cell>(key);
        let ports = cell
            .get_or_init(async || {
                // For its lists the kernel looks for the first connection in a table that is mostly empty and has a
                // place for each that the machine could have: 20 ms, which others should not wait for.
                let proc = self.kernel.proc.clone();
                let list = self.aside.ask(key, at, move || {
                    // What this process is told is about the machine whose `proc` this is.
                    let can_be_asked = state == LISTENS && proc == Path::new("/proc");
                    match can_be_asked.then(diag::ports) {
                        Some(Ok(ports)) => Ok(ports),
                        _ => ports(&proc, files, state),
                    }
                });
                list.answer(deadline).await.and_then(|ports| ports)
            })
            .await
            .as_ref()
            .map_err(Clone::clone)?;
        let listens = if ports.contains(&self.port) { 1.0 } else { 0.0 };
        Ok(number(listens, ""))
    }
}

impl Probe for Listening {
    fn look(self: Arc<Self>, at: Timestamp) -> Look {
        Box::pin(async move { vec![Found::new(self.item.clone(), self.find(at).await)] })
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

/// `443`, `tcp/443` or `udp/53`.
fn parse(object: &str) -> Option<(Protocol, u16)> {
    let (protocol, port) = match object.split_once('/') {
        None => (Protocol::Tcp, object),
        Some(("tcp", port)) => (Protocol::Tcp, port),
        Some(("udp", port)) => (Protocol::Udp, port),
        Some(_) => return None,
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some((protocol, port))
}

/// The ports in both lists. A machine without IPv6 has no second one.
fn ports(proc: &Path, files: [&str; 2], state: &str) -> Result<HashSet<u16>, String> {
    let mut ports = HashSet::new();
    for (index, file) in files.into_iter().enumerate() {
        let path = proc.join(file);
        match File::open(&path).and_then(|file| collect(file, state, &mut ports)) {
            Err(error) if index == 1 && error.kind() == ErrorKind::NotFound => {}
            other => {
                other.map_err(|error| format!("{} cannot be read: {error}", path.display()))?
            }
        }
    }
    Ok(ports)
}

/// Of TCP the kernel lists first who listens: behind that nothing is read, for a busy machine has a hundred thousand
/// connections.
fn collect(list: impl Read, state: &str, ports: &mut HashSet<u16>) -> std::io::Result<()> {
    for line in BufReader::new(list.take(MOST_BYTES)).split(b'\n').skip(1) {
        match std::str::from_utf8(&line?).ok().and_then(socket) {
            Some((port, found)) if found == state => {
                ports.insert(port);
            }
            Some(_) if state == LISTENS => break,
            _ => {}
        }
    }
    Ok(())
}

/// The port and the state of a line.
fn socket(line: &str) -> Option<(u16, &str)> {
    let mut fields = line.split_ascii_whitespace();
    let (_, port) = fields.nth(1)?.rsplit_once(':')?;
    let state = fields.nth(1)?;
    Some((u16::from_str_radix(port, 16).ok()?, state))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::fake;

    const UDP6: &str = "  sl  local_address\n 1: 00000000000000000000000000000000:0035 \
        00000000000000000000000000000000:0000 07 00000000:00000000\n";

    #[tokio::test]
    async fn who_listens_is_found() {
        let machine = fake::machine();
        machine.put("proc/net/udp", "  sl  local_address\n");
        machine.put("proc/net/udp6", UDP6);
        for (name, expected) in [
            ("listening:22", 1.0),
            ("listening:tcp/22", 1.0),
            ("listening:8080", 0.0),
            ("listening:udp/22", 0.0),
            ("listening:udp/53", 1.0),
        ] {
            let probe = machine.probe(name);
            assert_eq!(machine.value(&probe).await, number(expected, ""), "{name}");
        }
    }

    #[test]
    fn ports_that_are_none() {
        let machine = fake::machine();
        for bad in [
            "listening",
            "listening:",
            "listening:0",
            "listening:65536",
            "listening:sctp/1",
        ] {
            assert!(Listening::new(&machine.order(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_socket_of_this_test_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = ports(Path::new("/proc"), ["net/tcp", "net/tcp6"], LISTENS).unwrap();
        assert!(open.contains(&port));
    }

    proptest! {
        #[test]
        fn no_list_breaks_the_parser(list in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = collect(list.as_slice(), LISTENS, &mut HashSet::new());
        }

        #[test]
        fn no_line_breaks_the_parser(line in "([0-9A-F]{0,5}|:| ){0,12}") {
            let _ = socket(&line);
        }
    }
}
