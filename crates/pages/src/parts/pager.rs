//! Long lists, a page at a time.

use maud::{Markup, html};

/// Where a page of a list lies: rows `from..to` of `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The first row, from 0.
    pub from: usize,
    /// Behind the last row.
    pub to: usize,
    /// All rows.
    pub all: usize,
}

impl Slice {
    /// Page `page`, from 1, of `all` rows with `size` on each; the last page if there are not so many.
    #[must_use]
    pub fn of(page: usize, size: usize, all: usize) -> Self {
        let size = size.max(1);
        let last = all.div_ceil(size).max(1);
        let page = page.clamp(1, last);
        let from = (page - 1) * size;
        Self {
            from,
            to: all.min(from + size),
            all,
        }
    }

    /// Draws the way to the other pages; `address` makes the address of a page. Nothing if there is one page.
    #[must_use]
    pub fn draw(&self, size: usize, address: impl Fn(usize) -> String) -> Markup {
        let size = size.max(1);
        let (page, last) = (self.from / size + 1, self.all.div_ceil(size).max(1));
        html! {
            @if last > 1 {
                nav .pager aria-label="Pages of the list" {
                    @if page > 1 { a rel="prev" href=(address(page - 1)) { "← Previous" } }
                    span { (self.from + 1) "–" (self.to) " of " (self.all) }
                    @if page < last { a rel="next" href=(address(page + 1)) { "Next →" } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_lies_within_the_list() {
        assert_eq!(
            Slice::of(1, 200, 0),
            Slice {
                from: 0,
                to: 0,
                all: 0
            }
        );
        assert_eq!(
            Slice::of(2, 200, 450),
            Slice {
                from: 200,
                to: 400,
                all: 450
            }
        );
        assert_eq!(
            Slice::of(99, 200, 450),
            Slice {
                from: 400,
                to: 450,
                all: 450
            }
        );
        assert_eq!(
            Slice::of(0, 0, 3),
            Slice {
                from: 0,
                to: 1,
                all: 3
            }
        );
    }
}
