//! `lockstep host reboot` and `lockstep host restart-agent`.

use lockstep_model::api::operator::{WishOrder, WishView};
use lockstep_model::{HostName, HostWish, Interval, WishState, WishVerb};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options of `reboot`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep host reboot web1.example.org --why 'kernel 6.12.90'\n\
    Example: lockstep host reboot web1.example.org --cancel\n\
    The host obeys if its agent.toml says so: reboot = true in [wishes]. It is a run, under the lock of its update.toml: it\n\
    waits for its turn, and stops where a phase fails. To see how it stands: lockstep host show NAME."
)]
pub(crate) struct RebootArgs {
    #[command(flatten)]
    wish: Wish,
}

/// Options of `restart-agent`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep host restart-agent web1.example.org --why 'it holds a file open'\n\
    The worker ends in good order and is started again, unless agent.toml says restart_agent = false in [wishes]. Runs that\n\
    are under way go on."
)]
pub(crate) struct RestartArgs {
    #[command(flatten)]
    wish: Wish,
}

#[derive(Debug, clap::Args)]
struct Wish {
    /// The host
    name: HostName,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", value_parser = said, required_unless_present = "cancel")]
    why: Option<String>,
    /// What the host has not begun by then is not done; 1h if it is left out
    #[arg(long = "for", value_name = "TIME")]
    lasts: Option<Interval>,
    /// Take it back, unless the host has begun it
    #[arg(long, conflicts_with_all = ["why", "lasts"])]
    cancel: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// A text that is neither empty nor too long.
fn said(text: &str) -> Result<String, String> {
    let (text, most) = (text.trim(), HostWish::LONGEST_WHY);
    match text.len() {
        0 => Err("a reason is needed".into()),
        length if length > most => Err(format!("it has {length} bytes; {most} are allowed")),
        _ => Ok(text.into()),
    }
}

/// Wishes a restart of the machine.
pub(crate) async fn reboot(args: RebootArgs) -> anyhow::Result<Exit> {
    give(args.wish, WishVerb::Reboot).await
}

/// Wishes a restart of the agent.
pub(crate) async fn restart(args: RestartArgs) -> anyhow::Result<Exit> {
    give(args.wish, WishVerb::RestartAgent).await
}

async fn give(args: Wish, verb: WishVerb) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let path = format!("hosts/{}/{verb}", args.name);
    let view: WishView = match args.why {
        None => {
            operator.delete(&path).await?;
            of(&operator, &args.name, verb).await?
        }
        Some(why) => {
            let order = WishOrder {
                why,
                lasts: args.lasts,
            };
            operator.post(&path, &order).await?
        }
    };
    if args.json {
        out::json(&view)?;
    } else {
        out::line(sentence(&view));
    }
    Ok(Exit::Done)
}

/// The wish as it stands now.
async fn of(operator: &Operator, host: &HostName, verb: WishVerb) -> anyhow::Result<WishView> {
    let wishes: Vec<WishView> = operator.get(&format!("hosts/{host}/wishes")).await?;
    let found = wishes.into_iter().find(|view| view.wish.verb == verb);
    found.ok_or_else(|| anyhow::anyhow!("nobody wishes the {verb} of {host} any more"))
}

/// A wish and where it stands, in one line.
pub(super) fn sentence(view: &WishView) -> String {
    let wish = &view.wish;
    let words = match view.words.as_str() {
        "" => String::new(),
        words => format!(": {words}"),
    };
    let run = match &view.run {
        Some(run) => format!(" (run {run})"),
        None => String::new(),
    };
    let end = match view.state.is_open() {
        true => format!(", void from {:.0} on", wish.until),
        false => String::new(),
    };
    let state = match (&view.taken_back, view.state) {
        (Some(back), WishState::TakenBack) => format!("taken back by {}", back.by),
        _ => view.state.to_string(),
    };
    // Part of it was said by the host.
    out::printable(&format!(
        "{} wished by {} at {:.0}, {}{end}; {state}{words}{run}",
        wish.verb, wish.by, wish.at, wish.why
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_says_where_it_stands() {
        assert!(said(" ").is_err());
        assert!(said(&"x".repeat(501)).is_err());
        let at: jiff::Timestamp = "2026-11-22T05:00:00Z".parse().unwrap();
        let mut view = WishView {
            wish: HostWish {
                verb: WishVerb::Reboot,
                number: 7,
                boot_id: "b".into(),
                by: "ann".into(),
                why: "a new kernel".into(),
                at,
                until: at + jiff::SignedDuration::from_hours(1),
            },
            state: WishState::NotPermitted,
            words: "agent.toml says no".into(),
            run: None,
            taken_back: None,
        };
        assert_eq!(
            sentence(&view),
            "reboot wished by ann at 2026-11-22T05:00:00Z, a new kernel, void from 2026-11-22T06:00:00Z on; not-permitted: agent.toml says no"
        );
        // What a host says is not obeyed by the terminal.
        view.words = "\u{1b}[2Jno\r".into();
        assert!(!sentence(&view).chars().any(char::is_control));
        view.state = WishState::Done;
        view.words.clear();
        assert!(sentence(&view).ends_with("a new kernel; done"));
    }
}
