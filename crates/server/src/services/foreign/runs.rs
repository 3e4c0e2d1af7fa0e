//! The runs of foreign hosts: what they did by themselves, as their next word shows.

use jiff::Timestamp;
use lockstep_gateway::seams::Gateway;
use lockstep_model::api::Report;
use lockstep_model::{
    HostName, Outcome, PackageName, Phase, RunId, RunKind, RunReason, RunRecord, Version,
};

use super::{Kept, report_of};
use crate::app::App;
use crate::services::orders::installed_of;
use crate::services::{foreign_orders, reports};
use crate::web::Refusal;

/// A change of version that a host has made by itself, as its next word shows.
pub(super) struct Taken {
    pub(super) package: PackageName,
    pub(super) before: Option<Version>,
    pub(super) version: Version,
}

impl Taken {
    /// The record of it.
    pub(super) async fn record(
        self,
        app: &App,
        report: &Report,
        host: &HostName,
        via: Gateway,
        now: Timestamp,
    ) -> Result<RunRecord, Refusal> {
        let order = foreign_orders::order(app, host, report, &self.package, now).await?;
        let order = order.filter(|order| order.version == self.version);
        Ok(RunRecord {
            outcome: Some(Outcome::Done),
            phase: Phase::Done,
            hash: order.as_ref().map(|order| order.hash),
            ..begun(
                self.package,
                self.before.as_ref(),
                Some(&self.version),
                order.map_or(0, |order| order.generation),
                via,
                now,
            )
        })
    }
}

/// A run that begins now.
pub(crate) fn begun(
    package: PackageName,
    from: Option<&Version>,
    to: Option<&Version>,
    generation: u64,
    via: Gateway,
    now: Timestamp,
) -> RunRecord {
    let mut random = [0; 10];
    random.fill_with(|| fastrand::u8(..));
    RunRecord {
        id: RunId::new(now, random),
        kind: RunKind::Bundle,
        package,
        from: from.map(Into::into),
        to: to.map(Into::into),
        hash: None,
        generation,
        by: format!("the client of the gateway {via}"),
        phase: Phase::Apply,
        waits: None,
        lock: None,
        outcome: None,
        reason: None,
        started_at: now,
        at: now,
        log: String::new(),
        link: None,
    }
}

/// A foreign host was given a version and does not come to it: its run has failed, and the rollout's gates count it.
pub(crate) async fn failed(
    app: &App,
    host: &HostName,
    via: Gateway,
    package: &PackageName,
    version: &Version,
    why: String,
    now: Timestamp,
) -> Result<(), Refusal> {
    let _turn = app.foreign.turn(host).await;
    let Some(row) = app
        .store
        .host(host)
        .await?
        .filter(|row| row.facts.gateway.is_some())
    else {
        return Ok(());
    };
    let report = report_of(&row, &Kept::default(), now);
    let order = foreign_orders::order(app, host, &report, package, now).await?;
    let Some(order) = order.filter(|order| order.version == *version) else {
        return Ok(());
    };
    let before = installed_of(&report.installed, package).map(|it| &it.version);
    let record = RunRecord {
        phase: Phase::Done,
        hash: Some(order.hash),
        outcome: Some(Outcome::Failed),
        reason: Some(RunReason::HostFailed { why }),
        ..begun(
            package.clone(),
            before,
            Some(version),
            order.generation,
            via,
            now,
        )
    };
    reports::receive_run(app, host, &record, now).await
}
