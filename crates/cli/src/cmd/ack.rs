//! `lockstep ack`.

use lockstep_model::alert::Ack;
use lockstep_model::api::operator::NewAck;
use lockstep_model::{HostName, Interval, ItemName};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs, question};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep ack web1 disk_usage:/ --note 'ordered a larger disk'\n  lockstep ack web1 --for 4h\n\
    It holds for the level that the problem has now: worse is told again. It ends with the problem."
)]
pub(crate) struct Args {
    /// The host
    host: HostName,
    /// The item; all problems of the host if left out
    item: Option<ItemName>,
    /// What to say to those who were told
    #[arg(long, default_value = "")]
    note: String,
    /// For how long; until the problem ends if left out
    #[arg(long = "for", value_name = "INTERVAL")]
    lasts: Option<Interval>,
    /// Take it back
    #[arg(long, requires = "item", conflicts_with_all = ["note", "lasts"])]
    take_back: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Says that somebody is on it.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    if args.take_back {
        let item = args.item.map(|item| item.to_string());
        let path = question(
            "acks",
            [("host", Some(args.host.to_string())), ("item", item)],
        );
        operator.delete(&path).await?;
        out::line("taken back");
        return Ok(Exit::Done);
    }
    let new = NewAck {
        host: args.host,
        item: args.item,
        note: args.note,
        lasts: args.lasts,
    };
    let acks: Vec<Ack> = operator.post("acks", &new).await?;
    if args.json {
        out::json(&acks)?;
        return Ok(Exit::Done);
    }
    for ack in &acks {
        out::line(format_args!(
            "acknowledged {} of {} at {}",
            ack.item, ack.host, ack.level
        ));
    }
    Ok(Exit::Done)
}
