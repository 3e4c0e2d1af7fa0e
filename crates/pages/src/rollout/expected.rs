//! The real curve beside the simulated one.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::{RolloutCurve, SimulatedCurve};
use maud::{Markup, html};

use crate::Frame;
use crate::chart::{Curve, Simulated, Size, Step, WaveBorder, curve as draw};
use crate::rollouts::when;

/// A drawing is at least so long.
const LEAST: SignedDuration = SignedDuration::from_mins(1);

/// The section with the drawing, and the same in words.
pub(super) fn expected(frame: &Frame<'_>, title: &str, curve: &RolloutCurve) -> Markup {
    let now = share_at(&curve.real, curve.at);
    html! {
        section .expected #curve data-live aria-labelledby="curve-title" {
            h2 #curve-title { "How far it is" }
            (drawing(title, curve))
            @if let Some(now) = now {
                p { b { (percent(now)) } " of " (curve.hosts) " hosts run the version, proven." }
            }
            @match &curve.simulated {
                Some(simulated) => (beside(frame, simulated, curve.at)),
                None => p .muted {
                    "No simulated curve: " (curve.why_not.as_deref().unwrap_or("it is not known")) "."
                },
            }
        }
    }
}

fn drawing(title: &str, curve: &RolloutCurve) -> Markup {
    let Some(&(from, _)) = curve.real.first() else {
        return html! {};
    };
    let simulated = curve.simulated.as_ref();
    let expected = simulated.map_or(&[][..], |it| &it.median);
    let lasts = [curve.real.last(), expected.last()];
    let last = lasts.into_iter().flatten().map(|point| point.0).max();
    let to = last.unwrap_or(from).max(from + LEAST);
    let course = simulated.map(|it| [&it.median, &it.p10, &it.p90].map(|curve| steps(curve)));
    let waves: Vec<WaveBorder> = (1..)
        .zip(&curve.waves)
        .filter_map(|(number, wave)| wave.opened_at.map(|at| WaveBorder { at, number }))
        .collect();
    draw(&Curve {
        id: "rollout-curve",
        title,
        from,
        to,
        now: curve.at,
        real: &steps(&curve.real),
        simulated: course.as_ref().map(|[median, slow, fast]| Simulated {
            course: median,
            band: Some((slow, fast)),
        }),
        waves: &waves,
        markers: &[],
        size: Size::Wide,
    })
}

fn steps(curve: &[(Timestamp, f64)]) -> Vec<Step> {
    let points = curve.iter();
    points.map(|&(at, share)| Step { at, share }).collect()
}

/// What the simulation says, in words.
fn beside(frame: &Frame<'_>, simulated: &SimulatedCurve, at: Timestamp) -> Markup {
    let then = |curve: &[(Timestamp, f64)]| percent(share_at(curve, at).unwrap_or_default());
    html! {
        p {
            "Simulated with these hosts and a release without fault: " b { (then(&simulated.median)) } " by now, "
            (then(&simulated.p10)) " to " (then(&simulated.p90)) " in eight of ten. "
            @match simulated.end {
                Some(end) => { "Done " (when(frame, end)) "." },
                None => "It was not done in half of them.",
            }
            " " (simulated.runs) " simulations, of which " (simulated.done) " were done."
        }
    }
}

/// The share at a time: of the last point that is not later.
fn share_at(curve: &[(Timestamp, f64)], at: Timestamp) -> Option<f64> {
    let behind = curve.partition_point(|point| point.0 <= at);
    curve.get(behind.checked_sub(1)?).map(|point| point.1)
}

/// `12.5 %`. Everything is `100 %` only where nobody is missing, and nothing `0 %` only where there is nobody.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        percent if percent >= 100.0 => "100 %".into(),
        percent if percent <= 0.0 => "0 %".into(),
        percent => format!("{:.1} %", percent.clamp(0.1, 99.9)),
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::Role;

    use super::*;
    use crate::frame::tests::with_frame;
    use crate::rollout::tests::curve;

    #[test]
    fn both_curves_are_said_in_words() {
        let at =
            |hour: i64| -> Timestamp { format!("2026-11-22T{hour:02}:00:00Z").parse().unwrap() };
        let simulated = SimulatedCurve {
            runs: 21,
            done: 20,
            median: vec![(at(9), 0.0), (at(11), 0.5), (at(13), 1.0)],
            p10: vec![(at(9), 0.0), (at(11), 0.4), (at(13), 0.999_99)],
            p90: vec![(at(9), 0.0), (at(11), 0.6), (at(13), 1.0)],
            end: Some(at(13)),
        };
        let curve = RolloutCurve {
            simulated: Some(simulated),
            why_not: None,
            ..curve()
        };
        let said = with_frame(Role::Viewer, |frame| expected(frame, "rollout 7", &curve).0);
        assert!(said.contains("<svg") && said.contains("rollout 7"));
        assert!(said.contains("<b>25.0 %</b> of 3 hosts"), "{said}");
        assert!(
            said.contains("<b>50.0 %</b> by now, 40.0 % to 60.0 %"),
            "{said}"
        );
        assert!(said.contains("21 simulations, of which 20 were done"));
        assert!(
            said.contains("in 60 min") || said.contains("in 1 h"),
            "{said}"
        );
    }

    #[test]
    fn all_and_none_are_said_only_where_they_are_so() {
        assert_eq!(percent(0.999_999), "99.9 %");
        assert_eq!(percent(0.000_001), "0.1 %");
        assert_eq!(
            (percent(1.0).as_str(), percent(0.0).as_str()),
            ("100 %", "0 %")
        );
    }
}
