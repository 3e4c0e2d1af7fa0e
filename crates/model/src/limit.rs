//! How many hosts of a group: limits such as `2% min 3`, and sizes of waves such as `10%`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A share of a group, from 0 % to 100 %, kept exactly to a thousandth of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Percent(u32);

/// So many hosts of a group may do something: `0`, `3`, `2%`, or `2% min 3` for whichever is more. A percentage is
/// rounded down, so `2%` of 49 hosts are none; `min` is there for small groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Limit {
    /// So many, however large the group is.
    pub count: u32,
    /// And so many of the group, where that is more.
    pub percent: Option<Percent>,
}

/// How many hosts a wave of a rollout reaches: a number from 1 on, or a percentage above 0 %, which is rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaveSize {
    /// So many, if there are as many.
    Count(u32),
    /// So many of the group.
    Share(Percent),
}

impl Percent {
    /// Thousandths of a percent in 100 %.
    const WHOLE: u32 = 100_000;

    /// So many whole percent; none above 100.
    #[must_use]
    pub const fn new(percent: u32) -> Option<Self> {
        if percent > 100 {
            return None;
        }
        Some(Self(percent * 1000))
    }

    const fn at_most_all(percent: u32) -> Self {
        match Self::new(percent) {
            Some(percent) => percent,
            None => Self(Self::WHOLE),
        }
    }

    /// So many thousandths of a percent; none above 100,000.
    #[must_use]
    pub const fn from_thousandths(thousandths: u32) -> Option<Self> {
        if thousandths > Self::WHOLE {
            return None;
        }
        Some(Self(thousandths))
    }

    /// In thousandths of a percent.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// So many of these hosts, rounded down.
    #[must_use]
    pub fn floor_of(self, hosts: usize) -> usize {
        // Cannot fail: a share is never more than the whole.
        usize::try_from(self.product(hosts) / u128::from(Self::WHOLE)).unwrap_or(hosts)
    }

    /// So many of these hosts, rounded up.
    #[must_use]
    pub fn ceil_of(self, hosts: usize) -> usize {
        usize::try_from(self.product(hosts).div_ceil(u128::from(Self::WHOLE))).unwrap_or(hosts)
    }

    fn product(self, hosts: usize) -> u128 {
        // Infallible where this builds: no machine counts with more than 128 bits.
        u128::try_from(hosts).unwrap_or(u128::from(u64::MAX)) * u128::from(self.0)
    }

    /// Reads `2%`, `0.5 %` or `12.345%`.
    fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?.trim_end();
        let (whole, decimals) = match number.split_once('.') {
            Some((_, decimals)) if decimals.is_empty() || decimals.len() > 3 => return None,
            Some(parts) => parts,
            None => (number, ""),
        };
        let whole = digits(whole)?;
        let thousandths = match decimals {
            "" => 0,
            some => digits(&format!("{some:0<3}"))?,
        };
        Self::from_thousandths(whole.checked_mul(1000)?.checked_add(thousandths)?)
    }
}

impl Limit {
    /// So many hosts, however large the group is.
    #[must_use]
    pub const fn count(count: u32) -> Self {
        Self {
            count,
            percent: None,
        }
    }

    /// So many whole percent of the group; all of it from 100 on.
    #[must_use]
    pub const fn share(percent: u32) -> Self {
        Self {
            count: 0,
            percent: Some(Percent::at_most_all(percent)),
        }
    }

    /// The limit in a group of so many hosts. It can be above the group's size, and then limits nothing.
    #[must_use]
    pub fn of(self, hosts: usize) -> usize {
        let share = self.percent.map_or(0, |percent| percent.floor_of(hosts));
        count(self.count).max(share)
    }
}

impl WaveSize {
    /// So many whole percent of the group; all of it from 100 on.
    #[must_use]
    pub const fn share(percent: u32) -> Self {
        Self::Share(Percent::at_most_all(percent))
    }

    /// All hosts.
    pub const ALL: Self = Self::Share(Percent(Percent::WHOLE));

    /// The hosts in a group of so many: at least one if there are any, and never more than there are.
    #[must_use]
    pub fn of(self, hosts: usize) -> usize {
        let wanted = match self {
            Self::Count(number) => count(number),
            Self::Share(percent) => percent.ceil_of(hosts),
        };
        wanted.max(1).min(hosts)
    }
}

/// A number of hosts as one that counts in memory.
fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A number written in digits alone.
fn digits(text: &str) -> Option<u32> {
    // `parse` would take a plus as well.
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The text as it is shown in an error, which is not to repeat a long one.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

impl FromStr for Percent {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text.trim()).ok_or_else(|| {
            format!(
                "{:?} is not a percentage: one between \"0%\" and \"100%\" with at most three decimals is expected",
                shown(text)
            )
        })
    }
}
impl FromStr for Limit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || {
            format!(
                "{:?} is not a limit: a number of hosts such as \"3\", a percentage of them between \"0%\" and \
                 \"100%\" with at most three decimals such as \"2%\", or both as in \"2% min 3\" is expected",
                shown(text)
            )
        };
        let whole = text.trim();
        if let Some(count) = digits(whole) {
            return Ok(Self::count(count));
        }
        let (percent, count) = match whole.split_once("min") {
            // `min` is a word of its own.
            Some((percent, count)) if count.starts_with(char::is_whitespace) => {
                (percent.trim_end(), digits(count.trim_start()))
            }
            Some(_) => return Err(refuse()),
            None => (whole, Some(0)),
        };
        match (Percent::parse(percent), count) {
            (Some(percent), Some(count)) => Ok(Self {
                count,
                percent: Some(percent),
            }),
            _ => Err(refuse()),
        }
    }
}
impl FromStr for WaveSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let whole = text.trim();
        let size = match digits(whole) {
            Some(count) => Some(Self::Count(count)),
            None => Percent::parse(whole).map(Self::Share),
        };
        match size {
            Some(Self::Count(1..)) => size,
            Some(Self::Share(percent)) if percent > Percent(0) => size,
            _ => None,
        }
        .ok_or_else(|| {
            format!(
                "{:?} is not the size of a wave: a number of hosts from \"1\" on, or a percentage of them above \
                 \"0%\" and up to \"100%\" with at most three decimals is expected",
                shown(text)
            )
        })
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, thousandths) = (self.0 / 1000, self.0 % 1000);
        if thousandths == 0 {
            return f.pad(&format!("{whole}%"));
        }
        let decimals = format!("{thousandths:03}");
        f.pad(&format!("{whole}.{}%", decimals.trim_end_matches('0')))
    }
}
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.percent, self.count) {
            (None, count) => f.pad(&count.to_string()),
            (Some(percent), 0) => percent.fmt(f),
            (Some(percent), count) => f.pad(&format!("{percent} min {count}")),
        }
    }
}
impl fmt::Display for WaveSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => f.pad(&count.to_string()),
            Self::Share(percent) => percent.fmt(f),
        }
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl Serialize for WaveSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber)?.parse()
    }
}
impl<'de> Deserialize<'de> for WaveSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber)?.parse()
    }
}

/// Reads a text, or a bare whole number as the text that it is written as.
struct TextOrNumber;

/// What [`TextOrNumber`] has read.
struct Written(String);

impl Written {
    fn parse<T: FromStr<Err = String>, E: de::Error>(self) -> Result<T, E> {
        self.0.parse().map_err(E::custom)
    }
}

impl de::Visitor<'_> for TextOrNumber {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of hosts such as 3, or a percentage of them such as \"2%\"")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Written, E> {
        Ok(Written(text.into()))
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Written, E> {
        Ok(Written(number.to_string()))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Written, E> {
        Ok(Written(number.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(text: &str) -> Limit {
        text.parse().unwrap()
    }
    fn size(text: &str) -> WaveSize {
        text.parse().unwrap()
    }

    #[test]
    fn limits_count_hosts() {
        for (text, hosts, expected) in [
            ("0", 100, 0),
            ("3", 100, 3),
            ("3", 0, 3),
            ("2%", 49, 0),
            ("2%", 50, 1),
            ("2%", 149, 2),
            ("2% min 3", 10, 3),
            ("2% min 3", 1000, 20),
            ("0.5%", 199, 0),
            ("0.5%", 200, 1),
            ("33.333%", 300, 99),
            ("0.001%", 100_000, 1),
            ("100%", 7, 7),
            ("0%", 7, 0),
        ] {
            assert_eq!(limit(text).of(hosts), expected, "{text} of {hosts}");
        }
        assert_eq!(limit("100%").of(usize::MAX), usize::MAX);
    }

    #[test]
    fn waves_have_at_least_one_host_and_never_too_many() {
        for (text, hosts, expected) in [
            ("1", 100, 1),
            ("5", 3, 3),
            ("5", 0, 0),
            ("1%", 0, 0),
            ("1%", 1, 1),
            ("1%", 100, 1),
            ("1%", 101, 2),
            ("0.001%", 10, 1),
            ("50%", 3, 2),
            ("100%", 3, 3),
        ] {
            assert_eq!(size(text).of(hosts), expected, "{text} of {hosts}");
        }
        assert_eq!(WaveSize::ALL, size("100%"));
    }

    #[test]
    fn they_are_written_shortly() {
        for (text, written) in [
            ("03", "3"),
            (" 2 % ", "2%"),
            ("2.50%", "2.5%"),
            ("2.000%", "2%"),
            ("0.010%  min  3", "0.01% min 3"),
            ("2% min 0", "2%"),
        ] {
            assert_eq!(limit(text).to_string(), written);
        }
        assert_eq!(format!("{:>5}|", size("1%")), "   1%|");
    }

    #[test]
    fn nonsense_is_refused_with_what_is_allowed() {
        for bad in [
            "",
            "-1",
            "+1",
            "2.5",
            "101%",
            "100.001%",
            "1.2345%",
            "1.%",
            ".5%",
            "+2%",
            "%",
            "2% min",
            "2%min3",
            "2% min -1",
            "2% min 3%",
            "min 3",
            "3 min 2%",
            "2% max 3",
            "4294967296",
            "99999999999%",
            "2% 3",
        ] {
            let error = bad.parse::<Limit>().unwrap_err();
            assert!(error.contains("\"2% min 3\""), "{bad}: {error}");
        }
        for bad in ["0", "0%", "0.000%", "", "1% min 3", "101%"] {
            let error = bad.parse::<WaveSize>().unwrap_err();
            assert!(error.contains("from \"1\" on"), "{bad}: {error}");
        }
        assert!("2".parse::<Percent>().unwrap_err().contains("\"100%\""));
    }

    #[test]
    fn files_may_have_bare_numbers() {
        #[derive(Deserialize)]
        struct File {
            limit: Limit,
            size: WaveSize,
        }
        let file: File = toml::from_str("limit = 3\nsize = \"10%\"").unwrap();
        assert_eq!((file.limit, file.size), (limit("3"), size("10%")));
        assert_eq!(serde_json::from_str::<WaveSize>("7").unwrap(), size("7"));
        assert_eq!(
            serde_json::to_string(&limit("2% min 3")).unwrap(),
            "\"2% min 3\""
        );
        for bad in ["limit = -1", "limit = 2.5", "limit = true", "limit = [1]"] {
            let error = toml::from_str::<File>(&format!("{bad}\nsize = 1"))
                .map(|_| ())
                .unwrap_err();
            assert!(error.to_string().contains("such as"), "{error}");
        }
        assert!(serde_json::from_str::<WaveSize>("0").is_err());
    }

    fn percents() -> impl Strategy<Value = Percent> {
        (0..=Percent::WHOLE).prop_map(Percent)
    }

    proptest! {
        #[test]
        fn limits_survive_the_round_trip(count in any::<u32>(), percent in proptest::option::of(percents())) {
            let limit = Limit { count, percent };
            prop_assert_eq!(limit.to_string().parse(), Ok(limit));
            let json = serde_json::to_string(&limit).unwrap();
            prop_assert_eq!(serde_json::from_str::<Limit>(&json).unwrap(), limit);
        }

        #[test]
        fn sizes_survive_the_round_trip(count in 1..u32::MAX, share in 1..=Percent::WHOLE) {
            for size in [WaveSize::Count(count), WaveSize::Share(Percent(share))] {
                prop_assert_eq!(size.to_string().parse(), Ok(size));
                let json = serde_json::to_string(&size).unwrap();
                prop_assert_eq!(serde_json::from_str::<WaveSize>(&json).unwrap(), size);
            }
        }

        #[test]
        fn shares_are_exact(percent in percents(), hosts in 0_usize..2_000_000) {
            // The largest number whose hundred thousand fold is not above the product, and the smallest not below.
            let product = hosts as u64 * u64::from(percent.thousandths());
            let (down, up) = (percent.floor_of(hosts), percent.ceil_of(hosts));
            prop_assert!(down as u64 * 100_000 <= product && product < (down as u64 + 1) * 100_000);
            prop_assert!(up as u64 * 100_000 >= product);
            prop_assert!(up - down <= 1 && up <= hosts);
        }

        #[test]
        fn larger_groups_never_have_smaller_shares(percent in 1..=Percent::WHOLE, hosts in 0_usize..100_000) {
            let (limit, size) = (
                Limit { count: 2, percent: Some(Percent(percent)) },
                WaveSize::Share(Percent(percent)),
            );
            prop_assert!(limit.of(hosts) <= limit.of(hosts + 1));
            prop_assert!(size.of(hosts) <= size.of(hosts + 1));
            prop_assert!(size.of(hosts) <= hosts && (hosts == 0 || size.of(hosts) >= 1));
        }

        #[test]
        fn nothing_makes_the_parsers_panic(text in "\\PC{0,60}", near in "[0-9.%min +-]{0,20}") {
            for text in [text, near] {
                let _ = text.parse::<Limit>();
                let _ = text.parse::<WaveSize>();
            }
        }
    }
}
