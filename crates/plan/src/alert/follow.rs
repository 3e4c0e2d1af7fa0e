//! A receiver who has had the first message of a problem: what follows?

use std::borrow::Cow;

use lockstep_model::alert::{NoticeKind, Trouble};
use lockstep_model::{Interval, Level};

use super::book::Row;
use super::look::{Intent, Look, Problem, after};
use super::scope::Want;

/// Reminders come at least this often.
const SLOWEST_REMINDER: Interval = Interval::from_secs(86_400);

impl<'a> Look<'a> {
    /// Looks at what the receiver was told and at what is.
    pub(super) fn told(
        &mut self,
        problem: &Problem<'_, 'a>,
        receiver: &'a str,
        mut row: Cow<'a, Row>,
        want: Want,
    ) {
        let is_gap = problem.trouble.is_some_and(|it| it.no_data || it.flapping);
        let is_over = match want {
            Want::Nothing => true,
            // A gap is not a recovery, and what flaps has not recovered.
            Want::Left => !is_gap,
            Want::Now(_) | Want::Later(_) => false,
        };
        let intent = if is_over {
            self.close(problem, &mut row, want == Want::Nothing)
        } else {
            if row.over_since.is_some() {
                row.to_mut().over_since = None;
            }
            self.hold(&mut row, problem, matches!(want, Want::Later(_)));
            problem
                .trouble
                .and_then(|trouble| self.go_on(problem, trouble, &mut row, want))
        };
        let changed = matches!(row, Cow::Owned(_));
        self.push(problem, receiver, Some(row), changed, intent);
    }

    /// The closing message, when it is time for it. Nothing holds it back but the pace of its thread.
    fn close(
        &mut self,
        problem: &Problem<'_, 'a>,
        row: &mut Cow<'a, Row>,
        at_once: bool,
    ) -> Option<Intent<'a>> {
        let told = row.told.as_ref()?.level;
        let (kind, level, remark) = if at_once {
            let level = problem.trouble.map_or(told, |it| it.level);
            (
                NoticeKind::Cancelled,
                level,
                "nothing asks for this message any longer",
            )
        } else {
            match problem.trouble {
                Some(it) if it.level >= told => (
                    NoticeKind::Cancelled,
                    it.level,
                    "it is at a level now of which this route does not tell",
                ),
                Some(it) => (NoticeKind::Recovered, it.level, ""),
                None => match self.facts.fleet.value_of(problem.host, problem.item) {
                    Some(_) => (NoticeKind::Recovered, Level::FINE, ""),
                    None => (NoticeKind::Cancelled, told, "it is not watched any longer"),
                },
            }
        };
        let over_since = row.over_since.unwrap_or(self.facts.now);
        if row.over_since.is_none() {
            row.to_mut().over_since = Some(over_since);
        }
        let settled = after(over_since, self.facts.rules.pace.settle);
        if !at_once && settled > self.facts.now {
            self.wake(Some(settled));
            return None;
        }
        Some(Intent {
            kind,
            level,
            ready: true,
            joins: true,
            urgent: false,
            ack: None,
            escalated_after: None,
            tells_ack: false,
            remark,
        })
    }

    /// What is said of a problem that goes on.
    fn go_on(
        &mut self,
        problem: &Problem<'_, 'a>,
        trouble: &'a Trouble,
        row: &mut Cow<'a, Row>,
        want: Want,
    ) -> Option<Intent<'a>> {
        let now = self.facts.now;
        let ack = problem.held.ack;
        if ack.is_none() && row.told.as_ref()?.acked.is_some() {
            let told = row.to_mut().told.as_mut()?;
            told.acked = None;
            told.alone_since = now;
        }
        if row.hold.is_some() {
            return None;
        }
        if row.ready_at > now {
            self.wake(Some(row.ready_at));
            return None;
        }
        let told = row.told.as_ref()?;
        // At a level of which the route does not tell only because there is no value: nothing is known to be better.
        let level = if want == Want::Left {
            told.level
        } else {
            trouble.level
        };
        let steady_again = told.flapping && !trouble.flapping;
        let news_of_ack = ack.is_some_and(|ack| told.acked != Some(ack.at));
        let mut remark = "";
        let mut ready = true;
        let kind = if trouble.flapping && !told.flapping {
            NoticeKind::Flapping
        } else if news_of_ack {
            NoticeKind::Acknowledged
        } else if trouble.flapping {
            return None;
        } else if level > told.level {
            NoticeKind::Worse
        } else if level < told.level {
            NoticeKind::Better
        } else if steady_again {
            NoticeKind::Reminder
        } else if ack.is_none() {
            let repeat = match want {
                Want::Now(route) => self.scope.route(route).repeat,
                _ => None,
            };
            let every = reminder(
                repeat.unwrap_or(self.facts.rules.pace.repeat),
                told.reminders,
            );
            let due = after(told.last_at, every);
            ready = due <= now;
            if !ready {
                self.wake(Some(due));
                // It goes along with another reminder of its thread when half of its time has passed.
                let half = Interval::from_millis(millis(every) / 2);
                if after(told.last_at, half) > now {
                    return None;
                }
            }
            NoticeKind::Reminder
        } else {
            return None;
        };
        if steady_again {
            remark = "it goes back and forth no longer";
        }
        Some(Intent {
            kind,
            level,
            ready,
            joins: true,
            urgent: kind == NoticeKind::Acknowledged
                || (kind == NoticeKind::Worse && level >= Level::CRITICAL),
            ack: problem.ack,
            escalated_after: None,
            tells_ack: news_of_ack
                && matches!(kind, NoticeKind::Flapping | NoticeKind::Acknowledged),
            remark,
        })
    }
}

/// Time to a reminder when there have been so many: doubled each time, up to a day.
fn reminder(repeat: Interval, before: u32) -> Interval {
    let most = SLOWEST_REMINDER.max(repeat);
    let doubled = millis(repeat).saturating_mul(1_u64 << before.min(20));
    Interval::from_millis(doubled.min(millis(most)))
}

fn millis(interval: Interval) -> u64 {
    u64::try_from(interval.duration().as_millis()).unwrap_or(u64::MAX)
}
