//! Wishes: whom the server tells of one, and where it stands.
//!
//! A wish is desired state with a number and an end, no command. The server tells it in each answer until the host says
//! that it is done; the host obeys each number once.

use jiff::Timestamp;
use lockstep_model::{HostWish, WishSeen, WishState};

/// Where a wish stands, and what there is to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where.
    pub state: WishState,
    /// For people; may be empty.
    pub words: String,
}

/// Where a wish stands by what the server knows: what it has closed it as itself, if it tells it no more before its end, and
/// what the host said of it last. What the host has done is done, whatever was said meanwhile. A word of the host that this
/// version does not know (of a newer agent) closes nothing: it is told, and can be taken back, until its end.
#[must_use]
pub fn standing(
    wish: &HostWish,
    closed: Option<WishState>,
    seen: &[WishSeen],
    now: Timestamp,
) -> Standing {
    let seen = seen
        .iter()
        .find(|it| it.verb == wish.verb && it.number == wish.number);
    let of_the_server = |state| Standing {
        state,
        words: String::new(),
    };
    match (seen, closed) {
        (Some(seen), _) if !seen.state.is_open() && seen.state != WishState::Unknown => {}
        (_, Some(closed)) => return of_the_server(closed),
        _ if now >= wish.until => return of_the_server(WishState::Void),
        _ => {}
    }
    seen.map_or_else(
        || of_the_server(WishState::Unheard),
        |seen| Standing {
            state: match seen.state {
                // It has heard of it.
                WishState::Unknown => WishState::Waits,
                known => known,
            },
            words: seen.words.clone(),
        },
    )
}

#[cfg(test)]
mod tests {
    use lockstep_model::WishVerb;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn wish() -> HostWish {
        HostWish {
            verb: WishVerb::RestartAgent,
            number: 7,
            by: "ann".into(),
            why: "it holds a file".into(),
            at: at(0),
            until: at(3_600),
        }
    }

    fn seen(state: WishState) -> WishSeen {
        WishSeen {
            verb: WishVerb::RestartAgent,
            number: 7,
            state,
            words: "what the host says".into(),
        }
    }

    #[test]
    fn the_hosts_word_on_what_it_has_done_counts_most() {
        let state = |back: bool, seen: &[WishSeen], second| {
            let closed = back.then_some(WishState::TakenBack);
            standing(&wish(), closed, seen, at(second)).state
        };
        assert_eq!(state(false, &[], 10), WishState::Unheard);
        assert_eq!(state(true, &[], 10), WishState::TakenBack);
        assert_eq!(state(false, &[], 3_600), WishState::Void);
        // Of another number nothing is known.
        let other = WishSeen {
            number: 6,
            ..seen(WishState::Done)
        };
        assert_eq!(state(false, &[other], 10), WishState::Unheard);
        for open in [WishState::NotPermitted, WishState::Waits] {
            let said = [seen(open)];
            assert_eq!(state(false, &said, 10), open);
            assert_eq!(state(true, &said, 10), WishState::TakenBack);
            assert_eq!(state(false, &said, 4_000), WishState::Void);
            let stands = standing(&wish(), None, &said, at(10));
            assert!(stands.words.contains("host says"));
        }
        // What a newer host says is not the end of it, and its words are shown.
        let said = [seen(WishState::Unknown)];
        assert!(state(false, &said, 10).is_open());
        assert_eq!(state(true, &said, 10), WishState::TakenBack);
        assert_eq!(state(false, &said, 4_000), WishState::Void);
        let stands = standing(&wish(), None, &said, at(10));
        assert!(stands.words.contains("host says"));
        for acted in [WishState::Done, WishState::Void] {
            let said = [seen(acted)];
            assert_eq!(state(true, &said, 10), acted);
            assert_eq!(state(false, &said, 4_000), acted);
            assert!(!acted.is_open());
        }
    }
}
