//! Taking a place away from its holder.

use lockstep_model::{Holder, LockHolder, LockRefusal, LockState};

/// Why no place can be taken away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreeRefusal {
    /// It is free.
    #[error("nobody holds it: there is nothing to free")]
    NobodyHolds,
    /// It has several holders, and none was named.
    #[error("several hold it: say which of {}", list(.holders))]
    WhichOne {
        /// Who.
        holders: Vec<Holder>,
    },
    /// Who was named does not hold it.
    #[error("{holder} does not hold it, but {}", list(.holders))]
    NotHeldBy {
        /// Who was named.
        holder: Holder,
        /// Who holds it.
        holders: Vec<Holder>,
    },
}

/// Takes the place of one holder away; of the only one, if none is named. Answers with what is to be remembered, and with
/// the grant that is over. Its number is not used again.
pub fn free(
    state: &LockState,
    holder: Option<&Holder>,
) -> Result<(LockState, LockHolder), FreeRefusal> {
    let holders = || state.holders.iter().map(|it| it.holder.clone()).collect();
    let index = match (holder, state.holders.as_slice()) {
        (_, []) => return Err(FreeRefusal::NobodyHolds),
        (None, [_]) => Some(0),
        (None, _) => return Err(FreeRefusal::WhichOne { holders: holders() }),
        (Some(holder), all) => all.iter().position(|it| it.holder == *holder),
    };
    let mut next = state.clone();
    match (index, holder) {
        (Some(index), _) => {
            let freed = next.holders.remove(index);
            Ok((next, freed))
        }
        (None, Some(holder)) => Err(FreeRefusal::NotHeldBy {
            holder: holder.clone(),
            holders: holders(),
        }),
        (None, None) => Err(FreeRefusal::NobodyHolds),
    }
}

fn list(holders: &[Holder]) -> String {
    let most = LockRefusal::MOST_NAMED;
    let named = holders.iter().take(most).map(ToString::to_string);
    let mut words: Vec<String> = named.collect();
    if holders.len() > most {
        words.push(format!("{} more", holders.len() - most));
    }
    words.join(", ")
}
