//! Numbers as they stand in the outputs of `df`, `free` and others.

/// Rounds to a few decimals, as our probes do: `scale` is 10 for one, 100 for two.
pub(super) fn round(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}

/// A number in decimal digits, perhaps with a fraction; nothing that a float could be beside that.
pub(super) fn plain(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    is_number.then(|| text.parse().ok())?
}

/// A number of bytes as `df -H` has it: `1.5G`, in powers of a thousand; `df -h` has those of 1,024.
pub(super) fn sized(text: &str, power: f64) -> Option<f64> {
    let end = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(end);
    let exponent = match unit.trim_end_matches(['i', 'B']) {
        "" => 0,
        "k" | "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        "P" => 5,
        _ => return None,
    };
    Some(plain(number)? * power.powi(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits() {
        assert_eq!(plain("12.5"), Some(12.5));
        assert_eq!(plain("-3"), Some(-3.0));
        for nonsense in ["", "-", "inf", "NaN", "1e9", "12%", "0x1", "1.2.3"] {
            assert_eq!(plain(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(sized("1.5G", 1000.0), Some(1.5e9));
        assert_eq!(sized("2Ki", 1024.0), Some(2048.0));
        assert_eq!(sized("512B", 1000.0), Some(512.0));
        assert_eq!(sized("12", 1000.0), None);
        assert_eq!(sized("1X", 1000.0), None);
    }
}
