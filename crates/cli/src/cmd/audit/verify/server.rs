//! The server's chain, page by page.

use lockstep_model::api::operator::ChainPage;

use super::super::walk::{Broken, Walk};
use crate::operator::{Operator, question};

/// Walks to what was the newest entry when the walk began; what is added meanwhile is left for the next time. The outer
/// error means that the server could not be asked.
pub(super) async fn walk(
    walk: &mut Walk,
    operator: &Operator,
) -> anyhow::Result<Result<(), Broken>> {
    let mut goal = None;
    loop {
        let after = walk.head().map_or(0, |head| head.number);
        let path = question("audit/chain", [("after", Some(after.to_string()))]);
        let page: ChainPage = operator.get(&path).await?;
        // Later pages have a later head, which is not to be reached.
        let goal = *goal.get_or_insert(page.head);
        match add(walk, &page, goal.map_or(0, |head| head.number)) {
            Ok(true) => {}
            Ok(false) => return Ok(walk.end(goal.as_ref())),
            Err(broken) => return Ok(Err(broken)),
        }
    }
}

/// Adds a page up to the goal. True if there is more.
fn add(walk: &mut Walk, page: &ChainPage, goal: u64) -> Result<bool, Broken> {
    let before = walk.head().map_or(0, |head| head.number);
    for entry in page.entries.iter().filter(|it| it.link.number <= goal) {
        walk.add(entry)?;
    }
    let here = walk.head().map_or(0, |head| head.number);
    Ok(here > before && here < goal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use lockstep_model::{ChainEntry, ChainSubject};

    fn chain(length: usize) -> Vec<ChainEntry> {
        let mut entries: Vec<ChainEntry> = Vec::new();
        for number in 0..length {
            let head = entries.last().map(|entry| entry.link);
            let at = Timestamp::from_second(1_000).unwrap();
            let subject = ChainSubject::Deed("ann".into());
            entries.push(ChainEntry::after(
                head.as_ref(),
                at,
                subject,
                format!("deed {number}"),
            ));
        }
        entries
    }

    #[test]
    fn pages_are_walked_to_the_head_of_the_first_one() {
        let all = chain(7);
        let page = |range: std::ops::Range<usize>| ChainPage {
            entries: all[range].to_vec(),
            head: all.last().map(|entry| entry.link),
        };
        let goal = all[5].link;
        let mut walk = Walk::begin(None);
        assert_eq!(add(&mut walk, &page(0..3), goal.number), Ok(true));
        // The seventh was written after the walk had begun.
        assert_eq!(add(&mut walk, &page(3..7), goal.number), Ok(false));
        assert_eq!(walk.end(Some(&goal)), Ok(()));
        assert_eq!(walk.summary().entries, 6);
    }

    #[test]
    fn a_server_that_leaves_out_the_end_or_a_page_is_found_out() {
        let all = chain(7);
        let page = |range: std::ops::Range<usize>| ChainPage {
            entries: all[range].to_vec(),
            head: all.last().map(|entry| entry.link),
        };
        let head = all[6].link;
        let mut walk = Walk::begin(None);
        assert_eq!(add(&mut walk, &page(0..3), head.number), Ok(true));
        assert_eq!(add(&mut walk, &page(0..0), head.number), Ok(false));
        assert_eq!(walk.end(Some(&head)).unwrap_err().number, 7);
        let missing = add(&mut walk, &page(4..7), head.number).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "the chain is broken at entry 4: an entry is missing"
        );
    }
}
