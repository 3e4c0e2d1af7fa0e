//! A program on the server. It is told by its environment, and by a file that holds the whole message as JSON.
//!
//! | variable | what |
//! |---|---|
//! | `LOCKSTEP_KIND`, `_HOST`, `_ITEM`, `_VALUE`, `_WHY`, `_LEVEL`, `_STATUS`, `_SUBJECT`, `_TEXT` … | the parts of a template |
//! | `LOCKSTEP_NOTICE_FILE` | the file, which is gone when the program has ended |
//!
//! Exit status 0 means delivered, 75 (`EX_TEMPFAIL` of sysexits.h) means that it shall be tried again, anything else
//! that it was refused for good.

use std::io::Write as _;

use lockstep_host::exec::Exec;
use lockstep_model::alert::Notice;
use tempfile::NamedTempFile;

use crate::{Delivered, Failed, Notifier, template, text};

/// The exit status that asks for another attempt.
const TRY_AGAIN: i32 = 75;
/// Longest value of a variable, in bytes: Linux takes no more than 128 KiB, and all of them share a few megabytes.
const MAX_VALUE: usize = 16 * 1024;
/// The parts of a message that become variables.
const PARTS: [&str; 19] = [
    "subject", "text", "status", "kind", "host", "item", "value", "why", "note", "since", "level",
    "rank", "count", "cause", "receiver", "route", "id", "thread", "url",
];

pub(crate) async fn deliver(
    notifier: &Notifier,
    command: &[String],
    notice: &Notice,
) -> Result<Delivered, Failed> {
    let Some((program, args)) = command.split_first() else {
        return Err(Failed::for_good("the command is empty"));
    };
    let shown = text::line(program, 256);
    if command.iter().any(|word| word.contains('\0')) {
        return Err(Failed::for_good(format!(
            "a word of the command {shown} holds a NUL"
        )));
    }
    let json = serde_json::to_vec(notice)
        .map_err(|error| Failed::for_good(format!("the message is no JSON: {error}")))?;
    let written = tokio::task::spawn_blocking(move || {
        // Nobody else may read it: it is made with mode 0600.
        let mut file = NamedTempFile::with_prefix("lockstep-notice-")?;
        file.write_all(&json)?;
        std::io::Result::Ok(file)
    });
    let file = written.await.map_err(Failed::for_now)?.map_err(|error| {
        Failed::for_now(format!("cannot write the message for {shown}: {error}"))
    })?;
    let mut exec = Exec::new(program, notifier.settings.program_timeout)
        .args(args)
        .env("LOCKSTEP_NOTICE_FILE", file.path());
    exec.output_cap = 4096;
    for name in PARTS {
        let value = template::part(notice, name).unwrap_or_default();
        let variable = format!("LOCKSTEP_{}", name.to_ascii_uppercase());
        exec = exec.env(variable, capped(&value));
    }
    let finished = exec
        .run()
        .await
        .map_err(|error| Failed::for_now(format!("cannot run {shown}: {}", causes(&error))))?;
    let said = text::line(&finished.output, 300);
    if finished.succeeded() {
        return Ok(Delivered { answer: said });
    }
    let how = finished.how();
    let why = match said.is_empty() {
        true => format!("{shown} ended with {how}"),
        false => format!("{shown} ended with {how}: {said}"),
    };
    let again = finished.timed_out || finished.status.code() == Some(TRY_AGAIN);
    Err(Failed::new(&why, again))
}

fn causes(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Without NUL, which no variable can hold, and not longer than allowed.
fn capped(value: &str) -> String {
    let mut value = value.replace('\0', "\u{fffd}");
    let mut end = value.len().min(MAX_VALUE);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value.truncate(end);
    value
}
