//! What operators wish of this host: what it permits, what it was told, and what it has obeyed.
//!
//! A wish is worth as much as the server: nobody signs it. So the host says which ones it takes (`[wishes]` of
//! `agent.toml`), and each number is obeyed once. The book is `var/lib/lockstep/wishes.json`, which the worker alone writes.

use jiff::{SignedDuration, Timestamp};
use lockstep_host::{Layout, fault};
use lockstep_model::{HostWish, WishSeen, WishState, WishVerb};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::state::{read, write};

/// The agent is not restarted twice within this time: somebody is to watch meanwhile.
const BETWEEN: SignedDuration = SignedDuration::from_secs(60);

/// `[wishes]` of `agent.toml`: what an operator may wish of this host by way of its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WishPermits {
    /// True: the agent may be restarted. Its server can do that anyway, by an order for another version.
    pub restart_agent: bool,
}

impl Default for WishPermits {
    fn default() -> Self {
        Self {
            restart_agent: true,
        }
    }
}

impl WishPermits {
    /// Why the host does not permit it; none if it does.
    #[must_use]
    pub fn refuses(&self, verb: WishVerb) -> Option<String> {
        match verb {
            WishVerb::RestartAgent => (!self.restart_agent).then(|| {
                "agent.toml of this host does not permit it: set restart_agent = true in [wishes]"
                    .into()
            }),
            WishVerb::Unknown => Some("this agent does not know it".into()),
        }
    }
}

/// What was told, and what was obeyed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WishBook {
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
        Self {
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

    /// What the host says of its wishes.
    pub(crate) fn seen(&self, permits: &WishPermits, now: Timestamp) -> Vec<WishSeen> {
        let told = self.restart_agent.as_ref();
        let told = told.filter(|told| !self.is_behind(told.number));
        let (number, state, words) = match (told, permits.refuses(WishVerb::RestartAgent)) {
            (None, _) if self.restarted.max(self.voided) == 0 => return Vec::new(),
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
        vec![WishSeen {
            verb: WishVerb::RestartAgent,
            number,
            state,
            words,
        }]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn wish(verb: WishVerb, number: u64) -> HostWish {
        HostWish {
            verb,
            number,
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
    }

    #[test]
    fn the_agent_is_restarted_once_for_a_number_and_unless_that_is_forbidden() {
        let wishes = [wish(WishVerb::RestartAgent, 7)];
        let permits = WishPermits::default();
        let forbidden = WishPermits {
            restart_agent: false,
        };
        let book = WishBook::default().told(&wishes, at(0), at(0));
        let state = |book: &WishBook, permits: &WishPermits, second| {
            let seen = book.seen(permits, at(second));
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
            let seen = book.seen(&permits, at(here));
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
        assert_eq!(again.seen(&permits, at(80))[0].state, WishState::Void);
        let next = again.told(&[self::wish(WishVerb::RestartAgent, 8)], at(80), at(80));
        assert!(next.restarts_agent(&permits, at(80)).is_some());
    }
}
