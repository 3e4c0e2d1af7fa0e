//! The command line as an operator: which server, and by what right.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use lockstep_net::client::{HttpClient, Roots};
use lockstep_server::OperatorFile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::env;

/// Options of every command that talks to a server.
#[derive(Debug, Clone, clap::Args)]
pub struct OperatorArgs {
    /// The file with the server's address and an operator's token; the server writes the first one at its first
    /// start [default: ~/.config/lockstep/operator.toml, then that of a server on this machine]
    #[arg(long, value_name = "FILE", env = env::OPERATOR)]
    pub operator: Option<PathBuf>,
    /// Another address of the server than the file names
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
}

/// A connection to the operator API.
pub struct Operator {
    client: HttpClient,
}

/// How long the server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may take to answer.
const REQUEST: Duration = Duration::from_secs(60);

impl Operator {
    /// Opens the connection that the options describe.
    pub fn open(args: &OperatorArgs) -> anyhow::Result<Self> {
        let path = match &args.operator {
            Some(path) => path.clone(),
            None => default_file()?,
        };
        let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let file = OperatorFile::parse(&text).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?;
        let server = args.server.clone().unwrap_or(file.server);
        let headers = [("authorization", format!("Bearer {}", file.token))];
        let client = HttpClient::new(&server, Roots::Ca(file.ca), None, &headers, CONNECT, REQUEST)?;
        Ok(Self { client })
    }

    /// The client, for what is not JSON.
    pub fn client(&self) -> &HttpClient {
        &self.client
    }

    /// `GET` below `/api/v1`.
    pub async fn get<A: DeserializeOwned>(&self, path: &str) -> anyhow::Result<A> {
        Ok(self.client.get_json(&format!("/api/v1/{path}")).await?)
    }

    /// `POST` below `/api/v1`.
    pub async fn post<A: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<A> {
        Ok(self.client.post_json(&format!("/api/v1/{path}"), body).await?)
    }

    /// `PUT` below `/api/v1`.
    pub async fn put<A: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<A> {
        Ok(self.client.put_json(&format!("/api/v1/{path}"), body).await?)
    }

    /// `DELETE` below `/api/v1`.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        Ok(self.client.delete(&format!("/api/v1/{path}")).await?)
    }
}

fn default_file() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    let own = home.map(|dir| dir.join("lockstep/operator.toml"));
    let local = lockstep_server::ServerConfig::default().data.join("operator.toml");
    let candidates: Vec<PathBuf> = own.into_iter().chain([local]).collect();
    match candidates.iter().find(|path| path.exists()) {
        Some(path) => Ok(path.clone()),
        None => {
            let places = candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
            bail!(
                "no operator file in {}; name one with --operator or {} (the server wrote one at its first start)",
                places.join(" or "),
                env::OPERATOR
            )
        }
    }
}
