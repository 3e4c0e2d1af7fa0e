//! What only a database server can do to us.

use std::error::Error as _;
use std::sync::Arc;

use lockstep_store::{DatabaseUrl, Error, Store};
use lockstep_testkit::Postgres;

use crate::engine::Engine;
use crate::samples::{at, enroll, host, report};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_and_comes_back() {
    let mut cluster = Postgres::start().unwrap();
    let url = DatabaseUrl::parse(&cluster.fresh_database().unwrap()).unwrap();
    let store = Store::open(&url).await.unwrap();
    enroll(&store, &["web1"]).await;
    let web1 = host("web1");
    store.record_report(&web1, &report(1), at(1)).await.unwrap();

    cluster.crash();
    let error = store
        .record_report(&web1, &report(2), at(2))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Database { .. } | Error::Busy { .. }),
        "{error}"
    );
    let error = Store::open(&url).await.unwrap_err();
    assert!(
        error.to_string().contains("is the database server running"),
        "{error}"
    );

    // Nothing that was acknowledged is lost, and the store finds its way back by itself.
    cluster.restart().unwrap();
    let row = store.host(&web1).await.unwrap().unwrap();
    assert_eq!(row.report, Some(report(1)));
    store.record_report(&web1, &report(3), at(3)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn urls_and_administrators_choices() {
    let cluster = Arc::new(Postgres::start().unwrap());

    // A database that is not there; the password is nowhere in what is said.
    let missing = cluster.url("missing") + "&password=s3crEt";
    let error = Store::open(&DatabaseUrl::parse(&missing).unwrap())
        .await
        .unwrap_err();
    let words = format!(
        "{error}: {:?} {error:?}",
        error.source().unwrap().to_string()
    );
    assert!(words.contains("make it with createdb"), "{words}");
    assert!(words.contains("postgres:///missing?host=/tmp/"), "{words}");
    assert!(!words.contains("s3crEt"), "{words}");

    // A server that is not there.
    let nobody = DatabaseUrl::parse("postgres://me:s3crEt@127.0.0.1:1/fleet").unwrap();
    let error = Store::open(&nobody).await.unwrap_err();
    let words = format!("{error} {error:?}");
    assert!(words.contains("postgres://me@127.0.0.1:1/fleet"), "{words}");
    assert!(!words.contains("s3crEt"), "{words}");

    // An encoding that cannot hold every text.
    let place = Engine::Postgres(Arc::clone(&cluster)).fresh();
    place
        .execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0")
        .await;
    let ascii = DatabaseUrl::parse(&cluster.url("ascii")).unwrap();
    let error = Store::open(&ascii).await.unwrap_err();
    assert!(
        error.to_string().contains("encoded as SQL_ASCII"),
        "{error}"
    );

    // Whatever the administrator chose, a commit that is acknowledged is on the disk: the trigger shows the choice
    // that holds for the store's connections.
    let store = place.open().await;
    store.close().await;
    place
        .execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', \
                 current_database()); END $$; \
             CREATE FUNCTION show() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN NEW.value := current_setting(NEW.name); RETURN NEW; END $$; \
             CREATE TRIGGER show BEFORE INSERT ON settings FOR EACH ROW EXECUTE FUNCTION show()",
        )
        .await;
    let store = place.open().await;
    for (name, value) in [
        ("synchronous_commit", "on"),
        ("statement_timeout", "30s"),
        ("transaction_isolation", "serializable"),
    ] {
        store.set_setting(name, "?").await.unwrap();
        let shown = store.setting(name).await.unwrap();
        assert_eq!(shown.as_deref(), Some(value), "{name}");
    }
}
