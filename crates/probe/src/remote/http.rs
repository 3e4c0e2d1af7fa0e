//! `http:URL`: is the page there, is it the right one, and how long does it take?

use std::fmt;
use std::sync::Arc;

use lockstep_net::client::{Visit, Visited, Visitor};
use tokio::sync::OnceCell;

use super::ca::Trust;
use super::options::Options;
use super::single::{Answer, Asked, Check, Failure, single};
use super::words::clean;
use crate::probe::{Order, Probe};

mod auth;
mod status;
mod url;

pub(super) use auth::authorization;
pub(super) use url::{Url, url};

use status::Wanted;

/// How much of a body is read, in bytes.
const LONGEST_BODY: usize = 1024 * 1024;

pub(super) fn http(order: &Order) -> Result<Arc<dyn Probe>, String> {
    let known = [
        "status", "body", "not_body", "method", "ca", "insecure", "auth",
    ];
    let options = Options::of(order, &known)?;
    let url = url(order)?;
    let text = |name| Ok::<_, String>(options.text(name)?.map(str::to_owned));
    single(
        order,
        Http {
            asker: Asker::of(order, options, &url, LONGEST_BODY)?,
            wanted: Wanted::parse(&options.list("status")?)?,
            body: text("body")?,
            not_body: text("not_body")?,
        },
    )
}

#[derive(Debug)]
struct Http {
    asker: Asker,
    wanted: Wanted,
    body: Option<String>,
    not_body: Option<String>,
}

impl Check for Http {
    async fn ask(&self, asked: Asked) -> Result<Answer, Failure> {
        let visited = self.asker.ask(asked).await?;
        let answer = Answer::took(visited.took);
        Ok(match self.objection(&visited) {
            Some(why) => answer.but(&why),
            None => answer,
        })
    }
}

impl Http {
    /// What is wrong with an answer, if anything.
    fn objection(&self, visited: &Visited) -> Option<String> {
        if !self.wanted.has(visited.status) {
            let beginning = &visited.body[..visited.body.len().min(400)];
            let words = clean(&String::from_utf8_lossy(beginning), 200);
            let status = visited.status;
            return Some(format!("it answers {status}, not {}: {words}", self.wanted));
        }
        let body = String::from_utf8_lossy(&visited.body);
        let within = if visited.cut {
            format!(" within its first {LONGEST_BODY} bytes")
        } else {
            String::new()
        };
        match (&self.body, &self.not_body) {
            (Some(text), _) if !body.contains(text) => {
                Some(format!("its body does not have {text:?}{within}"))
            }
            (_, Some(text)) if body.contains(text) => Some(format!("its body has {text:?}")),
            _ => None,
        }
    }
}

/// Asks for one page.
pub(super) struct Asker {
    visit: Visit,
    trust: Trust,
    visitor: OnceCell<Visitor>,
}

impl Asker {
    pub(super) fn of(
        order: &Order,
        options: Options<'_>,
        url: &Url,
        max_body: usize,
    ) -> Result<Self, String> {
        let authorization = options
            .text("auth")?
            .map(|name| authorization(order, name, &url.host));
        Ok(Self {
            visit: Visit {
                method: method(order)?,
                url: url.text.clone(),
                authorization: authorization.transpose()?,
                max_body,
            },
            trust: Trust::of(order, options)?,
            visitor: OnceCell::new(),
        })
    }

    pub(super) async fn ask(&self, asked: Asked) -> Result<Visited, Failure> {
        let visitor = self.visitor(asked).await?;
        let visit = async {
            let visited = visitor.ask(&self.visit).await;
            visited.map_err(|error| error.to_string())
        };
        let doing = format!("{} {}", self.visit.method, self.visit.url);
        asked.in_time(doing, visit).await
    }

    async fn visitor(&self, asked: Asked) -> Result<&Visitor, Failure> {
        let make = async || {
            let belief = self.trust.belief(asked).await?;
            Visitor::new(&belief).map_err(|error| Failure::of_ours(error.to_string()))
        };
        self.visitor.get_or_try_init(make).await
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker")
            .field("visit", &self.visit)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

/// The option `method`. One that changes something is none of a probe's business.
fn method(order: &Order) -> Result<String, String> {
    match order.options.get("method").map(|method| method.text()) {
        None => Ok("GET".into()),
        Some(Some(method @ ("GET" | "HEAD" | "OPTIONS"))) => Ok(method.into()),
        Some(other) => Err(format!(
            "{:?} is not a method of a probe: it is GET, HEAD or OPTIONS",
            other.unwrap_or_default()
        )),
    }
}

#[cfg(test)]
mod tests;
