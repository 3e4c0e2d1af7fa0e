//! What a client says: which machine it is, and to which group it belongs.

use serde::Deserialize;

/// Longest id and longest group, in bytes. Zincati's id has 32.
const LONGEST: usize = 253;

/// The body of both requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Who it is: Zincati's is the machine's id (`/etc/machine-id`) hashed for Zincati, 32 hexadecimal digits.
    pub id: String,
    /// Its group: letters, digits, dots and dashes.
    pub group: String,
}

impl Client {
    /// Parses `{"client_params": {"id": …, "group": …}}`. The oldest Zincati called the id `node_uuid`.
    ///
    /// # Errors
    /// In words, where it is something else.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Params {
            #[serde(alias = "node_uuid")]
            id: String,
            group: String,
        }
        #[derive(Deserialize)]
        struct Body {
            client_params: Params,
        }
        let Body { client_params } = serde_json::from_slice(body)
            .map_err(|error| format!("the body is not what FleetLock says: {error}"))?;
        let Params { id, group } = client_params;
        if id.is_empty() || id.len() > LONGEST || id.contains(char::is_control) {
            return Err("client_params.id is empty, too long, or not plain text".into());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        if group.is_empty() || group.len() > LONGEST || !group.chars().all(plain) {
            return Err(
                "client_params.group has letters, digits, dots and dashes, and at least one".into(),
            );
        }
        Ok(Self { id, group })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_zincati_writes_is_understood() {
        // As serde_json prints it prettily, which Zincati did in its first versions.
        let body = "{\n  \"client_params\": {\n    \"id\": \"c988d2509fdf4cdcbed39037c56406fb\",\n    \"group\": \"default\"\n  }\n}";
        let client = Client::parse(body.as_bytes()).unwrap();
        assert_eq!(client.id, "c988d2509fdf4cdcbed39037c56406fb");
        assert_eq!(client.group, "default");
        let old = br#"{"client_params":{"node_uuid":"a","group":"w-1.x"}}"#;
        assert_eq!(Client::parse(old).unwrap().id, "a");
        for bad in [
            "",
            "{}",
            r#"{"client_params":{}}"#,
            r#"{"client_params":{"id":"a"}}"#,
            r#"{"client_params":{"id":"","group":"g"}}"#,
            r#"{"client_params":{"id":"a","group":""}}"#,
            r#"{"client_params":{"id":"a","group":"a/b"}}"#,
            r#"{"client_params":{"id":"a\n","group":"g"}}"#,
            r#"{"client_params":{"id":5,"group":"g"}}"#,
        ] {
            assert!(Client::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_understood_keeps_its_words(id in "\\PC{1,60}", group in "[a-zA-Z0-9.-]{1,60}") {
            let body = serde_json::json!({ "client_params": { "id": id, "group": group } });
            let client = Client::parse(body.to_string().as_bytes()).unwrap();
            prop_assert_eq!(client, Client { id, group });
        }

        #[test]
        fn whatever_comes_it_is_understood_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(client) = Client::parse(&body) {
                prop_assert!(!client.id.is_empty() && !client.group.is_empty());
            }
        }
    }
}
