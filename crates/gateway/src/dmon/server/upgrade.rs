//! UPGRADE: orders signed releases. A program in the message is never taken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::stream::{self, StreamExt as _};
use lockstep_model::{HostName, PackageName};

use super::Office;
use crate::dmon::{one_line, refused};
use crate::seams::{HostSaid, Hosts, Standing, Trouble};

/// Hosts that are looked at at once.
const AT_ONCE: usize = 8;

impl<D: Hosts> Office<D> {
    pub(super) async fn upgrade(
        &self,
        from: IpAddr,
        host: Option<&HostName>,
        program: bool,
    ) -> String {
        if !is_localhost(from) {
            return refused("UPGRADE is for the server's own machine");
        }
        if program {
            return refused(
                "programs are not taken: publish a signed release and promote it, then write UPGRADE without a program",
            );
        }
        let standing = match self.desk.standing(host).await {
            Ok(standing) => standing,
            Err(trouble) => return refused(&trouble.to_string()),
        };
        if let Some(host) = host.filter(|_| standing.is_empty()) {
            return refused(&format!("nobody knows a host named {host}"));
        }
        let lines = stream::iter(standing)
            .map(|said| async move {
                let line = self.upgrade_one(&said, host.is_some()).await;
                line.unwrap_or_else(|trouble| {
                    let why = one_line(&trouble.to_string());
                    Some(format!("upgrade {} refused: {why}", said.host))
                })
            })
            .buffered(AT_ONCE);
        let lines: Vec<Option<String>> = lines.collect().await;
        let lines: Vec<String> = lines.into_iter().flatten().collect();
        lines.join("\n")
    }

    /// The line of one host; none for one without an agent, unless it was asked for by its name.
    async fn upgrade_one(&self, said: &HostSaid, by_name: bool) -> Result<Option<String>, Trouble> {
        let host = &said.host;
        let known = self.desk.known(host).await?;
        match known.map(|known| known.standing) {
            Some(Standing::Native) => {}
            Some(Standing::Foreign) => {
                let why = "it runs no agent of ours, and its own takes unsigned programs only";
                return Ok(Some(format!("upgrade {host} refused: {why}")));
            }
            Some(Standing::Declared) | None => {
                let line = format!("upgrade {host} refused: it has no agent");
                return Ok(by_name.then_some(line));
            }
        }
        let package = PackageName::lockstep();
        let runs = said
            .installed
            .iter()
            .find(|(installed, _)| *installed == package);
        let runs = runs.map(|(_, version)| version);
        let old = runs.map_or_else(|| "none".into(), ToString::to_string);
        if let Some(wanted) = self.desk.wanted(host, &package).await?
            && runs != Some(&wanted.version)
        {
            self.desk.hint(Some(host)).await?;
            return Ok(Some(format!(
                "upgrade {host} ok {old} \u{2192} {}",
                wanted.version
            )));
        }
        let aim = self.desk.aim(host, &package).await?;
        if aim.is_none() || aim.as_ref() == runs {
            return Ok(Some(format!("upgrade {host} ok {old}")));
        }
        let why = self.desk.explain(host, &package).await?;
        Ok(Some(format!("upgrade {host} refused: {}", one_line(&why))))
    }
}

/// This machine as it calls itself. Its other loopback addresses are given to others, such as containers and proxies.
fn is_localhost(address: IpAddr) -> bool {
    [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ]
    .contains(&address)
}
