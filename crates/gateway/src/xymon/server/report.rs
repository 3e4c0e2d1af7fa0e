//! What hosts say of themselves: client messages and statuses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::api::Facts;
use lockstep_model::{HostName, PackageName, Sample, Version};

use super::answer::with_version;
use super::client_local::{Merge, select};
use super::context::{Context, Who};
use super::download::parse_id;
use super::status;
use super::stuck::PATIENCE;
use crate::seams::{Gateway, Hosts, Packages, Said, Trouble, Wanted};
use crate::xymon::message::{Head, Message};
use crate::xymon::sections;

/// Takes a client message and answers with the host's section. None if there is nothing to answer.
pub(super) async fn client<D: Hosts + Packages>(
    context: &Arc<Context<D>>,
    text: &[u8],
    from: IpAddr,
) -> Option<Vec<u8>> {
    let message = Message::parse(text);
    let head = Head::parse(message.first)?;
    let who = context.who(&head.host, from).await?;
    if !who.native {
        let now = context.desk.now();
        let said = said(context, &who, &head, &message, now);
        if let Err(error) = context.desk.hear(&who.host, said, who.declared).await {
            lost(&who.host, from, &error);
            return None;
        }
        let collector = status::cut(head.collector.unwrap_or_default(), 64);
        context.memory().log(&who.host, &collector, text, now);
    }
    let loaded = context.home.now();
    let merge = if context.config.merge_client_local {
        Merge::All
    } else {
        Merge::First
    };
    // Whoever sends no class has none, whatever its tag says.
    let class = head
        .class
        .map(|class| who.class.as_deref().unwrap_or(class));
    let block = select(&loaded.local, who.host.as_str(), class, head.os, merge);
    let wanted = match context
        .desk
        .wanted(&who.host, &context.config.package)
        .await
    {
        Ok(wanted) => wanted,
        Err(error) => {
            // Without an answer the client keeps the section and the version that it has.
            lost(&who.host, from, &error);
            return None;
        }
    };
    if head.collector.is_none() {
        watch(context, &who, &message, wanted.as_ref(), from).await;
    }
    let id = wanted.map(|wanted| wanted.id());
    let answer = with_version(&block, id.as_deref());
    (!answer.is_empty()).then_some(answer)
}

fn lost(host: &HostName, from: IpAddr, error: &Trouble) {
    tracing::warn!(gateway = "xymon", %host, %from, %error, "a report was not taken");
}

fn said<D: Hosts>(
    context: &Context<D>,
    who: &Who,
    head: &Head<'_>,
    message: &Message<'_>,
    now: Timestamp,
) -> Said {
    let mut samples = sections::samples(head.os, message, now);
    samples.extend(context.memory().over(&who.host, now));
    if head.collector.is_some() {
        return plain(samples);
    }
    Said {
        facts: sections::facts(message),
        boot_id: sections::boot(message),
        installed: installed(&context.config.package, sections::version(message)),
        ..plain(samples)
    }
}

/// Samples, and nothing else.
fn plain(samples: Vec<Sample>) -> Said {
    Said {
        via: Gateway::Xymon,
        facts: Facts::default(),
        boot_id: String::new(),
        samples,
        installed: Vec::new(),
    }
}

/// What a client says it runs. A version that is none of ours is no version; a client that says nothing changes nothing.
fn installed(package: &PackageName, version: Option<&str>) -> Vec<(PackageName, Option<Version>)> {
    let Some(version) = version else {
        return Vec::new();
    };
    let ours = parse_id(version).filter(|(named, _)| named == package);
    vec![(package.clone(), ours.map(|(_, version)| version))]
}

/// Notices a client that fetches what it is told to, and does not come to run it: to a rollout that is a failure.
async fn watch<D: Hosts>(
    context: &Context<D>,
    who: &Who,
    message: &Message<'_>,
    wanted: Option<&Wanted>,
    from: IpAddr,
) {
    let Some(version) = sections::version(message) else {
        return;
    };
    let id = wanted.map(Wanted::id);
    let attempt = context
        .memory()
        .reported(&who.host, from, id.as_deref(), version);
    let (Some(attempt), Some(wanted)) = (attempt, wanted) else {
        return;
    };
    // Once for each attempt: it goes on with every report, until something else is wanted.
    if attempt.reports != PATIENCE {
        return;
    }
    tracing::warn!(
        gateway = "xymon",
        host = %who.host,
        fetched = attempt.id,
        runs = version,
        "it fetched a version and still reports another: look into its home"
    );
    let why = format!(
        "it fetched {} and reported {} twice since",
        attempt.id,
        status::cut(version, 100)
    );
    let told = context.desk.failed(
        &who.host,
        Gateway::Xymon,
        &wanted.package,
        &wanted.version,
        why,
    );
    if let Err(error) = told.await {
        lost(&who.host, from, &error);
    }
}

/// Takes statuses, each host's together.
pub(super) async fn statuses<D: Hosts>(
    context: &Arc<Context<D>>,
    messages: &[&[u8]],
    from: IpAddr,
) {
    let mut by_name: BTreeMap<String, Vec<status::Said>> = BTreeMap::new();
    for message in messages {
        match status::Said::parse(message) {
            Some(said) => by_name.entry(said.host.clone()).or_default().push(said),
            None => tracing::debug!(gateway = "xymon", %from, "a status was not understood"),
        }
    }
    for (name, all) in by_name {
        let Some(who) = context.who(&name, from).await else {
            continue;
        };
        if who.native {
            continue;
        }
        let now = context.desk.now();
        let mut samples: Vec<Sample> = all.iter().filter_map(|said| said.sample(now)).collect();
        {
            let mut memory = context.memory();
            for said in &all {
                memory.status(&who.host, said, from, now);
            }
            samples.extend(memory.over(&who.host, now));
        }
        if let Err(error) = context
            .desk
            .hear(&who.host, plain(samples), who.declared)
            .await
        {
            lost(&who.host, from, &error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_another_package_is_none_of_ours() {
        let package = PackageName::parse("xymon-client").unwrap();
        let of = |version| {
            let all = installed(&package, version);
            all.into_iter()
                .map(|(_, version)| version.map(|it| it.to_string()))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(Some("xymon-client-1.2.3")), [Some("1.2.3".to_owned())]);
        assert_eq!(of(Some("other-1.2.3")), [None]);
        assert_eq!(of(Some("Xymon version 4.3.30")), [None]);
        assert!(of(None).is_empty());
    }
}
