//! The hint stream: the server says "report now", or asks something. Losing it loses only time.

use std::time::Duration;

use lockstep_model::HostName;
use lockstep_model::api::Query;
use lockstep_net::Backoff;
use lockstep_net::client::{CallError, HttpClient};
use lockstep_plan::schedule;
use tokio::sync::{mpsc, watch};
use tracing::debug;

use super::Event;

/// Follows the stream for as long as the worker lives. `every` is how often the host reports.
pub(super) async fn follow(
    client: watch::Receiver<HttpClient>,
    events: mpsc::Sender<Event>,
    host: HostName,
    every: Duration,
) {
    let mut backoff = backoff(&host, std::process::id(), every);
    loop {
        let now_in_use = client.borrow().clone();
        match listen(&now_in_use, &events, &mut backoff).await {
            Ok(()) => debug!("the hint stream ended"),
            Err(error) => debug!(%error, "the hint stream broke"),
        }
        if events.is_closed() {
            return;
        }
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

/// A server that restarts is not met by all of its hosts in one moment. The host's name is in the seed: machines of one
/// image start their agents with one process id.
fn backoff(host: &HostName, process: u32, every: Duration) -> Backoff {
    let seed = schedule::stable_hash(&[host.as_str().as_bytes(), &process.to_le_bytes()]);
    Backoff::after_loss(every, seed)
}

async fn listen(
    client: &HttpClient,
    events: &mpsc::Sender<Event>,
    backoff: &mut Backoff,
) -> Result<(), CallError> {
    let mut stream = client.events("/agent/v1/stream").await?;
    // A server that has nothing to say for days is one that works.
    backoff.reset();
    while let Some(event) = stream.next().await? {
        let news = match event.name.as_str() {
            "report" => Event::Hint,
            "query" => match Query::read(&event.data) {
                // What this version does not understand is refused, so that nobody waits for an answer.
                Some(query) => Event::Queried(Box::new(query)),
                None => {
                    debug!("the server asks something that cannot be answered");
                    continue;
                }
            },
            _ => continue,
        };
        // A full channel means that the worker has enough to do; the next report brings the news as well, and who
        // asks does not wait for long.
        if events.try_send(news).is_err() && events.is_closed() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_image_do_not_come_back_in_one_moment() {
        let every = Duration::from_secs(300);
        let mut seconds = [0_u32; 10];
        for number in 0..1_000 {
            let host = HostName::parse(&format!("web{number}.example.org")).unwrap();
            let wait = backoff(&host, 412, every).next_wait();
            seconds[wait.as_secs() as usize] += 1;
        }
        assert!(
            seconds.iter().all(|count| (60..140).contains(count)),
            "{seconds:?}"
        );
    }
}
