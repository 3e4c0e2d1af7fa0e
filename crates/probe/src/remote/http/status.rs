//! Which statuses are wanted: `"200"`, `"2xx"`, `"200, 301-308"`.

use std::fmt;
use std::ops::RangeInclusive;

/// The statuses that are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted(Vec<RangeInclusive<u16>>);

impl Wanted {
    /// Each text may hold several, with commas. Without any, all below 400 are right.
    pub(super) fn parse(texts: &[String]) -> Result<Self, String> {
        let parts = texts.iter().flat_map(|text| text.split(','));
        let ranges: Vec<_> = parts
            .map(|part| part.trim())
            .map(|part| range(part).ok_or_else(|| refuse(part)))
            .collect::<Result<_, _>>()?;
        if ranges.is_empty() {
            return Ok(Self(vec![100..=399]));
        }
        Ok(Self(ranges))
    }

    pub(super) fn has(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

fn refuse(part: &str) -> String {
    format!("{part:?} is not an HTTP status: write \"200\", \"2xx\" or \"301-308\"")
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let status = |text: &str| {
        let status = text.trim().parse().ok()?;
        (100..=999).contains(&status).then_some(status)
    };
    if let Some(class) = text.strip_suffix("xx").or(text.strip_suffix("XX")) {
        let class: u16 = class.parse().ok()?;
        return (1..=9)
            .contains(&class)
            .then(|| class * 100..=class * 100 + 99);
    }
    match text.split_once('-') {
        Some((from, to)) => Some(status(from)?..=status(to)?).filter(|range| !range.is_empty()),
        None => status(text).map(|status| status..=status),
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match (range.start(), range.end()) {
                (from, to) if from == to => write!(f, "{comma}{from}")?,
                (from, to) if from % 100 == 0 && *to == from + 99 => {
                    write!(f, "{comma}{}xx", from / 100)?;
                }
                (from, to) => write!(f, "{comma}{from}-{to}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn statuses_are_written_for_people() {
        let wanted = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).into()).collect();
            Wanted::parse(&texts)
        };
        let any = wanted(&[]).unwrap();
        assert!(any.has(200) && any.has(304) && !any.has(404));
        let some = wanted(&["2xx", "301-303,404"]).unwrap();
        assert!(some.has(204) && some.has(302) && some.has(404) && !some.has(304));
        assert_eq!(some.to_string(), "2xx, 301-303, 404");
        for bad in ["", "ok", "99", "0xx", "303-301", "65536"] {
            assert!(wanted(&[bad]).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_the_parser_panic(text in "[0-9x, -]{0,12}|\\PC{0,12}") {
            let _ = Wanted::parse(&[text]);
        }
    }
}
