//! Which of two Debian versions is newer.
//!
//! Source: Debian policy 5.6.12, `deb-version(7)`: `[epoch:]upstream[-revision]`. Each part is compared as a row of
//! texts and numbers; `~` comes before everything, even before the end, letters before all other characters.

use std::cmp::Ordering;

/// Compares two versions as `dpkg` does.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let (a_epoch, a) = a.split_once(':').unwrap_or(("", a));
    let (b_epoch, b) = b.split_once(':').unwrap_or(("", b));
    let (a, a_revision) = a.rsplit_once('-').unwrap_or((a, ""));
    let (b, b_revision) = b.rsplit_once('-').unwrap_or((b, ""));
    part(a_epoch, b_epoch)
        .then_with(|| part(a, b))
        .then_with(|| part(a_revision, b_revision))
}

fn part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !(a.is_empty() && b.is_empty()) {
        let order = text(&mut a, &mut b).then_with(|| number(&mut a, &mut b));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Compares and removes what comes before the first digit.
fn text(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    let is_text = |part: &[u8]| part.first().is_some_and(|byte| !byte.is_ascii_digit());
    while is_text(a) || is_text(b) {
        let order = weight(a.first()).cmp(&weight(b.first()));
        if order != Ordering::Equal {
            return order;
        }
        // They are the same, so neither is at its end.
        (*a, *b) = (&a[1..], &b[1..]);
    }
    Ordering::Equal
}

/// A digit weighs as much as the end: that is where the text ends.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(b'~') => -1,
        Some(digit) if digit.is_ascii_digit() => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}

/// Compares and removes the digits at the beginning, however many there are.
fn number(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    let (a, b) = (digits(a), digits(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Removes the digits; zeros before the number do not count.
fn digits<'a>(part: &mut &'a [u8]) -> &'a [u8] {
    let end = part
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(part.len());
    let (digits, rest) = part.split_at(end);
    *part = rest;
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_host::exec::Exec;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::time::Duration;

    /// What `dpkg` takes for a version, with as many odd neighbours as possible.
    const VERSION: &str =
        "([0-2]:)?[0-9](0?[0-9]|[a-cA+.~]|\\.[0-9]|-[0-9]){0,5}(-[0-9a+.~]{1,3})?";

    #[test]
    fn versions_of_the_policy_are_in_order() {
        let ordered = ["~~", "~~a", "~", "", "a"];
        for pair in ordered.windows(2) {
            assert_eq!(part(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
        for (a, b) in [
            ("1.0~rc1-1", "1.0-1"),
            ("1.0-1", "1.0-1+deb12u1"),
            ("1.0-1+deb12u9", "1.0-1+deb12u10"),
            ("9.99", "1:0.1"),
            ("1.0-1~bpo12+1", "1.0-1"),
            ("2.36-9+deb12u7", "2.36-9+deb12u13"),
            ("1.99999999999999999999999", "1.100000000000000000000000"),
        ] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
        }
        for (a, b) in [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.01", "1.1")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    /// A thousand pairs, of which the neighbours are alike more often than chance has it.
    #[tokio::test]
    async fn dpkg_thinks_the_same() {
        let mut runner = TestRunner::deterministic();
        let mut new = || VERSION.new_tree(&mut runner).unwrap().current();
        let mut pairs = Vec::new();
        for _ in 0..500 {
            let (a, b) = (new(), new());
            let like_a = format!("{a}{}", ["0", "~", "+b1", "-0", ".0"][pairs.len() % 5]);
            pairs.push((a.clone(), b));
            pairs.push((a, like_a));
        }
        let script = "while [ $# -gt 0 ]; do
            if dpkg --compare-versions \"$1\" lt \"$2\"; then printf '<'
            elif dpkg --compare-versions \"$1\" eq \"$2\"; then printf '='
            else printf '>'; fi
            shift 2
        done 2>/dev/null";
        let args = pairs.iter().flat_map(|(a, b)| [a.as_str(), b.as_str()]);
        let dpkg = Exec::new("sh", Duration::from_secs(60))
            .args(["-c", script, "sh"])
            .args(args)
            .run()
            .await
            .unwrap();
        let ours: String = pairs
            .iter()
            .map(|(a, b)| match compare(a, b) {
                Ordering::Less => '<',
                Ordering::Equal => '=',
                Ordering::Greater => '>',
            })
            .collect();
        assert_eq!(dpkg.output.len(), pairs.len(), "{dpkg:?}");
        for ((pair, theirs), ours) in pairs.iter().zip(dpkg.output.chars()).zip(ours.chars()) {
            assert_eq!(ours, theirs, "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_one(a in VERSION, b in VERSION, c in "[-0-9a-c:~+.é]{0,8}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&b, &c), compare(&c, &b).reverse());
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }
    }
}
