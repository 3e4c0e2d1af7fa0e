//! Logs go to standard error; under systemd each line carries its priority, so that the journal can filter by it.
//! Where there is no journal, a directory of daily files can be asked for beside it.

use std::fmt;
use std::io::IsTerminal;
use std::path::Path;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::writer::MakeWriterExt;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::env;

use self::file::LogFile;

mod file;

/// Daily files that are kept.
const FILES: usize = 8;

/// Begins to log what `default` lets through, unless the environment says otherwise. `name` begins the names of the
/// files, if what runs is to keep any.
/// `file` is a file that was asked for by name.
pub(crate) fn begin(default: LevelFilter, name: Option<&str>, file: Option<&Path>) {
    let filter = asked().unwrap_or_else(|| Targets::new().with_default(default));
    let files = name.and_then(files);
    let logs = tracing_subscriber::fmt()
        // The filter below says what is let through.
        .with_max_level(LevelFilter::TRACE)
        .with_target(false);
    if let Some(file) = file.and_then(LogFile::open) {
        logs.with_ansi(false)
            .with_writer(std::io::stderr.and(file))
            .finish()
            .with(filter)
            .init();
    } else if std::env::var_os("JOURNAL_STREAM").is_some() {
        logs.with_ansi(false)
            .with_writer(std::io::stderr)
            .event_format(WithPriority(
                Format::default()
                    .without_time()
                    .with_target(false)
                    .with_level(false),
            ))
            .finish()
            .with(filter)
            .init();
    } else if let Some(files) = files {
        logs.with_ansi(false)
            .with_writer(std::io::stderr.and(files))
            .finish()
            .with(filter)
            .init();
    } else {
        logs.with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .finish()
            .with(filter)
            .init();
    }
}

/// The daily files, if they are asked for and can be written.
fn files(name: &str) -> Option<RollingFileAppender> {
    let dir = std::env::var_os(env::LOG_DIR).filter(|dir| !dir.is_empty())?;
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(name)
        .filename_suffix("log")
        .max_log_files(FILES)
        .build(&dir);
    match files {
        Ok(files) => Some(files),
        Err(error) => {
            let dir = dir.to_string_lossy();
            crate::out::note(format_args!("lockstep: no log files in {dir}: {error}"));
            None
        }
    }
}

/// What the environment asks for, if it can be understood. `Targets` knows levels of modules and nothing of spans,
/// which need regular expressions: a tenth of a megabyte or two for each agent.
fn asked() -> Option<Targets> {
    let asked = std::env::var(env::LOG).ok()?;
    if asked.is_empty() {
        return None;
    }
    asked.parse().ok()
}

/// Puts the priority of syslog (RFC 5424, section 6.2.1) before each line, as sd-daemon(3) describes.
struct WithPriority(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for WithPriority
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(ctx, writer, event)
    }
}
