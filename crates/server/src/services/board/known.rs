//! What is known of each host. A report is read again when a newer one has come, and what follows from the fleet file when
//! another file is in force.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{HostName, Level, Phase};
use lockstep_pages::hosts::HostLine;
use lockstep_store::HostRow;

use super::said::Said;
use crate::app::App;
use crate::services::orders::Orders;
use crate::services::{follows, hosts};

/// Above so many changed reports all are read, in pages: below, one by one.
const MANY: usize = 200;

/// The hosts as they were read last.
#[derive(Debug, Default)]
pub(crate) struct Known {
    rows: HashMap<HostName, HostRow>,
}

impl Known {
    /// A line for each host, by name.
    pub(crate) async fn lines(
        &mut self,
        app: &App,
        said: &Said<'_>,
        now: Timestamp,
    ) -> Result<Vec<Arc<HostLine>>, lockstep_store::Error> {
        self.refresh(app).await?;
        let orders = app.standing.read(app).await?;
        let mut lines: Vec<Arc<HostLine>> = Vec::with_capacity(self.rows.len());
        for row in self.rows.values() {
            lines.push(Arc::new(line(app, &orders, row, said, now)));
        }
        for row in app.store.watched_hosts().await? {
            let silent = app.is_silent(&row.via, Some(row.received_at), row.received_at, now);
            let mut view = hosts::view_of_watched(row);
            let items = std::mem::take(&mut view.items).into();
            if silent {
                view.level = Level::DEAD;
            }
            let accepted = app.fleet.accepted();
            if let Some(accepted) = &accepted {
                accepted.about(&view.name).tell(&mut view);
            }
            let groups = accepted.as_ref().map(|it| it.groups_of(&view.name));
            let groups = groups.unwrap_or_default();
            let of_host = said.of(&view.name, &groups);
            lines.push(Arc::new(HostLine {
                silent,
                items,
                groups,
                labels: follows::labels(accepted.as_deref(), &view.name, Default::default()),
                in_run: None,
                unhandled: of_host.unhandled,
                waves: of_host.waves,
                quiet: of_host.quiet,
                hushed: of_host.hushed,
                view,
            }));
        }
        lines.sort_by(|a, b| a.view.name.cmp(&b.view.name));
        Ok(lines)
    }

    async fn refresh(&mut self, app: &App) -> Result<(), lockstep_store::Error> {
        let marks = app.store.host_marks().await?;
        let mut changed = Vec::new();
        for mark in &marks {
            let known = self.rows.get(&mark.host);
            let is_known = known.is_some_and(|it| {
                it.last_seen == mark.last_seen && it.enrolled_at == mark.enrolled_at
            });
            if !is_known {
                changed.push(&mark.host);
            }
        }
        if changed.len() > MANY {
            let rows = app.store.hosts().await?;
            self.rows = rows
                .into_iter()
                .map(|row| (row.name.clone(), row))
                .collect();
            return Ok(());
        }
        for host in changed {
            match app.store.host(host).await? {
                Some(row) => self.rows.insert(host.clone(), row),
                None => self.rows.remove(host),
            };
        }
        if self.rows.len() > marks.len() {
            let there: std::collections::HashSet<&HostName> =
                marks.iter().map(|mark| &mark.host).collect();
            self.rows.retain(|host, _| there.contains(host));
        }
        Ok(())
    }
}

fn line(app: &App, orders: &Orders, row: &HostRow, said: &Said<'_>, now: Timestamp) -> HostLine {
    let silent = app.is_silent(&row.name, row.last_seen, row.enrolled_at, now);
    let in_run = row.report.as_ref().and_then(|report| report.run.as_ref());
    let in_run = in_run
        .map(|run| run.phase)
        .filter(|phase| *phase >= Phase::Pre);
    let facts = row.report.as_ref().map_or(&row.facts, |it| &it.facts);
    let accepted = app.fleet.accepted();
    let labels = follows::labels(accepted.as_deref(), &row.name, follows::said_in(facts));
    let mut view = hosts::view(orders, row.clone(), now);
    let items = std::mem::take(&mut view.items).into();
    // What a silent host said last is no word on how it is.
    if silent {
        view.level = Level::DEAD;
    }
    if let Some(accepted) = &accepted {
        accepted.about(&row.name).tell(&mut view);
    }
    let groups = accepted.map(|it| it.groups_of(&row.name));
    let groups = groups.unwrap_or_default();
    let of_host = said.of(&row.name, &groups);
    HostLine {
        silent,
        items,
        groups,
        labels,
        in_run,
        unhandled: of_host.unhandled,
        waves: of_host.waves,
        quiet: of_host.quiet,
        hushed: of_host.hushed,
        view,
    }
}
