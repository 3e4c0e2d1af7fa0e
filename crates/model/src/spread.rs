//! Curves by which hosts begin a change at different times.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Interval;

/// Which share of the hosts has begun after which time. What a host's own moment is says `plan::spread`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spread {
    /// All at once.
    None,
    /// The curve of cloudbackup-updater: Gamma with shape 3 and scale 2 hours, below 24 hours. 57.7 % have begun after
    /// 6 hours, 91.2 % after 11.
    Gamma,
    /// Straight lines between points: times that grow, and percents that grow up to 100.
    Points(Vec<(Interval, u8)>),
}

impl Spread {
    /// Most points of a curve.
    pub const MOST_POINTS: usize = 32;

    /// Parses `none`, `gamma`, or points such as `6h:50%, 11h:90%, 14h:100%`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "none" => return Ok(Self::None),
            "gamma" => return Ok(Self::Gamma),
            _ => {}
        }
        let refuse = |why: String| {
            let text: String = text.chars().take(80).collect();
            Err(format!(
                "{text:?} is not a curve: {why}; write \"none\", \"gamma\" or points such as \"6h:50%, 11h:90%, 14h:100%\""
            ))
        };
        let mut points: Vec<(Interval, u8)> = Vec::new();
        for part in text.split(',') {
            let Some((time, percent)) = part.trim().split_once(':') else {
                return refuse(format!("{:?} is no point", part.trim()));
            };
            let time = match Interval::from_str(time.trim()) {
                Ok(time) => time,
                Err(error) => return refuse(error.to_string()),
            };
            let percent = match percent.trim().strip_suffix('%').map(str::parse::<u8>) {
                Some(Ok(percent @ 1..=100)) => percent,
                _ => {
                    return refuse(format!(
                        "{:?} is no share between 1% and 100%",
                        percent.trim()
                    ));
                }
            };
            if points
                .last()
                .is_some_and(|last| last.0 >= time || last.1 >= percent)
            {
                return refuse("times and shares must grow".into());
            }
            points.push((time, percent));
        }
        if points.len() > Self::MOST_POINTS {
            return refuse(format!("it has more than {} points", Self::MOST_POINTS));
        }
        match points.last() {
            Some((_, 100)) => Ok(Self::Points(points)),
            _ => refuse("its last point must be 100%".into()),
        }
    }
}

impl FromStr for Spread {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.pad("none"),
            Self::Gamma => f.pad("gamma"),
            Self::Points(points) => {
                let points: Vec<String> = points
                    .iter()
                    .map(|(time, percent)| format!("{time}:{percent}%"))
                    .collect();
                f.pad(&points.join(", "))
            }
        }
    }
}
impl Serialize for Spread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Spread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_read_and_written_alike() {
        for text in ["none", "gamma", "6h:50%, 11h:90%, 14h:100%", "1h:100%"] {
            assert_eq!(Spread::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "6h",
            "6h:50%",
            "6h:50%, 5h:100%",
            "6h:90%, 7h:80%",
            "1h:0%",
            "x:100%",
        ] {
            let error = Spread::parse(text).unwrap_err();
            assert!(error.contains("is not a curve"), "{error}");
        }
    }
}
