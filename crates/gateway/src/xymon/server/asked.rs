//! What tools ask: the board, statuses, client messages, and who speaks to us.

use std::fmt::Write as _;
use std::sync::Arc;

use super::board::{self, Criteria, Row};
use super::command::host_and_test;
use super::context::Context;
use crate::seams::Hosts;
use crate::xymon::message::Message;

/// Lines of a board, at most. One that is cut would be a wrong one.
const MOST_LINES: usize = 100_000;

/// `clientlog HOST [section=A,B]`: what its client sent last, and its collectors.
pub(super) fn client_log<D: Hosts>(
    context: &Context<D>,
    name: &str,
    sections: &[String],
) -> Option<Vec<u8>> {
    let host = context.named(name)?;
    let memory = context.memory();
    let mut answer = Vec::new();
    for (collector, logged) in memory.logs(&host)?.iter().rev() {
        if sections.is_empty() {
            answer.extend_from_slice(format!("\n[collector:{collector}]\n").as_bytes());
            answer.extend_from_slice(&logged.message);
            continue;
        }
        let message = Message::parse(&logged.message);
        for section in message.sections() {
            if sections.iter().any(|name| name == section.name) {
                answer.extend_from_slice(format!("[{}]\n", section.name).as_bytes());
                answer.extend_from_slice(section.body);
            }
        }
    }
    Some(answer)
}

/// The lines of one host, or of all.
async fn rows<D: Hosts>(context: &Context<D>, name: Option<&str>) -> Vec<Row> {
    let host = match name {
        None => None,
        Some(name) => match context.named(name) {
            Some(host) => Some(host),
            None => return Vec::new(),
        },
    };
    let standing = match context.desk.standing(host.as_ref()).await {
        Ok(standing) => standing,
        Err(error) => {
            tracing::warn!(gateway = "xymon", %error, "a question was not answered");
            return Vec::new();
        }
    };
    let now = context.desk.now();
    let loaded = context.home.now();
    let memory = context.memory();
    let mut all = Vec::new();
    for said in &standing {
        let statuses = memory.statuses(&said.host);
        let kept = |test: &str| statuses.and_then(|all| all.get(test));
        let entry = loaded.hosts.find(said.host.as_str());
        let logs = memory.logs(&said.host);
        let client = logs.and_then(|logs| logs.values().map(|it| it.at).max());
        for mut row in board::rows(said, kept, now) {
            if let Some(entry) = entry {
                row.host.clone_from(&entry.name);
                row.address = Some(entry.address);
                row.tags.clone_from(&entry.tags);
                row.page.clone_from(&entry.page);
            }
            row.client = client;
            all.push(row);
        }
    }
    all
}

/// `xymondboard [CRITERIA] [fields=FIELDS]`.
pub(super) async fn board<D: Hosts>(
    context: &Arc<Context<D>>,
    criteria: &str,
) -> Result<String, String> {
    let criteria = Criteria::parse(criteria)?;
    let rows = rows(context, None).await;
    let mut wanted = rows.iter().filter(|row| criteria.wants(row));
    let answer = wanted.by_ref().take(MOST_LINES);
    let answer = answer.map(|row| criteria.line(row)).collect();
    if wanted.next().is_some() {
        return Err(format!(
            "it would have more than {MOST_LINES} lines: ask for fewer, with host=, test= or color="
        ));
    }
    Ok(answer)
}

/// The line of `HOST.TEST`.
async fn one<D: Hosts>(context: &Arc<Context<D>>, word: &str) -> Option<Row> {
    // Names of items have dots, too (`disk_usage:/srv/a.b`): the first split that is a host with such a test counts.
    for (at, _) in word.match_indices('.').take(64) {
        let host = word.get(..at)?.replace(',', ".");
        let test = word.get(at + 1..)?;
        let found = rows(context, Some(&host)).await;
        if let Some(row) = found.into_iter().find(|row| row.test == test) {
            return Some(row);
        }
    }
    None
}

/// `query HOST.TEST`: the colour and the first line.
pub(super) async fn query<D: Hosts>(context: &Arc<Context<D>>, word: &str) -> Option<String> {
    host_and_test(word)?;
    Some(one(context, word).await?.line + "\n")
}

/// `xymondlog HOST.TEST`: all that is known of it.
pub(super) async fn log<D: Hosts>(context: &Arc<Context<D>>, word: &str) -> Option<String> {
    host_and_test(word)?;
    Some(board::log(&one(context, word).await?))
}

/// `hostinfo [CRITERIA]`: hosts of `hosts.cfg` with their tags, and behind them those that only the server knows.
pub(super) async fn host_info<D: Hosts>(
    context: &Arc<Context<D>>,
    criteria: &str,
) -> Result<String, String> {
    let criteria = Criteria::parse(criteria)?;
    let standing = context
        .desk
        .standing(None)
        .await
        .map_err(|error| error.to_string())?;
    let loaded = context.home.now();
    let mut answer = String::new();
    for entry in loaded.hosts.all() {
        let address = Some(entry.address);
        if criteria.wants_host(&entry.name, address, &entry.page, &entry.tags) {
            let _ = writeln!(
                answer,
                "{}|{}|{}",
                entry.name,
                entry.address,
                entry.tags.join("|")
            );
        }
    }
    for said in &standing {
        let name = said.host.as_str();
        if loaded.hosts.find(name).is_none() && criteria.wants_host(name, None, "", &[]) {
            let _ = writeln!(answer, "{name}|0.0.0.0|");
        }
    }
    Ok(answer)
}

/// `ghostlist`: strangers that reported.
pub(super) fn ghosts<D: Hosts>(context: &Context<D>) -> String {
    let memory = context.memory();
    let line = |(name, ghost): (&String, &super::memory::Ghost)| {
        let name = name.replace('|', "_");
        format!("{name}|{}|{}\n", ghost.from, ghost.at.as_second())
    };
    memory.ghosts().map(line).collect()
}

/// `senderstats`: how many messages came from each address.
pub(super) fn senders<D: Hosts>(context: &Context<D>) -> String {
    let memory = context.memory();
    let lines = memory.senders();
    lines
        .map(|(address, count)| format!("{address} {count}\n"))
        .collect()
}
