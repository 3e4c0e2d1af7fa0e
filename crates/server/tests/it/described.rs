//! The operator API is what its description says: held against a foreign reader of such descriptions, against the roles,
//! and against Schemathesis, which makes up requests from it and looks whether the answers fit.
//!
//! `scripts/fuzz-api` runs the same with more examples and all checks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_model::Role;
use lockstep_model::api::operator::{CreatedApiToken, NewApiToken};
use lockstep_net::client::{CallError, ClientSettings, HttpClient, Roots};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::browser::fleet::Filled;
use crate::world::{START, World};

/// Examples of each operation in the suite.
const EXAMPLES: u32 = 4;
/// Where another number, and with it all checks, can be asked for.
const MORE: &str = "LOCKSTEP_FUZZ_API";

/// A program of the environment that `scripts/parts` makes.
fn foreign(program: &str) -> Command {
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/schemathesis/bin");
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts a foreign program as a person's shell would"
    )]
    Command::new(bin.join(program))
}

fn client(world: &World, bearer: Option<String>) -> HttpClient {
    let roots = Roots::Ca(world.running.ca_pem.clone());
    let mut settings = ClientSettings::new(world.running.operator_url(), roots);
    settings.bearer = bearer;
    HttpClient::new(settings, &world.clock).unwrap()
}

async fn document(world: &World) -> Value {
    let stranger = client(world, None);
    stranger.get_json("/api/v1/openapi.json").await.unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's file need not survive a power cut"
)]
fn write(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Method, address and role of each operation.
fn operations(document: &Value) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let role = operation["x-role"].as_str().unwrap();
            all.push((method.to_uppercase(), path.clone(), role.to_owned()));
        }
    }
    all
}

/// An address with something in each of its parts.
fn filled_in(path: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{id}" if path.contains("/runs/") => "0192d3a4-0000-7000-8000-000000000000",
        "{id}" => "1",
        "{hash}" => "00000000000000000000000000000000000000000000000000000000000000aa",
        "{version}" => "1.0.0",
        "{verb}" => "retry",
        "{command}" => "pause",
        "{name}" | "{package}" | "{file}" => "nobody",
        plain => plain,
    });
    parts.collect::<Vec<_>>().join("/")
}

async fn token(world: &World, role: Role) -> HttpClient {
    let new = NewApiToken {
        user: None,
        role,
        label: role.to_string(),
        valid_for: None,
    };
    let made: CreatedApiToken = world
        .operator
        .post_json("/api/v1/api-tokens", &new)
        .await
        .unwrap();
    client(world, Some(made.token))
}

async fn status(client: &HttpClient, method: &str, path: &str) -> u16 {
    let empty = json!({});
    let answer: Result<Value, CallError> = match method {
        "GET" => {
            let read = client.get_capped(path, 16 * 1024 * 1024).await;
            read.map(|_| Value::Null)
        }
        "POST" => client.post_json(path, &empty).await,
        "PUT" => client.put_json(path, &empty).await,
        "DELETE" => client.delete(path).await,
        other => panic!("{other}"),
    };
    match answer {
        Ok(_) => 200,
        Err(error) => error.status().unwrap_or_else(|| panic!("{path}: {error}")),
    }
}

#[tokio::test]
async fn each_operation_is_there_for_those_whom_its_description_names() {
    let world = World::at(START.parse().unwrap(), |_| {}).await;
    let document = document(&world).await;
    let askers = [
        ("stranger", client(&world, None)),
        ("viewer", token(&world, Role::Viewer).await),
        ("operator", token(&world, Role::Operator).await),
        ("admin", token(&world, Role::Admin).await),
    ];
    let rank = |role: &str| askers.iter().position(|(name, _)| *name == role).unwrap();
    let operations = operations(&document);
    assert!(operations.len() > 60, "{}", operations.len());
    let mut wrong = Vec::new();
    for (method, path, role) in &operations {
        let address = filled_in(path);
        for (asker, client) in &askers {
            let status = status(client, method, &address).await;
            let is_turned_away = matches!(status, 401 | 403);
            let ought = rank(asker) < rank(role);
            // An address that is not served would be 404 in words of its own, a method 405.
            if is_turned_away != ought || status == 405 || status >= 500 {
                wrong.push(format!("{method} {path} ({role}) by {asker}: {status}"));
            }
        }
        let missing = askers[3].1.get_json::<Value>(&address).await;
        let words = missing
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        if words.contains("there is nothing at") {
            wrong.push(format!("{method} {path}: {words}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_foreign_reader_takes_the_description() {
    let world = World::start().await;
    let text = document(&world).await.to_string();
    let path = write(&world.dir, "openapi.json", &text);
    let mut validator = foreign("openapi-spec-validator");
    let output = validator.arg(&path).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

/// The same schema for answers as they are, not as they may become: no fields beside those that are named. What is sent
/// may have others, which are passed over.
fn exact(mut document: Value) -> Value {
    let mut sent = Vec::new();
    for item in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in item.as_object_mut().unwrap().values_mut() {
            // Made up tokens are bad ones, and after 20 of them the answer is 429.
            operation["security"] = json!([]);
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            let name = body["$ref"].as_str().and_then(|it| it.rsplit('/').next());
            sent.extend(name.map(str::to_owned));
        }
    }
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    for (name, schema) in schemas {
        let is_open = schema.get("properties").is_some()
            && schema.get("additionalProperties").is_none()
            && schema["properties"].get("code").is_none();
        if is_open && !sent.contains(name) {
            schema["additionalProperties"] = false.into();
        }
    }
    document
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_up_requests_get_the_answers_that_are_described() {
    let filled = Filled::start().await;
    let world = &filled.world;
    let more: Option<u32> = std::env::var(MORE).ok().and_then(|it| it.parse().ok());
    let dir = tempfile::tempdir().unwrap();
    let document = exact(document(world).await).to_string();
    let schema = write(&dir, "openapi.json", &document);
    let ca = write(&dir, "ca.pem", &world.running.ca_pem);
    let config = write(&dir, "schemathesis.toml", CONFIG);
    let mut fuzz = foreign("st");
    fuzz.arg("--config-file")
        .arg(&config)
        .arg("run")
        .arg(&schema);
    fuzz.args(["--url", world.running.operator_url()])
        .arg("--tls-verify")
        .arg(&ca);
    fuzz.args([
        "--seed",
        "1",
        "--no-color",
        "--request-timeout",
        "30",
        "--continue-on-failure",
    ]);
    // It learns identities from lists, and would make an end of the token by which it asks, or of its user.
    for operation in ["revokeApiToken", "removeUser", "setRole"] {
        fuzz.args(["--exclude-operation-id", operation]);
    }
    fuzz.args(["--max-examples", &more.unwrap_or(EXAMPLES).to_string()]);
    match more {
        Some(_) => fuzz.args(["--checks", "all", "--exclude-checks", NOT_CHECKED]),
        None => fuzz.args([
            "--checks",
            CHECKS,
            "--phases",
            "examples,coverage,fuzzing",
            "--no-shrink",
        ]),
    };
    // In the environment, because everybody can read the words of a command.
    fuzz.env("FUZZ_TOKEN", &world.operator_file.token)
        .current_dir(dir.path())
        .kill_on_drop(true);
    let output = match more {
        Some(_) => {
            let status = fuzz.status().await.unwrap();
            assert!(status.success());
            return;
        }
        None => tokio::time::timeout(Duration::from_secs(120), fuzz.output())
            .await
            .unwrap()
            .unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    // The server is as well as before.
    let _: Map<String, Value> = world.operator.get_json("/api/v1/status").await.unwrap();
}

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
    response_headers_conformance,unsupported_method";

/// Cursors cannot be made up, and what a request asks for may contradict the fleet. Who tries 20 bad tokens is answered 429.
/// Other requests remove what one has made.
const NOT_CHECKED: &str =
    "positive_data_acceptance,ignored_auth,ensure_resource_availability,use_after_free";

const CONFIG: &str = r#"
[headers]
Authorization = "Bearer ${FUZZ_TOKEN}"
"#;
