//! What is assumed of the hosts, of the network and of the release.

use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::Version;

/// The mean time for which a host that falls silent stays away.
pub const AWAY: Duration = Duration::from_secs(4 * 3600);
/// The mean time after which an item that got worse by itself is well again.
pub const UNWELL: Duration = Duration::from_secs(3600);

/// What is assumed. Shares are numbers from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// When the release is promoted.
    pub start: Timestamp,
    /// Its version.
    pub version: Version,
    /// The time between two reports of a host.
    pub report: Duration,
    /// True if hosts are told that there is something to ask for, and ask within seconds.
    pub push: bool,
    /// What a host fetches, in bytes: the bundle, or a delta.
    pub bytes: u64,
    /// What the server can send, in bytes a second.
    pub uplink: f64,
    /// So many downloads are served at once; whoever else asks is sent away for a while.
    pub downloads: u32,
    /// What the line to each site can carry, in bytes a second; none where that is no matter.
    pub site_rate: Option<f64>,
    /// How long a bundle takes to be unpacked and started, in the median.
    pub apply: Duration,
    /// How long a new version is on probation.
    pub probation: Duration,
    /// Share of the hosts of which nothing is heard at any time. They come back after [`AWAY`] in the mean.
    pub offline: f64,
    /// Share of the hosts on which a release without fault fails.
    pub fail: f64,
    /// Share of the hosts that get worse by themselves within an hour. They are well again after [`UNWELL`].
    pub noise: f64,
    /// Share of the hosts that the release breaks.
    pub breaks: f64,
    /// When a broken host shows it, counted from the start of the new version, in the median. Within the probation
    /// the host fails and goes back; later it is proven and sick.
    pub shows_after: Duration,
    /// The least time between two decisions.
    pub step: Duration,
    /// The simulation ends here, whatever happens.
    pub longest: Duration,
}

impl Settings {
    /// What is assumed if nothing else is known, of a release that is promoted then.
    #[must_use]
    pub fn new(start: Timestamp, version: Version) -> Self {
        Self {
            start,
            version,
            report: Duration::from_secs(300),
            push: false,
            bytes: 5_000_000,
            uplink: 125e6,
            downloads: 64,
            site_rate: None,
            apply: Duration::from_secs(20),
            probation: Duration::from_secs(120),
            offline: 0.01,
            fail: 0.001,
            noise: 0.001,
            breaks: 0.0,
            shows_after: Duration::from_secs(60),
            step: Duration::from_secs(1),
            longest: Duration::from_secs(400 * 86_400),
        }
    }
}
