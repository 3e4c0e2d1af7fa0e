//! Why a host does not run what it is wanted to.

use jiff::Timestamp;
use lockstep_model::api::operator::{Explained, Explanation};
use lockstep_model::{HostName, PackageName};
use lockstep_net::Clock;
use lockstep_net::client::CallError;

use crate::operator::{Operator, question};
use crate::out;

/// Asks the server for one package, or for all that the host follows.
pub(super) async fn ask(
    operator: &Operator,
    host: &HostName,
    package: Option<&PackageName>,
) -> anyhow::Result<Explained> {
    let package = package.map(ToString::to_string);
    let path = format!("hosts/{host}/explain");
    operator.get(&question(&path, [("package", package)])).await
}

/// True if the host follows the package; no for a host that the server does not know by an agent of its own.
pub(super) async fn is_followed(
    operator: &Operator,
    host: &HostName,
    package: &PackageName,
) -> anyhow::Result<bool> {
    match ask(operator, host, None).await {
        Ok(explained) => Ok(explained.packages.iter().any(|it| it.package == *package)),
        Err(error) if is_unknown(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_unknown(error: &anyhow::Error) -> bool {
    let call = error.chain().find_map(|it| it.downcast_ref::<CallError>());
    call.is_some_and(CallError::is_not_found)
}

/// Shows one package with all that is known.
pub(super) fn show(explained: &Explained) {
    let now = Clock::system().now();
    for said in &explained.packages {
        let runs = match (&said.version, said.proven) {
            (Some(version), true) => version.to_string(),
            (Some(version), false) => format!("{version} (on probation)"),
            (None, _) => "-".into(),
        };
        let wanted = out::or_dash(said.wanted.as_ref());
        out::line(format_args!(
            "{} · {} · runs {runs}, wanted {wanted}",
            explained.host, said.package
        ));
        let words = out::printable(&said.words);
        out::line(format_args!("{}: {words}", out::printable(&said.gate)));
        if let Some(opens) = said.opens {
            out::line(format_args!("  opens {}", opening(opens, now)));
        }
        if let Some(channel) = &said.channel {
            let rule = match &said.rule {
                Some(rule) => format!("by {rule} of the fleet file"),
                None => "by default".into(),
            };
            out::line(format_args!(
                "  follows channel {channel} {}",
                out::printable(&rule)
            ));
        }
        if let Some(rollout) = said.rollout {
            out::line(format_args!("  more: lockstep rollout show {rollout}"));
        }
    }
}

/// Shows all packages, one line each.
pub(super) fn list(explained: &Explained) {
    let row = |said: &Explanation| {
        vec![
            said.package.to_string(),
            out::or_dash(said.version.as_ref()),
            out::or_dash(said.wanted.as_ref()),
            out::or_dash(said.channel.as_ref()),
            said.gate.clone(),
            said.words.clone(),
        ]
    };
    out::table(
        &["package", "runs", "wanted", "channel", "gate", "why"],
        explained.packages.iter().map(row).collect(),
        "it follows no packages",
    );
    out::line("");
    let host = &explained.host;
    out::line(format_args!(
        "why an item is watched and judged as it is: lockstep explain {host} ITEM; its items: lockstep host show {host}"
    ));
}

fn opening(opens: Timestamp, now: Timestamp) -> String {
    let seconds = opens.duration_since(now).as_secs();
    match seconds {
        ..=0 => format!("{opens:.0}"),
        1..120 => format!("{opens:.0}, in {seconds} s"),
        120..7_200 => format!("{opens:.0}, in {} min", seconds / 60),
        7_200..172_800 => format!("{opens:.0}, in {} h", seconds / 3_600),
        _ => format!("{opens:.0}, in {} d", seconds / 86_400),
    }
}
