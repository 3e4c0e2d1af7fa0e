//! `lockstep lock show`.

use jiff::Timestamp;
use lockstep_model::api::operator::LockView;
use lockstep_model::{LockHolder, LockName, lease_until};
use lockstep_net::Clock;

use super::words;
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep lock show db")]
pub(crate) struct Args {
    /// The lock
    name: LockName,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows one lock.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let view: LockView = Operator::open(&args.operator)?
        .get(&format!("locks/{}", args.name))
        .await?;
    if args.json {
        out::json(&view)?;
        return Ok(Exit::Done);
    }
    for line in describe(&view, Clock::system().now()) {
        // Reasons are what hosts and people said.
        out::line(out::printable(&line));
    }
    Ok(Exit::Done)
}

/// Everything, line by line.
fn describe(view: &LockView, now: Timestamp) -> Vec<String> {
    let (rule, state) = (&view.lock.rule, &view.lock.state);
    let mut page = Page::default();
    let (taken, places) = (view.taken.len(), view.places);
    let of = if places == 1 { "place" } else { "places" };
    page.add(
        "lock",
        format!(
            "{}: {}, {taken} of {places} {of} taken",
            view.lock.name,
            words::state(view)
        ),
    );
    page.add_all("rule", rule.words(places));
    if let Some(why) = words::why_disabled(view) {
        page.add("disabled", why);
    }
    let unmet = view.unmet.iter().map(ToString::to_string);
    page.add_all("unmet", unmet);
    let taken = view.taken.iter().map(ToString::to_string);
    page.add_all("counted", taken);
    for holder in &state.holders {
        page.add_all("held by", held(view, holder, now));
    }
    let waiters = state.waiters.iter().enumerate();
    let waiters = waiters.map(|(index, waiter)| {
        let mut line = format!(
            "{}. {} for {}, asked {}",
            index + 1,
            waiter.holder,
            words::lasting(waiter.since, now),
            out::ago(waiter.asked_at, now)
        );
        if let Some(run) = &waiter.run {
            line += &format!(", run {run}");
        }
        if !waiter.reason.is_empty() {
            line += &format!(": {}", waiter.reason);
        }
        line
    });
    page.add_all("waiting", waiters);
    page.add("grants", format!("{} so far", state.fence));
    page.lines
}

/// A holder: what is known of its grant, and what is doubtful.
fn held(view: &LockView, holder: &LockHolder, now: Timestamp) -> Vec<String> {
    let mut lines = vec![format!(
        "{} for {}, since {:.0}, grant {}",
        holder.holder,
        words::lasting(holder.since, now),
        holder.since,
        holder.fence
    )];
    if !holder.reason.is_empty() {
        lines.push(format!("  for: {}", holder.reason));
    }
    if let Some(run) = &holder.run {
        lines.push(format!("  run: {run}"));
    }
    if let Some(boot) = &holder.boot_id {
        lines.push(format!("  boot: {boot}"));
    }
    if let Some(until) = lease_until(holder, view.lock.rule.lease) {
        lines.push(format!(
            "  renewed {}, over at {until:.0} without another word",
            out::ago(holder.renewed_at, now)
        ));
    }
    if let Some(until) = holder.steady_until {
        lines.push(format!(
            "  done: its place is free when it is fine, at {until:.0} at the latest"
        ));
    }
    if let Some(ghost) = words::ghost_of(view, &holder.holder) {
        lines.push(format!("  ghost: {}", ghost.ghost));
        let safe = words::safe(view.lock.name.as_str(), ghost);
        let safe = safe.into_iter().enumerate();
        lines.extend(safe.map(|(index, line)| match index {
            0 => format!("  safe: {line}"),
            _ => format!("        {line}"),
        }));
    }
    lines
}

/// Lines with a word before the first of each kind.
#[derive(Default)]
struct Page {
    lines: Vec<String>,
}

impl Page {
    fn add(&mut self, word: &str, text: String) {
        self.lines.push(format!("{word:<9} {text}"));
    }

    fn add_all(&mut self, word: &str, texts: impl IntoIterator<Item = String>) {
        for (index, text) in texts.into_iter().enumerate() {
            self.add(if index == 0 { word } else { "" }, text);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use lockstep_model::api::operator::GhostView;
    use lockstep_model::{
        AtLeast, Capacity, Counted, Counts, Fence, Ghost, GhostAction, Holder, HostName, Level,
        Lock, LockRefusal, LockRule, LockState, LockWaiter, Need, RunId, Share, Taken,
    };

    pub(in super::super) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn host(name: &str) -> Holder {
        Holder::Host(HostName::parse(name).unwrap())
    }

    fn run() -> RunId {
        "019b0a5c-2d00-7abc-8def-0123456789ab".parse().unwrap()
    }

    /// Two hold it, one of them a ghost; one host counts, one waits, and too few are well.
    pub(in super::super) fn busy() -> LockView {
        let web1 = LockHolder {
            holder: host("web1"),
            fence: Fence(7),
            since: at(0),
            renewed_at: at(0),
            reason: "os".into(),
            run: Some(run()),
            boot_id: Some("boot-1".into()),
            steady_until: Some(at(2000)),
        };
        let ann = LockHolder {
            holder: Holder::Operator("ann o'brien".into()),
            fence: Fence(8),
            since: at(900),
            reason: "moving".into(),
            run: None,
            boot_id: None,
            steady_until: None,
            ..web1.clone()
        };
        let taken = |by: &Holder, counted| Taken {
            by: by.clone(),
            counted,
        };
        let need = Need(vec![AtLeast {
            share: Share::OutOf(2, 3),
            group: "db".into(),
            level: Level::FINE,
        }]);
        LockView {
            places: 2,
            taken: vec![
                taken(&web1.holder, Counted::Holds),
                taken(&ann.holder, Counted::Holds),
                taken(&host("web9"), Counted::Silent),
            ],
            unmet: vec![LockRefusal::Needs {
                need: need.clone(),
                fit: 1,
                unfit: vec![(HostName::parse("db2").unwrap(), Counted::Level(Level::SICK))],
            }],
            ghosts: vec![GhostView {
                holder: web1.holder.clone(),
                ghost: Ghost::Stopped {
                    run: run(),
                    why: "30-disk of phase apply failed: exit status: 1".into(),
                },
                action: GhostAction::RetryOrSkip,
            }],
            lock: Lock {
                name: LockName::parse("db").unwrap(),
                rule: LockRule {
                    capacity: Capacity::Number(2),
                    group: Some("web".into()),
                    counts: Counts {
                        silent: true,
                        running: false,
                        level: Some(Level::SICK),
                    },
                    needs: vec![need],
                    lease: None,
                    disabled: None,
                },
                state: LockState {
                    fence: Fence(8),
                    holders: vec![web1, ann],
                    waiters: vec![LockWaiter {
                        holder: host("web2"),
                        since: at(400),
                        asked_at: at(990),
                        reason: "driveclient".into(),
                        run: Some(run()),
                    }],
                    disabled: None,
                },
            },
        }
    }

    pub(in super::super) fn idle() -> LockView {
        LockView {
            lock: Lock {
                name: LockName::parse("os").unwrap(),
                rule: LockRule::default(),
                state: LockState::default(),
            },
            places: 1,
            taken: Vec::new(),
            unmet: Vec::new(),
            ghosts: Vec::new(),
        }
    }

    #[test]
    fn everything_is_told() {
        // How a refusal words itself is tested where it does.
        let unmet = busy().unmet[0].to_string();
        let expected = "\
lock      db: full, 3 of 2 places taken
rule      2 places, for the hosts of group web
          a host that is silent, or sick or worse takes a place as well
          without the host that asks there must be 2 of 3 of db fine
          a grant holds until it is given back
unmet     UNMET
counted   web1 (holds it)
          operator ann o'brien (holds it)
          web9 (silent)
held by   web1 for 16 min, since 1970-01-01T00:00:00Z, grant 7
            for: os
            run: 019b0a5c-2d00-7abc-8def-0123456789ab
            boot: boot-1
            done: its place is free when it is fine, at 1970-01-01T00:33:20Z at the latest
            ghost: run 019b0a5c-2d00-7abc-8def-0123456789ab has stopped: 30-disk of phase apply failed: exit status: 1
            safe: lockstep run show 019b0a5c-2d00-7abc-8def-0123456789ab
                  then: lockstep run retry 019b0a5c-2d00-7abc-8def-0123456789ab
                  or:   lockstep run skip 019b0a5c-2d00-7abc-8def-0123456789ab --why WHY
held by   operator ann o'brien for 100 s, since 1970-01-01T00:15:00Z, grant 8
            for: moving
waiting   1. web2 for 10 min, asked 10 s ago, run 019b0a5c-2d00-7abc-8def-0123456789ab: driveclient
grants    8 so far";
        let told = describe(&busy(), at(1000)).join("\n");
        assert_eq!(told, expected.replace("UNMET", &unmet));
    }

    #[test]
    fn each_ghost_has_its_own_way_out() {
        let mut view = busy();
        let safe = |view: &LockView| words::safe("db", &view.ghosts[0]).join("; ");
        let mut told = |ghost: Ghost| {
            view.ghosts[0].action = ghost.action();
            view.ghosts[0].ghost = ghost;
            safe(&view)
        };
        assert_eq!(
            told(Ghost::Decommissioned),
            "lockstep lock free db --holder web1 --why WHY"
        );
        assert_eq!(
            told(Ghost::NeverRebooted { since: at(1) }),
            "on web1: systemctl reboot (its run goes on after the restart)"
        );
        assert_eq!(
            told(Ghost::RebootedUnfit { level: Level::SICK }),
            "lockstep problems --host web1 (its run goes on once it is well)"
        );
        assert_eq!(
            told(Ghost::Unreachable { since: at(1) }),
            "lockstep host show web1 (is the machine off, or only cut off?); only if it is off: lockstep lock free db \
             --holder web1 --why WHY"
        );
        view.ghosts[0].holder = Holder::Operator("ann o'brien".into());
        view.ghosts[0].ghost = Ghost::RunOver {
            run: run(),
            since: at(1),
        };
        view.ghosts[0].action = GhostAction::Free;
        assert_eq!(
            safe(&view),
            r"lockstep lock free db --holder 'operator:ann o'\''brien' --why WHY"
        );
    }

    #[test]
    fn what_keeps_the_next_one_out_is_the_state() {
        let mut view = idle();
        assert_eq!(words::state(&view), "free");
        view.unmet = busy().unmet;
        assert_eq!(words::state(&view), "needs unmet");
        view.taken = busy().taken;
        assert_eq!(words::state(&view), "full");
        view.lock.rule.disabled = Some("the move".into());
        assert_eq!(words::state(&view), "disabled");
        assert_eq!(
            words::why_disabled(&view).unwrap(),
            "the move (by the fleet file)"
        );
    }

    #[test]
    fn holders_are_written_as_they_are_read() {
        let parse = |text| words::parse_holder(text);
        assert_eq!(parse("web1"), Ok(host("web1")));
        assert_eq!(
            parse("operator:ann o'brien"),
            Ok(Holder::Operator("ann o'brien".into()))
        );
        assert!(parse("operator:").is_err());
        assert!(parse("Web 1").unwrap_err().contains("operator:NAME"));
        assert!(words::parse_why("  ").is_err());
        assert!(words::parse_why(&"x".repeat(501)).is_err());
        assert_eq!(words::parse_why(" disks "), Ok("disks".into()));
    }
}
