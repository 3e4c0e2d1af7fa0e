//! Who listens on TCP, asked of the kernel over a netlink socket: it looks at the listening sockets alone then.
//!
//! Source: `sock_diag(7)`. Numbers are in the machine's own byte order, ports in that of the network.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};

use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink, socket_with};

/// Larger than any part of an answer.
const BUFFER: usize = 32 * 1024;
/// Parts of one answer; a machine with so many listeners is asked another way.
const MOST_PARTS: usize = 1024;
/// `struct nlmsghdr`.
const HEADER: usize = 16;
/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
const REQUEST: usize = HEADER + 56;
const REQUEST_LENGTH: u32 = 72;
/// `SOCK_DIAG_BY_FAMILY`, `NLM_F_REQUEST | NLM_F_DUMP`, `NLMSG_ERROR`, `NLMSG_DONE`.
const BY_FAMILY: u16 = 20;
const DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `AF_INET` and `AF_INET6`, `IPPROTO_TCP`, and `TCP_LISTEN` as a bit.
const FAMILIES: [u8; 2] = [2, 10];
const TCP: u8 = 6;
const LISTENS: u32 = 1 << 10;

/// The ports on which somebody listens. An error says that this kernel cannot be asked so.
pub(super) fn ports() -> io::Result<HashSet<u16>> {
    let mut ports = HashSet::new();
    let diag = Some(netlink::SOCK_DIAG);
    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    let mut socket = File::from(socket_with(family, kind, SocketFlags::CLOEXEC, diag)?);
    let mut buffer = vec![0; BUFFER];
    for family in FAMILIES {
        socket.write_all(&request(family))?;
        let mut is_over = false;
        for _ in 0..MOST_PARTS {
            let length = socket.read(&mut buffer)?;
            is_over = take(&buffer[..length], &mut ports)?;
            if is_over {
                break;
            }
        }
        if !is_over {
            return Err(io::Error::other("the answer does not end"));
        }
    }
    Ok(ports)
}

fn request(family: u8) -> [u8; REQUEST] {
    let mut request = [0; REQUEST];
    request[..4].copy_from_slice(&REQUEST_LENGTH.to_ne_bytes());
    request[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&DUMP.to_ne_bytes());
    request[HEADER] = family;
    request[HEADER + 1] = TCP;
    request[HEADER + 4..HEADER + 8].copy_from_slice(&LISTENS.to_ne_bytes());
    request
}

/// Takes the ports of one part of an answer. True if it was the last one.
fn take(mut part: &[u8], ports: &mut HashSet<u16>) -> io::Result<bool> {
    let not_understood = || io::Error::other("the answer is not understood");
    while !part.is_empty() {
        let header = part.get(..HEADER).ok_or_else(not_understood)?;
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
        let length = usize::try_from(length).map_err(|_| not_understood())?;
        let body = part.get(HEADER..length).ok_or_else(not_understood)?;
        match u16::from_ne_bytes([header[4], header[5]]) {
            DONE => return Ok(true),
            ERROR => return Err(io::Error::other("the kernel does not answer this")),
            BY_FAMILY => {
                // `struct inet_diag_msg`: four numbers of a byte, then the port.
                let port = body.get(4..6).ok_or_else(not_understood)?;
                ports.insert(u16::from_be_bytes([port[0], port[1]]));
            }
            _ => {}
        }
        part = part.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_socket_of_this_test_is_among_the_answers() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            // A machine without IPv6 has no such socket.
            let Ok(listener) = std::net::TcpListener::bind(address) else {
                continue;
            };
            let local = listener.local_addr().unwrap();
            assert!(ports().unwrap().contains(&local.port()), "{address}");
            let connected = std::net::TcpStream::connect(local).unwrap();
            let own = connected.local_addr().unwrap().port();
            assert!(!ports().unwrap().contains(&own), "a connection");
        }
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_parser(part in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = take(&part, &mut HashSet::new());
        }

        #[test]
        fn no_length_breaks_the_parser(length in 0_u32..40, kind in 0_u16..30) {
            let mut part = vec![0; 36];
            part[..4].copy_from_slice(&length.to_ne_bytes());
            part[4..6].copy_from_slice(&kind.to_ne_bytes());
            let _ = take(&part, &mut HashSet::new());
        }
    }
}
