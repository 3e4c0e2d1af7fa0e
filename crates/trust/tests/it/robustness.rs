//! Bytes from outside never make anything panic, and never make anything older or foreign trusted.

use lockstep_trust::author::RootPlan;
use lockstep_trust::bundle::inspect;
use lockstep_trust::{
    PublicKey, Role, TrustedRepository, check_next_roots, check_targets, releases_of, stated,
};
use proptest::prelude::*;

use crate::world::{Host, Memory, World, day};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(releases_of(&bytes).is_err());
        prop_assert!(RootPlan::of(&bytes).is_err());
        prop_assert!(stated(Role::Snapshot, &bytes).is_err());
        prop_assert!(check_targets(&bytes, &bytes, day(0)).is_err());
        prop_assert!(TrustedRepository::open(Box::new(Memory::default()), Some(&bytes)).is_err());
        prop_assert!(inspect(&bytes[..]).is_err());
        prop_assert!(check_next_roots(None, &[String::from_utf8_lossy(&bytes).into()], day(0)).is_err());
    }

    #[test]
    fn arbitrary_values(text in arbitrary_json()) {
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let _ = PublicKey::from_json(&value);
        for kind in ["root", "targets"] {
            let document = serde_json::json!({
                "signatures": [],
                "signed": {
                    "_type": kind, "version": 1, "spec_version": "1.0.31",
                    "expires": "2030-01-01T00:00:00Z",
                    "keys": value, "roles": value, "targets": value, "lockstep": value,
                },
            })
            .to_string();
            let _ = releases_of(document.as_bytes());
            let _ = RootPlan::of(document.as_bytes());
            prop_assert!(TrustedRepository::open(Box::new(Memory::default()), Some(document.as_bytes())).is_err());
        }
    }

    /// One byte of one file is changed: either it is refused, or what is trusted is what was signed.
    #[test]
    fn one_changed_byte(place in any::<prop::sample::Index>(), flip in 1u8.., which in 0usize..3) {
        let world = World::new();
        let (name, mut bytes) = match which {
            0 => ("timestamp.json", world.timestamp.clone()),
            1 => ("1.snapshot.json", world.snapshot.clone()),
            _ => ("2.targets.json", world.targets.clone()),
        };
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        world.served.put(name, &bytes);
        let mut host = Host::of(&world);
        if block_on(host.refresh(day(1))).is_ok() {
            prop_assert_eq!(host.repository.releases().len(), 1);
            prop_assert_eq!(host.repository.targets_version(), Some(2));
        }
    }
}

fn arbitrary_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("JSON has no others", |value| value.is_finite())
            .prop_map(|value| format!("{value:e}")),
        "\\PC{0,10}".prop_map(|text| serde_json::json!(text).to_string()),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((any_key(), inner), 0..5).prop_map(|pairs| {
                let pairs: Vec<_> = pairs
                    .into_iter()
                    .map(|(key, value)| format!("{}:{value}", serde_json::json!(key)))
                    .collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,6}",
        prop::sample::select(vec![
            "root",
            "targets",
            "keyids",
            "threshold",
            "keytype",
            "scheme",
            "keyval",
            "public",
            "custom",
            "lockstep",
            "floors",
            "hashes",
            "sha256",
            "length",
            "version",
            "package",
        ])
        .prop_map(Into::into),
    ]
}
