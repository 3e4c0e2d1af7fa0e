//! What operators wish of this host: what it permits, what it was told, and what it has obeyed.
//!
//! A wish is worth as much as the server: nobody signs it. So the host says which ones it takes (`[wishes]` of
//! `agent.toml`), and each number is obeyed once. The book is `var/lib/lockstep/wishes.json`, which the worker alone writes.
//! That a restart of the machine was begun is in the journal of its [run](super::wished).

use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};
use lockstep_host::{Layout, fault};
use lockstep_model::{HostWish, RunRecord, WishSeen, WishState, WishVerb};
use lockstep_plan::run::{RunJournal, Wished};
use lockstep_plan::wish::{Heard, begins_reboot, seen_reboot};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::state::{read, write};

/// The agent is not restarted twice within this time: somebody is to watch meanwhile.
const BETWEEN: SignedDuration = SignedDuration::from_secs(60);

/// Longest boot id that is believed, in bytes; the kernel's have 36.
const LONGEST_BOOT_ID: usize = 128;

/// `[wishes]` of `agent.toml`: what an operator may wish of this host by way of its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WishPermits {
    /// True: the machine may be restarted, by a run under the lock of `update.toml`.
    pub reboot: bool,
    /// True: the agent may be restarted. Its server can do that anyway, by an order for another version.
    pub restart_agent: bool,
}

impl Default for WishPermits {
    fn default() -> Self {
        Self {
            reboot: false,
            restart_agent: true,
        }
    }
}

impl WishPermits {
    /// Why the host does not permit it; none if it does.
    #[must_use]
    pub fn refuses(&self, verb: WishVerb) -> Option<String> {
        let (is_permitted, key) = match verb {
            WishVerb::Reboot => (self.reboot, "reboot"),
            WishVerb::RestartAgent => (self.restart_agent, "restart_agent"),
            WishVerb::Unknown => return Some("this agent does not know it".into()),
        };
        (!is_permitted).then(|| {
            format!("agent.toml of this host does not permit it: set {key} = true in [wishes]")
        })
    }
}

/// What a host knows of restarts of its machine, beside what was told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Here<'a> {
    /// Why they are not done for wishes, if they are not.
    pub(crate) refused: Option<&'a str>,
    /// Why none could be begun though they are permitted, if none could.
    pub(crate) hindered: Option<&'a str>,
    /// The machine's boot now.
    pub(crate) boot_id: &'a str,
    /// The journal of the last one that was wished.
    pub(crate) last: Option<&'a RunJournal>,
}

/// What was told, and what was obeyed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WishBook {
    /// The restart of the machine that is wished now.
    #[serde(default)]
    pub(super) reboot: Option<ToldReboot>,
    /// The newest number of those whose end came before it was begun, as for `voided`.
    #[serde(default)]
    reboot_voided: u64,
    /// The restart of the agent that is wished now.
    #[serde(default)]
    restart_agent: Option<Told>,
    /// The newest number for which the agent has ended.
    #[serde(default)]
    restarted: u64,
    /// When that was, by this host's clock.
    #[serde(default)]
    restarted_at: Option<Timestamp>,
    /// The newest number whose end came before it was obeyed. That is final, wherever the clock goes from there: the server
    /// stops to tell what is void, and begins anew once nobody says so.
    #[serde(default)]
    voided: u64,
}

/// A wish as it was told, by this host's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Told {
    /// Its number.
    number: u64,
    /// When the host heard of it.
    from: Timestamp,
    /// When it is void.
    until: Timestamp,
}

/// A restart of the machine as it was told, and what it means here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ToldReboot {
    /// As it was told; its texts are cut.
    pub(super) wish: HostWish,
    /// By this host's clock.
    pub(super) here: Wished,
}

impl Told {
    /// True from its end on; also when the clock was set back to before the host heard of it, for then nobody knows how
    /// much of its time has passed.
    fn is_over(&self, now: Timestamp) -> bool {
        now >= self.until || now < self.from
    }
}

impl WishBook {
    /// Reads it.
    pub(crate) fn read(layout: &Layout) -> Result<Self, Error> {
        Ok(read(&layout.wishes())?.unwrap_or_default())
    }

    /// Writes it, durably.
    pub(crate) fn write(&self, layout: &Layout) -> Result<(), Error> {
        fault::point("wishes");
        write(&layout.wishes(), self)?;
        fault::point("wishes-written");
        Ok(())
    }

    /// After an answer of the server: what it does not tell any more is not wished any more. The end is turned into this
    /// host's clock once, when it is heard of first. What has ended meanwhile is void for good.
    #[must_use]
    pub(crate) fn told(&self, wishes: &[HostWish], here: Timestamp, server: Timestamp) -> Self {
        let wish = wishes.iter().find(|it| it.verb == WishVerb::RestartAgent);
        let known = self.restart_agent.as_ref();
        let ended = known.filter(|it| it.number > self.restarted && it.is_over(here));
        let voided = ended.map_or(self.voided, |it| it.number.max(self.voided));
        let wish = wish.filter(|it| it.number > voided);
        let restart_agent = wish.and_then(|wish| {
            let known = known.filter(|it| it.number == wish.number);
            known.cloned().or_else(|| told(wish, here, server))
        });
        let wish = wishes.iter().find(|it| it.verb == WishVerb::Reboot);
        let known = self.reboot.as_ref();
        let ended = known.filter(|it| it.here.is_over(here));
        let reboot_voided = ended.map_or(0, |it| it.here.number).max(self.reboot_voided);
        let wish = wish.filter(|it| it.number > reboot_voided);
        let reboot = wish.and_then(|wish| {
            let known = known.filter(|it| it.here.number == wish.number);
            known.cloned().or_else(|| told_reboot(wish, here, server))
        });
        Self {
            reboot,
            reboot_voided,
            restart_agent,
            voided,
            ..self.clone()
        }
    }

    /// True if this number is not obeyed any more.
    fn is_behind(&self, number: u64) -> bool {
        number <= self.restarted.max(self.voided)
    }

    /// True if the agent was restarted a moment ago. A clock that was set back does not make that moment longer.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let since = self.restarted_at.map(|at| now.duration_since(at));
        since.is_some_and(|since| since >= SignedDuration::ZERO && since < BETWEEN)
    }

    /// The book in which the wish to restart the agent is used up, if it is to be obeyed now.
    #[must_use]
    pub(crate) fn restarts_agent(&self, permits: &WishPermits, now: Timestamp) -> Option<Self> {
        let told = self.restart_agent.as_ref()?;
        let is_due = !self.is_behind(told.number)
            && !told.is_over(now)
            && !self.is_fresh(now)
            && permits.refuses(WishVerb::RestartAgent).is_none();
        is_due.then(|| Self {
            restarted: told.number,
            restarted_at: Some(now),
            ..self.clone()
        })
    }

    /// The number of the restart of the machine that is wished.
    pub(crate) fn reboot_number(&self) -> Option<u64> {
        self.reboot.as_ref().map(|told| told.here.number)
    }

    /// True if a run is to be begun that restarts the machine.
    pub(crate) fn begins_reboot(&self, here: &Here<'_>, now: Timestamp) -> bool {
        let last = here.last;
        let heard = self.heard(here);
        heard.is_some_and(|heard| begins_reboot(&heard, last, now))
    }

    /// What the host says of its wishes.
    pub(crate) fn seen(
        &self,
        permits: &WishPermits,
        here: &Here<'_>,
        now: Timestamp,
    ) -> Vec<WishSeen> {
        let reboot = self.reboot_seen(here, now);
        let agent = self.agent_seen(permits, now);
        let mut seen: Vec<WishSeen> = reboot.into_iter().chain(agent).collect();
        for seen in &mut seen {
            cut(&mut seen.words, WishSeen::LONGEST_WORDS);
        }
        seen
    }

    fn reboot_seen(&self, here: &Here<'_>, now: Timestamp) -> Option<WishSeen> {
        let heard = self.heard(here);
        let seen = seen_reboot(heard.as_ref(), here.last, now);
        // Of the newest one that is void the run has the word, if it was begun in time.
        let has_word = |it: &WishSeen| match it.number.cmp(&self.reboot_voided) {
            Ordering::Greater => true,
            Ordering::Equal => !it.state.is_open(),
            Ordering::Less => false,
        };
        if self.reboot_voided == 0 || seen.as_ref().is_some_and(has_word) {
            return seen;
        }
        Some(WishSeen {
            verb: WishVerb::Reboot,
            number: self.reboot_voided,
            state: WishState::Void,
            run: None,
            words: String::new(),
        })
    }

    fn heard<'a>(&'a self, here: &Here<'a>) -> Option<Heard<'a>> {
        self.reboot.as_ref().map(|told| Heard {
            wish: &told.here,
            refused: here.refused,
            hindered: here.hindered,
            boot_id: here.boot_id,
        })
    }

    fn agent_seen(&self, permits: &WishPermits, now: Timestamp) -> Option<WishSeen> {
        let told = self.restart_agent.as_ref();
        let told = told.filter(|told| !self.is_behind(told.number));
        let (number, state, words) = match (told, permits.refuses(WishVerb::RestartAgent)) {
            (None, _) if self.restarted.max(self.voided) == 0 => return None,
            (None, _) if self.voided > self.restarted => {
                (self.voided, WishState::Void, String::new())
            }
            (None, _) => (self.restarted, WishState::Done, String::new()),
            (Some(told), _) if told.is_over(now) => (told.number, WishState::Void, String::new()),
            (Some(told), Some(why)) => (told.number, WishState::NotPermitted, why),
            (Some(told), None) if self.is_fresh(now) => (
                told.number,
                WishState::Waits,
                "the agent was restarted less than a minute ago".into(),
            ),
            (Some(told), None) => (told.number, WishState::Waits, String::new()),
        };
        Some(WishSeen {
            verb: WishVerb::RestartAgent,
            number,
            state,
            run: None,
            words,
        })
    }
}

/// A wish by this host's clock; none if it is over by the server's own.
fn told(wish: &HostWish, here: Timestamp, server: Timestamp) -> Option<Told> {
    let left = wish.until.duration_since(server);
    (left > SignedDuration::ZERO).then(|| Told {
        number: wish.number,
        from: here,
        until: here.checked_add(left).unwrap_or(Timestamp::MAX),
    })
}

/// The same for a restart of the machine.
fn told_reboot(wish: &HostWish, here: Timestamp, server: Timestamp) -> Option<ToldReboot> {
    let told = told(wish, here, server)?;
    let mut wish = wish.clone();
    cut(&mut wish.boot_id, LONGEST_BOOT_ID);
    cut(&mut wish.why, HostWish::LONGEST_WHY);
    cut(&mut wish.by, RunRecord::LONGEST_BY);
    let here = Wished {
        number: told.number,
        boot_id: wish.boot_id.clone(),
        from: told.from,
        until: told.until,
    };
    Some(ToldReboot { wish, here })
}

/// Cuts a text to so many bytes, between letters.
pub(super) fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
    }
}

#[cfg(test)]
mod tests {
    use lockstep_plan::run::Step;

    use super::*;

    /// Restarts of the machine are permitted, and none was done.
    const HERE: Here<'static> = Here {
        refused: None,
        hindered: None,
        boot_id: "boot-1",
        last: None,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn wish(verb: WishVerb, number: u64) -> HostWish {
        HostWish {
            verb,
            number,
            boot_id: "boot-1".into(),
            by: "ann".into(),
            why: "it holds a file".into(),
            at: at(0),
            until: at(3_600),
        }
    }

    #[test]
    fn the_end_is_turned_into_the_hosts_clock_once() {
        let verb = WishVerb::RestartAgent;
        let wishes = [wish(WishVerb::Unknown, 9), wish(verb, 7)];
        // The host's clock is a day behind.
        let day = 86_400;
        let book = WishBook::default().told(&wishes, at(10 - day), at(10));
        let told = book.restart_agent.clone().unwrap();
        assert_eq!((told.from, told.until), (at(10 - day), at(3_600 - day)));
        // Told again after the server's clock was set it means the same.
        assert_eq!(book.told(&wishes, at(20 - day), at(500)), book);
        // What is not told is not wished, and one that is over by the server's clock is none.
        let none = book.told(&[], at(20 - day), at(20));
        assert_eq!(none, WishBook::default());
        let late = book.told(&[wish(verb, 8)], at(30 - day), at(3_600));
        assert_eq!(late, WishBook::default());
        // So it is with the machine, whose wish is kept with the boot that is to end.
        let wishes = [wish(WishVerb::Reboot, 7)];
        let book = WishBook::default().told(&wishes, at(10 - day), at(10));
        let here = &book.reboot.as_ref().unwrap().here;
        assert_eq!((here.from, here.until), (at(10 - day), at(3_600 - day)));
        assert_eq!(here.boot_id, "boot-1");
        assert_eq!(book.told(&wishes, at(20 - day), at(500)), book);
        let next = book.told(&[wish(WishVerb::Reboot, 8)], at(20 - day), at(20));
        assert_eq!(next.reboot_number(), Some(8));
        assert_eq!(book.told(&[], at(20 - day), at(20)), WishBook::default());
    }

    #[test]
    fn the_machine_is_not_restarted_without_a_permit() {
        let book = WishBook::default().told(&[wish(WishVerb::Reboot, 7)], at(0), at(0));
        let permits = WishPermits::default();
        let refused = permits.refuses(WishVerb::Reboot);
        let here = Here {
            refused: refused.as_deref(),
            ..HERE
        };
        assert!(!book.begins_reboot(&here, at(1)));
        let seen = book.seen(&permits, &here, at(1));
        assert_eq!(seen[0].state, WishState::NotPermitted);
        assert!(
            seen[0].words.contains("reboot = true in [wishes]"),
            "{seen:?}"
        );
        let permits = WishPermits {
            reboot: true,
            ..permits
        };
        assert_eq!(permits.refuses(WishVerb::Reboot), None);
        assert!(book.begins_reboot(&HERE, at(1)));
        let elsewhere = Here {
            boot_id: "boot-2",
            ..HERE
        };
        assert!(!book.begins_reboot(&elsewhere, at(1)));
    }

    #[test]
    fn a_restart_of_the_machine_that_was_void_once_is_void_for_good() {
        let permits = WishPermits::default();
        let wishes = [wish(WishVerb::Reboot, 7)];
        let book = WishBook::default().told(&wishes, at(10), at(10));
        let says = |book: &WishBook, last: Option<&RunJournal>, second| {
            let seen = book.seen(&permits, &Here { last, ..HERE }, at(second));
            seen.into_iter().map(|it| (it.number, it.state)).next()
        };
        assert_eq!(says(&book, None, 20), Some((7, WishState::Waits)));
        // The clock is set back, and is right again; the server has not heard of that, and tells it still.
        let back = book.told(&wishes, at(-500), at(30));
        assert_eq!(says(&back, None, -500), Some((7, WishState::Void)));
        let right = back.told(&wishes, at(40), at(40));
        assert!(!right.begins_reboot(&HERE, at(40)));
        assert_eq!(says(&right, None, 40), Some((7, WishState::Void)));
        // A run that was begun in time has the word, one that has done nothing has not.
        let run = |step| {
            let wish = &book.reboot.as_ref().unwrap().here;
            super::super::wished::tests::journal(wish.clone(), step)
        };
        let begun = RunJournal {
            begun: true,
            ..run(Step::Post)
        };
        assert_eq!(says(&right, Some(&begun), 40), Some((7, WishState::Begun)));
        let waits = run(Step::Idle);
        assert_eq!(says(&right, Some(&waits), 40), Some((7, WishState::Void)));
        // A later wish is another one.
        let next = right.told(&[wish(WishVerb::Reboot, 8)], at(50), at(50));
        assert!(next.begins_reboot(&HERE, at(50)));
        assert_eq!(says(&next, None, 50), Some((8, WishState::Waits)));
    }

    #[test]
    fn the_agent_is_restarted_once_for_a_number_and_unless_that_is_forbidden() {
        let wishes = [wish(WishVerb::RestartAgent, 7)];
        let permits = WishPermits::default();
        let forbidden = WishPermits {
            restart_agent: false,
            ..permits.clone()
        };
        let book = WishBook::default().told(&wishes, at(0), at(0));
        let state = |book: &WishBook, permits: &WishPermits, second| {
            let seen = book.seen(permits, &HERE, at(second));
            seen.into_iter().map(|it| (it.number, it.state)).next()
        };
        assert_eq!(state(&WishBook::default(), &permits, 1), None);
        assert_eq!(state(&book, &permits, 1), Some((7, WishState::Waits)));
        assert_eq!(book.restarts_agent(&forbidden, at(1)), None);
        let refused = Some((7, WishState::NotPermitted));
        assert_eq!(state(&book, &forbidden, 1), refused);
        assert_eq!(book.restarts_agent(&permits, at(3_600)), None);
        assert_eq!(book.restarts_agent(&permits, at(-1)), None);
        assert_eq!(state(&book, &permits, 3_600), Some((7, WishState::Void)));
        let spent = book.restarts_agent(&permits, at(1)).unwrap();
        assert_eq!(spent.restarts_agent(&permits, at(1)), None);
        assert_eq!(state(&spent, &permits, 1), Some((7, WishState::Done)));
        // Nor is it for an older one.
        let older = spent.told(&[wish(WishVerb::RestartAgent, 6)], at(1), at(1));
        assert_eq!(older.restarts_agent(&permits, at(1)), None);
        assert_eq!(state(&older, &permits, 1), Some((7, WishState::Done)));
        // Another one is obeyed, but not at once: a server that wishes without end leaves time to watch.
        let next = spent.told(&[wish(WishVerb::RestartAgent, 8)], at(1), at(1));
        assert_eq!(next.restarts_agent(&permits, at(60)), None);
        assert_eq!(state(&next, &permits, 60), Some((8, WishState::Waits)));
        assert!(next.restarts_agent(&permits, at(61)).is_some());
        assert!(next.restarts_agent(&permits, at(62)).is_some());
    }

    /// Both halves by turns: the host reports, the server answers with what is open by that report.
    #[test]
    fn what_was_void_once_is_not_obeyed_when_the_clock_is_right_again() {
        let permits = WishPermits::default();
        let wish = wish(WishVerb::RestartAgent, 7);
        let mut book = WishBook::default();
        // The host's clock is right, is set back, and is right again, for good.
        let seconds = [10, 20, -500, -490, 40, 50, 60, 70];
        let mut said = Vec::new();
        for (turn, here) in seconds.into_iter().enumerate() {
            // The server's own clock goes on meanwhile.
            let server = at(10 + 10 * i64::try_from(turn).unwrap());
            let seen = book.seen(&permits, &HERE, at(here));
            let stands = lockstep_plan::wish::standing(&wish, None, &seen, server);
            said.push(stands.state);
            let open = stands.state.is_open();
            let told = if open { vec![wish.clone()] } else { Vec::new() };
            book = book.told(&told, at(here), server);
            if turn >= 2 {
                assert_eq!(book.restarts_agent(&permits, at(here)), None, "{turn}");
            }
        }
        assert_eq!(said[..2], [WishState::Unheard, WishState::Waits]);
        assert_eq!(said[2..], [WishState::Void; 6]);
        // A server that tells it nevertheless is not obeyed, and hears the same; a later one is.
        let again = book.told(&[wish], at(80), at(80));
        assert_eq!(again.restarts_agent(&permits, at(80)), None);
        assert_eq!(
            again.seen(&permits, &HERE, at(80))[0].state,
            WishState::Void
        );
        let next = again.told(&[self::wish(WishVerb::RestartAgent, 8)], at(80), at(80));
        assert!(next.restarts_agent(&permits, at(80)).is_some());
    }
}
