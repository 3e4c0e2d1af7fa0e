//! `[silence.NAME]`: maintenance that comes again and again.
//!
//! * `hosts`, `groups`, `items`: of what; empty for everything;
//! * `hours`: when, as in `"Sun 02:00-04:00"`;
//! * `reason`: why.

use std::collections::BTreeMap;

use super::alert::{globs, hours};
use super::{Context, check_known, host_pattern, item_pattern, name};
use crate::declared::Group;
use crate::silence::RecurringSilence;

/// All `[silence.NAME]`.
pub(super) fn all(
    context: &Context<'_>,
    groups: &BTreeMap<String, Group>,
) -> Vec<RecurringSilence> {
    let mut silences = Vec::new();
    for field in context.of("silence") {
        let (Some(name), Some(mut section)) = (name(field), field.section()) else {
            continue;
        };
        let named = section.take("groups");
        let named = named.map(|field| field.one_or_more(|text| Ok::<_, String>(text.to_owned())));
        let named = named.unwrap_or_default();
        check_known(context, &named, "group", groups.keys().map(String::as_str));
        let hosts = globs(&mut section, "hosts", host_pattern);
        let items = globs(&mut section, "items", item_pattern);
        let when = section.take("hours");
        let reason = section.take("reason");
        for (key, given) in [("hours", when.is_some()), ("reason", reason.is_some())] {
            if !given {
                section.fault(format!("a silence needs {key}"));
            }
        }
        let when = when.and_then(|field| hours(context, &field));
        let reason = reason.and_then(|field| field.text());
        section.finish();
        if let (Some(hours), Some(reason)) = (when, reason) {
            silences.push(RecurringSilence {
                name,
                hosts,
                groups: named.into_iter().map(|group| group.value).collect(),
                items,
                hours: hours.value,
                reason: reason.value,
            });
        }
    }
    silences
}
