//! The transfer of one file of the repository: resumed where it broke, never longer than was signed. Whether the bytes are
//! the signed ones is for the caller to find out.

use std::io::SeekFrom;
use std::path::Path;

use lockstep_host::fault;
use lockstep_model::RunReason;
use lockstep_net::client::{CallError, HttpClient};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tracing::info;

use super::{Place, Unready};
use crate::words;

/// What is fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The request's path.
    pub(super) path: &'a str,
    /// The signed length in bytes.
    pub(super) length: u64,
}

/// Why a transfer did not come to its end. What arrived is kept for the next try.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The server refused, or the connection broke.
    #[error(transparent)]
    Call(#[from] CallError),
    /// More came than was signed; nothing of it is kept.
    #[error("the server sends more than the signed {0} bytes")]
    TooMuch(u64),
    /// Less came than was signed.
    #[error("the download ended after {0} of {1} bytes")]
    TooLittle(u64, u64),
    /// The host could not write it down.
    #[error("failed to write {path}")]
    Write {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl Broken {
    /// What it means for the fetch of a bundle: it is tried again.
    pub(super) fn unready(&self, place: &Place) -> Unready {
        match self {
            Self::Call(error) => place.call_failed(error),
            Self::TooMuch(_) => {
                let why = words(self);
                place.again(RunReason::NotVerified { why }.to_string())
            }
            Self::TooLittle(..) | Self::Write { .. } => place.again(words(self)),
        }
    }
}

/// Brings the part file to the wanted length, beginning at what is there.
pub(super) async fn transfer(
    wanted: Wanted<'_>,
    client: &HttpClient,
    part: &Path,
) -> Result<(), Broken> {
    let io_failed = |source: std::io::Error| Broken::Write {
        path: part.display().to_string(),
        source,
    };
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(part)
        .await
        .map_err(io_failed)?;
    let mut have = file.seek(SeekFrom::End(0)).await.map_err(io_failed)?;
    if have > wanted.length {
        file.set_len(0).await.map_err(io_failed)?;
        have = 0;
    }
    if have == wanted.length {
        return Ok(());
    }
    if have > 0 {
        info!(have, of = wanted.length, "going on with the download");
    }
    let mut download = client
        .download_from(wanted.path, have, wanted.length)
        .await?;
    if !download.resumed() {
        file.set_len(0).await.map_err(io_failed)?;
        have = 0;
    }
    file.seek(SeekFrom::Start(have)).await.map_err(io_failed)?;
    let end = loop {
        match download.chunk().await {
            Ok(Some(chunk)) => {
                if chunk.len() as u64 > wanted.length - have {
                    // The rest is not even looked at, and what came is not trusted either.
                    file.set_len(0).await.map_err(io_failed)?;
                    file.flush().await.map_err(io_failed)?;
                    return Err(Broken::TooMuch(wanted.length));
                }
                file.write_all(&chunk).await.map_err(io_failed)?;
                have += chunk.len() as u64;
                fault::point("chunk");
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    file.flush().await.map_err(io_failed)?;
    end?;
    if have < wanted.length {
        return Err(Broken::TooLittle(have, wanted.length));
    }
    Ok(())
}
