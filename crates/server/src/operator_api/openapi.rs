//! The description of the operator API (OpenAPI 3.1), and what follows from it: an address that it does not describe is not
//! served, and a question that it does not describe is refused. So the document and the routes cannot part.
//!
//! The operations stand in `openapi/operations.json`, the schemas in the files beside it, in the short form that `expand`
//! tells of.

mod expand;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::CONTENT_TYPE;
use lockstep_model::Version;
use serde_json::{Map, Value, json};

use crate::web::Refusal;

const OPERATIONS: &str = include_str!("openapi/operations.json");
const PARAMETERS: &str = include_str!("openapi/parameters.json");
const SCHEMAS: [&str; 6] = [
    include_str!("openapi/words.json"),
    include_str!("openapi/fleet.json"),
    include_str!("openapi/releases.json"),
    include_str!("openapi/locks.json"),
    include_str!("openapi/monitoring.json"),
    include_str!("openapi/users.json"),
];

/// What is described.
const BELOW: &str = "/api/v1/";

/// The refusals that operations share, by their status.
const REFUSALS: [(u16, &str); 13] = [
    (
        400,
        "The request cannot be understood; the words name the field.",
    ),
    (401, "No good token came with the request, and no session."),
    (403, "Whoever asks may not do this."),
    (404, "What is asked for does not exist."),
    (408, "The request was not complete in time."),
    (409, "The request contradicts what the server holds."),
    (
        412,
        "What is there is not what If-Match names; changes take no conditions at all.",
    ),
    (413, "The body is larger than is taken here."),
    (415, "The body is not JSON, or does not say so."),
    (416, "The range begins behind the end."),
    (
        429,
        "Too many tries, or more at once than one user's share; Retry-After says when to come again.",
    ),
    (500, "The server failed; its log says why."),
    (
        503,
        "The server does as much as it can; Retry-After says when to ask again.",
    ),
];

/// What an operation takes behind the question mark; none if it looks at that itself.
type Question = Option<HashSet<String>>;

struct Described {
    document: Bytes,
    questions: HashMap<(Method, String), Question>,
}

static DESCRIBED: LazyLock<Described> = LazyLock::new(|| {
    let document = document();
    Described {
        questions: questions(&document),
        document: document.to_string().into(),
    }
});

/// `GET /api/v1/openapi.json`.
pub(crate) async fn openapi() -> Response {
    let headers = [(CONTENT_TYPE, "application/json")];
    (headers, DESCRIBED.document.clone()).into_response()
}

/// Lets requests pass that are described.
pub(crate) async fn described(request: Request, next: Next) -> Response {
    let Some(path) = request.extensions().get::<MatchedPath>() else {
        return next.run(request).await;
    };
    let path = path.as_str();
    if !path.starts_with(BELOW) {
        return next.run(request).await;
    }
    let method = match request.method() {
        head if head == Method::HEAD => Method::GET,
        method => method.clone(),
    };
    match DESCRIBED.questions.get(&(method.clone(), path.to_owned())) {
        Some(question) => match unknown(question.as_ref(), request.uri().query()) {
            None => next.run(request).await,
            Some(refusal) => refusal.into_response(),
        },
        // The router knows the address, but perhaps not the method: then it says so.
        None if !DESCRIBED.questions.keys().any(|(_, known)| known == path) => {
            tracing::error!(%method, path, "the route is missing in openapi/operations.json");
            Refusal::not_found(format!("there is nothing at {path}")).into_response()
        }
        None => next.run(request).await,
    }
}

/// What is said against a question with a name that the operation does not know.
fn unknown(known: Option<&HashSet<String>>, query: Option<&str>) -> Option<Refusal> {
    let known = known?;
    let mut names = form_urlencoded::parse(query?.as_bytes()).map(|(name, _)| name);
    let stranger = names.find(|name| !known.contains(name.as_ref()))?;
    let stranger: String = stranger.chars().take(80).collect();
    let mut known: Vec<&str> = known.iter().map(String::as_str).collect();
    known.sort_unstable();
    let known = match known.is_empty() {
        true => "none".into(),
        false => known.join(", "),
    };
    Some(Refusal::bad_request(format!(
        "{stranger:?} is not known behind the question mark here; known: {known}"
    )))
}

/// The whole document.
fn document() -> Value {
    let mut schemas = Map::new();
    for text in SCHEMAS {
        schemas.append(&mut parsed(text));
    }
    let full: Map<String, Value> = schemas
        .iter()
        .map(|(name, short)| (name.clone(), expand::schema(short, &schemas)))
        .collect();
    let mut parameters: Map<String, Value> = parsed(PARAMETERS)
        .iter()
        .map(|(name, short)| (name.clone(), expand::parameter(short)))
        .collect();
    for (name, header, words) in [
        (
            "ifMatch",
            "If-Match",
            "Tags of answers of which one is wanted; 412 if it is another by now (RFC 9110, section 13.1.1).",
        ),
        (
            "ifNoneMatch",
            "If-None-Match",
            "Tags of answers that are there already (RFC 9110, section 13.1.2).",
        ),
    ] {
        let full = json!({"in": "header", "name": header, "schema": {"type": "string"}, "description": words});
        parameters.insert(name.into(), full);
    }
    let mut paths = Map::new();
    let mut tags = Vec::new();
    for (tag, operations) in parsed(OPERATIONS) {
        for (address, short) in operations.as_object().into_iter().flatten() {
            let Some((method, path)) = address.split_once(' ') else {
                continue;
            };
            let method = method.to_ascii_lowercase();
            let full = expand::operation(&method, &tag, short);
            let item = paths.entry(path).or_insert_with(|| json!({}));
            item[method] = full;
        }
        tags.push(json!({"name": tag}));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Lockstep's operator API",
            "version": Version::of_this_program().to_string(),
            "description": "Whatever the command line and the web pages do, they do by this. x-role says who may do it: \
                viewer, operator or admin, each of them all that the ones before may; or stranger, who needs no token.",
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": full,
            "parameters": parameters,
            "responses": refusals(),
            "headers": headers(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "An API token: lso1.ID.SECRET."},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-lockstep", "description": "A session of the web pages."},
                "csrf": {"type": "apiKey", "in": "header", "name": "x-csrf-token", "description": "The session's token against requests of other pages."},
            },
        },
    })
}

fn parsed(text: &str) -> Map<String, Value> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => map,
        // A test reads them all.
        _ => Map::new(),
    }
}

fn refusals() -> Value {
    let problem = expand::type_of(&"Problem".into());
    let mut all = Map::new();
    for (status, words) in REFUSALS {
        let mut full = json!({
            "description": words,
            "content": {"application/problem+json": {"schema": problem}},
        });
        if status == 503 || status == 429 {
            full["headers"]["Retry-After"] = json!({"$ref": "#/components/headers/RetryAfter"});
        }
        all.insert(status.to_string(), full);
    }
    all.into()
}

fn headers() -> Value {
    json!({
        "ETag": {"schema": {"type": "string"}, "description": "The tag of this answer; weak where it is compressed."},
        "Link": {"schema": {"type": "string"}, "description": "The next page, as rel=\"next\" (RFC 8288); to be read against the address that was asked. None at the end."},
        "RetryAfter": {"schema": {"type": "integer", "minimum": 1}, "description": "When to ask again, in seconds."},
    })
}

/// The names that each operation takes behind the question mark.
fn questions(document: &Value) -> HashMap<(Method, String), Question> {
    let mut questions = HashMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let Ok(method) = method.to_ascii_uppercase().parse::<Method>() else {
                continue;
            };
            let names = operation["parameters"].as_array().into_iter().flatten();
            let names = names.filter_map(|parameter| {
                let name = parameter["$ref"].as_str()?.rsplit('/').next()?;
                let parameter = &document["components"]["parameters"][name];
                (parameter["in"] == "query")
                    .then(|| parameter["name"].as_str().map(str::to_owned))?
            });
            // Those that speak as Prometheus does refuse what they do not know in its words, or pass over it as it does.
            let is_foreign = operation["responses"]["400"].get("$ref").is_none();
            let question = (!is_foreign).then(|| names.collect());
            questions.insert((method, path.clone()), question);
        }
    }
    questions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_document_is_there() {
        for text in SCHEMAS.into_iter().chain([OPERATIONS, PARAMETERS]) {
            assert!(!parsed(text).is_empty(), "{text}");
        }
        let document = document();
        let mut left = vec![&document];
        let mut seen = 0;
        while let Some(value) = left.pop() {
            match value {
                Value::Array(values) => left.extend(values),
                Value::Object(map) => left.extend(map.values()),
                _ => {}
            }
            if let Some(name) = value.get("$ref").and_then(Value::as_str) {
                let pointer = name.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{name}");
                seen += 1;
            }
        }
        assert!(seen > 300, "{seen}");
    }

    #[test]
    fn names_of_operations_and_of_parts_of_addresses_are_right() {
        let document = document();
        let mut ids = HashSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{id} twice");
                let parts: HashSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
                let named: HashSet<&str> = operation["parameters"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|it| {
                        document
                            .pointer(&it["$ref"].as_str().unwrap()[1..])
                            .unwrap()
                    })
                    .filter(|it| it["in"] == "path")
                    .map(|it| it["name"].as_str().unwrap())
                    .collect();
                assert_eq!(parts, named, "{method} {path}");
            }
        }
    }

    #[test]
    fn what_is_not_described_is_named() {
        let known: HashSet<String> = ["limit".into(), "host".into()].into();
        let refused = |query| unknown(Some(&known), query).map(|it| it.detail().to_owned());
        assert_eq!(refused(None), None);
        assert_eq!(refused(Some("limit=1&host=a")), None);
        assert_eq!(
            refused(Some("limit=1&hots=a")).unwrap(),
            "\"hots\" is not known behind the question mark here; known: host, limit"
        );
        assert!(unknown(None, Some("anything=1")).is_none());
    }
}
