//! Problems in the shape of Prometheus' alerts, for gates that wait until all is well: kured, `promtool`, scripts.
//!
//! | | |
//! |---|---|
//! | who may connect | as for the whole listener; the token may also be the password of basic authentication, because some gates know an address with a password in it and nothing else |
//! | largest message | 16 KiB |
//! | how many, how long | as for the whole listener |
//!
//! Read only, from the same list as `/api/v1/problems`. A gate goes ahead when nothing is found, so whatever could make a
//! list shorter than it should be is an error: an unknown host, group or parameter, a query that is not understood, a
//! moment that is not now. Shapes: <https://prometheus.io/docs/prometheus/latest/querying/api/>.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use lockstep_gateway::prometheus::{ALERTS, Asked};
use lockstep_model::api::operator::ProblemView;
use lockstep_model::{HostName, Level, LevelNames, ProblemKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::services::{fleet, hosts, problems};
use crate::web::{Refusal, collect};

/// Largest form, in bytes.
const LARGEST: usize = 16 * 1024;
/// Alerts in one answer at most; with more the answer says so.
const MOST: usize = 10_000;
/// Changes that one alert tells.
const CHANGES: usize = 20;
/// The present is all that is known. A clock of a gate may be wrong by so much.
const PRESENT: SignedDuration = SignedDuration::from_mins(5);

/// An alert as Prometheus tells it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: BTreeMap<&'static str, String>,
    annotations: BTreeMap<&'static str, String>,
    /// `firing` from the level sick on, `pending` below.
    state: &'static str,
    active_at: Timestamp,
    value: &'static str,
}

impl Alert {
    fn of(problem: &ProblemView, groups: &[String], levels: &LevelNames) -> Self {
        let trouble = &problem.trouble;
        let (host, item) = (trouble.host.to_string(), trouble.item.to_string());
        let level = levels.name(trouble.level).to_owned();
        let value = trouble.value.to_string();
        let mut annotations = BTreeMap::from([
            ("summary", format!("[{level}] {host} {item}: {value}")),
            ("why", trouble.why.clone()),
            ("value", value),
        ]);
        let changes = problem.changes.iter().take(CHANGES);
        let changes: Vec<String> = changes
            .map(|it| format!("{} at {:.0}", it.what, it.at))
            .collect();
        annotations.insert("change", changes.join("\n"));
        let ack = problem.ack.as_ref();
        annotations.insert(
            "ack",
            ack.map_or_else(String::new, |ack| format!("{}: {}", ack.by, ack.note)),
        );
        annotations.insert("silence", problem.silence.clone().unwrap_or_default());
        let parent = problem.depends_on.as_ref();
        annotations.insert(
            "depends_on",
            parent.map(ToString::to_string).unwrap_or_default(),
        );
        annotations.retain(|_, words| !words.is_empty());
        let mut labels = BTreeMap::from([
            ("alertname", trouble.item.probe().to_owned()),
            ("instance", host.clone()),
            ("host", host),
            ("item", item),
            ("severity", level),
        ]);
        if !groups.is_empty() {
            labels.insert("group", groups.join(","));
        }
        Self {
            labels,
            annotations,
            // Somebody who is on it does not make it go away, and a restart would be in their way.
            state: if trouble.level >= Level::SICK {
                "firing"
            } else {
                "pending"
            },
            active_at: trouble.since,
            value: "1e+00",
        }
    }

    /// The value that a label of its sample in `ALERTS` has; empty for one that it does not have.
    fn label(&self, name: &str) -> &str {
        match name {
            "alertstate" => self.state,
            name => self.labels.get(name).map_or("", String::as_str),
        }
    }

    /// Itself in an instant vector.
    fn sample(&self, at: Timestamp) -> Value {
        let mut metric = self.labels.clone();
        metric.insert("__name__", ALERTS.into());
        metric.insert("alertstate", self.state.into());
        json!({"metric": metric, "value": [at.as_millisecond() as f64 / 1_000.0, "1"]})
    }
}

/// Which alerts are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    host: Option<HostName>,
    group: Option<String>,
    level: Option<String>,
    #[serde(default)]
    silenced: bool,
}

/// `GET /api/v1/alerts?host=&group=&level=&silenced=`: worst first.
pub(crate) async fn alerts(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Response> {
    let which = Query::<Which>::try_from_uri(&uri);
    let Query(which) = which.map_err(|error| bad(error.body_text()))?;
    check(&app, &which).await?;
    let levels = problems::levels(&app);
    let level = which.level.as_deref().map(|name| level(&levels, name));
    let level = level.transpose().map_err(bad)?.unwrap_or(Level::FINE);
    let found = all(&app, |problem, groups| {
        let trouble = &problem.trouble;
        (which.silenced || problem.silence.is_none())
            && which.host.as_ref().is_none_or(|host| *host == trouble.host)
            && which
                .group
                .as_ref()
                .is_none_or(|group| groups.contains(group))
            && trouble.level >= level
    });
    let (alerts, warnings) = at_most(found.await?, MOST);
    Ok(success(json!({"alerts": alerts}), warnings))
}

/// Refuses a host and a group that nobody knows: of those nothing is ever heard.
async fn check(app: &App, which: &Which) -> Result<(), Response> {
    if let Some(host) = &which.host {
        hosts::known(app, host).await.map_err(refused)?;
    }
    if let Some(group) = &which.group {
        fleet::known_group(app, group).map_err(refused)?;
    }
    Ok(())
}

/// A level by its name in the fleet file, or by its rank.
fn level(levels: &LevelNames, name: &str) -> Result<Level, String> {
    let by_rank = || Level::ALL.get(name.parse::<usize>().ok()?).copied();
    levels.level(name).or_else(by_rank).ok_or_else(|| {
        let names = levels.all().join(", ");
        format!("level: {name:?} is none of {names}, nor a rank from 0 to 4")
    })
}

/// `GET` and `POST /api/v1/query`: answers `ALERTS`, with matchers, as an instant vector. What is silenced is left out.
pub(crate) async fn query(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Response> {
    let asked = Asked::parse(&form(request).await?).map_err(bad)?;
    let now = app.now();
    let at = asked.at.unwrap_or(now);
    if now.duration_since(at).abs() > PRESENT {
        return Err(bad(format!(
            "time: only what is now, at {now:.0}, is known here, not what is at {at:.0}"
        )));
    }
    let mut found = all(&app, |problem, _| problem.silence.is_none()).await?;
    found.retain(|alert| asked.selector.admits(|label| alert.label(label)));
    let limit = asked.limit.map_or(MOST, |limit| limit.min(MOST));
    let (alerts, warnings) = at_most(found, limit);
    let result: Vec<Value> = alerts.iter().map(|alert| alert.sample(at)).collect();
    Ok(success(
        json!({"resultType": "vector", "result": result}),
        warnings,
    ))
}

/// What is asked: the form, and then what stands behind the question mark.
async fn form(request: Request) -> Result<Vec<u8>, Response> {
    let (parts, body) = request.into_parts();
    let mut form = Vec::new();
    if parts.method == Method::POST {
        let kind = parts.headers.get(CONTENT_TYPE);
        let kind = kind.and_then(|it| it.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(bad("a form is expected: application/x-www-form-urlencoded"));
        }
        let body = collect(body, LARGEST).await;
        form.extend_from_slice(&body.map_err(IntoResponse::into_response)?);
        form.push(b'&');
    }
    form.extend_from_slice(parts.uri.query().unwrap_or_default().as_bytes());
    Ok(form)
}

/// The alerts of all problems that are wanted, worst first.
async fn all(
    app: &App,
    is_wanted: impl Fn(&ProblemView, &[String]) -> bool,
) -> Result<Vec<Alert>, Response> {
    let problems = problems::list(app, app.now()).await;
    let mut problems = problems.map_err(IntoResponse::into_response)?;
    // Those that nobody is on come first there, which is no matter here.
    problems.sort_by_key(|it| std::cmp::Reverse((it.trouble.level, it.trouble.since)));
    let (levels, accepted) = (problems::levels(app), app.fleet.accepted());
    let alerts = problems.iter().filter_map(|problem| {
        let host = &problem.trouble.host;
        let groups = accepted.as_ref().map(|it| it.groups_of(host));
        let groups = groups.unwrap_or_default();
        is_wanted(problem, &groups).then(|| Alert::of(problem, &groups, &levels))
    });
    Ok(alerts.collect())
}

/// The first of a list, and a warning if there are more.
fn at_most(mut alerts: Vec<Alert>, most: usize) -> (Vec<Alert>, Vec<String>) {
    let there = alerts.len();
    alerts.truncate(most);
    let warning = format!("these are the worst {most} of {there} alerts");
    (
        alerts,
        (there > most).then_some(warning).into_iter().collect(),
    )
}

fn success(data: Value, warnings: Vec<String>) -> Response {
    let mut answer = json!({"status": "success", "data": data});
    if !warnings.is_empty() {
        answer["warnings"] = json!(warnings);
    }
    Json(answer).into_response()
}

/// A refusal in Prometheus' shape.
fn error(status: StatusCode, kind: &str, words: impl Into<String>) -> Response {
    let words: String = words.into();
    tracing::debug!(status = status.as_u16(), words, "refused");
    let answer = json!({"status": "error", "errorType": kind, "error": words});
    (status, Json(answer)).into_response()
}

fn bad(words: impl Into<String>) -> Response {
    error(StatusCode::BAD_REQUEST, "bad_data", words)
}

/// A refusal of the server's own in that shape, if it is the one that Prometheus has a word for.
fn refused(refusal: Refusal) -> Response {
    match refusal.kind() {
        ProblemKind::NotFound => error(StatusCode::NOT_FOUND, "not_found", refusal.detail()),
        _ => refusal.into_response(),
    }
}

/// Takes the password of basic authentication (RFC 7617) for the token. The name before it says nothing.
pub(crate) async fn password_as_token(mut request: Request, next: Next) -> Response {
    let header = request.headers().get(AUTHORIZATION);
    if let Some(bearer) = header.and_then(|value| bearer(value.as_bytes())) {
        request.headers_mut().insert(AUTHORIZATION, bearer);
    }
    next.run(request).await
}

/// `Bearer TOKEN` for `Basic` and `NAME:TOKEN` in base64.
fn bearer(value: &[u8]) -> Option<HeaderValue> {
    let (scheme, words) = std::str::from_utf8(value).ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let words = String::from_utf8(BASE64_STANDARD.decode(words.trim()).ok()?).ok()?;
    let (_, token) = words.split_once(':')?;
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    bearer.set_sensitive(true);
    Some(bearer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_a_token_and_nothing_else_becomes_one() {
        let said = |words: &str| format!("Basic {}", BASE64_STANDARD.encode(words));
        let token = bearer(said("kured:lso1.a.b:c").as_bytes()).unwrap();
        assert_eq!(token.as_bytes(), b"Bearer lso1.a.b:c");
        assert!(token.is_sensitive());
        for other in [
            "Bearer lso1.a.b",
            "Basic",
            "Basic %%",
            &said("no colon"),
            &said("a:line\nbreak"),
        ] {
            assert_eq!(bearer(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_level_is_named_as_the_fleet_file_names_it() {
        let names = ["gut", "naja", "krank", "ernst", "tot"].map(String::from);
        let levels = LevelNames::parse(&names).unwrap();
        assert_eq!(level(&levels, "krank"), Ok(Level::SICK));
        assert_eq!(level(&levels, "4"), Ok(Level::DEAD));
        assert!(level(&levels, "sick").unwrap_err().contains("krank"));
        assert!(level(&levels, "5").is_err());
    }
}
