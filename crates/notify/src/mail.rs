//! Mail: one for each message, in plain text with an HTML alternative.
//!
//! All mails of one problem name one thread in `References`, so that mail programs show the opening and the closing
//! one together. `Auto-Submitted` keeps automatic answers away (RFC 3834).

use std::time::SystemTime;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use lockstep_model::alert::Notice;

use crate::settings::{MailSettings, MailTls};
use crate::{Delivered, Failed, Notifier, html, secret, text};

pub(crate) async fn deliver(
    notifier: &Notifier,
    to: &str,
    notice: &Notice,
) -> Result<Delivered, Failed> {
    let Some(settings) = &notifier.settings.mail else {
        return Err(Failed::for_now(
            "this server has no mail server: its configuration has no section [mail]",
        ));
    };
    let message = message(settings, to, notice, notifier.clock.now().into())?;
    let transport = transport(notifier, settings).await?;
    let server = format!("{}:{}", text::line(&settings.server, 256), settings.port());
    let sent = tokio::time::timeout(notifier.settings.timeout, transport.send(message)).await;
    match sent {
        Ok(Ok(response)) => Ok(Delivered {
            answer: text::line(
                &format!(
                    "{} {}",
                    response.code(),
                    response.message().collect::<Vec<_>>().join(" ")
                ),
                200,
            ),
        }),
        Ok(Err(error)) => Err(explain(&server, &error)),
        Err(_) => {
            let seconds = notifier.settings.timeout.as_secs_f32();
            Err(Failed::for_now(format!(
                "the mail server {server} was not done within {seconds} s"
            )))
        }
    }
}

fn explain(server: &str, error: &lettre::transport::smtp::Error) -> Failed {
    let mut why = format!("cannot send mail by {server}: {error}");
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let cause_words = cause.to_string();
        if !why.contains(&cause_words) {
            why = format!("{why}: {cause_words}");
        }
        next = cause.source();
    }
    // That we may not send at all (RFC 4954 section 6) says nothing against the message: somebody will mend it.
    let code = error.status().map(u16::from);
    let is_refused_login = matches!(code, Some(530 | 534 | 535 | 538));
    // What the client itself objects to, such as an address that the server cannot take, stays so.
    let is_refused = error.is_permanent() || (error.is_client() && !is_about_the_server(&why));
    Failed::new(&why, !is_refused || is_refused_login)
}

/// The client objects to the server rather than to the message: it may offer more when it has been configured.
fn is_about_the_server(why: &str) -> bool {
    why.contains("STARTTLS") || why.contains("authentication")
}

async fn transport(
    notifier: &Notifier,
    settings: &MailSettings,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, Failed> {
    let unusable = |error: lettre::transport::smtp::Error| {
        Failed::for_now(format!("TLS to the mail server cannot be set up: {error}"))
    };
    let tls = match settings.tls {
        MailTls::None => Tls::None,
        MailTls::Starttls | MailTls::Tls => {
            let mut parameters = TlsParameters::builder(settings.server.clone());
            if let Some(path) = &settings.ca_file {
                let pem = secret::authorities(path).await?;
                let authorities = certificates(&pem);
                if authorities.is_empty() {
                    let path = path.display();
                    return Err(Failed::for_now(format!(
                        "there is no certificate in {path}"
                    )));
                }
                parameters = parameters.certificate_store(CertificateStore::None);
                for pem in authorities {
                    parameters = parameters.add_root_certificate(
                        Certificate::from_pem(pem.as_bytes()).map_err(unusable)?,
                    );
                }
            }
            // Without a file of ours the system's authorities are read from the disk.
            let built = tokio::task::spawn_blocking(move || parameters.build_rustls()).await;
            let parameters = built.map_err(Failed::for_now)?.map_err(unusable)?;
            match settings.tls {
                MailTls::Tls => Tls::Wrapper(parameters),
                _ => Tls::Required(parameters),
            }
        }
    };
    let mut transport =
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.server.as_str())
            .port(settings.port())
            .tls(tls)
            .timeout(Some(notifier.settings.connect_timeout))
            .hello_name(ClientId::default());
    if let Some(user) = &settings.user {
        let password = match &settings.password_file {
            Some(path) => secret::secret("the password for the mail server", path).await?,
            None => String::new(),
        };
        transport = transport.credentials(Credentials::new(user.clone(), password));
    }
    Ok(transport.build())
}

/// The blocks of a PEM text, one by one: the mail client takes only the first of each text.
fn certificates(pem: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    pem.split_inclusive(END)
        .filter(|block| block.contains("-----BEGIN CERTIFICATE-----"))
        .map(|block| format!("{}\n", block.trim()))
        .collect()
}

fn message(
    settings: &MailSettings,
    to: &str,
    notice: &Notice,
    now: SystemTime,
) -> Result<Message, Failed> {
    let mailbox = |what: &str, text: &str| {
        text.parse::<Mailbox>().map_err(|error| {
            let text = text::line(text, 320);
            Failed::for_good(format!(
                "{text:?} is no address to send mail {what}: {error}"
            ))
        })
    };
    let from = mailbox("from", &settings.from)?;
    let to = mailbox("to", to)?;
    let domain = from.email.domain().to_owned();
    let thread = format!("<thread.{}@{domain}>", token(&notice.thread));
    let plain = |name: &'static str, value: String| {
        let name = HeaderName::new_from_ascii_str(name);
        HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value)
    };
    Message::builder()
        .from(from)
        .to(to)
        .subject(text::subject(notice))
        .date(now)
        .message_id(Some(format!("<{}@{domain}>", token(&notice.id))))
        .in_reply_to(thread.clone())
        .references(thread)
        .raw_header(plain(
            "List-Id",
            format!("<{}.lockstep.{domain}>", token(&notice.route)),
        ))
        .raw_header(plain("Auto-Submitted", "auto-generated".into()))
        .raw_header(plain("X-Auto-Response-Suppress", "All".into()))
        .multipart(
            MultiPart::alternative()
                .singlepart(
                    SinglePart::builder()
                        .header(ContentType::TEXT_PLAIN)
                        .body(text::plain(notice)),
                )
                .singlepart(
                    SinglePart::builder()
                        .header(ContentType::TEXT_HTML)
                        .body(html::page(notice)),
                ),
        )
        .map_err(|error| Failed::for_good(format!("the mail cannot be written: {error}")))
}

/// A text as part of an identity (RFC 5322 section 3.6.4): what is not a plain letter is replaced, and a hash keeps
/// apart what becomes the same by that.
fn token(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.is_empty() && text.len() <= 64 && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let plain: String = text
        .chars()
        .take(40)
        .map(|c| if is_plain(c) { c } else { '-' })
        .collect();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    format!("{plain}-{}", hex::encode(&digest.as_ref()[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_plain_and_differ() {
        assert_eq!(token("t1-a_B"), "t1-a_B");
        let (one, other) = (token("a>\r\nx: y"), token("a>\r\nx; y"));
        assert!(one.starts_with("a---x--y-"), "{one}");
        assert_ne!(one, other);
        assert!(!token("").is_empty() && token(&"é".repeat(500)).len() < 64);
    }

    #[test]
    fn authorities_are_taken_one_by_one() {
        let one = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";
        let pem = format!("# first\n{one}\n\n# second\n{one}\nrest");
        assert_eq!(certificates(&pem).len(), 2);
        assert_eq!(certificates("nothing").len(), 0);
    }
}
