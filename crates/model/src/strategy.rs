//! How a rollout goes: its waves, when their hosts may begin, and what must hold before it goes on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Blackout, Glob, Hours, Interval, Limit, Percent, Quantity, Spread, WaveSize, Windows};

/// How a rollout goes. Read from TOML by flat keys, which the reference of `server.toml` lists with their meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Strategy {
    /// How many hosts have been let go when a wave is open, the earlier waves included. They grow, and the last one is
    /// all hosts.
    pub waves: Vec<WaveSize>,
    /// The label that names a host's failure domain, as `rack`: each wave takes hosts of all of them in proportion.
    pub domain: Option<String>,
    /// How long a proven wave is watched before the next one opens.
    pub bake: Interval,
    /// The bake time of an urgent rollout, if it is shorter.
    pub urgent_bake: Interval,
    /// When the hosts of a wave are let go, counted from its opening.
    pub spread: Spread,
    /// When hosts may be let go at all.
    pub windows: Windows,
    /// So many hosts may be in flight: let go, and not come to an end yet.
    pub in_flight: Option<Limit>,
    /// So many of the rollout's hosts must stay fit and at rest: heard of, without a gated item at `sick` or worse, and
    /// not in flight.
    pub fit: Option<WaveSize>,
    /// The label that names a host's site.
    pub site: Option<String>,
    /// So many bytes of bundles may be in flight to one site. One host is always allowed.
    pub site_bytes: Option<u64>,
    /// What becomes of hosts that join while the rollout is under way.
    pub late: Late,
    /// So many of the hosts that were let go may fail.
    pub failed: Gate,
    /// So many of the hosts of the waves that are open may be silent.
    pub silent: Gate,
    /// So many of the hosts that were let go may be worse than they were before.
    pub worse: Gate,
    /// Whether updated hosts are compared with those that are not updated yet.
    pub compare: Option<Compare>,
    /// Which items are gated; empty for all.
    pub items: Vec<Glob>,
}

/// A limit, and what happens when it is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// How many hosts may.
    pub limit: Limit,
    /// What happens when more do.
    pub then: Then,
}

/// The differential gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compare {
    /// The chance that a rollout of a harmless release is stopped by this gate, over all of its waves.
    pub chance: Percent,
    /// What happens when updated hosts are worse off.
    pub then: Then,
}

/// What happens when a gate says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// Nobody else is let go until it agrees again.
    Hold,
    /// The rollout ends here. Who has proven the version keeps it.
    Halt,
    /// The rollout ends here, and all hosts of the wave that is open go back.
    RollBackWave,
    /// All hosts go back.
    RollBack,
}

/// What becomes of hosts that join a rollout's group while it is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Late {
    /// They wait until it is done.
    #[default]
    After,
    /// They join its last wave, if that is not open yet.
    Join,
    /// They get the version at once, as soon as the first wave has proven it.
    AtOnce,
}

impl Strategy {
    /// Most waves.
    pub const MOST_WAVES: usize = 32;
    /// Longest bake time.
    pub const LONGEST_BAKE: Interval = Interval::from_secs(30 * 86_400);

    /// The same for a release that cannot wait: no windows, no blackout dates, no spread, and the shorter bake time.
    /// Waves and gates stay as they are.
    #[must_use]
    pub fn urgent(self) -> Self {
        Self {
            bake: self.bake.min(self.urgent_bake),
            spread: Spread::None,
            windows: Windows::default(),
            ..self
        }
    }

    /// How many hosts each wave has, of so many in all: at least one, and together all of them. There are fewer waves
    /// than the strategy names where some would be empty.
    #[must_use]
    pub fn sizes(&self, hosts: usize) -> Vec<usize> {
        let mut sizes = Vec::with_capacity(self.waves.len());
        let mut so_far = 0;
        for wave in &self.waves {
            let reaches = wave.of(hosts);
            if reaches > so_far {
                sizes.push(reaches - so_far);
                so_far = reaches;
            }
        }
        if so_far < hosts {
            sizes.push(hosts - so_far);
        }
        sizes
    }
}

impl Default for Strategy {
    fn default() -> Self {
        Self {
            waves: vec![
                WaveSize::Count(1),
                WaveSize::share(1),
                WaveSize::share(10),
                WaveSize::share(50),
                WaveSize::ALL,
            ],
            domain: None,
            bake: Interval::from_secs(120),
            urgent_bake: Interval::from_secs(30),
            spread: Spread::None,
            windows: Windows::default(),
            in_flight: None,
            fit: None,
            site: None,
            site_bytes: None,
            late: Late::After,
            failed: Gate {
                limit: Limit::share(1),
                then: Then::Halt,
            },
            silent: Gate {
                limit: Limit::share(2),
                then: Then::Hold,
            },
            worse: Gate {
                limit: Limit::share(5),
                then: Then::Hold,
            },
            compare: Some(Compare {
                chance: Percent::new(1).unwrap_or_default(),
                then: Then::Halt,
            }),
            items: Vec::new(),
        }
    }
}

impl Then {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hold, Self::Halt, Self::RollBackWave, Self::RollBack];

    /// The word that stands for it in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Halt => "halt",
            Self::RollBackWave => "roll-back-wave",
            Self::RollBack => "roll-back",
        }
    }
}

impl fmt::Display for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A strategy as it is written: flat keys, all of them optional.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waves: Option<Vec<WaveSize>>,
    /// Short for two waves: so many hosts, and the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    canaries: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bake: Option<Interval>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    urgent_bake: Option<Interval>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spread: Option<Spread>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hours: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blackouts: Option<Vec<Blackout>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    in_flight: Option<Limit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fit: Option<WaveSize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    site_bytes: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    late: Option<Late>,
    #[serde(default, alias = "max_failed", skip_serializing_if = "Option::is_none")]
    failed: Option<Limit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_failed: Option<Then>,
    #[serde(default, alias = "max_silent", skip_serializing_if = "Option::is_none")]
    silent: Option<Limit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_silent: Option<Then>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worse: Option<Limit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_worse: Option<Then>,
    /// `off`, or the chance of a false stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compare: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_compare: Option<Then>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Glob>>,
}

/// A number of bytes: `500 MB`, or a bare number.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Bytes {
    Number(u64),
    Text(Quantity),
}

impl TryFrom<Raw> for Strategy {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let default = Self::default();
        let waves = match (raw.waves, raw.canaries) {
            (Some(_), Some(_)) => {
                return Err(
                    "canaries is short for waves = [\"N\", \"100%\"]; only one of both can be given"
                        .into(),
                );
            }
            (Some(waves), None) => waves,
            (None, Some(0)) => {
                return Err("canaries must be at least 1: somebody has to go first".into());
            }
            (None, Some(canaries)) => vec![WaveSize::Count(canaries), WaveSize::ALL],
            (None, None) => default.waves,
        };
        check_waves(&waves)?;
        let bake = raw.bake.unwrap_or(default.bake);
        let urgent_bake = raw.urgent_bake.unwrap_or(default.urgent_bake);
        if bake.max(urgent_bake) > Self::LONGEST_BAKE {
            return Err(format!("a bake time is at most {}", Self::LONGEST_BAKE));
        }
        for (what, label) in [("domain", &raw.domain), ("site", &raw.site)] {
            if label
                .as_deref()
                .is_some_and(|label| label.is_empty() || label.len() > 64)
            {
                return Err(format!("{what} names a label, with 1 to 64 bytes"));
            }
        }
        if raw.site_bytes.is_some() && raw.site.is_none() {
            return Err("site_bytes needs site: the label that says where a host is".into());
        }
        let gate = |limit: Option<Limit>, then: Option<Then>, default: Gate| Gate {
            limit: limit.unwrap_or(default.limit),
            then: then.unwrap_or(default.then),
        };
        Ok(Self {
            waves,
            domain: raw.domain,
            bake,
            urgent_bake,
            spread: raw.spread.unwrap_or(default.spread),
            windows: windows(raw.hours.as_deref(), raw.zone.as_deref(), raw.blackouts)?,
            in_flight: raw.in_flight,
            fit: raw.fit,
            site: raw.site,
            site_bytes: raw.site_bytes.map(Bytes::number).transpose()?,
            late: raw.late.unwrap_or_default(),
            failed: gate(raw.failed, raw.on_failed, default.failed),
            silent: gate(raw.silent, raw.on_silent, default.silent),
            worse: gate(raw.worse, raw.on_worse, default.worse),
            compare: compare(raw.compare.as_deref(), raw.on_compare)?,
            items: raw.items.unwrap_or_default(),
        })
    }
}

impl From<Strategy> for Raw {
    fn from(strategy: Strategy) -> Self {
        let Windows {
            hours,
            zone,
            blackouts,
        } = strategy.windows;
        Self {
            waves: Some(strategy.waves),
            canaries: None,
            domain: strategy.domain,
            bake: Some(strategy.bake),
            urgent_bake: Some(strategy.urgent_bake),
            spread: Some(strategy.spread),
            hours: hours.map(|hours| hours.as_str().to_owned()),
            zone: Some(zone),
            blackouts: Some(blackouts),
            in_flight: strategy.in_flight,
            fit: strategy.fit,
            site: strategy.site,
            site_bytes: strategy.site_bytes.map(Bytes::Number),
            late: Some(strategy.late),
            failed: Some(strategy.failed.limit),
            on_failed: Some(strategy.failed.then),
            silent: Some(strategy.silent.limit),
            on_silent: Some(strategy.silent.then),
            worse: Some(strategy.worse.limit),
            on_worse: Some(strategy.worse.then),
            compare: Some(match strategy.compare {
                Some(compare) => compare.chance.to_string(),
                None => OFF.into(),
            }),
            on_compare: strategy.compare.map(|compare| compare.then),
            items: Some(strategy.items),
        }
    }
}

/// Switches the differential gate off.
const OFF: &str = "off";

fn compare(text: Option<&str>, then: Option<Then>) -> Result<Option<Compare>, String> {
    let default = Strategy::default().compare;
    let default_then = default.map_or(Then::Halt, |compare| compare.then);
    let chance = match text {
        Some(OFF) => return Ok(None),
        Some(text) => Percent::from_str(text)
            .map_err(|why| format!("compare is \"off\" or a chance such as \"1%\": {why}"))?,
        None => default.map_or_else(Percent::default, |compare| compare.chance),
    };
    if !(1..=50_000).contains(&chance.thousandths()) {
        return Err(format!(
            "compare = \"{chance}\": the chance of a false stop lies between 0.001% and 50%; \"off\" switches it off"
        ));
    }
    Ok(Some(Compare {
        chance,
        then: then.unwrap_or(default_then),
    }))
}

fn windows(
    hours: Option<&str>,
    zone: Option<&str>,
    blackouts: Option<Vec<Blackout>>,
) -> Result<Windows, String> {
    let default = Windows::default();
    let zone = zone.unwrap_or(&default.zone);
    let hours = hours.map(|hours| Hours::parse(hours, zone)).transpose()?;
    Windows::new(hours, zone, blackouts.unwrap_or_default())
}

fn check_waves(waves: &[WaveSize]) -> Result<(), String> {
    if waves.is_empty() || waves.len() > Strategy::MOST_WAVES {
        return Err(format!(
            "waves has 1 to {} sizes, such as [\"1\", \"10%\", \"100%\"]",
            Strategy::MOST_WAVES
        ));
    }
    let grows = |pair: &[WaveSize]| match (pair[0], pair[1]) {
        (WaveSize::Count(before), WaveSize::Count(after)) => before < after,
        (WaveSize::Share(before), WaveSize::Share(after)) => before < after,
        (WaveSize::Count(_), WaveSize::Share(_)) => true,
        (WaveSize::Share(_), WaveSize::Count(_)) => false,
    };
    if !waves.windows(2).all(grows) {
        return Err(
            "the sizes of waves count all hosts so far and must grow: numbers first, then shares"
                .into(),
        );
    }
    if waves.last() != Some(&WaveSize::ALL) {
        return Err("the last wave must be \"100%\"".into());
    }
    Ok(())
}

impl Bytes {
    fn number(self) -> Result<u64, String> {
        let number = match self {
            Self::Number(number) => number,
            Self::Text(quantity) => whole(quantity)?,
        };
        if number == 0 {
            return Err("site_bytes must be more than 0".into());
        }
        Ok(number)
    }
}

/// A number of bytes above 0.
fn whole(quantity: Quantity) -> Result<u64, String> {
    if quantity.unit != "bytes" || !(1.0..1e18).contains(&quantity.value) {
        return Err(format!(
            "site_bytes = \"{quantity}\": a number of bytes is expected, such as \"500MB\""
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between 1 and 10^18"
    )]
    Ok(quantity.value as u64)
}

#[cfg(test)]
mod tests;
