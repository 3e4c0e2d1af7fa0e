//! Several messages in one.

/// Messages in one `combo` or `extcombo`, at most; Xymon's own sender stops at 100.
const MOST: usize = 1_000;

/// The statuses of a `combo`: each begins behind an empty line.
#[must_use]
pub fn combo(message: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"\n\nstatus";
    let mut parts = Vec::new();
    let Some(mut rest) = message.strip_prefix(b"combo\n") else {
        return parts;
    };
    while !rest.is_empty() && parts.len() < MOST {
        let next = rest.windows(BEGIN.len()).position(|it| it == BEGIN);
        let (part, behind) = match next {
            Some(at) => (&rest[..=at], &rest[at + 2..]),
            None => (rest, &b""[..]),
        };
        parts.push(part);
        rest = behind;
    }
    parts
}

/// The messages of an `extcombo`. Its first line has numbers: where in the whole message the first one begins, and where
/// each ends. Numbers that lie outside, or go back, end the list.
#[must_use]
pub fn extcombo(message: &[u8]) -> Vec<&[u8]> {
    let Some(line) = message.split(|&byte| byte == b'\n').next() else {
        return Vec::new();
    };
    let words = line.split(u8::is_ascii_whitespace);
    let mut places = words
        .filter(|word| !word.is_empty())
        .skip(1)
        .map_while(|word| std::str::from_utf8(word).ok()?.parse::<usize>().ok());
    let mut parts = Vec::new();
    let Some(mut begin) = places.next() else {
        return parts;
    };
    // A message cannot begin in the line of numbers, or it could hold itself.
    if begin <= line.len() {
        return parts;
    }
    for end in places.take(MOST) {
        match message.get(begin..end) {
            Some(part) if !part.is_empty() => parts.push(part),
            _ => break,
        }
        begin = end;
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statuses_begin_behind_an_empty_line() {
        let message = b"combo\nstatus a.b green x\n\nmore\n\nstatus a.c red y\n";
        let parts = combo(message);
        assert_eq!(
            parts,
            [&b"status a.b green x\n\nmore\n"[..], b"status a.c red y\n"]
        );
        assert!(combo(b"combo\n").is_empty() && combo(b"combo").is_empty());
    }

    #[test]
    fn numbers_say_where_messages_are() {
        let message = b"extcombo 18 22 26 \npingdata";
        assert_eq!(extcombo(message), Vec::<&[u8]>::new(), "18 is the newline");
        let message = b"extcombo 19 23 27 \npingdata";
        assert_eq!(extcombo(message), [&b"ping"[..], b"data"]);
        for bad in [
            &b"extcombo"[..],
            b"extcombo 0 5\nx",
            b"extcombo 14 99\nab",
            b"extcombo 14 13\nab",
            b"extcombo 99999999999999999999 1\n",
        ] {
            assert!(extcombo(bad).is_empty(), "{}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_split(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            numbers in prop::collection::vec(0_usize..300, 0..8),
        ) {
            let mut message = format!("extcombo {}\n", numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")).into_bytes();
            message.extend_from_slice(&bytes);
            let all: usize = extcombo(&message).iter().map(|it| it.len()).sum();
            prop_assert!(all <= bytes.len());
            let mut message = b"combo\n".to_vec();
            message.extend_from_slice(&bytes);
            let all: usize = combo(&message).iter().map(|it| it.len()).sum();
            prop_assert!(all <= bytes.len());
        }
    }
}
