//! Hosts: who is enrolled, and how each stands.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use lockstep_gateway::seams::HostSaid;
use lockstep_model::api::operator::HostView;
use lockstep_model::{HostName, Level, PackageName};
use lockstep_pages::hosts::{Ask, those};
use lockstep_store::{HostRow, WatchedRow};

use super::orders::{Asking, Orders};
use super::reports::agent_in;
use super::{audit, locks};
use crate::app::App;
use crate::hints::Hint;
use crate::web::Refusal;

/// Hosts that are read at once; each has its whole report with it.
const MOST_AT_ONCE: u32 = 500;

/// Hosts by name, those without an agent among them, without their items: those behind `after`, at most `wanted`.
pub(crate) async fn page(
    app: &App,
    after: Option<&HostName>,
    wanted: u32,
) -> Result<Vec<HostView>, Refusal> {
    // The database says what comes after what; it may order marks within names otherwise than we do.
    let names = app.store.host_names_after(after, wanted).await?;
    let mut views = enrolled(app, after, &names).await?;
    let now = app.now();
    for row in app.store.watched_hosts().await? {
        if !views.contains_key(&row.host) {
            let is_silent = app.is_silent(&row.via, Some(row.received_at), row.received_at, now);
            let mut view = view_of_watched(row);
            view.items.clear();
            if is_silent {
                view.level = Level::DEAD;
            }
            views.insert(view.name.clone(), view);
        }
    }
    Ok(names.iter().filter_map(|name| views.remove(name)).collect())
}

/// Hosts that an ask finds, by name, without their items: those behind `after`, at most `wanted`. The board finds them, so
/// what is known of them may be a moment old.
pub(crate) async fn found(
    app: &App,
    ask: &Ask,
    after: Option<&HostName>,
    wanted: u32,
) -> Result<Vec<HostView>, Refusal> {
    let board = app.boards.read(app).await?;
    let found = those(&board.hosts, ask).into_iter();
    let behind = found.filter(|line| after.is_none_or(|after| line.view.name > *after));
    let views = behind.take(wanted as usize).map(|line| {
        let mut view = line.view.clone();
        view.packages.clear();
        view.programs.clear();
        view
    });
    Ok(views.collect())
}

/// Those of these names that are enrolled; the names are the first ones behind `after`.
async fn enrolled(
    app: &App,
    after: Option<&HostName>,
    names: &[HostName],
) -> Result<HashMap<HostName, HostView>, Refusal> {
    let orders = app.standing.read(app).await?;
    let now = app.now();
    let wanted: HashSet<&HostName> = names.iter().collect();
    let mut views = HashMap::new();
    let mut after = after.cloned();
    loop {
        let rows = app.store.hosts_after(after.as_ref(), MOST_AT_ONCE).await?;
        let is_last = rows.len() < MOST_AT_ONCE as usize;
        after = rows.last().map(|row| row.name.clone());
        let is_behind = after.as_ref().is_none_or(|name| !wanted.contains(name));
        for row in rows {
            if !wanted.contains(&row.name) {
                continue;
            }
            let mut view = view(&orders, row, now);
            view.items.clear();
            view.packages.clear();
            view.programs.clear();
            // What a silent host said last is no word on how it is.
            if app.is_silent(&view.name, view.last_seen, view.enrolled_at, now) {
                view.level = Level::DEAD;
            }
            views.insert(view.name.clone(), view);
        }
        if is_last || is_behind {
            return Ok(views);
        }
    }
}

/// How one host stands, or all, for gateways: with their items.
pub(crate) async fn said(app: &App, host: Option<&HostName>) -> Result<Vec<HostSaid>, Refusal> {
    let (rows, watched) = match host {
        Some(host) => (
            app.store.host(host).await?.into_iter().collect(),
            app.store.watched_host(host).await?.into_iter().collect(),
        ),
        None => (app.store.hosts().await?, app.store.watched_hosts().await?),
    };
    let now = app.now();
    let rows = rows.into_iter().map(|row: HostRow| {
        let silent = app.is_silent(&row.name, row.last_seen, row.enrolled_at, now);
        let (items, installed) = row
            .report
            .map_or_else(Default::default, |report| (report.items, report.installed));
        let installed = installed.into_iter().map(|it| (it.package, it.version));
        HostSaid {
            host: row.name,
            last_seen: row.last_seen,
            silent,
            items,
            installed: installed.collect(),
        }
    });
    let watched = watched.into_iter().map(|row: WatchedRow| HostSaid {
        silent: app.is_silent(&row.via, Some(row.received_at), row.received_at, now),
        host: row.host,
        last_seen: Some(row.received_at),
        items: row.items,
        installed: Vec::new(),
    });
    let mut all: Vec<HostSaid> = rows.chain(watched).collect();
    all.sort_by(|a, b| a.host.cmp(&b.host));
    Ok(all)
}

/// One host, with its items.
pub(crate) async fn one(app: &App, name: &HostName) -> Result<HostView, Refusal> {
    let orders = app.standing.read(app).await?;
    let found = match app.store.host(name).await? {
        Some(row) => Some(view(&orders, row, app.now())),
        None => app.store.watched_host(name).await?.map(view_of_watched),
    };
    let mut view = found.ok_or_else(|| unknown(name))?;
    if let Some(accepted) = app.fleet.accepted() {
        accepted.about(name).tell(&mut view);
    }
    Ok(view)
}

/// Refuses a host that is neither enrolled nor watched: of that nothing is ever heard.
pub(crate) async fn known(app: &App, name: &HostName) -> Result<(), Refusal> {
    let store = &app.store;
    if store.host(name).await?.is_some() || store.watched_host(name).await?.is_some() {
        return Ok(());
    }
    Err(Refusal::not_found(format!(
        "no host named {name} is enrolled or watched"
    )))
}

/// Removes a host: its certificates are worthless from now on, its streams end, and others get its places of locks.
pub(crate) async fn remove(
    app: &App,
    name: &HostName,
    who: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let was_enrolled = app.store.remove_host(name, now).await?;
    // Also when it is no host any more: a removal that was cut off is mended by the same again.
    let had_locks = locks::forget_host(app, name, who, now).await?;
    if !was_enrolled {
        return had_locks.then_some(()).ok_or_else(|| unknown(name));
    }
    app.hints.give(Hint::Gone(name.clone()));
    app.novelty.forget(name);
    app.wake.notify_one();
    let what = format!("removed host {name} and revoked its certificates");
    audit::note(app, who, &what, now).await;
    Ok(())
}

/// Asks a host to report now, or the one that watches it; says which. It is a hint, and changes nothing: a host that holds
/// no stream open on this server reports in its own time.
pub(crate) async fn ask_to_report(app: &App, name: &HostName) -> Result<HostName, Refusal> {
    let asked = match app.store.host(name).await? {
        Some(row) => match row.facts.gateway {
            Some(gateway) => {
                return Err(Refusal::conflict(format!(
                    "{name} speaks by the gateway {gateway}; it comes in its own time and cannot be asked"
                )));
            }
            None => row.name,
        },
        None => {
            let watched = app.store.watched_host(name).await?;
            watched.ok_or_else(|| unknown(name))?.via
        }
    };
    if !app.streams.holds(&asked) {
        return Err(Refusal::conflict(format!(
            "{asked} holds no stream open on this server and cannot be asked; it reports each {} by itself",
            app.report_interval(&asked)
        )));
    }
    app.hints.report([asked.clone()].into());
    Ok(asked)
}

/// Asks these hosts to report now, or those that watch them. Says how many were asked; the others hold no stream open on this
/// server, or speak by a gateway, and come in their own time.
pub(crate) async fn ask_all_to_report(app: &App, names: &[HostName]) -> Result<usize, Refusal> {
    let board = app.boards.read(app).await?;
    let lines = names.iter().filter_map(|name| board.host(name));
    let lines = lines.filter(|line| line.view.gateway.is_none());
    let asked: Vec<&HostName> = lines
        .map(|line| line.view.via.as_ref().unwrap_or(&line.view.name))
        .filter(|host| app.streams.holds(host))
        .collect();
    let count = asked.len();
    app.hints.report(asked.into_iter().cloned().collect());
    Ok(count)
}

fn unknown(name: &HostName) -> Refusal {
    Refusal::not_found(format!("no host named {name} is enrolled"))
}

pub(super) fn view(orders: &Orders, row: HostRow, now: Timestamp) -> HostView {
    let report = row.report;
    let installed = report.as_ref().and_then(agent_in);
    let version = installed.map(|it| it.version.clone());
    let proven = installed.is_some_and(|it| it.proven);
    let machine = report.as_ref().map_or(&row.facts, |report| &report.facts);
    let asking = Asking {
        host: &row.name,
        installed: report.as_ref().map_or(&[], |it| it.installed.as_slice()),
        run: report.as_ref().and_then(|it| it.run.as_ref()),
        facts: machine,
    };
    let own = PackageName::lockstep();
    let desired = orders
        .wishes(&asking, now)
        .into_iter()
        .find(|wish| wish.follow.package == own)
        .and_then(|wish| wish.target)
        .map(|target| target.version);
    let os = machine.os.clone();
    let (items, packages, boot_id, work_refused, programs) =
        report.map_or_else(Default::default, |it| {
            let mut packages = it.installed;
            packages.retain(|it| it.package != own);
            let programs = it.notes.programs;
            (it.items, packages, it.boot_id, it.work_refused, programs)
        });
    let gateway = row.facts.gateway.clone();
    HostView {
        name: row.name,
        enrolled_at: row.enrolled_at,
        last_seen: row.last_seen,
        level: row.level,
        version,
        proven,
        desired,
        packages,
        items,
        boot_id,
        os,
        via: None,
        gateway,
        work_refused,
        owner: None,
        links: Default::default(),
        programs,
    }
}

/// A host that has no agent and is watched by another one.
pub(super) fn view_of_watched(row: WatchedRow) -> HostView {
    HostView {
        name: row.host,
        enrolled_at: row.received_at,
        last_seen: Some(row.received_at),
        level: row
            .items
            .iter()
            .map(|it| it.level)
            .max()
            .unwrap_or_default(),
        version: None,
        proven: false,
        desired: None,
        packages: Vec::new(),
        items: row.items,
        boot_id: String::new(),
        os: String::new(),
        via: Some(row.via),
        gateway: None,
        work_refused: None,
        owner: None,
        links: Default::default(),
        programs: Vec::new(),
    }
}
