//! The book of wishes, as the worker keeps it.
//!
//! What the server told last counts at once: what it tells no more is not wished any more, whatever the disk says of it.
//! What is wished is obeyed only when it is written down, for the run reads the book on the disk.

use jiff::Timestamp;
use lockstep_host::Layout;
use lockstep_model::HostWish;
use tracing::{debug, error, info};

use crate::run::{WishBook, WishPermits};
use crate::{Error, words};

/// The book.
#[derive(Debug, Default)]
pub(super) struct Told {
    book: WishBook,
    /// False until the book that was on the disk has been read. Until then no wish is obeyed.
    is_read: bool,
    /// True while the disk has an older one.
    is_unwritten: bool,
}

impl Told {
    /// As the server told it last.
    pub(super) fn book(&self) -> &WishBook {
        &self.book
    }

    /// False while the disk has an older one, or one that could not be read: then no restart of the machine is begun.
    pub(super) fn is_on_disk(&self) -> bool {
        self.is_read && !self.is_unwritten
    }

    /// Reads the book, unless that is done. A disk that does not give it keeps nothing else from running; but no wish is
    /// obeyed meanwhile, for it may have been obeyed before.
    pub(super) fn read(&mut self, layout: &Layout) {
        if self.is_read {
            return;
        }
        match WishBook::read(layout) {
            Ok(book) => {
                self.book = book;
                self.is_read = true;
            }
            Err(error) => error!(
                error = words(&error),
                "what was wished of this host before cannot be read, so no wish is obeyed until it can"
            ),
        }
    }

    /// Takes in what the server tells, by this host's clock and by its own. True if it is something else than before.
    pub(super) fn take(
        &mut self,
        layout: &Layout,
        wishes: &[HostWish],
        here: Timestamp,
        server: Timestamp,
    ) -> bool {
        self.read(layout);
        if !self.is_read {
            return false;
        }
        let told = self.book.told(wishes, here, server);
        let is_news = told != self.book;
        if is_news {
            let was_unwritten = std::mem::replace(&mut self.is_unwritten, true);
            self.book = told;
            self.write(layout, !was_unwritten);
        }
        is_news
    }

    /// Writes down what could not be written before.
    pub(super) fn write_again(&mut self, layout: &Layout) {
        if self.is_unwritten {
            self.write(layout, false);
        }
    }

    fn write(&mut self, layout: &Layout, is_first: bool) {
        match self.book.write(layout) {
            Ok(()) => {
                self.is_unwritten = false;
                if !is_first {
                    info!("what is wished of this host is written down");
                }
            }
            Err(error) if is_first => error!(
                error = words(&error),
                "what is wished of this host could not be written down, so the machine is not restarted; tried again"
            ),
            Err(error) => debug!(
                error = words(&error),
                "what is wished of this host can still not be written down"
            ),
        }
    }

    /// Uses up the wish to restart the agent, durably. False if there is none that is to be obeyed now.
    ///
    /// # Errors
    /// If that could not be written down; then it is not used up.
    pub(super) fn uses_up_restart(
        &mut self,
        layout: &Layout,
        permits: &WishPermits,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let Some(spent) = self.book.restarts_agent(permits, now) else {
            return Ok(false);
        };
        spent.write(layout)?;
        self.book = spent;
        self.is_unwritten = false;
        Ok(true)
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test's file need not be durable"
)]
mod tests {
    use lockstep_model::WishVerb;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn wish(verb: WishVerb, number: u64) -> HostWish {
        HostWish {
            verb,
            number,
            boot_id: "boot-1".into(),
            by: "ann".into(),
            why: "a new kernel".into(),
            at: at(0),
            until: at(3_600),
        }
    }

    /// A disk that takes nothing: a file is where the directory was.
    fn fill(layout: &Layout) {
        let wishes = layout.wishes();
        let dir = wishes.parent().unwrap();
        std::fs::rename(dir, dir.with_extension("aside")).unwrap();
        std::fs::write(dir, "").unwrap();
    }

    fn clear(layout: &Layout) {
        let wishes = layout.wishes();
        let dir = wishes.parent().unwrap();
        std::fs::remove_file(dir).unwrap();
        std::fs::rename(dir.with_extension("aside"), dir).unwrap();
    }

    fn world() -> (tempfile::TempDir, Layout, Told) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        std::fs::create_dir_all(layout.wishes().parent().unwrap()).unwrap();
        let mut told = Told::default();
        told.read(&layout);
        (dir, layout, told)
    }

    #[test]
    fn what_is_taken_back_is_not_wished_any_more_though_the_disk_be_full() {
        let (_dir, layout, mut told) = world();
        let takes = |told: &mut Told, wishes: &[HostWish], second| {
            told.take(&layout, wishes, at(second), at(second))
        };
        assert!(takes(&mut told, &[wish(WishVerb::Reboot, 7)], 1));
        assert_eq!(told.book().reboot_number(), Some(7));
        assert!(told.is_on_disk());
        fill(&layout);
        assert!(takes(&mut told, &[], 2));
        assert_eq!(told.book().reboot_number(), None);
        assert!(!told.is_on_disk());
        // That is told once, and tried again.
        assert!(!takes(&mut told, &[], 3));
        told.write_again(&layout);
        assert!(!told.is_on_disk());
        // Another one is heard of, but not written down: a run would find the one before.
        assert!(takes(&mut told, &[wish(WishVerb::Reboot, 8)], 4));
        assert_eq!(told.book().reboot_number(), Some(8));
        assert!(!told.is_on_disk());
        clear(&layout);
        let on_disk = || WishBook::read(&layout).unwrap();
        assert_eq!(on_disk().reboot_number(), Some(7));
        told.write_again(&layout);
        assert!(told.is_on_disk());
        assert_eq!(&on_disk(), told.book());
    }

    #[test]
    fn the_agent_is_restarted_once_that_is_written_down() {
        let (_dir, layout, mut told) = world();
        let permits = WishPermits::default();
        fill(&layout);
        let wishes = [wish(WishVerb::RestartAgent, 7)];
        assert!(told.take(&layout, &wishes, at(1), at(1)));
        assert!(told.uses_up_restart(&layout, &permits, at(2)).is_err());
        clear(&layout);
        let mut used = || told.uses_up_restart(&layout, &permits, at(3)).unwrap();
        assert!(used());
        assert!(!used());
        assert!(told.is_on_disk());
        assert_eq!(&WishBook::read(&layout).unwrap(), told.book());
    }

    #[test]
    fn nothing_is_wished_before_the_book_is_read() {
        let (_dir, layout, _) = world();
        std::fs::create_dir(layout.wishes()).unwrap();
        let mut told = Told::default();
        let wishes = [wish(WishVerb::Reboot, 7)];
        assert!(!told.take(&layout, &wishes, at(1), at(1)));
        assert_eq!(told.book().reboot_number(), None);
        assert!(!told.is_on_disk());
        std::fs::remove_dir(layout.wishes()).unwrap();
        assert!(told.take(&layout, &wishes, at(2), at(2)));
        assert_eq!(told.book().reboot_number(), Some(7));
    }
}
