//! The command line as an operator: which server, and by what right.

use std::path::PathBuf;

use anyhow::{Context, bail};
use lockstep_net::Clock;
use lockstep_net::client::{ClientSettings, HttpClient, Roots};
use lockstep_server::OperatorFile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{env, out};

/// Options of every command that talks to a server.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct OperatorArgs {
    /// The file with the server's address and an operator's token; the server writes the first one at its first
    /// start [default: ~/.config/lockstep/operator.toml, then that of a server on this machine]
    #[arg(long, value_name = "FILE", env = env::OPERATOR)]
    pub(crate) operator: Option<PathBuf>,
    /// Another address of the server than the file names
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
}

/// A connection to the operator API.
pub(crate) struct Operator {
    client: HttpClient,
}

/// Largest answer that is read, in bytes: the list of ten thousand hosts.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Rows of a list that is printed whole.
pub(crate) const MOST: usize = 100_000;

impl Operator {
    /// Opens the connection that the options describe.
    pub(crate) fn open(args: &OperatorArgs) -> anyhow::Result<Self> {
        let path = match &args.operator {
            Some(path) => path.clone(),
            None => default_file()?,
        };
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("failed to read {}", path.display()))?;
        let file = OperatorFile::parse(&text)
            .map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?;
        let server = args.server.clone().unwrap_or(file.server);
        let settings = ClientSettings {
            bearer: Some(file.token),
            max_answer: MAX_ANSWER,
            ..ClientSettings::new(server, Roots::Ca(file.ca))
        };
        Ok(Self {
            client: HttpClient::new(settings, &Clock::system())?,
        })
    }

    /// The client, for what is not JSON.
    pub(crate) fn client(&self) -> &HttpClient {
        &self.client
    }

    /// `GET` below `/api/v1`.
    pub(crate) async fn get<A: DeserializeOwned>(&self, path: &str) -> anyhow::Result<A> {
        Ok(self.client.get_json(&format!("/api/v1/{path}")).await?)
    }

    /// The rows of a list below `/api/v1`, page after page, at most `most`; where there are more, the person is told.
    pub(crate) async fn list<A: DeserializeOwned>(
        &self,
        path: &str,
        most: usize,
    ) -> anyhow::Result<Vec<A>> {
        let (rows, more) = self.walk(path, most).await?;
        if more {
            out::note(format_args!("there are more; these are the first {most}"));
        }
        Ok(rows)
    }

    /// The first rows of a list below `/api/v1`: as many as were asked for, from as many pages as that takes.
    pub(crate) async fn take<A: DeserializeOwned>(
        &self,
        path: &str,
        wanted: usize,
    ) -> anyhow::Result<Vec<A>> {
        Ok(self.walk(path, wanted).await?.0)
    }

    /// The first rows, at most `most`, and whether there are more.
    async fn walk<A: DeserializeOwned>(
        &self,
        path: &str,
        most: usize,
    ) -> anyhow::Result<(Vec<A>, bool)> {
        let mut rows: Vec<A> = Vec::new();
        let mut next = Some(format!("/api/v1/{path}"));
        while let Some(path) = next.take_if(|_| rows.len() < most) {
            let (page, behind): (Vec<A>, _) = self.client.get_page(&path).await?;
            rows.extend(page);
            next = behind;
        }
        let more = rows.len() > most || next.is_some();
        rows.truncate(most);
        Ok((rows, more))
    }

    /// `POST` below `/api/v1`.
    pub(crate) async fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<A> {
        Ok(self
            .client
            .post_json(&format!("/api/v1/{path}"), body)
            .await?)
    }

    /// `PUT` below `/api/v1`.
    pub(crate) async fn put<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<A> {
        Ok(self
            .client
            .put_json(&format!("/api/v1/{path}"), body)
            .await?)
    }

    /// `DELETE` below `/api/v1`.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.client
            .delete::<serde_json::Value>(&format!("/api/v1/{path}"))
            .await?;
        Ok(())
    }
}

/// A path with a question behind it, of the parts that have a value.
pub(crate) fn question<const N: usize>(path: &str, parts: [(&str, Option<String>); N]) -> String {
    let mut question = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parts {
        if let Some(value) = value {
            question.append_pair(name, &value);
        }
    }
    match question.finish() {
        question if question.is_empty() => path.to_owned(),
        question => format!("{path}?{question}"),
    }
}

fn default_file() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    let own = home.map(|dir| dir.join("lockstep/operator.toml"));
    let local = lockstep_server::ServerConfig::default()
        .data
        .join("operator.toml");
    let candidates: Vec<PathBuf> = own.into_iter().chain([local]).collect();
    match candidates.iter().find(|path| path.exists()) {
        Some(path) => Ok(path.clone()),
        None => {
            let places = candidates
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>();
            bail!(
                "no operator file in {}; name one with --operator or {} (the server wrote one at its first start)",
                places.join(" or "),
                env::OPERATOR
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_question_cannot_break_out_of_it() {
        let item = Some("http:https://x/?a=b&c#d".to_owned());
        assert_eq!(
            question("events", [("host", None), ("item", item)]),
            "events?item=http%3Ahttps%3A%2F%2Fx%2F%3Fa%3Db%26c%23d"
        );
        assert_eq!(question("events", [("host", None)]), "events");
    }
}
