//! Programs.

use std::time::Duration;

use lockstep_model::Value;
use lockstep_model::alert::{Notice, NoticeKind, Way};
use lockstep_notify::{Delivered, Failed, Settings};

use crate::samples::{notice, notifier};

async fn run(script: &str, message: &Notice) -> Result<Delivered, Failed> {
    let way = Way::Exec {
        command: ["/bin/sh", "-c", script, "page"].map(String::from).into(),
    };
    let (notifier, _driver) = notifier(Settings {
        program_timeout: Duration::from_secs(10),
        ..Settings::default()
    });
    notifier.deliver(&way, message).await
}

#[tokio::test]
async fn a_program_is_told_by_its_environment_and_a_file() {
    let mut message = notice("n1", NoticeKind::Problem);
    message.entries[0].value = Value::Text("a\0b $(touch /tmp/x)".into());
    let said = async |script| run(script, &message).await.unwrap().answer;
    assert_eq!(
        said(
            "echo $LOCKSTEP_KIND $LOCKSTEP_HOST $LOCKSTEP_ITEM $LOCKSTEP_LEVEL $LOCKSTEP_STATUS $1"
        )
        .await,
        "problem web1 disk_usage:/ critical firing"
    );
    assert_eq!(
        said("printf %s \"$LOCKSTEP_VALUE\"").await,
        "a\u{fffd}b $(touch /tmp/x)"
    );
    assert_eq!(
        said("stat -c %a $LOCKSTEP_NOTICE_FILE; readlink /proc/$$/fd/0").await,
        "600 /dev/null"
    );

    let keep = tempfile::tempdir().unwrap();
    let copy = keep.path().join("copy");
    let script = format!(
        "cp $LOCKSTEP_NOTICE_FILE {}; echo $LOCKSTEP_NOTICE_FILE",
        copy.display()
    );
    let path = run(&script, &message).await.unwrap().answer;
    assert!(!std::path::Path::new(&path).exists(), "{path} is left");
    let found: Notice = serde_json::from_slice(&std::fs::read(copy).unwrap()).unwrap();
    assert_eq!(found, message);
}

#[tokio::test]
async fn its_exit_status_decides() {
    let mut large = notice("n1", NoticeKind::Problem);
    large.entries = vec![large.entries[0].clone(); 2000];
    assert!(run("exit 0", &large).await.is_ok());
    for (script, again, words) in [
        (
            "echo busy; exit 75",
            true,
            "/bin/sh ended with exit status: 75: busy",
        ),
        (
            "echo no >&2; exit 1",
            false,
            "/bin/sh ended with exit status: 1: no",
        ),
        ("kill -9 $$", false, "signal: 9"),
    ] {
        let failed = run(script, &large).await.unwrap_err();
        assert_eq!(failed.again, again, "{failed}");
        assert!(failed.why.contains(words), "{failed}");
    }
}

#[tokio::test]
async fn it_has_a_deadline() {
    let (notifier, _driver) = notifier(Settings {
        program_timeout: Duration::from_millis(200),
        ..Settings::default()
    });
    let message = notice("n1", NoticeKind::Problem);
    let command = |words: &[&str]| Way::Exec {
        command: words.iter().map(|word| (*word).into()).collect(),
    };
    let outcome = async |words: &[&str]| {
        notifier
            .deliver(&command(words), &message)
            .await
            .unwrap_err()
    };
    let failed = outcome(&["/bin/sleep", "60"]).await;
    assert!(
        failed.again && failed.why.contains("killed after"),
        "{failed}"
    );
    let failed = outcome(&["/nonexistent/page"]).await;
    assert!(
        failed.again && failed.why.contains("/nonexistent/page"),
        "{failed}"
    );
    let failed = outcome(&[]).await;
    assert!(!failed.again, "{failed}");
    let failed = outcome(&["/bin/true", "a\0b"]).await;
    assert!(!failed.again && failed.why.contains("NUL"), "{failed}");
}
