use lockstep_host::exec::Exec;
use lockstep_model::Level;

use crate::remote::world::{Daemon, PATIENCE, look, nobody, now, order, serve};
use crate::{Permits, probe::Order};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// A certificate of its own authority, made now and good for so many days.
async fn certificate(days: i32) -> (Daemon, u16) {
    let dir = tempfile::tempdir().unwrap();
    let (key, cert) = (dir.path().join("key"), dir.path().join("cert"));
    let made = Exec::new("openssl", PATIENCE)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-days",
            &days.to_string(),
        ])
        .args([
            "-addext",
            "basicConstraints=CA:FALSE",
            "-addext",
            "extendedKeyUsage=serverAuth",
        ])
        .args([Path::new("-keyout"), &key, Path::new("-out"), &cert])
        .run()
        .await
        .unwrap();
    assert!(made.succeeded(), "{}", made.output);
    let args = [
        "s_server",
        "-accept",
        "0",
        "-www",
        "-key",
        "{dir}/key",
        "-cert",
        "{dir}/cert",
    ];
    let server = Daemon::start("openssl", &args, &[], |place| {
        for name in ["key", "cert"] {
            std::fs::copy(dir.path().join(name), place.join(name)).unwrap();
        }
    });
    let port = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("ACCEPT "))?;
        line.rsplit_once(':')?.1.trim().parse().ok()
    };
    let port = server.said(port).await;
    (server, port)
}

fn permitting(mut order: Order, dir: &Path) -> Order {
    order.permits = Arc::new(Permits {
        files: vec![dir.into()],
        ..Permits::default()
    });
    order
}

#[tokio::test]
async fn a_handshake_takes_a_time_if_the_server_is_believed() {
    let (server, port) = certificate(30).await;
    let ca = server.dir().join("cert");
    let tls = order(&format!("tls:localhost:{port}"));
    let found = look(&tls).await;
    assert_eq!(found.level(), Some(Level::CRITICAL));
    assert!(found.none().contains("is not believed"), "{found:?}");
    let found = look(&tls.clone().with("insecure", true)).await;
    assert!(found.number() > 0.0 && found.verdict.is_none());
    // A file may be named where the host allows it.
    let with_ca = tls.with("ca", ca.to_str().unwrap());
    let refused = look(&with_ca).await;
    assert!(
        refused.none().contains("agent.toml") && refused.level() == Some(Level::FINE),
        "{refused:?}"
    );
    let found = look(&permitting(with_ca.clone(), server.dir())).await;
    assert!(found.number() > 0.0 && found.verdict.is_none(), "{found:?}");
    let named = permitting(with_ca.with("name", "elsewhere.example.org"), server.dir());
    assert!(look(&named).await.none().contains("is not believed"));
    // The same by HTTP.
    let page = order(&format!("http:https://localhost:{port}/"));
    assert!(look(&page).await.none().contains("not believed"));
    let page = page
        .with("ca", ca.to_str().unwrap())
        .with("body", "s_server");
    let found = look(&permitting(page, server.dir())).await;
    assert!(found.number() > 0.0 && found.verdict.is_none(), "{found:?}");
}

#[tokio::test]
async fn the_end_of_any_certificate_can_be_read() {
    let day = 86_400.0;
    let (_server, port) = certificate(30).await;
    let asked = order(&format!("certificate_expiry:127.0.0.1:{port}"));
    let left = look(&asked).await.number();
    assert!((30.0 * day - 600.0..=30.0 * day).contains(&left), "{left}");
    let later = now() + jiff::SignedDuration::from_hours(24 * 40);
    let found = crate::remote::world::probe(&asked).look(later).await;
    let left = crate::remote::world::one(found).number();
    assert!(
        (-10.0 * day - 600.0..=-10.0 * day).contains(&left),
        "{left}"
    );
}

#[tokio::test]
async fn what_is_no_tls_is_critical() {
    let garbage =
        serve(|mut stream| async move { drop(stream.write_all(&[b'x'; 100_000]).await) }).await;
    let silent = serve(|stream| async move {
        let _ = stream.readable().await;
        std::future::pending::<()>().await;
    })
    .await;
    // Only who is silent is waited for to the end.
    let (short, long) = (Duration::from_millis(600), Duration::from_secs(20));
    for (address, time, words) in [
        (garbage, long, "the handshake failed"),
        (silent, short, "no answer in time"),
        (nobody().await, long, "refused"),
    ] {
        for probe in ["tls", "certificate_expiry"] {
            let found = look(&order(&format!("{probe}:{address}")).within(time)).await;
            assert!(found.none().contains(words), "{found:?}");
            assert_eq!(found.level(), Some(Level::CRITICAL));
        }
    }
}
