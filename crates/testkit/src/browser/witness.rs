//! What happened in a page: which documents have loaded, and what there is to complain of.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// The notes of one page.
#[derive(Debug)]
pub(super) struct Witness {
    /// Scheme, host and port that the page is visited at.
    origin: String,
    /// Documents (by their loader) that have loaded completely, with all that belongs to them.
    loaded: HashSet<String>,
    /// How many have.
    pub(super) loads: u64,
    /// What each request asks for, by its number.
    requests: HashMap<String, String>,
    /// What went wrong, in the order in which it did.
    pub(super) complaints: Vec<String>,
}

impl Witness {
    pub(super) fn new(origin: &str) -> Self {
        Self {
            origin: origin.trim_end_matches('/').to_owned(),
            loaded: HashSet::new(),
            loads: 0,
            requests: HashMap::new(),
            complaints: Vec::new(),
        }
    }

    pub(super) fn has_loaded(&self, loader: &str) -> bool {
        self.loaded.contains(loader)
    }

    /// Notes an event of the protocol.
    pub(super) fn hear(&mut self, method: &str, params: &Value) {
        match method {
            "Page.lifecycleEvent" if params["name"] == "load" => {
                self.loads += 1;
                self.loaded.insert(text(&params["loaderId"]).into());
            }
            // A page that the browser had put aside comes back without loading anything.
            "Page.frameNavigated" if params["type"] == "BackForwardCacheRestore" => self.loads += 1,
            "Runtime.consoleAPICalled"
                if ["warning", "error", "assert"].contains(&text(&params["type"])) =>
            {
                let words = params["args"].as_array().into_iter().flatten();
                let words: Vec<String> = words
                    .map(|it| match &it["value"] {
                        Value::String(words) => words.clone(),
                        Value::Null => text(&it["description"]).to_owned(),
                        other => other.to_string(),
                    })
                    .collect();
                let kind = text(&params["type"]);
                self.complaints
                    .push(format!("console {kind}: {}", words.join(" ")));
            }
            "Runtime.exceptionThrown" => {
                let details = &params["exceptionDetails"];
                let words = details["exception"]["description"].as_str();
                let words = words.unwrap_or_else(|| text(&details["text"]));
                self.complaints.push(format!("uncaught: {words}"));
            }
            "Log.entryAdded" => {
                let entry = &params["entry"];
                if ["warning", "error"].contains(&text(&entry["level"])) {
                    self.complaints.push(format!(
                        "console {} ({}): {} {}",
                        text(&entry["level"]),
                        text(&entry["source"]),
                        text(&entry["text"]),
                        text(&entry["url"]),
                    ));
                }
            }
            "Network.requestWillBeSent" => {
                let url = text(&params["request"]["url"]);
                if !self.is_ours(url) {
                    self.complaints.push(format!("foreign request: {url}"));
                }
                let id = text(&params["requestId"]);
                self.requests.insert(id.into(), url.into());
            }
            "Network.responseReceived" => {
                let status = params["response"]["status"].as_u64().unwrap_or_default();
                if status >= 400 {
                    let url = text(&params["response"]["url"]);
                    self.complaints.push(format!("answered {status}: {url}"));
                }
            }
            // A request that was given up because the page is left has not failed.
            "Network.loadingFailed"
                if params["canceled"] != true && params["errorText"] != "net::ERR_ABORTED" =>
            {
                let url = self.requests.get(text(&params["requestId"]));
                self.complaints.push(format!(
                    "failed request: {} {} {}",
                    url.map_or("", String::as_str),
                    text(&params["errorText"]),
                    text(&params["blockedReason"]),
                ));
            }
            "Page.javascriptDialogOpening" => {
                let words = text(&params["message"]);
                self.complaints.push(format!("a dialog is open: {words}"));
            }
            "Inspector.targetCrashed" => self.complaints.push("the page crashed".into()),
            _ => {}
        }
    }

    fn is_ours(&self, url: &str) -> bool {
        let rest = url.strip_prefix(self.origin.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
            || url == "about:blank"
            || url.starts_with("data:")
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_origin_itself_is_ours() {
        let witness = Witness::new("https://127.0.0.1:70/");
        for url in [
            "https://127.0.0.1:70/a",
            "https://127.0.0.1:70?b",
            "data:image/png;base64,",
        ] {
            assert!(witness.is_ours(url), "{url}");
        }
        for url in [
            "https://127.0.0.1:7000/a",
            "http://127.0.0.1:70/a",
            "https://127.0.0.1:70.evil.example/",
        ] {
            assert!(!witness.is_ours(url), "{url}");
        }
    }

    #[test]
    fn what_was_given_up_has_not_failed() {
        let mut witness = Witness::new("https://h");
        witness.hear(
            "Network.loadingFailed",
            &json!({"requestId": "1", "errorText": "net::ERR_ABORTED", "canceled": true}),
        );
        assert_eq!(witness.complaints, Vec::<String>::new());
        witness.hear(
            "Network.loadingFailed",
            &json!({"requestId": "1", "errorText": "net::ERR_FAILED", "canceled": false}),
        );
        assert_eq!(witness.complaints.len(), 1);
    }
}
