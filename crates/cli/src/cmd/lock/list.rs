//! `lockstep lock list`.

use jiff::Timestamp;
use lockstep_model::api::operator::LockView;
use lockstep_net::Clock;

use super::words;
use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep lock list\n  lockstep lock list --json | jq '.[] | select(.ghosts != [])'\n\
    A ghost is a holder of whom it is doubtful that it will give the lock back; \"lockstep lock show NAME\" tells why, and \
    what is safe to do."
)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows all locks.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let views: Vec<LockView> = Operator::open(&args.operator)?.list("locks", MOST).await?;
    if args.json {
        out::json(&views)?;
        return Ok(Exit::Done);
    }
    let now = Clock::system().now();
    let header = ["lock", "taken", "state", "waiting", "held by", "for", "why"];
    let rows = views.iter().flat_map(|view| rows(view, now));
    out::table(
        &header,
        rows.collect(),
        "no locks: the fleet file names none, and nobody has asked for one",
    );
    let ghosts: usize = views.iter().map(|view| view.ghosts.len()).sum();
    if ghosts > 0 {
        out::line("");
        out::line(format_args!(
            "{ghosts} of the holders may not come back (ghost): \"lockstep lock show NAME\" tells what is safe to do"
        ));
    }
    Ok(Exit::Done)
}

/// One row for each holder, and one for a lock that nobody holds. The lock itself stands in the first of them.
fn rows(view: &LockView, now: Timestamp) -> Vec<Vec<String>> {
    let state = &view.lock.state;
    let lock = [
        view.lock.name.to_string(),
        format!("{} of {}", view.taken.len(), view.places),
        words::state(view).to_owned(),
        match state.waiters.len() {
            0 => "-".into(),
            waiting => waiting.to_string(),
        },
    ];
    let holders = state.holders.iter().map(|holder| {
        [
            words::holder(view, &holder.holder),
            words::lasting(holder.since, now),
            holder.reason.clone(),
        ]
    });
    let mut holders: Vec<[String; 3]> = holders.collect();
    if holders.is_empty() {
        holders.push(["-".into(), "-".into(), String::new()]);
    }
    let rows = holders.into_iter().enumerate();
    rows.map(|(index, holder)| {
        let lock = match index {
            0 => lock.clone(),
            _ => <[String; 4]>::default(),
        };
        lock.into_iter().chain(holder).collect()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::show::tests::{at, busy, idle};
    use super::*;

    #[test]
    fn each_holder_has_a_row_and_ghosts_are_marked() {
        let rows = rows(&busy(), at(1_000));
        let words: Vec<String> = rows.iter().map(|row| row.join("|")).collect();
        assert_eq!(
            words,
            [
                "db|3 of 2|full|1|web1 (ghost)|16 min|os",
                "||||operator ann o'brien|100 s|moving",
            ]
        );
    }

    #[test]
    fn a_lock_that_nobody_holds_has_a_row() {
        let rows = rows(&idle(), at(1_000));
        assert_eq!(rows, [["os", "0 of 1", "free", "-", "-", "-", ""]]);
    }
}
