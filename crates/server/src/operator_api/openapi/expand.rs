//! From the short form in which the operations and schemas are written to an OpenAPI 3.1 document.
//!
//! A schema is written as an object of its fields: `"name": "HostName"`. A `?` behind the field's name says that it may be
//! missing; behind the type, that it may be null; `[]` makes a list; a list of words is one of these; an object as a type is
//! a JSON Schema as it stands. `""` describes the whole, `&` names schemas whose fields it has too. A schema that begins
//! with a key of JSON Schema is one as it stands.
//!
//! An operation has its `id`, `summary`, `role`, `parameters`, `body`, `answers` by status, and the statuses of its own
//! refusals, `refuses`, or `foreign` where they have Prometheus' shape. What all have in common is added here.

use serde_json::{Map, Value, json};

/// Keys by which a schema that stands in full is known.
const FULL: [&str; 4] = ["type", "oneOf", "anyOf", "enum"];
/// Types that need no schema of their own.
const PLAIN: [&str; 4] = ["string", "integer", "number", "boolean"];

/// A type in its short form as a schema.
pub(super) fn type_of(short: &Value) -> Value {
    let text = match short {
        Value::String(text) => text.as_str(),
        Value::Array(words) => return json!({"type": "string", "enum": words}),
        full => return full.clone(),
    };
    if let Some(inner) = text.strip_suffix('?') {
        return json!({"anyOf": [type_of(&inner.into()), {"type": "null"}]});
    }
    if let Some(inner) = text.strip_suffix("[]") {
        return json!({"type": "array", "items": type_of(&inner.into())});
    }
    match text {
        "any" => json!({"type": "object"}),
        plain if PLAIN.contains(&plain) => json!({"type": plain}),
        name => json!({"$ref": format!("#/components/schemas/{name}")}),
    }
}

/// A schema in its short form; `all` are the others, whose fields it may have.
pub(super) fn schema(short: &Value, all: &Map<String, Value>) -> Value {
    let Value::Object(fields) = short else {
        return type_of(short);
    };
    // A field may have the name of a keyword; then the whole is described as fields are.
    let is_full = !fields.contains_key("") && FULL.iter().any(|key| fields.contains_key(*key));
    if is_full {
        return short.clone();
    }
    let mut properties = Map::new();
    let mut required = Vec::new();
    add_fields(fields, all, &mut properties, &mut required);
    json!({
        "type": "object",
        "description": fields.get("").cloned().unwrap_or_default(),
        "properties": properties,
        "required": required,
    })
}

fn add_fields(
    fields: &Map<String, Value>,
    all: &Map<String, Value>,
    properties: &mut Map<String, Value>,
    required: &mut Vec<String>,
) {
    for other in fields
        .get("&")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let named = other.as_str().and_then(|name| all.get(name)?.as_object());
        if let Some(named) = named {
            add_fields(named, all, properties, required);
        }
    }
    for (name, short) in fields {
        if name.is_empty() || name == "&" {
            continue;
        }
        let bare = name.strip_suffix('?');
        if bare.is_none() {
            required.push(name.clone());
        }
        properties.insert(bare.unwrap_or(name).to_owned(), type_of(short));
    }
}

/// A parameter in its short form.
pub(super) fn parameter(short: &Value) -> Value {
    let mut full = short.clone();
    full["schema"] = type_of(&short["schema"]);
    if short["in"] == "path" {
        full["required"] = true.into();
    }
    full
}

/// An operation in its short form.
pub(super) fn operation(method: &str, tag: &str, short: &Value) -> Value {
    let role = short["role"].as_str().unwrap_or_default();
    let is_known = role != "stranger";
    let has_body = short.get("body").is_some();
    let is_json = short["body"]
        .as_str()
        .is_some_and(|body| !body.contains('/'));
    let parameters = list(&short["parameters"]);
    let mut answers = Map::new();
    for (status, answer) in short["answers"].as_object().into_iter().flatten() {
        answers.insert(status.clone(), success(method, answer, &parameters));
    }
    let is_tagged = method == "get" && answers.get("200").is_some_and(has_tag);
    if is_tagged {
        let words = "What is there is what If-None-Match names.";
        let tag = json!({"ETag": {"$ref": "#/components/headers/ETag"}});
        answers.insert("304".into(), json!({"description": words, "headers": tag}));
    }
    let mut refuses: Vec<u64> = list(&short["refuses"])
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    refuses.extend([400, 500, 503]);
    if is_known {
        refuses.extend([401, 403, 429]);
    }
    if method != "get" || is_tagged {
        refuses.push(412);
    }
    if has_body && is_json {
        refuses.extend([408, 413, 415]);
    }
    for status in refuses {
        let answer = json!({"$ref": format!("#/components/responses/{status}")});
        answers.insert(status.to_string(), answer);
    }
    // The server's HTTP says so before anybody looks at the request.
    answers.insert(
        "431".into(),
        json!({"description": "The address or the headers are too large."}),
    );
    for status in list(&short["foreign"]) {
        answers.insert(status.to_string(), foreign());
    }
    let mut full = json!({
        "operationId": short["id"],
        "summary": short["summary"],
        "tags": [tag],
        "x-role": role,
        "responses": answers,
    });
    let mut parameters: Vec<Value> = parameters
        .iter()
        .filter_map(Value::as_str)
        .map(|name| json!({"$ref": format!("#/components/parameters/{name}")}))
        .collect();
    if is_tagged {
        for name in ["ifMatch", "ifNoneMatch"] {
            parameters.push(json!({"$ref": format!("#/components/parameters/{name}")}));
        }
    }
    if !parameters.is_empty() {
        full["parameters"] = parameters.into();
    }
    if let Some(body) = short["body"].as_str() {
        full["requestBody"] = json!({"required": is_json, "content": content(body)});
    }
    full["security"] = match is_known {
        true if method == "get" => json!([{"token": []}, {"session": []}]),
        true => json!([{"token": []}, {"session": [], "csrf": []}]),
        false => json!([]),
    };
    full
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn has_tag(answer: &Value) -> bool {
    answer["headers"].get("ETag").is_some()
}

/// A body: a media type that is not looked into, or the name of a schema.
fn content(body: &str) -> Value {
    match body {
        form if form.ends_with("urlencoded") => {
            json!({form: {"schema": {"type": "object", "properties": {"query": {"type": "string"}}}}})
        }
        media if media.contains('/') => json!({media: {}}),
        name => json!({"application/json": {"schema": type_of(&name.into())}}),
    }
}

fn success(method: &str, answer: &Value, parameters: &[Value]) -> Value {
    let mut full = json!({"description": "Done."});
    match answer {
        Value::Null => {}
        Value::Array(media) => {
            let media = media.iter().filter_map(Value::as_str);
            let content: Map<String, Value> =
                media.map(|media| (media.to_owned(), json!({}))).collect();
            full["content"] = content.into();
        }
        short => {
            full["content"] = json!({"application/json": {"schema": type_of(short)}});
            if method == "get" {
                full["headers"]["ETag"] = json!({"$ref": "#/components/headers/ETag"});
            }
        }
    }
    if parameters.iter().any(|name| name == "cursor") {
        full["headers"]["Link"] = json!({"$ref": "#/components/headers/Link"});
    }
    full
}

/// A refusal in Prometheus' shape, or by the door in ours.
fn foreign() -> Value {
    let (theirs, ours) = (
        type_of(&"PrometheusError".into()),
        type_of(&"Problem".into()),
    );
    json!({
        "description": "Refused.",
        "content": {
            "application/json": {"schema": theirs},
            "application/problem+json": {"schema": ours},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_types_become_schemas() {
        let of = |short: &str| type_of(&short.into());
        assert_eq!(of("string"), json!({"type": "string"}));
        let host = json!({"$ref": "#/components/schemas/HostName"});
        assert_eq!(of("HostName"), host);
        assert_eq!(of("HostName[]"), json!({"type": "array", "items": host}));
        assert_eq!(of("HostName?"), json!({"anyOf": [host, {"type": "null"}]}));
        assert_eq!(
            type_of(&json!(["a"])),
            json!({"type": "string", "enum": ["a"]})
        );
    }

    #[test]
    fn a_schema_has_the_fields_of_those_that_it_names() {
        let all = json!({"A": {"a": "string", "b?": "string"}});
        let short = json!({"": "Words.", "&": ["A"], "type": "string?"});
        let full = schema(&short, all.as_object().unwrap());
        assert_eq!(full["required"], json!(["a", "type"]));
        assert_eq!(full["properties"].as_object().unwrap().len(), 3);
        assert_eq!(full["description"], "Words.");
    }
}
