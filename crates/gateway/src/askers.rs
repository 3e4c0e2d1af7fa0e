//! Hosts that only ask for files: they are known by their address, and nothing but their requests is ever heard of them.

use std::net::IpAddr;

use lockstep_model::api::Facts;
use lockstep_model::{HostName, PackageName, Version};

use crate::seams::{Gateway, Hosts, Said, Standing, Trouble};

/// The host of the fleet file that asks from an address. With its first request it becomes one of the server's hosts, before
/// anything is handed out: a rollout that did not know of it would be over without it, and then be no brake.
pub(crate) async fn who<D: Hosts>(
    desk: &D,
    from: Option<IpAddr>,
    via: Gateway,
) -> Result<Option<HostName>, Trouble> {
    let Some(host) = from.and_then(|from| desk.at_address(from)) else {
        return Ok(None);
    };
    let known = desk.known(&host).await?;
    if known.is_some_and(|known| known.standing == Standing::Declared) {
        desk.hear(&host, said(via, Vec::new()), false).await?;
    }
    Ok(Some(host))
}

/// A host has taken all that it needs for a version. That has to count as "runs it", since nobody ever says more.
pub(crate) async fn took<D: Hosts>(
    desk: &D,
    host: &HostName,
    via: Gateway,
    package: &PackageName,
    version: &Version,
) {
    let installed = vec![(package.clone(), Some(version.clone()))];
    if let Err(error) = desk.hear(host, said(via, installed), false).await {
        tracing::warn!(gateway = %via, %host, %package, %version, %error, "that a host took a version could not be stored");
    }
}

fn said(via: Gateway, installed: Vec<(PackageName, Option<Version>)>) -> Said {
    Said {
        via,
        facts: Facts::default(),
        boot_id: String::new(),
        samples: Vec::new(),
        installed,
    }
}
