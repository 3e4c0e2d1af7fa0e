//! What all ways over HTTP have in common.

use lockstep_net::client::{Belief, CallError, Post, Poster, Timeouts};

use crate::{Delivered, Failed, Notifier, secret, text};

/// Largest body, in bytes.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

pub(crate) async fn poster(notifier: &Notifier) -> Result<Poster, Failed> {
    let (settings, clock) = (&notifier.settings, &notifier.clock);
    let belief = match &settings.ca_file {
        Some(path) => Belief::in_authorities(&secret::authorities(path).await?, clock),
        None => Belief::as_the_system(clock).await,
    };
    let timeouts = Timeouts {
        connect: settings.connect_timeout,
        answer: settings.timeout,
        stall: settings.timeout,
    };
    belief
        .and_then(|belief| Poster::new(&belief, timeouts, clock))
        .map_err(Failed::for_now)
}

/// Sends, and understands the answer.
pub(crate) async fn send(notifier: &Notifier, post: Post) -> Result<Delivered, Failed> {
    let shown = post.shown();
    if post.body.len() > MAX_BODY {
        let bytes = post.body.len();
        return Err(Failed::for_good(format!(
            "a body of {bytes} bytes is too large for {shown}, at most {MAX_BODY} are sent"
        )));
    }
    let posted = notifier
        .poster()
        .await?
        .send(post)
        .await
        .map_err(|error| match error {
            error @ CallError::BadUrl { .. } => Failed::for_good(error),
            error => Failed::for_now(error),
        })?;
    let said = text::line(&String::from_utf8_lossy(&posted.body), 200);
    let status = posted.status;
    if (200..300).contains(&status) {
        return Ok(Delivered {
            answer: status.to_string(),
        });
    }
    let mut why = format!("{shown} answers {status}");
    if !said.is_empty() {
        why = format!("{why}: {said}");
    }
    // Redirects are not followed: whoever wrote the address has to write the new one. Timeout and too many requests
    // are the two refusals that are none (RFC 9110 section 15.5.9, RFC 6585 section 4).
    let again = !(300..500).contains(&status) || matches!(status, 408 | 429);
    let mut failed = Failed::new(&why, again);
    failed.retry_after = posted.retry_after;
    Err(failed)
}

/// What may be shown of an address.
pub(crate) fn shown(url: &str) -> String {
    let post = Post {
        method: String::new(),
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    post.shown()
}
