//! Settings, the audit trail, forgetting, closing.

use std::time::Duration;

use lockstep_store::{Error, Tidied};

use crate::engine::Place;
use crate::samples::{at, done, enroll, hash, host, record, report, token};

pub(crate) async fn settings_are_set_and_made_once(place: Place) {
    let stores = [place.open().await, place.open().await];
    let store = &stores[0];
    assert_eq!(store.setting("updates").await.unwrap(), None);
    store.set_setting("updates", "on").await.unwrap();
    store.set_setting("updates", "off").await.unwrap();
    assert_eq!(
        store.setting("updates").await.unwrap().as_deref(),
        Some("off")
    );
    for (value, part) in [
        ("a\0b".to_owned(), "NUL"),
        ("x".repeat(65_537), "65537 bytes"),
    ] {
        let error = store.set_setting("updates", &value).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }

    let making: Vec<_> = (0..12)
        .map(|number| {
            let store = stores[number % 2].clone();
            tokio::spawn(async move {
                store
                    .setting_or_set("fleet", &number.to_string())
                    .await
                    .unwrap()
            })
        })
        .collect();
    let made = store.setting_or_set("fleet", "late").await.unwrap();
    for answer in making {
        assert_eq!(answer.await.unwrap(), made);
    }
}

pub(crate) async fn the_audit_trail_is_kept(place: Place) {
    let store = place.open().await;
    for second in 0..5 {
        store
            .record_audit("admin", &format!("did {second}"), at(second))
            .await
            .unwrap();
    }
    store
        .record_audit("ad\0min", &"long ".repeat(4000), at(9))
        .await
        .unwrap();
    let trail = store.audit(3).await.unwrap();
    assert_eq!(trail[0].who, "ad\u{fffd}min");
    assert!(trail[0].what.len() <= 8 * 1024);
    let rest: Vec<_> = trail[1..]
        .iter()
        .map(|entry| (entry.at, entry.who.as_str(), entry.what.as_str()))
        .collect();
    assert_eq!(rest, [(at(4), "admin", "did 4"), (at(3), "admin", "did 3")]);
}

pub(crate) async fn what_is_old_is_forgotten(place: Place) {
    const DAY: i64 = 86_400;
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let web1 = host("web1");
    for (number, second) in [(1, 0), (2, 300 * DAY)] {
        store
            .record_run(&web1, &done(record(number, second, second)), at(second))
            .await
            .unwrap();
        store.record_audit("admin", "it", at(second)).await.unwrap();
        let serial = format!("s{number}");
        let not_after = at(second + 90 * DAY);
        store
            .record_certificate(&serial, &web1, &hash(0), not_after, at(second))
            .await
            .unwrap();
        let mut token = token(&format!("t{number}"), 1);
        token.expires_at = not_after;
        store.create_token(token).await.unwrap();
        store
            .redeem_token(
                &format!("t{number}"),
                &format!("hash of t{number}"),
                &hash(0),
                &web1,
                at(second),
            )
            .await
            .unwrap();
    }
    // The run is forgotten as a change long before it is forgotten as a run.
    let change = Tidied {
        changes: 1,
        ..Tidied::default()
    };
    let one_of_each = Tidied {
        certificates: 1,
        tokens: 1,
        runs: 1,
        audit: 1,
        ..change
    };
    assert_eq!(store.tidy(at(90 * DAY)).await.unwrap(), change);
    assert_eq!(store.tidy(at(401 * DAY)).await.unwrap(), one_of_each);
    assert_eq!(store.tidy(at(401 * DAY)).await.unwrap(), Tidied::default());
    assert_eq!(store.runs(None, 9).await.unwrap().len(), 1);
    assert_eq!(store.audit(9).await.unwrap().len(), 1);
    assert_eq!(store.tokens().await.unwrap().len(), 1);
}

pub(crate) async fn closing_is_final(place: Place) {
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let clone = store.clone();
    store.close().await;
    // Whoever still has a clone is told, and does not wait.
    let within = |work| tokio::time::timeout(Duration::from_secs(5), work);
    let outcome = within(clone.record_report(&host("web1"), &report(1), at(0)))
        .await
        .unwrap();
    assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
    assert!(matches!(clone.ping().await, Err(Error::Closed)));
    assert!(matches!(
        clone.set_setting("a", "b").await,
        Err(Error::Closed)
    ));
    clone.close().await;
}
