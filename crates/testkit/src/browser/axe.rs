//! Can the page be used by everybody? What axe-core finds, and what it does not look for.

use std::fmt;
use std::path::Path;

use serde_json::Value;

use super::page::Page;

/// Something that stands in somebody's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much: `minor`, `moderate`, `serious` or `critical`.
    pub impact: String,
    /// The rule, by axe-core's name (<https://dequeuniversity.com/rules/axe/>).
    pub rule: String,
    /// What the rule wants.
    pub help: String,
    /// Where, as CSS selectors, at most five.
    pub elements: Vec<String>,
}

impl Finding {
    /// Whether it keeps somebody from using the page.
    #[must_use]
    pub fn is_grave(&self) -> bool {
        ["serious", "critical"].contains(&self.impact.as_str())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements = self.elements.join(", ");
        write!(
            f,
            "{} {}: {} ({elements})",
            self.impact, self.rule, self.help
        )
    }
}

/// The rules of WCAG 2.0 and 2.1 (A, AA), and what is good besides.
const ALL: &str = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']";
/// A run of axe-core with the rules in the place of `RULES`.
const RUN: &str = "axe.run(document, {
  runOnly: RULES, resultTypes: ['violations'], preload: false,
}).then((found) => found.violations.map((it) => ({
  impact: it.impact ?? 'minor', rule: it.id, help: it.help,
  elements: it.nodes.slice(0, 5).map((node) => node.target.join(' ') + ' [' + node.any.concat(node.all, node.none)
    .map((why) => why.message).slice(0, 1).join() + ']'),
})))";

/// Elements that stick out of the window at its right edge, and are not within something that can be scrolled.
const OVERFLOW: &str = "(() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const around = (it) => getComputedStyle(it).position === 'absolute' ? it.offsetParent : it.parentElement;
  const scrolls = (it) => {
    for (let by = around(it); by && by !== document.body && by !== document.documentElement; by = around(by)) {
      if (getComputedStyle(by).overflowX !== 'visible') return true;
    }
    return false;
  };
  return [...document.querySelectorAll('body *')]
    .filter((it) => visible(it) && it.getBoundingClientRect().right > width + 1 && !scrolls(it))
    .slice(0, 10).map((it) => describe(it) + ' to ' + Math.round(it.getBoundingClientRect().right))
    .concat('the page is ' + document.documentElement.scrollWidth + ' wide, the window ' + width);
})()";

/// WCAG 2.5.8: what is to be tapped is at least 24 by 24 pixels, or nothing else to be tapped is nearer to its middle than
/// 24 pixels; links within text are left out.
const SMALL_TARGETS: &str = "(() => {
  const all = find('a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button]')
    .map((it) => ({ it, box: it.getBoundingClientRect() }));
  const inText = (it) => it.matches('a') && getComputedStyle(it).display === 'inline' &&
    tidy(it.parentElement.textContent).length > tidy(it.textContent).length;
  const labelled = (it) => [...(it.labels ?? [])].some((label) => {
    const box = label.getBoundingClientRect(); return box.width >= 24 && box.height >= 24; });
  const small = all.filter(({ it, box }) => (box.width < 24 || box.height < 24) && !inText(it) && !labelled(it));
  const near = ({ it, box }) => all.some((other) => {
    if (other.it === it || other.it.contains(it) || it.contains(other.it)) return false;
    const x = box.left + box.width / 2, y = box.top + box.height / 2, o = other.box;
    const dx = Math.max(o.left - x, 0, x - o.right), dy = Math.max(o.top - y, 0, y - o.bottom);
    return Math.hypot(dx, dy) < 12;
  });
  return small.filter(near).slice(0, 10).map(({ it, box }) =>
    describe(it) + ' is ' + Math.round(box.width) + ' by ' + Math.round(box.height));
})()";

impl Page {
    /// What axe-core finds on the page as it is now.
    ///
    /// # Panics
    /// If axe-core is not there: `scripts/parts` fetches it.
    #[must_use]
    #[track_caller]
    pub fn axe(&self) -> Vec<Finding> {
        self.run_axe(ALL)
    }

    /// Of what [`Page::axe`] finds what these rules find: for a page that was looked at before, and has other colours or
    /// another size now.
    ///
    /// # Panics
    /// As [`Page::axe`].
    #[must_use]
    #[track_caller]
    pub fn axe_again(&self, rules: &[&str]) -> Vec<Finding> {
        let rules = serde_json::json!({ "type": "rule", "values": rules });
        self.run_axe(&rules.to_string())
    }

    #[track_caller]
    fn run_axe(&self, rules: &str) -> Vec<Finding> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/parts/axe/axe.min.js");
        if self.eval("typeof window.axe") != "object" {
            let script = std::fs::read_to_string(&path);
            let script = script.expect("scripts/parts has fetched axe-core");
            // Not bound by the page's security policy, as all that the protocol runs.
            self.call(
                "Runtime.evaluate",
                serde_json::json!({ "expression": script, "returnByValue": false }),
            );
        }
        let found = self.eval(&RUN.replace("RULES", rules));
        let found = found.as_array().expect("axe-core answers with a list");
        let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let finding = |it: &Value| Finding {
            impact: words(&it["impact"]),
            rule: words(&it["rule"]),
            help: words(&it["help"]),
            elements: strings(&it["elements"]),
        };
        found.iter().map(finding).collect()
    }

    /// What makes the page wider than the window, if it is.
    #[must_use]
    #[track_caller]
    pub fn overflow(&self) -> Vec<String> {
        strings(&self.eval(OVERFLOW))
    }

    /// What is too small to be tapped, with something else too near.
    #[must_use]
    #[track_caller]
    pub fn small_targets(&self) -> Vec<String> {
        strings(&self.eval(SMALL_TARGETS))
    }
}

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|it| it.as_str().map(String::from))
        .collect()
}
