//! `prometheus:URL`: what a program says of itself in Prometheus's text format or in OpenMetrics.
//!
//! The item `prometheus:URL` is the time of the scrape. Each series that is wanted is an item of its own,
//! `prometheus:URL#node_load1` or `prometheus:URL#node_filesystem_avail_bytes{device="/dev/sda1"}`. An entry with `#`
//! names series alone, and may be a pattern.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{Glob, ItemName, Value};
use tokio::time::Instant;

use super::family::{Family, Part};
use super::http::{Asker, url};
use super::options::Options;
use super::single::{Answer, Asked, Failure, slightly_before};
use crate::probe::{Look, Order, Probe};

mod text;

use text::{Series, read};

/// How much of an answer is read, in bytes.
const LONGEST_BODY: usize = 4 * 1024 * 1024;
/// Series of one endpoint that become items.
const MOST_SERIES: usize = 100;

pub(super) fn prometheus(order: &Order) -> Result<Arc<dyn Probe>, String> {
    let options = Options::of(order, &["metrics", "rate", "ca", "insecure", "auth"])?;
    let url = url(order)?;
    let metrics = options.list("metrics")?;
    let globs = metrics.iter().map(|glob| Glob::parse(glob));
    let metrics: Vec<_> = globs.collect::<Result<_, _>>()?;
    let series = url.fragment.as_deref().map(Glob::parse).transpose()?;
    if metrics.is_empty() && series.is_none() {
        return Err("the option \"metrics\" is missing: a list of names, with * and ?".into());
    }
    let name = order.name.as_str();
    let endpoint = name.split('#').next().unwrap_or(name);
    Ok(Arc::new(Prometheus {
        family: Family::new(ItemName::parse(endpoint)?, '#', series),
        metrics,
        asker: Asker::of(order, options, &url, LONGEST_BODY)?,
        timeout: order.timeout,
        rates: options.flag("rate")?,
    }))
}

#[derive(Debug)]
struct Prometheus {
    family: Family,
    metrics: Vec<Glob>,
    asker: Asker,
    timeout: Duration,
    rates: bool,
}

impl Probe for Prometheus {
    fn look(self: Arc<Self>, at: Timestamp) -> Look {
        Box::pin(async move {
            let deadline = Instant::now() + slightly_before(self.timeout);
            match self.scrape(Asked { at, deadline }).await {
                Ok((took, series)) => {
                    let parts = series.into_iter().map(|one| self.part(&one)).collect();
                    self.family.found(Answer::took(took).into_parts(), parts)
                }
                Err(failure) => self.family.lost(Answer::from(failure).into_parts()),
            }
        })
    }
}

impl Prometheus {
    async fn scrape(&self, asked: Asked) -> Result<(Duration, Vec<Series>), Failure> {
        let visited = self.asker.ask(asked).await?;
        let failed = |why: String| Failure::of_theirs(format!("{} {why}", self.family.own()));
        if visited.status != 200 {
            return Err(failed(format!("answers {}, not 200", visited.status)));
        }
        let mut body = visited.body;
        if visited.cut {
            // The last line is not whole.
            let end = body.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
            body.truncate(end);
        }
        let mut series = Vec::new();
        let read = read(&String::from_utf8_lossy(&body), |one| {
            if series.len() < MOST_SERIES && self.wants(&one) {
                series.push(one);
            }
        });
        if read.lines == 0 && read.odd_lines > 0 {
            return Err(failed("does not answer with metrics".into()));
        }
        Ok((visited.took, series))
    }

    fn wants(&self, series: &Series) -> bool {
        let by_name =
            self.metrics.is_empty() || self.metrics.iter().any(|glob| glob.matches(&series.name));
        let is_one = |glob: &Glob| glob.matches(&series.name) || glob.matches(&series.to_string());
        by_name && self.family.wanted().is_none_or(is_one)
    }

    fn part(&self, series: &Series) -> Part {
        let value = if series.value.is_finite() {
            Value::Number {
                value: series.value,
                unit: series.unit().into(),
            }
        } else {
            Value::None(format!("its value is {}", series.value))
        };
        Part {
            name: series.to_string(),
            value,
            is_counter: self.rates && series.is_counter,
            verdict: None,
        }
    }
}

#[cfg(test)]
mod tests;
