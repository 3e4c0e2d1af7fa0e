//! `file_age`, `file_size`, `file_content`: one file that is rewritten now and then.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use regex_lite::Regex;

use super::permitted::{self, unread};
use super::reading::{self, Source, count, the_item};
use super::{has_options, pattern};
use crate::kernel::number;
use crate::probe::{Found, Order, Probe};

/// Largest file whose lines are counted, in bytes; `log` follows larger ones.
const LARGEST: u64 = 1024 * 1024;

/// `file_age:PATH`: for how long the file has not been changed, in seconds. Directories have an age too: that of the
/// last file that came or went.
pub(super) fn age(order: &Order) -> Result<Arc<dyn Probe>, String> {
    has_options(order, &[])?;
    Ok(reading::reading(order, Age(permitted::path(order)?)))
}

/// `file_size:PATH`: the file's size in bytes.
pub(super) fn size(order: &Order) -> Result<Arc<dyn Probe>, String> {
    has_options(order, &[])?;
    Ok(reading::reading(order, Size(permitted::path(order)?)))
}

/// `file_content:PATH`: how many of the file's lines the option `pattern` matches.
///
/// The lines themselves are never told. Even their number is an answer to the question that the pattern asks, so
/// this works below the permitted directories alone.
pub(super) fn content(order: &Order) -> Result<Arc<dyn Probe>, String> {
    has_options(order, &["pattern"])?;
    let (path, pattern) = (permitted::path(order)?, pattern(order)?);
    Ok(reading::reading(order, Content { path, pattern }))
}

#[derive(Debug)]
struct Age(PathBuf);

impl Source for Age {
    fn read(&self, order: &Order, at: Timestamp) -> Result<Vec<Found>, String> {
        let metadata = permitted::metadata(order, &self.0)?;
        Ok(the_item(order, reading::age(at, metadata.mtime()), None))
    }
}

#[derive(Debug)]
struct Size(PathBuf);

impl Source for Size {
    #[expect(clippy::cast_precision_loss, reason = "no file has 2^52 bytes")]
    fn read(&self, order: &Order, _: Timestamp) -> Result<Vec<Found>, String> {
        let metadata = permitted::metadata(order, &self.0)?;
        if !metadata.is_file() {
            return Err(format!("{} is not a regular file", self.0.display()));
        }
        Ok(the_item(
            order,
            number(metadata.len() as f64, "bytes"),
            None,
        ))
    }
}

#[derive(Debug)]
struct Content {
    path: PathBuf,
    pattern: Regex,
}

impl Source for Content {
    fn read(&self, order: &Order, _: Timestamp) -> Result<Vec<Found>, String> {
        let (file, _) = permitted::open(order, &self.path)?;
        let mut bytes = Vec::new();
        file.take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unread(&self.path, &error))?;
        if bytes.len() as u64 > LARGEST {
            return Err(format!(
                "{} has more than {LARGEST} bytes; log:{0} counts the new lines of a file of any size",
                self.path.display()
            ));
        }
        let matching = bytes
            .split_inclusive(|&byte| byte == b'\n')
            .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
            .filter(|line| self.pattern.is_match(&String::from_utf8_lossy(line)))
            .count();
        Ok(the_item(order, count(matching), None))
    }
}

#[cfg(test)]
mod tests {
    use crate::system::find;
    use crate::system::world::{World, lines, look};

    #[tokio::test]
    async fn a_file_has_an_age_and_a_size() {
        let world = World::new();
        world.put("run/stamp", "12345");
        world.touch("run/stamp", 1000);
        assert_eq!(world.value("file_age:/run/stamp", 1060).await, "60.0 s");
        assert_eq!(
            world.value("file_age:/run/stamp", 900).await,
            "0.0 s",
            "the clock was set back"
        );
        assert_eq!(world.value("file_size:/run/stamp", 0).await, "5.0 B");
        world.touch("run", 1000);
        assert_eq!(world.value("file_age:/run", 1001).await, "1.0 s");
        assert_eq!(
            world.value("file_size:/run", 0).await,
            "none (/run is not a regular file)"
        );
        assert_eq!(
            world.value("file_age:/run/gone", 0).await,
            "none (/run/gone cannot be read: No such file or directory (os error 2))"
        );
    }

    #[tokio::test]
    async fn matching_lines_are_counted_and_not_told() {
        let world = World::new();
        let count = async |text: &str, pattern: &str| {
            world.put("run/state", text);
            let found = look(&world.order_with("file_content:/run/state", pattern), 0).await;
            lines(&found).join("")
        };
        let text = "ok a\nbad b\nok c";
        assert_eq!(count(text, "^ok").await, "file_content:/run/state = 2.00");
        assert_eq!(count(text, "b$").await, "file_content:/run/state = 1.00");
        assert_eq!(count(text, "^$").await, "file_content:/run/state = 0.00");
        assert_eq!(count("\n\n", "^$").await, "file_content:/run/state = 2.00");
        assert_eq!(count("", "").await, "file_content:/run/state = 0.00");
        let large = "x".repeat(1024 * 1024 + 1);
        assert!(count(&large, "x").await.contains("log:/run/state counts"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let world = World::new();
        let why = |order| find(&order).unwrap().unwrap_err();
        let name = "file_content:/run/a";
        assert!(why(world.order(name)).contains("needs the option pattern"));
        assert!(why(world.order_with(name, "(")).contains("is not understood"));
        assert!(why(world.order_with(name, &"x".repeat(1001))).contains("1001 bytes"));
        assert!(why(world.order_with(name, "(((a{100}){100}){100})")).contains("not understood"));
        assert_eq!(
            why(world.order_with("file_age:/run/a", "x")),
            "file_age has no option \"pattern\", nor any other"
        );
        let mut order = world.order_with(name, "x");
        let wrong = lockstep_model::Setting::Flag(true);
        order.options.insert("patern".into(), wrong);
        assert_eq!(
            why(order),
            "file_content has no option \"patern\"; it has pattern"
        );
    }
}
