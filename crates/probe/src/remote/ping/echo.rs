//! ICMP echoes (RFC 792, RFC 4443) through a socket of the kernel's own ping, or a raw one where that is not allowed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};
use tokio::net::UdpSocket;

use crate::remote::single::Failure;

/// Echoes to one address.
#[derive(Debug)]
pub(super) struct Echoes {
    socket: UdpSocket,
    is_v4: bool,
    /// Tells our echoes from those of other programs, which a raw socket hears as well.
    cookie: [u8; 8],
}

/// Type, code, checksum, identifier, number.
const HEAD: usize = 8;

impl Echoes {
    /// A socket for echoes; an error says what is missing.
    pub(super) fn to(address: IpAddr) -> Result<Self, Failure> {
        let socket = open(address).map_err(|error| match error {
            Errno::ACCESS | Errno::PERM => Failure::of_ours(
                "ping is not permitted to this user: set the kernel's net.ipv4.ping_group_range to include its \
                 group, or grant CAP_NET_RAW",
            ),
            other => Failure::of_ours(format!("a socket for ICMP cannot be opened: {other}")),
        })?;
        connect(&socket, &SocketAddr::new(address, 0)).map_err(|error| {
            Failure::of_theirs(format!("ping {address}: {}", io::Error::from(error)))
        })?;
        let failed = |error| Failure::of_ours(format!("a socket for ICMP cannot be used: {error}"));
        // For tokio it is one more socket with packets; none of its other ways to look at it is used.
        let socket = UdpSocket::from_std(socket.into()).map_err(failed)?;
        Ok(Self {
            socket,
            is_v4: address.is_ipv4(),
            cookie: fastrand::u64(..).to_be_bytes(),
        })
    }

    /// Sends the echo of this number.
    pub(super) async fn send(&self, number: u16) -> io::Result<()> {
        let mut packet = [0; HEAD + 8];
        packet[0] = if self.is_v4 { 8 } else { 128 };
        // The identifier is set by the kernel where the socket is its own.
        packet[4..6].copy_from_slice(&self.cookie[..2]);
        packet[6..8].copy_from_slice(&number.to_be_bytes());
        packet[HEAD..].copy_from_slice(&self.cookie);
        if self.is_v4 {
            let sum = checksum(&packet);
            packet[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        self.socket.send(&packet).await?;
        Ok(())
    }

    /// Waits for an echo, and gives its number.
    pub(super) async fn receive(&self) -> io::Result<u16> {
        let mut buffer = [0; 256];
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            if let Some(number) = number(&buffer[..length], self.is_v4, self.cookie) {
                return Ok(number);
            }
        }
    }
}

fn open(address: IpAddr) -> Result<OwnedFd, Errno> {
    let (family, protocol) = match address {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket_with(family, SocketType::DGRAM, flags, Some(protocol))
        .or_else(|_| socket_with(family, SocketType::RAW, flags, Some(protocol)))
}

/// The number of an echo, if the packet is one of ours.
fn number(packet: &[u8], is_v4: bool, cookie: [u8; 8]) -> Option<u16> {
    // A raw socket of the old protocol gives the head of the network packet too, whose first byte tells its length.
    let echo = match packet.first() {
        Some(first) if is_v4 && first >> 4 == 4 => packet.get(usize::from(first & 15) * 4..)?,
        _ => packet,
    };
    let reply = if is_v4 { 0 } else { 129 };
    let is_ours = echo.get(..2)? == [reply, 0] && echo.get(HEAD..HEAD + 8)? == cookie;
    is_ours.then(|| u16::from_be_bytes([echo[6], echo[7]]))
}

/// RFC 1071.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        _ => u32::from(pair[0]) << 8,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the loop has made it small"
    )]
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_checksum_of_a_packet_with_its_checksum_is_none() {
        let mut packet = [8, 0, 0, 0, 1, 2, 3, 4, 9, 9];
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(checksum(&packet), 0);
    }

    proptest! {
        #[test]
        fn nothing_makes_the_parser_panic(packet in prop::collection::vec(any::<u8>(), 0..64), is_v4: bool) {
            let _ = number(&packet, is_v4, *b"12345678");
        }

        #[test]
        fn ours_is_found_behind_any_head(words in 5..16_usize, count: u16) {
            let mut packet = vec![0; words * 4];
            #[expect(clippy::cast_possible_truncation, reason = "below 16")]
            let first = 0x40 | words as u8;
            packet[0] = first;
            packet.extend([0, 0, 7, 7, 7, 7]);
            packet.extend(count.to_be_bytes());
            packet.extend(b"12345678");
            prop_assert_eq!(number(&packet, true, *b"12345678"), Some(count));
            prop_assert_eq!(number(&packet, true, *b"12345679"), None);
        }
    }
}
