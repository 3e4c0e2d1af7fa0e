//! The hint stream: the server says "report now", or asks something. Losing it loses only time.

use std::time::Duration;

use lockstep_model::api::Query;
use lockstep_net::Backoff;
use lockstep_net::client::{CallError, HttpClient};
use tokio::sync::{mpsc, watch};
use tracing::debug;

use super::Event;

/// The stream is opened again after this long, growing to [`LATEST`], so that a server that restarts is not met by
/// all of its hosts in one moment.
const FIRST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(120);

/// Follows the stream for as long as the worker lives.
pub(super) async fn follow(client: watch::Receiver<HttpClient>, events: mpsc::Sender<Event>) {
    let mut backoff = Backoff::new(FIRST, LATEST, u64::from(std::process::id()));
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

async fn listen(
    client: &HttpClient,
    events: &mpsc::Sender<Event>,
    backoff: &mut Backoff,
) -> Result<(), CallError> {
    let mut stream = client.events("/agent/v1/stream").await?;
    while let Some(event) = stream.next().await? {
        backoff.reset();
        let news = match event.name.as_str() {
            "report" => Event::Hint,
            "query" => match serde_json::from_str::<Query>(&event.data) {
                Ok(query) => Event::Queried(Box::new(query)),
                Err(error) => {
                    debug!(%error, "the server asks something that this version does not understand");
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
