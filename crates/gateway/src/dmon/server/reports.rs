//! REPORT and EVENTS: what hosts say of themselves and of those that they watch.

use std::net::IpAddr;

use lockstep_model::HostName;
use lockstep_model::api::Facts;

use super::Office;
use crate::dmon::json::{self, Heard};
use crate::dmon::{one_line, refused, works};
use crate::seams::{Gateway, Hosts, Said, Standing};

/// What became of a message.
struct Taken {
    /// Who said it, for people.
    sender: String,
    /// The hosts of which something was taken.
    hosts: Vec<HostName>,
    /// What was not taken, and why.
    refused: Vec<String>,
    /// The host whose work file the sender wants to know of.
    works_for: Option<HostName>,
}

impl<D: Hosts> Office<D> {
    pub(super) async fn report(&self, from: IpAddr, text: &str) -> String {
        let said = match json::report(text) {
            Ok(said) => said,
            Err(why) => return json::said(&refused(&why), []),
        };
        let taken = self.take(from, said).await;
        let work = match &taken.works_for {
            Some(host) => works::changed_at(&*self.desk, self.config.works.as_deref(), host).await,
            None => None,
        };
        taken.answer("report", [("work", work.into())])
    }

    pub(super) async fn events(&self, from: IpAddr, text: &str) -> String {
        let said = match json::events(text) {
            Ok(said) => said,
            Err(why) => return json::said(&refused(&why), []),
        };
        if said.is_empty() {
            return json::said("ok 0 events", []);
        }
        let count: usize = said.iter().map(|(_, heard)| heard.len()).sum();
        let taken = self.take(from, said).await;
        taken.answer(&format!("{count} events"), [])
    }

    /// Hands what was said to the desk, host by host.
    async fn take(&self, from: IpAddr, said: Vec<(HostName, Vec<Heard>)>) -> Taken {
        let sender = self.sender(from);
        let mut taken = Taken {
            sender: sender
                .as_ref()
                .map_or_else(|| from.to_string(), HostName::to_string),
            hosts: Vec::new(),
            refused: Vec::new(),
            works_for: sender.clone(),
        };
        for (host, heard) in said {
            match self.hear(sender.as_ref(), &host, heard).await {
                Ok(()) => {
                    taken.works_for.get_or_insert_with(|| host.clone());
                    taken.hosts.push(host);
                }
                Err(why) => {
                    tracing::info!(gateway = "dmon", %from, %host, why, "not taken");
                    taken.refused.push(format!("{host}: {}", one_line(&why)));
                }
            }
        }
        taken
    }

    async fn hear(
        &self,
        sender: Option<&HostName>,
        host: &HostName,
        heard: Vec<Heard>,
    ) -> Result<(), String> {
        // Who is at an address that is no host's is a sender because the operator says so, of whatever is not ours.
        if let Some(sender) = sender
            && sender != host
            && !self.desk.watched_by(sender).contains(host)
        {
            return Err(format!("{sender} does not watch it, by the fleet file"));
        }
        let known = self
            .desk
            .known(host)
            .await
            .map_err(|trouble| trouble.to_string())?;
        match known.map(|known| known.standing) {
            None => return Err("nobody knows a host of this name".into()),
            Some(Standing::Native) => {
                return Err("it runs Lockstep's agent, which speaks for it".into());
            }
            Some(Standing::Foreign | Standing::Declared) => {}
        }
        let names = self.names(host).await;
        let said = Said {
            via: Gateway::Dmon,
            facts: Facts::default(),
            boot_id: String::new(),
            samples: json::samples(heard, &names, self.desk.now()),
            installed: Vec::new(),
        };
        let heard = self.desk.hear(host, said, false).await;
        heard.map_err(|trouble| trouble.to_string())
    }
}

impl Taken {
    fn answer<'a>(
        &self,
        what: &str,
        more: impl IntoIterator<Item = (&'a str, serde_json::Value)>,
    ) -> String {
        let why_not = self.refused.join("; ");
        if self.hosts.is_empty() {
            let why = if why_not.is_empty() {
                "no host is in it"
            } else {
                &why_not
            };
            return json::said(&refused(why), []);
        }
        let hosts: Vec<&str> = self.hosts.iter().map(HostName::as_str).collect();
        let mut resp = format!("ok {what} from [{}] for {}", self.sender, hosts.join(" "));
        if !why_not.is_empty() {
            resp.push_str(&format!("; refused: {why_not}"));
        }
        json::said(&resp, more)
    }
}
