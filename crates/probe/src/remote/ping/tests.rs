use lockstep_model::Level;

use crate::remote::world::{PATIENCE, look, order, watched};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test]
async fn this_machine_echoes() {
    let found = look(&order("ping:127.0.0.1")).await;
    assert!((0.0..1.0).contains(&found.number()), "{found:?}");
    assert!(found.verdict.is_none());
    let found = look(&watched("ping", "127.0.0.1")).await;
    assert!(found.number() < 1.0);
    assert_eq!(look(&order("ping_loss:127.0.0.1")).await.number(), 0.0);
}

#[tokio::test]
async fn this_machine_echoes_by_the_new_protocol() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        // A machine without it has nothing to test.
        return;
    }
    let found = look(&order("ping:::1")).await;
    assert!((0.0..1.0).contains(&found.number()), "{found:?}");
}

#[tokio::test]
async fn nobody_does_not() {
    // An address of documentation (RFC 5737): nobody has it.
    let began = Instant::now();
    let short = Duration::from_millis(900);
    let found = look(&order("ping:198.51.100.1").within(short)).await;
    assert!(found.none().starts_with("ping 198.51.100.1: "), "{found:?}");
    assert_eq!(found.level(), Some(Level::CRITICAL));
    let found = look(&order("ping_loss:198.51.100.1").within(short)).await;
    assert!(
        matches!(&found.value, lockstep_model::Value::Number { value, unit } if *value == 100.0 && unit == "%")
            || found.none().contains("unreachable"),
        "{found:?}"
    );
    assert!(began.elapsed() < PATIENCE / 2);
}
