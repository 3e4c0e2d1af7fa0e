//! The board: how the whole fleet stands, in memory, for pages that show many hosts.
//!
//! Reading the reports of thousands of hosts takes longer than a page may. So they are kept here, parsed, and only those
//! that have changed are read again. The board is made anew at most once a second, and only while somebody looks; all
//! visitors share it. It is no truth: what it says is a moment old, and every action goes by the store.

mod editions;
mod known;
mod said;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lockstep_model::api::Updates;
use lockstep_model::api::operator::{ProbeView, ProblemView};
use lockstep_model::{HostName, LockName, PackageName, Rollout};
use lockstep_pages::Strip;
use lockstep_pages::frame::RolloutChip;
use lockstep_pages::hosts::{HostLine, Lines};
use lockstep_pages::items::ItemLine;
use lockstep_pages::silences::Quiet;
use tokio::sync::watch;

use super::situation::{Roster, Situation};
use super::{notes, problems, quiet, settings};
use crate::app::App;
use crate::web::Refusal;

pub(crate) use editions::Editions;
use editions::Seen;
use known::Known;
use said::Said;

/// A board this old is shown without another look.
const FRESH: Duration = Duration::from_secs(1);
/// While somebody follows the board, or looked at a page a moment ago, it is kept fresh behind the pages, and they take what
/// there is: nobody waits for the reports of thousands of hosts.
const FOLLOWED: Duration = Duration::from_secs(5);
/// So long after a page it is still kept fresh.
const LOOKED_AT: Duration = Duration::from_secs(30);

/// How the fleet stands at one moment.
#[derive(Debug)]
pub(crate) struct Board {
    /// When it was read, by the server's clock.
    pub(crate) at: Timestamp,
    /// All hosts by name, those without an agent among them.
    pub(crate) hosts: Lines,
    /// What is not well, worst first.
    pub(crate) problems: Vec<ProblemView>,
    /// The figures above every page.
    pub(crate) strip: Strip,
    /// Tells what has changed between two boards.
    pub(crate) editions: Editions,
    /// The packages that channels bring, one or more times each.
    pub(crate) packages: Vec<PackageName>,
    /// The locks that somebody has used.
    pub(crate) locks: Vec<LockName>,
    /// What the problems were told by: silences, acknowledgements and rules among it.
    pub(crate) situation: Situation,
    /// The hosts of the situation.
    pub(crate) roster: Roster,
    quiet: OnceLock<Vec<Quiet>>,
    probes: OnceLock<Vec<ProbeView>>,
    items: OnceLock<Vec<ItemLine>>,
}

impl Board {
    /// The plugins and scripts of the fleet, as [`notes::probes`] sorts them; gathered for the first who asks.
    pub(crate) fn probes(&self) -> &[ProbeView] {
        self.probes.get_or_init(|| notes::probes(&self.hosts))
    }

    /// The items of the fleet, and on how many hosts each stands how; counted for the first who asks.
    pub(crate) fn items(&self) -> &[ItemLine] {
        self.items.get_or_init(|| ItemLine::all_of(&self.hosts))
    }

    /// What is quiet, and what each silence holds back; found out for the first page that asks, and for all others with it.
    pub(crate) fn quiet(&self, app: &App) -> &[Quiet] {
        self.quiet
            .get_or_init(|| quiet::of(app, &self.situation, &self.roster, self.at))
    }

    /// A host of the board.
    pub(crate) fn host(&self, name: &HostName) -> Option<&Arc<HostLine>> {
        let found = self.hosts.binary_search_by(|line| line.view.name.cmp(name));
        found.ok().map(|index| &self.hosts[index])
    }
}

/// The newest board, and what it was made of.
#[derive(Debug)]
pub(crate) struct Boards {
    newest: Mutex<Newest>,
    known: tokio::sync::Mutex<Known>,
    told: watch::Sender<Option<Arc<Board>>>,
}

#[derive(Debug, Default)]
struct Newest {
    /// The board, and when its reading was begun.
    board: Option<(Instant, Arc<Board>)>,
    /// When somebody looked last.
    looked: Option<Instant>,
    /// Grows when something was changed here: a board whose reading was begun before that may not show it.
    changes: u64,
}

impl Default for Boards {
    fn default() -> Self {
        Self {
            newest: Mutex::default(),
            known: tokio::sync::Mutex::default(),
            told: watch::Sender::new(None),
        }
    }
}

impl Boards {
    /// How the fleet stands now, or stood a moment ago.
    pub(crate) async fn read(&self, app: &App) -> Result<Arc<Board>, Refusal> {
        let now = app.now();
        let enough = if self.is_kept_fresh() {
            FOLLOWED
        } else {
            FRESH
        };
        self.lock().looked = Some(Instant::now());
        if let Some(board) = self.newest(enough, now) {
            return Ok(board);
        }
        self.renew(app, now).await
    }

    /// Reads the board anew, unless somebody else has just done so.
    async fn renew(&self, app: &App, now: Timestamp) -> Result<Arc<Board>, Refusal> {
        let mut known = self.known.lock().await;
        if let Some(board) = self.newest(FRESH, now) {
            return Ok(board);
        }
        let begun = Instant::now();
        let changes = self.lock().changes;
        let board = Arc::new(make(app, &mut known, now).await?);
        // What pages keep beside the board was read before it. A page that is told of this board takes none of that: it would
        // hold what is old for the newest, and not ask again.
        app.curves.forget_views();
        app.lock_facts.forget();
        let mut newest = self.lock();
        if newest.changes == changes {
            newest.board = Some((begun, Arc::clone(&board)));
        }
        drop(newest);
        self.told.send_replace(Some(Arc::clone(&board)));
        Ok(board)
    }

    /// Something was changed here: the next page shows it.
    pub(crate) fn forget(&self) {
        let mut newest = self.lock();
        newest.board = None;
        newest.changes += 1;
    }

    fn is_kept_fresh(&self) -> bool {
        let looked = self.lock().looked;
        self.told.receiver_count() > 0 || looked.is_some_and(|at| at.elapsed() < LOOKED_AT)
    }

    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each new board, for as long as somebody listens.
    pub(crate) fn follow(&self) -> watch::Receiver<Option<Arc<Board>>> {
        self.told.subscribe()
    }

    fn newest(&self, enough: Duration, now: Timestamp) -> Option<Arc<Board>> {
        let newest = self.lock();
        let (read, board) = newest.board.as_ref()?;
        let passed = read.elapsed();
        // The server's clock may be one that tests drive, or that somebody sets.
        let jumped = now.duration_since(board.at).unsigned_abs().abs_diff(passed);
        (passed < enough && jumped < FRESH).then(|| Arc::clone(board))
    }
}

/// Keeps the board fresh while somebody follows it.
pub(crate) async fn run(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(FRESH) => {}
        }
        if !app.boards.is_kept_fresh() {
            continue;
        }
        if let Err(refusal) = app.boards.renew(&app, app.now()).await {
            tracing::warn!(
                why = refusal.detail(),
                "the board could not be read; tried again"
            );
        }
    }
}

async fn make(app: &App, known: &mut Known, now: Timestamp) -> Result<Board, Refusal> {
    let situation = Situation::read(app, now).await?;
    let roster = Roster::of(&situation);
    let problems = problems::of(app, &situation, &roster, now);
    let rollouts = app.store.current_rollouts().await?;
    let said = Said::by(&problems, &rollouts, &situation.silences, now);
    let hosts = Lines::from(known.lines(app, &said, now).await?);
    let strip = strip(app, &hosts, &problems, &rollouts, now).await?;
    let (locks, channels) = (app.store.locks().await?, app.store.channels().await?);
    let seen = Seen {
        hosts: &hosts,
        problems: &problems,
        rollouts: &rollouts,
        situation: &situation,
        locks: &locks,
        channels: &channels,
    };
    let editions = Editions::of(app, &seen, now).await?;
    Ok(Board {
        at: now,
        hosts,
        problems,
        strip,
        editions,
        packages: channels.into_iter().map(|it| it.package).collect(),
        locks: locks.into_iter().map(|(name, _)| name).collect(),
        situation,
        roster,
        quiet: OnceLock::new(),
        probes: OnceLock::new(),
        items: OnceLock::new(),
    })
}

async fn strip(
    app: &App,
    hosts: &[Arc<HostLine>],
    problems: &[ProblemView],
    rollouts: &[Rollout],
    now: Timestamp,
) -> Result<Strip, Refusal> {
    let mut strip = Strip {
        at: now,
        unhandled: problems.iter().filter(|it| it.is_unhandled()).count(),
        stopped_runs: usize::try_from(app.store.count_stopped_runs().await?).unwrap_or(usize::MAX),
        updates_off: settings::updates(app).await? == Updates::Off,
        fleet_refused: !app.fleet.refused().is_empty(),
        health: app.health.read(app, now).await?.to_vec(),
        newest_report: hosts.iter().filter_map(|line| line.view.last_seen).max(),
        ..Strip::default()
    };
    for line in hosts {
        strip.levels[usize::from(line.view.level.rank())] += 1;
        strip.silent += usize::from(line.silent);
        strip.in_change += usize::from(line.in_run.is_some());
    }
    let chips = rollouts.iter().filter(|it| !it.state.is_over());
    strip.rollouts = chips
        .map(|rollout| RolloutChip {
            id: rollout.id,
            package: rollout.package.clone(),
            version: rollout.version.clone(),
            state: rollout.state,
        })
        .collect();
    Ok(strip)
}
