//! Is what callers of a lock saw possible, if it had served them one after the other?
//!
//! A history is checked against this sequential specification of a lock with a number of places: a grant is given if the
//! caller has none and a place is free, and its number is one more than that of the grant before; who has a grant is told
//! so; who finds all places taken is refused; what is given back must be held. It says what every answer must be, so a
//! refusal without a reason is as wrong as a place too many.
//!
//! The check is the search of Wing and Gong (Testing and verifying concurrent objects, 1993), with Lowe's turn of it (Testing
//! for linearizability, 2017): go through calls and returns in their order, keep all states that the lock may be in, and let a call
//! take effect only when some return asks for it. A state in which a return has no explanation is dropped; when none is
//! left there is no order that explains what was seen. Each order that would is found, because three short cuts lose none:
//!
//! * Each lock is checked alone: a history is linearizable if that of each object is (Herlihy and Wing, 1990, theorem 1).
//! * A call that changes nothing takes effect as soon as its answer is right. In an order in which it comes later, it can
//!   be moved here: nothing else sees it, and it has begun already.
//! * States that are equal, with the same calls behind them, are one.
//!
//! The answer of a call may be unknown. It may then take effect at any time after its beginning, or never.
//!
//! It stays quick because the numbers of the grants leave one order for them: what remains is which of the few holders
//! gave their place back first.

use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What was asked of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A place.
    Take,
    /// To take this grant back; without a number whatever the caller has.
    Give(Option<u64>),
}

/// What it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Granted(u64),
    Again(u64),
    Refused,
    Gave(u64),
    NotHeld,
    /// Nobody heard it.
    Unknown,
}

/// A call: `began` and `ended` are places in one order of all beginnings and ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// For whom.
    pub(crate) who: usize,
    pub(crate) asked: Asked,
    pub(crate) answer: Answer,
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// What the lock may be like.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct State {
    fence: u64,
    holders: BTreeMap<usize, u64>,
    /// Calls that have taken effect and have not ended.
    done: BTreeSet<usize>,
}

struct Checker<'a> {
    places: usize,
    calls: &'a [Call],
    /// Grants of which somebody heard; any other one was given to a call whose answer is unknown.
    heard: BTreeMap<u64, usize>,
}

/// Finds an order of the calls that explains all answers; else says which return has no explanation.
pub(crate) fn check(places: usize, calls: &[Call]) -> Result<(), String> {
    let told = |call: &Call| match call.answer {
        Answer::Granted(fence) | Answer::Again(fence) | Answer::Gave(fence) => {
            Some((fence, call.who))
        }
        _ => None,
    };
    let checker = Checker {
        places,
        calls,
        heard: calls.iter().filter_map(told).collect(),
    };
    let mut turns: Vec<(u64, bool, usize)> = Vec::new();
    for (id, call) in calls.iter().enumerate() {
        turns.push((call.began, false, id));
        if call.answer != Answer::Unknown {
            turns.push((call.ended, true, id));
        }
    }
    turns.sort_unstable();
    let mut states = HashSet::from([State::default()]);
    let mut open = BTreeSet::new();
    for (_, is_end, id) in turns {
        if !is_end {
            open.insert(id);
            continue;
        }
        let next = checker.explain(&states, &open, id);
        if next.is_empty() {
            let open: Vec<_> = open.iter().map(|&id| calls[id]).collect();
            return Err(format!(
                "no order explains {:?}; open calls {open:?}; states before {states:?}",
                calls[id]
            ));
        }
        states = next;
        open.remove(&id);
    }
    Ok(())
}

impl Checker<'_> {
    /// All states in which `id` has taken effect, from these.
    fn explain(
        &self,
        states: &HashSet<State>,
        open: &BTreeSet<usize>,
        id: usize,
    ) -> HashSet<State> {
        let mut explained = HashSet::new();
        let mut seen = HashSet::new();
        let mut look: Vec<State> = states.iter().cloned().collect();
        while let Some(mut state) = look.pop() {
            for &call in open {
                if !state.done.contains(&call) && self.is_right(&state, call) {
                    state.done.insert(call);
                }
            }
            if !seen.insert(state.clone()) {
                continue;
            }
            if state.done.remove(&id) {
                explained.insert(state);
                continue;
            }
            for &call in open {
                if !state.done.contains(&call) {
                    look.extend(self.after(&state, call));
                }
            }
        }
        explained
    }

    /// True if the call changes nothing, and its answer is right now.
    fn is_right(&self, state: &State, call: usize) -> bool {
        let call = self.calls[call];
        let held = state.holders.get(&call.who);
        match (call.asked, call.answer) {
            (Asked::Take, Answer::Again(fence)) => held == Some(&fence),
            (Asked::Take, Answer::Refused) => held.is_none() && state.holders.len() >= self.places,
            (Asked::Give(None), Answer::NotHeld) => held.is_none(),
            (Asked::Give(Some(fence)), Answer::NotHeld) => held != Some(&fence),
            _ => false,
        }
    }

    /// The state after a call that changes it, if its answer is right.
    fn after(&self, state: &State, id: usize) -> Option<State> {
        let call = self.calls[id];
        let held = state.holders.get(&call.who).copied();
        let mut next = state.clone();
        match call.asked {
            Asked::Take => {
                let fence = state.fence + 1;
                let is_its = match call.answer {
                    Answer::Granted(granted) => granted == fence,
                    Answer::Unknown => self.heard.get(&fence).is_none_or(|it| *it == call.who),
                    _ => false,
                };
                if !is_its || held.is_some() || state.holders.len() >= self.places {
                    return None;
                }
                next.fence = fence;
                next.holders.insert(call.who, fence);
            }
            Asked::Give(wanted) => {
                let held = held.filter(|held| wanted.is_none_or(|wanted| wanted == *held))?;
                if !matches!(call.answer, Answer::Unknown) && call.answer != Answer::Gave(held) {
                    return None;
                }
                next.holders.remove(&call.who);
                if wanted.is_some() && call.answer == Answer::Unknown {
                    // It never ends, and cannot take effect again: the number is gone for ever. So nothing need be noted.
                    return Some(next);
                }
            }
        }
        next.done.insert(id);
        Some(next)
    }
}

/// What can be seen without a search: no number is given twice, later grants have greater numbers, and there are never
/// more holders than places, counting those only who had their answer and whom nobody had begun to take it from.
pub(crate) fn check_plainly(places: usize, calls: &[Call]) -> Result<(), String> {
    let mut grants: Vec<(u64, Call)> = calls
        .iter()
        .filter_map(|call| match call.answer {
            Answer::Granted(fence) => Some((fence, *call)),
            _ => None,
        })
        .collect();
    grants.sort_by_key(|(fence, _)| *fence);
    if let Some(twice) = grants.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("a number was given twice: {twice:?}"));
    }
    // Of all with a greater number none may have ended before this one began.
    let mut first_end = u64::MAX;
    for (fence, grant) in grants.iter().rev() {
        if first_end < grant.began {
            return Err(format!("{fence} was given after a greater one: {grant:?}"));
        }
        first_end = first_end.min(grant.ended);
    }
    let mut turns = Vec::new();
    for (fence, grant) in &grants {
        let takes_it = |call: &&Call| {
            let meant = match call.asked {
                Asked::Take => false,
                Asked::Give(wanted) => {
                    call.who == grant.who && wanted.is_none_or(|wanted| wanted == *fence)
                }
            };
            meant && (call.answer == Answer::Gave(*fence) || call.answer == Answer::Unknown)
        };
        let until = calls.iter().filter(takes_it).map(|call| call.began).min();
        let until = until.unwrap_or(u64::MAX);
        if grant.ended < until {
            turns.push((grant.ended, 1));
            turns.push((until, -1));
        }
    }
    turns.sort_unstable();
    let mut holders = 0_i64;
    for (when, change) in turns {
        holders += change;
        if holders > places as i64 {
            return Err(format!(
                "{holders} held it at {when}, it has {places} places"
            ));
        }
    }
    Ok(())
}

#[test]
fn wrong_histories_are_found() {
    use Answer::{Again, Gave, Granted, NotHeld, Refused, Unknown};
    use Asked::{Give, Take};
    // Who, what, answer, from, to.
    type Line = (usize, Asked, Answer, u64, u64);
    let calls = |lines: &[Line]| -> Vec<Call> {
        let call = |&(who, asked, answer, began, ended): &Line| Call {
            who,
            asked,
            answer,
            began,
            ended,
        };
        lines.iter().map(call).collect()
    };
    let possible: [&[Line]; 8] = [
        &[(1, Take, Granted(1), 0, 1), (2, Take, Refused, 2, 3)],
        // Refused by a grant that had not ended yet.
        &[(2, Take, Refused, 0, 3), (1, Take, Granted(1), 1, 4)],
        // The numbers go the other way than the beginnings and the ends.
        &[
            (1, Take, Granted(2), 0, 5),
            (2, Take, Granted(1), 1, 6),
            (2, Give(None), Gave(1), 2, 7),
        ],
        &[
            (1, Take, Granted(1), 0, 1),
            (1, Take, Again(1), 2, 3),
            (1, Give(Some(1)), Gave(1), 4, 5),
        ],
        &[
            (1, Take, Granted(1), 0, 1),
            (1, Give(Some(7)), NotHeld, 2, 3),
            (2, Take, Refused, 4, 5),
        ],
        // Nobody heard of the first grant, or of its end.
        &[(1, Take, Unknown, 0, 0), (2, Take, Refused, 2, 3)],
        &[
            (1, Take, Unknown, 0, 0),
            (1, Give(None), Unknown, 1, 1),
            (2, Take, Granted(2), 2, 3),
        ],
        &[(1, Take, Unknown, 0, 0), (2, Take, Granted(1), 2, 3)],
    ];
    for lines in possible {
        check(1, &calls(lines)).unwrap();
        check_plainly(1, &calls(lines)).unwrap();
    }
    let impossible: [&[Line]; 8] = [
        // Two at once.
        &[(1, Take, Granted(1), 0, 1), (2, Take, Granted(2), 2, 3)],
        // The same number again.
        &[
            (1, Take, Granted(1), 0, 1),
            (1, Give(None), Gave(1), 2, 3),
            (2, Take, Granted(1), 4, 5),
        ],
        // A number that is left out.
        &[(1, Take, Granted(2), 0, 1)],
        // Refused without a reason.
        &[
            (1, Take, Granted(1), 0, 1),
            (1, Give(None), Gave(1), 2, 3),
            (2, Take, Refused, 4, 5),
        ],
        &[(2, Take, Refused, 0, 1), (1, Take, Unknown, 2, 2)],
        // What was acknowledged is gone.
        &[
            (1, Take, Granted(1), 0, 1),
            (1, Give(Some(1)), NotHeld, 2, 3),
        ],
        &[
            (1, Take, Granted(1), 0, 1),
            (1, Give(None), Gave(1), 2, 3),
            (1, Take, Again(1), 4, 5),
        ],
        // The numbers go back.
        &[
            (1, Take, Unknown, 0, 0),
            (1, Give(None), Unknown, 0, 0),
            (2, Take, Granted(2), 1, 2),
            (2, Give(None), Gave(2), 3, 4),
            (3, Take, Granted(1), 5, 6),
        ],
    ];
    for lines in impossible {
        let wrong = check(1, &calls(lines)).unwrap_err();
        assert!(wrong.contains("no order explains"), "{wrong}");
    }
    for (index, words) in [
        (0, "2 held it"),
        (1, "given twice"),
        (7, "after a greater one"),
    ] {
        let wrong = check_plainly(1, &calls(impossible[index])).unwrap_err();
        assert!(wrong.contains(words), "{wrong}");
    }
}
