//! `snmp:OID[@HOST]`: one value of a device, by SNMP version 2c or 3.

use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};

use lockstep_model::{Quantity, SnmpVersion, Value};
use snmp2::{Oid, Value as Wire};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::address::{Peer, host_or_target, parse_port, split};
use super::connect::resolve;
use super::options::Options;
use super::rate::Counter;
use super::single::{Answer, Asked, Check, Failure, single};
use super::words::clean;
use crate::probe::{Order, Probe};

mod access;
mod session;

use access::Access;

/// Packets of the network are lost now and then.
const TRIES: u32 = 3;

pub(super) fn snmp(order: &Order) -> Result<Arc<dyn Probe>, String> {
    let options = Options::of(order, &["unit", "rate", "secret", "version", "port"])?;
    let object = order.object().unwrap_or_default();
    let (oid, host) = match object.split_once('@') {
        Some((oid, host)) => (oid, Some(host)),
        None => (object, None),
    };
    let of_target = order
        .target
        .as_ref()
        .and_then(|target| target.snmp.as_ref());
    let (host, port) = host.map_or(Ok((None, None)), split)?;
    let port = match (port, options.count("port")?) {
        (Some(port), _) => parse_port(port)?,
        (None, Some(port)) => parse_port(&port.to_string())?,
        (None, None) => of_target.and_then(|snmp| snmp.port).unwrap_or(161),
    };
    let peer = Peer {
        host: host_or_target(order, host)?,
        port,
    };
    let version = match options.text("version")? {
        Some("2c") => SnmpVersion::V2c,
        Some("3") => SnmpVersion::V3,
        Some(other) => {
            return Err(format!(
                "{other:?} is not a version of SNMP: it is \"2c\" or \"3\""
            ));
        }
        None => of_target.map_or(SnmpVersion::V2c, |snmp| snmp.version),
    };
    let secret = options
        .text("secret")?
        .or(of_target.map(|snmp| snmp.secret.as_str()))
        .ok_or("no secret is named for this device: set the option \"secret\"")?;
    let unit = options.text("unit")?.map(unit).transpose()?;
    single(
        order,
        Snmp {
            oid: Oid::from_str(oid.trim_start_matches('.')).map_err(|_| {
                format!("{oid:?} is not an object: write digits and dots, as in 1.3.6.1.2.1.1.3.0")
            })?,
            access: Access::of(order, secret, version, &peer.host)?,
            peer,
            unit,
            counter: options.flag("rate")?.then(Mutex::default),
        },
    )
}

#[derive(Debug)]
struct Snmp {
    peer: Peer,
    oid: Oid<'static>,
    access: Access,
    /// A unit, and what a number of the device counts in it.
    unit: Option<Quantity>,
    counter: Option<Mutex<Counter>>,
}

impl Check for Snmp {
    async fn ask(&self, asked: Asked) -> Result<Answer, Failure> {
        let Self { peer, oid, .. } = self;
        let addresses = resolve(peer, asked).await?;
        let share = asked.deadline.saturating_duration_since(Instant::now()) / TRIES;
        let mut failure = self.access.silence();
        for n in 0..TRIES {
            let address = addresses[n as usize % addresses.len()];
            // In a task of its own: whatever a hostile packet does to the decoder, it does not do it to the others.
            let mut task = JoinSet::new();
            task.spawn(session::get(address, self.access.clone(), oid.clone()));
            match timeout(share, task.join_next()).await {
                Ok(Some(Ok(Ok(value)))) => return self.answer(value),
                Ok(Some(Ok(Err(error)))) if error.is_final => {
                    return Err(Failure::of_theirs(format!("{peer}: {}", error.why)));
                }
                Ok(Some(Ok(Err(error)))) => failure = error.why,
                Ok(Some(Err(_)) | None) => failure = "its answer is not SNMP".into(),
                Err(_) => {}
            }
        }
        Err(Failure::of_theirs(format!(
            "ask {peer} for {oid}: {failure}"
        )))
    }
}

/// What a device says.
#[derive(Debug, Clone, PartialEq)]
enum Said {
    Number(f64),
    Seconds(f64),
    Text(String),
    Nothing(&'static str),
}

impl Snmp {
    fn answer(&self, said: Said) -> Result<Answer, Failure> {
        let own = |value: f64, unit: &str| match &self.unit {
            Some(quantity) => (value * quantity.value, quantity.unit.clone()),
            None => (value, unit.to_owned()),
        };
        let (value, unit) = match said {
            Said::Number(value) => own(value, ""),
            Said::Seconds(value) => own(value, "s"),
            // Some devices have strings for all that is no whole number; who names a unit wants a number.
            Said::Text(text) if self.unit.is_some() || self.counter.is_some() => {
                match text.parse::<f64>() {
                    Ok(value) if value.is_finite() => own(value, ""),
                    _ => {
                        let why = format!("{} says {text:?}, which is not a number", self.peer);
                        return Err(Failure::of_theirs(why));
                    }
                }
            }
            Said::Text(text) => return Ok(Answer::value(Value::Text(text))),
            Said::Nothing(why) => {
                return Err(Failure::of_theirs(format!("{} {why}", self.peer)));
            }
        };
        let Some(counter) = &self.counter else {
            return Ok(Answer::number(value, &unit));
        };
        let mut counter = counter.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = counter
            .rate(Instant::now(), value)
            .map_err(Failure::of_ours)?;
        Ok(Answer::number(rate, &format!("{unit}/s")))
    }
}

impl Said {
    fn of(value: &Wire<'_>) -> Option<Self> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "graphs are exact enough with 52 bits"
        )]
        Some(match value {
            Wire::Integer(number) => Self::Number(*number as f64),
            Wire::Counter64(number) => Self::Number(*number as f64),
            Wire::Counter32(number) | Wire::Unsigned32(number) => Self::Number((*number).into()),
            Wire::Timeticks(hundredths) => Self::Seconds(f64::from(*hundredths) / 100.0),
            Wire::OctetString(bytes) => Self::text(bytes),
            Wire::Opaque(bytes) => Self::opaque(bytes)?,
            Wire::IpAddress([a, b, c, d]) => Self::Text(format!("{a}.{b}.{c}.{d}")),
            Wire::ObjectIdentifier(oid) => Self::Text(oid.to_id_string()),
            Wire::NoSuchObject => Self::Nothing("knows no such object"),
            Wire::NoSuchInstance => Self::Nothing("has no such instance of the object"),
            Wire::EndOfMibView => Self::Nothing("has nothing behind that object"),
            Wire::Null => Self::Nothing("answers without a value"),
            _ => return None,
        })
    }

    /// Strings are texts, or bytes such as a network card's address.
    fn text(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_whitespace()) => {
                Self::Text(clean(text, Value::LONGEST_TEXT))
            }
            _ => {
                let hex: Vec<_> = bytes
                    .iter()
                    .take(64)
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                Self::Text(hex.join(":"))
            }
        }
    }

    /// A float, packed as Net-SNMP does (draft-perkins-opaque).
    fn opaque(bytes: &[u8]) -> Option<Self> {
        let number = match bytes {
            [0x9f, 0x78, 4, float @ ..] => f32::from_be_bytes(float.try_into().ok()?).into(),
            [0x9f, 0x79, 8, double @ ..] => f64::from_be_bytes(double.try_into().ok()?),
            _ => return None,
        };
        number.is_finite().then_some(Self::Number(number))
    }
}

/// What a number of the device counts: `bytes`, `kB`, `0.1°C`.
fn unit(text: &str) -> Result<Quantity, String> {
    Quantity::parse(text)
        .or_else(|_| Quantity::parse(&format!("1{text}")))
        .map_err(|_| {
            format!("{text:?} is not a unit: write for example \"bytes\", \"KiB\" or \"0.1°C\"")
        })
}

#[cfg(test)]
mod tests;
