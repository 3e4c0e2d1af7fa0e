use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lockstep_model::Level;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::probe::Found;
use crate::remote::world::{now, order, probe, refusal, serve};

/// Serves a text in which `{n}` is the number of the visit, from 1; the third visit fails, and so do all without a text.
async fn exporter(text: &'static str) -> String {
    let visits = Arc::new(AtomicU32::new(0));
    let address = serve(move |mut stream| {
        let visits = Arc::clone(&visits);
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let n = visits.fetch_add(1, Ordering::Relaxed) + 1;
            let status = if n == 3 { "503 Busy" } else { "200 OK" };
            let body = text.replace("{n}", &n.to_string());
            let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    format!("prometheus:http://{address}/metrics")
}

const TEXT: &str = "# TYPE load gauge\nload{cpu=\"0\"} 0.5\nload{cpu=\"1\"} 0.7\nother 1\n\
    # TYPE sent_bytes counter\nsent_bytes_total {n}000\nbad NaN\n";

fn shown<'a>(found: &'a [Found], name: &str) -> Vec<(&'a str, String)> {
    let rest = |found: &'a Found| found.item.as_str().strip_prefix(name).unwrap();
    found
        .iter()
        .map(|found| (rest(found), found.value.to_string()))
        .collect()
}

#[tokio::test]
async fn series_are_items() {
    let name = exporter(TEXT).await;
    let asked = order(&name)
        .with("metrics", &["load", "sent*", "bad"][..])
        .with("rate", true);
    let exporter = probe(&asked);
    let first = Arc::clone(&exporter).look(now()).await;
    assert_eq!(first[0].item.as_str(), name);
    assert!(first[0].number() > 0.0);
    assert_eq!(
        shown(&first[1..], &name),
        [
            ("#load{cpu=\"0\"}", "0.50".into()),
            ("#load{cpu=\"1\"}", "0.70".into()),
            (
                "#sent_bytes_total",
                "none (a counter has no rate before its second look)".into()
            ),
            ("#bad", "none (its value is NaN)".to_owned()),
        ]
    );
    let second = Arc::clone(&exporter).look(now()).await;
    assert!(second[3].number() > 0.0);
    assert!(
        matches!(&second[3].value, lockstep_model::Value::Number { unit, .. } if unit == "bytes/s")
    );
    let third = exporter.look(now()).await;
    assert_eq!(third.len(), 5);
    for found in third {
        assert!(found.none().ends_with("answers 503, not 200"), "{found:?}");
        assert_eq!(found.level(), Some(Level::CRITICAL));
    }
}

#[tokio::test]
async fn an_entry_may_name_one_series() {
    let name = exporter(TEXT).await;
    let look = async |behind: &str| probe(&order(&format!("{name}{behind}"))).look(now()).await;
    let one = look("#load{cpu=\"1\"}").await;
    assert_eq!(
        shown(&one, &name),
        [("#load{cpu=\"1\"}", "0.70".to_owned())]
    );
    assert_eq!(look("#lo*").await.len(), 2);
    let failed = look("#other").await;
    assert_eq!(shown(&failed, &name)[0].0, "#other");
    assert!(failed[0].none().contains("503"));
}

#[tokio::test]
async fn bodies_and_series_are_bounded() {
    let many = serve(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
            .await;
        for n in 0_u32.. {
            let lines = format!("series{{n=\"{n}\"}} {n}\n").repeat(50);
            if stream.write_all(lines.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await;
    let asked = order(&format!("prometheus:http://{many}/")).with("metrics", "*");
    let found = probe(&asked).look(now()).await;
    assert!((2..=101).contains(&found.len()), "{}", found.len());
    let page = exporter("<html>\n<p>not found\n").await;
    let found = probe(
        &order(&page)
            .with("metrics", "*")
            .within(Duration::from_secs(5)),
    )
    .look(now())
    .await;
    assert!(
        found[0].none().ends_with("does not answer with metrics"),
        "{found:?}"
    );
}

#[test]
fn what_is_wanted_must_be_said() {
    assert!(refusal(&order("prometheus:http://a/")).contains("\"metrics\" is missing"));
}
