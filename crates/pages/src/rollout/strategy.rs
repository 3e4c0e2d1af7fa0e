//! How a rollout goes, as it was copied into it when it was promoted.

use lockstep_model::{Late, Strategy};
use maud::{Markup, html};

use crate::chart::number;

/// The strategy, each key with its value in words. Folded away: it does not change.
pub(super) fn strategy(strategy: Option<&Strategy>) -> Markup {
    let Some(strategy) = strategy else {
        return html! {};
    };
    html! {
        details #strategy {
            summary { "Strategy: waves of " (waves(strategy)) ", watched for " (strategy.bake) " each" }
            dl .facts { @for (key, value) in rows(strategy) { dt { (key) } dd { (value) } } }
            p { "It was copied into the rollout when that was promoted; what the fleet file says now holds for the next one." }
        }
    }
}

fn waves(strategy: &Strategy) -> String {
    let sizes: Vec<String> = strategy.waves.iter().map(ToString::to_string).collect();
    sizes.join(", ")
}

/// What is to be told; what is not limited is left out.
fn rows(strategy: &Strategy) -> Vec<(&'static str, String)> {
    let windows = &strategy.windows;
    let late = match strategy.late {
        Late::After => "get it when the rollout is done",
        Late::Join => "join the last wave, if it is not open",
        Late::AtOnce => "join the open wave once the first one is proven",
    };
    let gate = |gate: lockstep_model::Gate| format!("{}, else {}", gate.limit, gate.then);
    let items: Vec<String> = strategy.items.iter().map(ToString::to_string).collect();
    let rows = [
        ("Domain", strategy.domain.clone()),
        ("Hours", windows.hours.as_ref().map(ToString::to_string)),
        (
            "In flight, at most",
            strategy.in_flight.map(|it| it.to_string()),
        ),
        (
            "Fit and at rest, at least",
            strategy.fit.map(|it| it.to_string()),
        ),
        (
            "Under way to one site",
            strategy.site_bytes.map(|bytes| {
                let label = strategy.site.as_deref().unwrap_or("site");
                format!(
                    "at most {}, sites by the label {label}",
                    number::bytes(bytes)
                )
            }),
        ),
        ("Hosts that join meanwhile", Some(late.to_owned())),
        ("Failed, at most", Some(gate(strategy.failed))),
        ("Worse, at most", Some(gate(strategy.worse))),
        ("Silent, at most", Some(gate(strategy.silent))),
        (
            "Compared with others",
            Some(match strategy.compare {
                Some(it) => format!(
                    "stops a harmless release in {} of rollouts, by {}",
                    it.chance, it.then
                ),
                None => "off".to_owned(),
            }),
        ),
        (
            "Items that gates look at",
            (!items.is_empty()).then(|| items.join(", ")),
        ),
    ];
    let said = rows.into_iter();
    said.filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use lockstep_model::Limit;

    use super::*;

    #[test]
    fn each_key_is_told_in_words() {
        let plan = Strategy {
            in_flight: Some(Limit::count(3)),
            domain: Some("<rack>".into()),
            ..Strategy::default()
        };
        let said = strategy(Some(&plan)).0;
        assert!(
            said.contains("waves of 1, 1%, 10%, 50%, 100%, watched for 2m each"),
            "{said}"
        );
        assert!(
            said.contains("<dt>In flight, at most</dt><dd>3</dd>"),
            "{said}"
        );
        assert!(said.contains("&lt;rack&gt;") && !said.contains("Fit and at rest"));
        assert!(
            said.contains("1%, else halt") && said.contains("2%, else hold"),
            "{said}"
        );
        assert_eq!(strategy(None).0, "");
    }
}
