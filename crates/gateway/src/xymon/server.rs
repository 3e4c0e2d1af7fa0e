//! The server's side of Xymon: unmodified clients report, get their section, and update themselves.
//!
//! | | |
//! |---|---|
//! | who may connect | `senders` and `readers`, by address; the protocol has nothing else |
//! | `senders` may | report (`client`, `status`, `combo`, `data`), `download`, `config`, `query` |
//! | `readers` may | `xymondboard`, `xymondlog`, `hostinfo`, `clientlog`, `ghostlist`, `senderstats`, `query` |
//! | both may | `ping`, `flush filecache` |
//! | connections | `connections` of the configuration, 256; a quarter of them for one address, loopback without limit |
//! | largest message | 16 MiB; beyond 256 KiB eight at once: 192 MiB in all, and while they grow at most twice that |
//! | time to send one | 5 minutes; 30 s without a byte, or less than 1 KiB/s behind the first 10 s, end it |
//! | time until an answer begins | 2 minutes; clients give up after 15 s |
//! | time to take an answer | as long as it takes; 30 s without a byte end it |
//! | lines of a board | 100,000 |
//! | memory for what is asked | client messages 64 MiB (256 KiB each), statuses 64 MiB, 1,000 strangers |
//!
//! The commands are in [`command`]. What is not Xymon's is closed without a byte; what we do not carry out is closed
//! without a byte, and logged. See docs/protocols/xymon.md.

pub mod answer;
mod archive;
mod asked;
pub mod board;
pub mod client_local;
pub mod combo;
pub mod command;
mod context;
mod download;
pub mod files;
mod home;
pub mod hosts_cfg;
mod memory;
mod report;
mod shelf;
pub mod status;
pub mod stuck;
mod wire;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockstep_net::tls::TlsAcceptorSource;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::command::Command;
use self::context::{Context, blocking};
use self::download::Download;
use self::home::{Home, Looked};
use self::memory::Memory;
pub use self::wire::Bounds;
use self::wire::{Heard, read, send};
use crate::config;
use crate::seams::{Hosts, Packages};
use crate::text;

/// What `ping` is answered with: tools look for the program's name and the version of the protocol's family.
const BANNER: &str = concat!("xymond 4.3.30 lockstep ", env!("CARGO_PKG_VERSION"), "\n");

/// How long the server may take until an answer begins. Clients wait for 15 s; whatever is done once and kept for the next
/// one, such as unpacking a release, may come to its end.
const LONGEST_WORK: Duration = Duration::from_secs(120);

/// Serves Xymon's clients until `stop` is cancelled. `tls` is spoken to those who ask for it with `starttls`; whenever
/// `reload` is notified, and at the configured interval, the installation's files are looked at.
pub async fn serve<D: Hosts + Packages>(
    listener: TcpListener,
    config: config::Xymon,
    tls: Option<TlsAcceptorSource>,
    desk: Arc<D>,
    reload: Arc<Notify>,
    stop: CancellationToken,
) {
    serve_within(listener, config, tls, desk, reload, stop, Bounds::default()).await;
}

/// As [`serve`], with other bounds: tests have no time for half a minute.
pub async fn serve_within<D: Hosts + Packages>(
    listener: TcpListener,
    config: config::Xymon,
    tls: Option<TlsAcceptorSource>,
    desk: Arc<D>,
    reload: Arc<Notify>,
    stop: CancellationToken,
    bounds: Bounds,
) {
    let root = config.home.clone();
    let Some(home) = blocking(move || Home::open(root)).await else {
        return;
    };
    let (connections, every) = (config.connections, config.reload.duration());
    let context = Arc::new(Context {
        desk,
        config,
        tls,
        home: home.clone(),
        memory: Mutex::new(Memory::default()),
        large: Semaphore::new(bounds.large_at_once),
        bounds,
    });
    let may = {
        let context = Arc::clone(&context);
        move |from: IpAddr| context.config.senders.admit(from) || context.config.readers.admit(from)
    };
    let answer = move |stream, from| visit(Arc::clone(&context), stream, from);
    let serving = text::serve("xymon", listener, connections, may, answer, stop.clone());
    tokio::select! {
        () = serving => {}
        () = watch(home, every, reload) => {}
    }
}

/// Looks at the files when it is told to, and from time to time. It never ends.
async fn watch(home: Home, every: Duration, reload: Arc<Notify>) {
    let mut told = Box::pin(reload.notified());
    loop {
        tokio::select! {
            () = told.as_mut() => {}
            () = sleep(every) => {}
        }
        // Before the look: a wish that comes while it looks is not lost.
        told.set(reload.notified());
        told.as_mut().enable();
        let looking = home.clone();
        match blocking(move || looking.look()).await {
            Some(Looked::Taken) => tracing::info!(gateway = "xymon", "its files were read again"),
            Some(Looked::Same | Looked::Kept) => {}
            None => std::future::pending().await,
        }
    }
}

async fn visit<D: Hosts + Packages>(
    context: Arc<Context<D>>,
    mut stream: TcpStream,
    from: SocketAddr,
) {
    let from = from.ip().to_canonical();
    let bounds = &context.bounds;
    let tls = match read(&mut stream, bounds, &context.large).await {
        Ok(Heard::Message(message, _place)) => {
            converse(&context, &mut stream, &message, from).await;
            return;
        }
        Ok(Heard::StartTls) => context.tls.clone(),
        Err(why) => {
            tracing::info!(gateway = "xymon", %from, %why, "no message came");
            return;
        }
    };
    let Some(tls) = tls else {
        let _ = send(&mut stream, b"ERR No TLS\n", bounds.idle).await;
        return;
    };
    if send(&mut stream, b"OK TLS\n", bounds.idle).await.is_err() {
        return;
    }
    let mut stream = match timeout(bounds.handshake, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(gateway = "xymon", %from, %error, "the TLS handshake failed");
            return;
        }
        Err(_) => return,
    };
    match read(&mut stream, bounds, &context.large).await {
        Ok(Heard::Message(message, _place)) => {
            converse(&context, &mut stream, &message, from).await;
        }
        Ok(Heard::StartTls) => {}
        Err(why) => tracing::info!(gateway = "xymon", %from, %why, "no message came"),
    }
}

/// Answers a message and closes.
async fn converse<D, S>(context: &Arc<Context<D>>, stream: &mut S, message: &[u8], from: IpAddr)
where
    D: Hosts + Packages,
    S: AsyncRead + AsyncWrite + Unpin,
{
    context.memory().sent(from);
    let command = Command::parse(message);
    let idle = context.bounds.idle;
    let answer = timeout(LONGEST_WORK, carry_out(context, &command, message, from)).await;
    let answer = answer.unwrap_or_else(|_| {
        refused(&command, from, "it took too long");
        Answer::Nothing
    });
    let sent = match answer {
        Answer::Nothing => Ok(0),
        Answer::Bytes(bytes) => send(stream, &bytes, idle)
            .await
            .map(|()| bytes.len() as u64),
        Answer::Download(download) => download.send(stream, idle).await,
    };
    let name = command.name();
    match sent {
        Ok(bytes) => match &command {
            Command::Download(file) if bytes > 0 => {
                // Whole: who got a part has nothing to install.
                if let Some(id) = file.strip_suffix(".tar") {
                    context.memory().fetched(from, id);
                }
                let file = file.as_ref();
                tracing::info!(gateway = "xymon", %from, file, bytes, "downloaded");
            }
            Command::Client | Command::ClientSubmit | Command::Status | Command::Data => {
                tracing::debug!(gateway = "xymon", %from, command = name, bytes, "heard");
            }
            _ => tracing::info!(gateway = "xymon", %from, command = name, bytes, "answered"),
        },
        Err(error) => {
            tracing::info!(gateway = "xymon", %from, command = name, %error, "not answered whole");
            // Without a farewell: nobody shall take half an answer for a whole one where TLS can tell.
            return;
        }
    }
    let _ = timeout(idle, stream.shutdown()).await;
}

enum Answer {
    Nothing,
    Bytes(Vec<u8>),
    Download(Download),
}

impl From<Option<Vec<u8>>> for Answer {
    fn from(bytes: Option<Vec<u8>>) -> Self {
        bytes.map_or(Self::Nothing, Self::Bytes)
    }
}

impl From<Option<String>> for Answer {
    fn from(text: Option<String>) -> Self {
        text.map(String::into_bytes).into()
    }
}

async fn carry_out<D: Hosts + Packages>(
    context: &Arc<Context<D>>,
    command: &Command<'_>,
    message: &[u8],
    from: IpAddr,
) -> Answer {
    let sender = context.config.senders.admit(from);
    let reader = context.config.readers.admit(from);
    let may = match command {
        Command::Client
        | Command::ClientSubmit
        | Command::Status
        | Command::Combo
        | Command::ExtCombo
        | Command::Data
        | Command::Download(_)
        | Command::Config(_) => sender,
        Command::Query(_) => sender || reader,
        Command::Log(_)
        | Command::ClientLog { .. }
        | Command::Board(_)
        | Command::HostInfo(_)
        | Command::GhostList
        | Command::SenderStats => reader,
        Command::Ping | Command::FlushFileCache | Command::Refused(_) | Command::Unknown => true,
    };
    if !may {
        refused(command, from, "it may not");
        return Answer::Nothing;
    }
    match command {
        Command::Client => report::client(context, message, from).await.into(),
        Command::ClientSubmit => {
            submitted(context, message, from).await;
            Answer::Nothing
        }
        Command::Status => {
            report::statuses(context, &[message], from).await;
            Answer::Nothing
        }
        Command::Combo => {
            report::statuses(context, &combo::combo(message), from).await;
            Answer::Nothing
        }
        Command::ExtCombo => {
            several(context, message, from).await;
            Answer::Nothing
        }
        Command::Data | Command::FlushFileCache | Command::Unknown => Answer::Nothing,
        Command::Download(name) => match download::find(context, name).await {
            Ok(download) => {
                tracing::info!(gateway = "xymon", %from, file = name.as_ref(), "a download begins");
                Answer::Download(download)
            }
            Err(why) => {
                tracing::info!(gateway = "xymon", %from, file = name.as_ref(), why, "no download");
                Answer::Nothing
            }
        },
        Command::Config(name) => {
            let (home, name) = (context.home.clone(), name.clone().into_owned());
            blocking(move || home.config(&name)).await.flatten().into()
        }
        Command::Query(word) => asked::query(context, word).await.into(),
        Command::Log(word) => asked::log(context, word).await.into(),
        Command::ClientLog { host, sections } => asked::client_log(context, host, sections).into(),
        Command::Board(criteria) => told(asked::board(context, criteria).await, command, from),
        Command::HostInfo(criteria) => {
            told(asked::host_info(context, criteria).await, command, from)
        }
        Command::GhostList => Some(asked::ghosts(context)).into(),
        Command::SenderStats => Some(asked::senders(context)).into(),
        Command::Ping => Some(BANNER.to_owned()).into(),
        Command::Refused(_) => {
            refused(command, from, "an operator of ours says that to us");
            Answer::Nothing
        }
    }
}

fn told(answer: Result<String, String>, command: &Command<'_>, from: IpAddr) -> Answer {
    match answer {
        Ok(text) => Some(text).into(),
        Err(why) => {
            refused(command, from, &why);
            Answer::Nothing
        }
    }
}

fn refused(command: &Command<'_>, from: IpAddr, why: &str) {
    tracing::info!(gateway = "xymon", %from, command = command.name(), why, "refused");
}

/// `clientsubmit`: as `client`, without the answer.
async fn submitted<D: Hosts + Packages>(context: &Arc<Context<D>>, message: &[u8], from: IpAddr) {
    if let Some(rest) = message.strip_prefix(b"clientsubmit") {
        let message = [b"client", rest].concat();
        report::client(context, &message, from).await;
    }
}

/// `extcombo`: statuses and reports. Whatever has an answer has none here, and a combo within a combo is none.
async fn several<D: Hosts + Packages>(context: &Arc<Context<D>>, message: &[u8], from: IpAddr) {
    let mut statuses = Vec::new();
    for part in combo::extcombo(message) {
        match Command::parse(part) {
            Command::Status => statuses.push(part),
            Command::Client => drop(report::client(context, part, from).await),
            Command::ClientSubmit => submitted(context, part, from).await,
            Command::Data => {}
            command => refused(&command, from, "it does not belong into an extcombo"),
        }
    }
    report::statuses(context, &statuses, from).await;
}
