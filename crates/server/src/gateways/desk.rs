//! What gateways ask, answered by the services: there is one path for each thing.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_gateway::seams::{
    EventSaid, Gateway, Green, HostSaid, Hosts, Known, LockAsk, LockSaid, LockSeen, LockSeenHolder,
    Locks, Offer, Packages, Said, Ticket, Tree, Trouble, Wanted,
};
use lockstep_model::api::Updates;
use lockstep_model::api::operator::LockView;
use lockstep_model::{
    ChannelName, HistoryQuery, HostName, ItemName, LockName, PackageName, Platform, ProblemKind,
    Release, RolloutState, Series, Span, Version, View, Work,
};
use lockstep_store::EventFilter;

use crate::app::App;
use crate::hints::Hint;
use crate::services::{foreign, foreign_locks, foreign_orders, history, hosts, lock_views, locks};
use crate::web::Refusal;

/// The server, as gateways see it.
#[derive(Clone)]
pub(crate) struct Desk(pub(crate) Arc<App>);

/// A refusal in a gateway's words.
fn trouble(refusal: Refusal) -> Trouble {
    let detail = refusal.detail().to_owned();
    match refusal.kind() {
        ProblemKind::NotFound => Trouble::Unknown(detail),
        ProblemKind::UpdatesOff => Trouble::Off(detail),
        ProblemKind::Busy => Trouble::Busy {
            why: detail,
            retry_after: refusal.retry_after(),
        },
        ProblemKind::Internal => Trouble::Internal,
        _ => Trouble::Refused(detail),
    }
}

fn stored(error: lockstep_store::Error) -> Trouble {
    trouble(error.into())
}

impl Hosts for Desk {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn known(&self, host: &HostName) -> Result<Option<Known>, Trouble> {
        foreign::known(&self.0, host).await.map_err(trouble)
    }

    fn at_address(&self, address: IpAddr) -> Option<HostName> {
        let accepted = self.0.fleet.accepted()?;
        accepted.fleet.host_at(address.to_canonical()).cloned()
    }

    async fn hear(&self, host: &HostName, said: Said, declared: bool) -> Result<(), Trouble> {
        let now = self.0.now();
        let heard = foreign::hear(&self.0, host, said, declared, now).await;
        heard.map_err(trouble)
    }

    async fn failed(
        &self,
        host: &HostName,
        via: Gateway,
        package: &PackageName,
        version: &Version,
        why: String,
    ) -> Result<(), Trouble> {
        let now = self.0.now();
        let failed = foreign::failed(&self.0, host, via, package, version, why, now).await;
        failed.map_err(trouble)
    }

    async fn wanted(
        &self,
        host: &HostName,
        package: &PackageName,
    ) -> Result<Option<Wanted>, Trouble> {
        let Some(row) = self.0.store.host(host).await.map_err(stored)? else {
            return Ok(None);
        };
        let wanted = foreign_orders::wanted(&self.0, &row, package, self.0.now()).await;
        let wanted = wanted.map_err(trouble)?;
        Ok(wanted.map(|desired| Wanted {
            package: desired.package,
            version: desired.version,
            hash: desired.hash,
            generation: desired.generation,
        }))
    }

    async fn explain(&self, host: &HostName, package: &PackageName) -> Result<String, Trouble> {
        let words = foreign_orders::words(&self.0, host, package, self.0.now()).await;
        words.map_err(trouble)
    }

    async fn standing(&self, host: Option<&HostName>) -> Result<Vec<HostSaid>, Trouble> {
        hosts::said(&self.0, host).await.map_err(trouble)
    }

    async fn events(
        &self,
        host: Option<&HostName>,
        since: Option<Timestamp>,
        most: u32,
    ) -> Result<Vec<EventSaid>, Trouble> {
        let filter = EventFilter {
            host: host.cloned(),
            since,
            ..EventFilter::default()
        };
        let events = self.0.store.events(&filter, most.min(1_000)).await;
        let said = events.map_err(stored)?.into_iter().map(|stored| EventSaid {
            stored_at: stored.received_at,
            event: stored.event,
        });
        Ok(said.collect())
    }

    async fn view(&self, host: &HostName, item: &ItemName, view: View) -> Result<Series, Trouble> {
        let query = HistoryQuery {
            host: None,
            item: item.clone(),
            span: Span::View(view),
            points: None,
        };
        let found = history::of(&self.0, host, query, self.0.now()).await;
        Ok(found.map_err(trouble)?.series)
    }

    fn address(&self, host: &HostName) -> Option<String> {
        let accepted = self.0.fleet.accepted()?;
        accepted.fleet.address_of(host).map(str::to_owned)
    }

    fn watched_by(&self, host: &HostName) -> Vec<HostName> {
        let accepted = self.0.fleet.accepted();
        accepted.map_or_else(Vec::new, |accepted| {
            accepted.fleet.watched_by(host).to_vec()
        })
    }

    async fn work(&self, host: &HostName) -> Result<Option<(Work, Timestamp)>, Trouble> {
        let accepted = self.0.fleet.accepted();
        let known = accepted.filter(|accepted| accepted.fleet.knows(host));
        Ok(known.map(|accepted| (accepted.work(host).work, accepted.accepted_at)))
    }

    async fn aim(
        &self,
        host: &HostName,
        package: &PackageName,
    ) -> Result<Option<Version>, Trouble> {
        let Some(row) = self.0.store.host(host).await.map_err(stored)? else {
            return Ok(None);
        };
        let aim = foreign_orders::aim(&self.0, &row, package, self.0.now()).await;
        aim.map_err(trouble)
    }

    async fn hint(&self, host: Option<&HostName>) -> Result<usize, Trouble> {
        let count = self.0.store.count_hosts().await.map_err(stored)?;
        match host {
            Some(host) => self.0.hints.report(std::iter::once(host.clone()).collect()),
            None => self.0.hints.give(Hint::ReportAll { hosts: count }),
        }
        Ok(host.map_or(usize::try_from(count).unwrap_or(usize::MAX), |_| 1))
    }
}

impl Locks for Desk {
    fn lock_time(&self) -> Timestamp {
        self.0.now()
    }

    async fn acquire(&self, ask: LockAsk) -> Result<LockSaid, Trouble> {
        let said = foreign_locks::acquire(&self.0, &ask, self.0.now()).await;
        said.map_err(trouble)
    }

    async fn release(&self, ask: LockAsk, green: Green) -> Result<bool, Trouble> {
        let said = foreign_locks::release(&self.0, &ask, green, self.0.now()).await;
        said.map_err(trouble)
    }

    async fn look(&self, lock: &LockName) -> Result<Option<LockSeen>, Trouble> {
        match lock_views::one(&self.0, lock, self.0.now()).await {
            Ok(view) => Ok(Some(seen(view))),
            Err(refusal) => match trouble(refusal) {
                Trouble::Unknown(_) => Ok(None),
                other => Err(other),
            },
        }
    }

    async fn list(&self) -> Result<Vec<LockSeen>, Trouble> {
        let views = lock_views::list(&self.0, self.0.now()).await;
        Ok(views.map_err(trouble)?.into_iter().map(seen).collect())
    }

    async fn mention(&self, lock: &LockName) -> Result<(), Trouble> {
        locks::mention(&self.0, lock, self.0.now())
            .await
            .map_err(trouble)
    }
}

fn seen(view: LockView) -> LockSeen {
    let enabled = view.lock.state.disabled.is_none() && view.lock.rule.disabled.is_none();
    let holders = view
        .lock
        .state
        .holders
        .into_iter()
        .map(|grant| LockSeenHolder {
            steady: grant.steady_until.is_some(),
            holder: grant.holder,
            fence: grant.fence,
            since: grant.since,
            renewed_at: grant.renewed_at,
        });
    LockSeen {
        name: view.lock.name,
        holders: holders.collect(),
        enabled,
    }
}

impl Desk {
    /// A listed release for any platform, or for the one of this server.
    async fn release(
        &self,
        package: &PackageName,
        version: &Version,
    ) -> Result<Option<Release>, Trouble> {
        let orders = self.0.standing.read(&self.0).await.map_err(stored)?;
        let here = Platform::of_this_program();
        let mut offered = orders.offered(package, &here);
        Ok(offered
            .find(|release| release.details.version == *version)
            .cloned())
    }

    async fn offer(&self, release: Release) -> Offer {
        let path = self.0.artifacts.path(&release.hash);
        let changed = tokio::fs::metadata(&path)
            .await
            .and_then(|file| file.modified());
        let published_at = changed.ok().and_then(|at| Timestamp::try_from(at).ok());
        Offer {
            package: release.details.package,
            version: release.details.version,
            hash: release.hash,
            published_at: published_at.unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

impl Packages for Desk {
    async fn newest(
        &self,
        package: &PackageName,
        channel: &ChannelName,
        host: Option<&HostName>,
    ) -> Result<Option<Offer>, Trouble> {
        if let Some(host) = host
            && let Some(wanted) = self.wanted(host, package).await?
        {
            return self.find(package, &wanted.version).await;
        }
        let orders = self.0.standing.read(&self.0).await.map_err(stored)?;
        let newest = orders
            .channel(package, channel)
            .and_then(|it| it.rollouts.first());
        let version = newest.and_then(|newest| match newest.rollout.state {
            RolloutState::Done => Some(newest.rollout.version.clone()),
            // Nobody is the first to get what has not proven itself because he did not say who he is.
            _ => newest.rollout.from.clone(),
        });
        match version {
            Some(version) => self.find(package, &version).await,
            None => Ok(None),
        }
    }

    async fn find(
        &self,
        package: &PackageName,
        version: &Version,
    ) -> Result<Option<Offer>, Trouble> {
        match self.release(package, version).await? {
            Some(release) => Ok(Some(self.offer(release).await)),
            None => Ok(None),
        }
    }

    async fn open(&self, offer: &Offer) -> Result<Tree, Trouble> {
        let release = self.release(&offer.package, &offer.version).await?;
        let release = release.filter(|release| release.hash == offer.hash);
        let release = release.ok_or_else(|| {
            Trouble::Unknown(format!("{} {} was withdrawn", offer.package, offer.version))
        })?;
        let opened = self.0.opened.tree(&self.0, &release).await;
        opened.map_err(trouble)
    }

    async fn admit(&self) -> Result<Ticket, Trouble> {
        let place = self.0.downloads.admit().map_err(trouble)?;
        Ok(Ticket(Box::new(place)))
    }

    async fn updates(&self) -> Result<bool, Trouble> {
        let orders = self.0.standing.read(&self.0).await.map_err(stored)?;
        Ok(orders.updates != Updates::Off)
    }
}
