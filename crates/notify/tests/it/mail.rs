//! Mail, to a real mail server.

use std::time::Duration;

use lockstep_model::Value;
use lockstep_model::alert::{NoticeKind, Way};
use lockstep_notify::{Failed, MailTls, Settings};
use serde_json::json;
use tokio::net::TcpListener;

use crate::mail_server::MailServer;
use crate::samples::{entry, notice, notifier};

fn to(address: &str) -> Way {
    Way::Mail { to: address.into() }
}

#[tokio::test]
async fn opening_and_closing_mail_are_one_conversation() {
    let mut server = MailServer::start(MailTls::None, json!({})).await;
    let (notifier, _driver) = notifier(server.settings());
    let way = to("Ann Ö. <ann@example.org>");
    let delivered = notifier
        .deliver(&way, &notice("n1", NoticeKind::Problem))
        .await
        .unwrap();
    assert_eq!(delivered.answer, "250 taken as number 1");
    let opening = server.mail().await;
    assert_eq!(
        (opening.from.as_str(), opening.to.as_slice()),
        ("lockstep@example.org", &["ann@example.org".to_owned()][..])
    );
    assert_eq!((opening.tls, &opening.user), (false, &None));
    for (name, value) in [
        ("Subject", "[critical] web1 disk_usage:/ 96.0 %"),
        ("From", "Lockstep <lockstep@example.org>"),
        ("Date", "Mon, 21 Sep 2026 14:18:20 +0000"),
        ("Message-ID", "<n1@example.org>"),
        ("In-Reply-To", "<thread.t1@example.org>"),
        ("References", "<thread.t1@example.org>"),
        ("List-Id", "<on-call.lockstep.example.org>"),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
    ] {
        assert_eq!(opening.header(name), value);
    }
    assert!(
        opening
            .header("Content-Type")
            .starts_with("multipart/alternative;")
    );
    // Only letters of ASCII are on the way; UTF-8 is encoded.
    assert!(opening.content.is_ascii());
    assert_eq!(opening.content.matches("charset=utf-8").count(), 2);
    for part in ["changed just before: lockstep 1.4.1", "gr=C3=B6=C3=9Fer"] {
        assert_eq!(
            opening.content.replace("=\r\n", "").matches(part).count(),
            2,
            "{part} in both forms:\n{}",
            opening.content
        );
    }

    notifier
        .deliver(&way, &notice("n2", NoticeKind::Recovered))
        .await
        .unwrap();
    let closing = server.mail().await;
    assert_eq!(closing.header("Subject"), "[recovered] web1 disk_usage:/");
    assert_eq!(closing.header("References"), opening.header("References"));
    assert_eq!(closing.header("Message-ID"), "<n2@example.org>");
}

#[tokio::test]
async fn no_value_makes_a_header() {
    let mut server = MailServer::start(MailTls::None, json!({})).await;
    let (notifier, _driver) = notifier(server.settings());
    let evil = "x\r\nBcc: all@example.org\r\n\r\n.\r\nQUIT\r\n";
    let mut message = notice(evil, NoticeKind::Problem);
    message.thread = evil.into();
    message.route = evil.into();
    message.receiver = evil.into();
    message.cause = Some(evil.into());
    message.server_url = Some(evil.into());
    message.entries[0].value = Value::Text(evil.into());
    message.entries[0].why = evil.into();
    message.entries[0].note = evil.into();
    message.entries[0].changes[0].what = evil.into();
    let mut more = message.clone();
    more.entries.push(entry(
        NoticeKind::Problem,
        "web2",
        "cpu_load",
        lockstep_model::Level::SICK,
    ));
    for message in [message, more] {
        notifier
            .deliver(&to("ann@example.org"), &message)
            .await
            .unwrap();
        let mail = server.mail().await;
        assert_eq!(mail.to, ["ann@example.org"]);
        let names: Vec<_> = mail
            .headers()
            .iter()
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect();
        assert_eq!(
            names,
            [
                "From",
                "To",
                "Subject",
                "Date",
                "Message-ID",
                "In-Reply-To",
                "References",
                "List-Id",
                "Auto-Submitted",
                "X-Auto-Response-Suppress",
                "MIME-Version",
                "Content-Type"
            ]
        );
    }
    assert!(server.has_none());
    for address in ["x\r\nBcc: all@example.org", "ann", "a@b, c@d", ""] {
        let failed = notifier
            .deliver(&to(address), &notice("n1", NoticeKind::Problem))
            .await
            .unwrap_err();
        assert!(
            !failed.again && failed.why.contains("is no address"),
            "{failed}"
        );
    }
}

#[tokio::test]
async fn starttls_and_a_password_are_used() {
    let login = json!({"user": "lock", "password": "sésame"});
    let mut server = MailServer::start(MailTls::Starttls, login).await;
    let mut settings = server.settings();
    let mail = settings.mail.as_mut().unwrap();
    mail.user = Some("lock".into());
    mail.password_file = Some(server.file("password", "sésame\n"));
    let message = notice("n1", NoticeKind::Problem);
    let (notifier, _driver) = notifier(settings);
    notifier
        .deliver(&to("ann@example.org"), &message)
        .await
        .unwrap();
    let mail = server.mail().await;
    assert_eq!((mail.tls, mail.user.as_deref()), (true, Some("lock")));

    // The file is read each time. A wrong password is no fault of the message.
    server.file("password", "wrong-secret");
    let failed = notifier
        .deliver(&to("ann@example.org"), &message)
        .await
        .unwrap_err();
    assert!(failed.again && failed.why.contains("535"), "{failed}");
    assert!(!failed.why.contains("secret"), "{failed}");
    server.file("password", " \n");
    let failed = notifier
        .deliver(&to("ann@example.org"), &message)
        .await
        .unwrap_err();
    assert!(failed.again && failed.why.contains("is empty"), "{failed}");
    assert!(server.has_none());
}

#[tokio::test]
async fn only_a_server_of_the_authority_gets_mail() {
    let mut server = MailServer::start(MailTls::Tls, json!({})).await;
    let message = notice("n1", NoticeKind::Problem);
    let (believing, _driver) = notifier(server.settings());
    believing
        .deliver(&to("ann@example.org"), &message)
        .await
        .unwrap();
    assert!(server.mail().await.tls);

    let mut settings = server.settings();
    let other = rcgen::generate_simple_self_signed(vec!["other".into()]).unwrap();
    settings.mail.as_mut().unwrap().ca_file = Some(server.file("other.pem", &other.cert.pem()));
    let (doubting, _driver) = notifier(settings);
    let failed = doubting
        .deliver(&to("ann@example.org"), &message)
        .await
        .unwrap_err();
    assert!(
        failed.again && failed.why.contains("invalid peer certificate"),
        "{failed}"
    );

    // One that offers no TLS gets nothing in the clear.
    let mut plain = MailServer::start(MailTls::None, json!({})).await;
    let mut settings = plain.settings();
    settings.mail.as_mut().unwrap().tls = MailTls::Starttls;
    let (careful, _driver) = notifier(settings);
    let failed = careful
        .deliver(&to("ann@example.org"), &message)
        .await
        .unwrap_err();
    assert!(failed.again, "{failed}");
    assert!(plain.has_none() && server.has_none());
}

#[tokio::test]
async fn a_refusal_is_for_now_or_for_good() {
    let refuse = json!({"refuse": {
        "gone@example.org": "550 no such mailbox",
        "full@example.org": "452 mailbox is full",
    }});
    let server = MailServer::start(MailTls::None, refuse).await;
    let (notifier, _driver) = notifier(server.settings());
    for (address, again, words) in [
        ("gone@example.org", false, "no such mailbox"),
        ("full@example.org", true, "mailbox is full"),
    ] {
        let failed = notifier
            .deliver(&to(address), &notice("n1", NoticeKind::Problem))
            .await
            .unwrap_err();
        assert_eq!(failed.again, again, "{failed}");
        assert!(
            failed.why.starts_with("cannot send mail by 127.0.0.1:") && failed.why.contains(words),
            "{failed}"
        );
    }
}

#[tokio::test]
async fn a_mail_server_that_does_not_answer_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = MailServer::start(MailTls::None, json!({})).await;
    let mut settings = server.settings();
    settings.timeout = Duration::from_millis(200);
    settings.mail.as_mut().unwrap().port = Some(silent.local_addr().unwrap().port());
    let mut refused = settings.clone();
    let outcome = async |settings: Settings| -> Failed {
        let (notifier, _driver) = notifier(settings);
        notifier
            .deliver(&to("ann@example.org"), &notice("n1", NoticeKind::Problem))
            .await
            .unwrap_err()
    };
    let failed = outcome(settings).await;
    assert!(
        failed.again && failed.why.contains("not done within 0.2 s"),
        "{failed}"
    );
    drop(silent);
    refused.timeout = Duration::from_secs(10);
    let failed = outcome(refused).await;
    assert!(failed.again && failed.why.contains("refused"), "{failed}");
    let failed = outcome(Settings::default()).await;
    assert!(failed.again && failed.why.contains("[mail]"), "{failed}");
}
