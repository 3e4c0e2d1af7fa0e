//! What a simulation prints.

use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{ChannelName, PackageName, Strategy};
use lockstep_sim::simulate::svg::{bytes, length};
use lockstep_sim::simulate::{CONFIDENCE, End, Exposure, Healthy, Outcome, WaveOutcome};
use serde_json::{Value, json};

use crate::out;

/// What came out, and of what.
pub(super) struct Shown<'a> {
    pub(super) package: &'a PackageName,
    pub(super) channel: &'a ChannelName,
    /// Where hosts and strategy come from.
    pub(super) from: &'a str,
    pub(super) strategy: &'a Strategy,
    pub(super) hosts: usize,
    /// Why it can never finish.
    pub(super) never: Option<&'a str>,
    pub(super) healthy: &'a Healthy,
    pub(super) exposures: &'a [Exposure],
}

/// The shares of the hosts for which it is said when they are done.
const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];

impl Shown<'_> {
    pub(super) fn print(&self) {
        let plan = &self.healthy.plan;
        let (package, channel) = (self.package, self.channel);
        out::line(format_args!(
            "{package} to {channel}: {} hosts ({}); times are UTC",
            self.hosts, self.from
        ));
        out::line("");
        let rows = plan.waves.iter().enumerate();
        let rows = rows.map(|(index, wave)| self.row(index, wave)).collect();
        let header = [
            "wave",
            "hosts",
            "opens at",
            "let go until",
            "done at",
            "bakes until",
            "waited for",
        ];
        out::table(&header, rows, "there are no waves");
        out::line("");
        self.print_end(plan);
        out::line("");
        self.print_load(plan);
        if self.never.is_none() {
            out::line("");
            self.print_risk();
        }
    }

    fn row(&self, index: usize, wave: &WaveOutcome) -> Vec<String> {
        let last = index + 1 == self.healthy.plan.waves.len();
        let bakes = wave.proven_at.filter(|_| !last);
        let bakes = bakes.and_then(|at| at.checked_add(self.strategy.bake.duration()).ok());
        let causes = wave.causes().into_iter().take(3);
        let causes: Vec<String> = causes
            .map(|(cause, time)| format!("{cause} {}", length(time)))
            .collect();
        vec![
            (index + 1).to_string(),
            wave.hosts.to_string(),
            at(wave.opened_at),
            at(wave.let_go_at),
            at(wave.proven_at),
            at(bakes),
            if causes.is_empty() {
                "-".into()
            } else {
                causes.join(", ")
            },
        ]
    }

    fn print_end(&self, plan: &Outcome) {
        if let Some(never) = self.never {
            out::line(format_args!("It can never finish. {never}."));
            return;
        }
        match plan.end {
            End::Done => {
                let shares = SHARES.iter().filter_map(|share| {
                    let time = plan.share_done(*share)?;
                    let name = if *share < 1.0 {
                        format!("{}%", share * 100.0)
                    } else {
                        "the last".into()
                    };
                    Some(format!("{name} after {}", length(time)))
                });
                let shares: Vec<String> = shares.collect();
                out::line(format_args!(
                    "finished after {}; hosts: {}",
                    length(plan.took()),
                    shares.join(", ")
                ));
                if self.healthy.plan_run > 1 {
                    out::line(format_args!(
                        "(this is simulation {}: those before were not done)",
                        self.healthy.plan_run
                    ));
                }
            }
            End::Stopped => out::line(format_args!(
                "stopped after {}: {}",
                length(plan.took()),
                plan.why
            )),
            End::Stuck => out::line(format_args!(
                "It came no further after {}, with {} of {} hosts done: {}",
                length(plan.took()),
                plan.proven.len(),
                self.hosts,
                plan.why
            )),
        }
    }

    fn print_load(&self, plan: &Outcome) {
        let load = &plan.load;
        let rows = [
            ("downloads at once", format!("{}", load.downloads)),
            ("sent, at most", format!("{}/s", bytes(load.bytes))),
            ("reports, at most", format!("{:.0}/s", plan.reports)),
            (
                "downloads refused",
                format!("{:.0}, at most {:.0}/s", load.refused, load.refused_peak),
            ),
            ("in flight, at most", format!("{} hosts", plan.in_flight)),
            (
                "fit and at rest, at least",
                format!("{} hosts", plan.fewest_fit),
            ),
        ];
        for (what, value) in rows {
            out::line(format_args!("{what:<26} {value}"));
        }
    }

    fn print_risk(&self) {
        for risk in self.exposures {
            out::line(sentence(risk, self.hosts));
        }
        let Healthy {
            runs,
            done,
            stopped,
            stuck,
            chance_below,
            ..
        } = self.healthy;
        out::line(format_args!(
            "a release without fault was done in {done} of {runs} simulations ({stopped} stopped, {stuck} held for good): \
             with {:.0}% confidence the chance that it is not is below {}",
            CONFIDENCE * 100.0,
            percent(*chance_below)
        ));
    }

    pub(super) fn json(&self) -> Value {
        let plan = &self.healthy.plan;
        let seconds = |time: Duration| time.as_secs_f64();
        let waves = plan.waves.iter().map(|wave| {
            let waited: serde_json::Map<String, Value> = wave
                .causes()
                .into_iter()
                .map(|(cause, time)| (cause.to_string(), json!(seconds(time))))
                .collect();
            json!({
                "hosts": wave.hosts,
                "opened_at": wave.opened_at,
                "let_go_at": wave.let_go_at,
                "proven_at": wave.proven_at,
                "waited_s": waited,
            })
        });
        let shares: serde_json::Map<String, Value> = SHARES
            .iter()
            .filter_map(|share| {
                let time = plan.share_done(*share)?;
                Some((format!("{}%", share * 100.0), json!(seconds(time))))
            })
            .collect();
        let risks = self.exposures.iter().map(|risk| {
            json!({
                "breaks": risk.breaks,
                "runs": risk.runs,
                "stopped": risk.stopped,
                "hosts_median": risk.hosts,
                "hosts_95": risk.hosts_95,
                "took_s": seconds(risk.took),
            })
        });
        let end = match plan.end {
            End::Done => "done",
            End::Stopped => "stopped",
            End::Stuck => "stuck",
        };
        json!({
            "package": self.package,
            "channel": self.channel,
            "from": self.from,
            "hosts": self.hosts,
            "strategy": self.strategy,
            "never": self.never,
            "end": end,
            "why": plan.why,
            "start": plan.start,
            "took_s": seconds(plan.took()),
            "done_s": shares,
            "waves": waves.collect::<Vec<_>>(),
            "load": {
                "downloads": plan.load.downloads,
                "bytes_per_second": plan.load.bytes,
                "reports_per_second": plan.reports,
                "refused": plan.load.refused.round(),
                "refused_per_second": plan.load.refused_peak,
            },
            "in_flight": plan.in_flight,
            "fewest_fit": plan.fewest_fit,
            "bad": risks.collect::<Vec<_>>(),
            "healthy": {
                "runs": self.healthy.runs,
                "done": self.healthy.done,
                "stopped": self.healthy.stopped,
                "stuck": self.healthy.stuck,
                "chance_below": self.healthy.chance_below,
            },
        })
    }
}

fn sentence(risk: &Exposure, hosts: usize) -> String {
    let Exposure {
        breaks,
        runs,
        stopped,
        hosts: median,
        hosts_95,
        took,
    } = risk;
    let share = percent(*breaks);
    if stopped * 2 <= *runs {
        return format!(
            "a release that breaks {share} of hosts is stopped in {stopped} of {runs} simulations only; otherwise it \
             reaches all {hosts}"
        );
    }
    let spread = match *runs {
        runs if runs < 20 => format!("{runs} simulations"),
        runs => format!("at most {hosts_95} in 95 of 100; {runs} simulations"),
    };
    format!(
        "a release that breaks {share} of hosts is stopped after {median} hosts (median; {spread}), {} after it began",
        length(*took)
    )
}

fn percent(share: f64) -> String {
    let percent = (share * 1e5).round() / 1e3;
    format!("{percent}%")
}

fn at(at: Option<Timestamp>) -> String {
    at.map_or_else(
        || "-".into(),
        |at| at.strftime("%m-%d %H:%M:%S").to_string(),
    )
}
