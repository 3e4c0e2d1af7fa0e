//! What holds whatever happens: answers good and bad, answers to questions that nobody asked, kills and restarts at any
//! point, clocks that are set by ten years, hours that come and go, a person's words, and a server that grants a lock
//! and is not heard.

use super::tests::{
    at, busy, failed, id, job, later, lock_failed, no_answer, rest, script_failed, worse,
};
use super::*;
use lockstep_model::{LockRefusal, Phase, RunCommand, RunVerb};
use proptest::prelude::*;

const DAY: i64 = 24 * 3600;
/// Worlds begin in this boot, and restarts are wished of it.
const WISHED_IN: u32 = 1;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    /// The engine does what the run asks for; this is which of the possible answers it gets.
    Turn(u8),
    /// The engine waits to the end of what the run waits for.
    Patience,
    /// The engine says what cannot have come of it.
    Nonsense(u8),
    /// The engine is killed, at worst before it could write down what has come of its act.
    Kill {
        act: Option<u8>,
    },
    /// The machine restarts, by whatever hand.
    Restart,
    /// The machine's boot id can be read, or not.
    BootId(bool),
    /// The clock is set, or time passes.
    Clock(i64),
    Hours(bool),
    /// A person frees the lock on the server.
    FreeLock,
    Command {
        retry: bool,
        number: u64,
        this: bool,
    },
}

/// The host, the server and what must be true of them.
#[derive(Debug, Clone)]
struct World {
    journal: RunJournal,
    now: i64,
    boot: u32,
    knows_boot: bool,
    confirmed: bool,
    outside: bool,
    /// The server's side of the lock.
    held: Option<u64>,
    grants: u64,
    /// The server did not hear that a grant that nobody heard of was given back.
    ghost: bool,
    /// The boot id when a restart was found to be needed, until the phase behind it.
    must_restart: Option<u32>,
    /// What was begun was taken back, or brought to its end.
    has_posted: bool,
    obeyed: Vec<u64>,
}

impl World {
    fn new(job: Job) -> Self {
        let now = 1_800_000_000;
        Self {
            journal: RunJournal::begin(id(1), job, at(now)),
            now,
            boot: WISHED_IN,
            knows_boot: true,
            confirmed: false,
            outside: false,
            held: None,
            grants: 0,
            ghost: false,
            must_restart: None,
            has_posted: false,
            obeyed: Vec::new(),
        }
    }

    /// Empty if it cannot be read.
    fn boot_id(&self) -> String {
        match self.knows_boot {
            true => format!("boot-{}", self.boot),
            false => String::new(),
        }
    }

    fn with_facts<T>(&self, then: impl FnOnce(&Facts<'_>) -> T) -> T {
        then(&Facts {
            now: at(self.now),
            boot_id: &self.boot_id(),
            lock_is_confirmed: self.confirmed,
            outside_of_hours: self.outside.then_some("Sat 02:00-05:00 UTC"),
        })
    }

    fn asks(&self) -> Do {
        self.with_facts(|facts| next(&self.journal, facts))
    }

    fn is_granted(&self) -> bool {
        self.journal.lock.is_some() || self.journal.job.lock.is_none()
    }

    /// Does what is asked for, and returns what came of it; none where there is nothing to tell the run.
    fn act(&mut self, asked: &Do, choice: u8) -> Result<Option<Happened>, TestCaseError> {
        let has_lock = self.journal.job.lock.is_some();
        let of_wish = self.journal.job.wish.is_some();
        let changes = matches!(
            asked,
            Do::Work(_) | Do::AskWhetherReboot | Do::Reboot | Do::Return
        );
        if changes {
            prop_assert!(self.is_granted(), "{:?} without a lock", asked);
            prop_assert!(!has_lock || self.confirmed, "{:?} unconfirmed", asked);
        }
        self.wish_is_minded(asked)?;
        if *asked == Do::Hold {
            prop_assert!(self.is_granted(), "held still without the lock");
        }
        let among = |answers: Vec<Happened>| {
            let which = usize::from(choice) % answers.len();
            answers.into_iter().nth(which)
        };
        Ok(match asked {
            Do::Check => among(vec![
                Happened::SomethingToDo {
                    from: Some(PackageVersion::parse("1.19").unwrap()),
                    to: None,
                    moment: at(self.now + i64::from(choice) * DAY / 256),
                },
                Happened::SomethingToDo {
                    from: None,
                    to: None,
                    moment: at(self.now),
                },
                Happened::NothingToDo,
                Happened::NotNow(script_failed()),
            ]),
            Do::Wait { until, why } => {
                let left = until.as_second() - self.now;
                prop_assert!(left > 0 && left <= DAY, "{} s for {:?}", left, why);
                prop_assert!(!why.to_string().is_empty());
                None
            }
            Do::GoOn => Some(Happened::Waited),
            Do::Fetch => among(vec![
                Happened::Succeeded,
                super::tests::again(),
                failed(),
                Happened::Succeeded,
                Happened::NotNow(script_failed()),
            ]),
            Do::Commit => {
                prop_assert!(self.journal.begun, "kept without having been tried");
                among(vec![Happened::Succeeded, super::tests::again()])
            }
            Do::AskWhetherIdle | Do::Hold => among(vec![
                rest(),
                busy(),
                Happened::Rest { baseline: None },
                rest(),
                Happened::NotNow(script_failed()),
            ]),
            Do::AcquireLock => return self.acquire(choice).map(Some),
            Do::ConfirmLock => {
                let fence = self.journal.lock.as_ref().map(|lock| lock.fence.0);
                match (choice % 5 == 4, fence.is_some() && fence == self.held) {
                    (true, _) => Some(no_answer()),
                    (false, false) => Some(Happened::LockLost),
                    (false, true) => {
                        self.confirmed = true;
                        None
                    }
                }
            }
            Do::Begin => among(vec![
                Happened::Succeeded,
                Happened::NotNow(script_failed()),
                Happened::Succeeded,
            ]),
            // The permit is gone.
            Do::Work(Phase::Pre) | Do::Reboot if of_wish && choice % 7 == 6 => {
                Some(Happened::NotNow(script_failed()))
            }
            Do::Work(_) => among(vec![
                Happened::Succeeded,
                failed(),
                Happened::Succeeded,
                later(),
            ]),
            Do::AskWhetherReboot => {
                let answer = among(vec![
                    Happened::RebootNeeded,
                    Happened::Succeeded,
                    Happened::RebootNeeded,
                    failed(),
                    later(),
                ]);
                // In a boot that nobody knows the run stops, and asks anew once a person says so.
                if answer == Some(Happened::RebootNeeded) && self.knows_boot {
                    self.must_restart = Some(self.boot);
                }
                answer
            }
            Do::Reboot => among(vec![Happened::RebootOrdered, failed(), later()]),
            Do::AskHealth => among(vec![
                Happened::Well,
                worse(),
                Happened::Well,
                Happened::NobodyToAsk,
            ]),
            Do::Return => among(vec![Happened::Succeeded, failed(), later()]),
            Do::ReleaseLock => Some(self.give_back(choice)),
            Do::AskPerson | Do::End => None,
        })
    }

    /// For a wish nothing is begun, and no restart is ordered, in another boot or after its end; and nothing else is done
    /// to the host.
    fn wish_is_minded(&self, asked: &Do) -> Result<(), TestCaseError> {
        let Some(wish) = &self.journal.job.wish else {
            return Ok(());
        };
        let is_in_time = wish.from <= at(self.now) && at(self.now) < wish.until;
        let orders = *asked == Do::Reboot;
        if orders {
            prop_assert!(self.knows_boot, "a restart in a boot that nobody knows");
        }
        if orders || *asked == Do::Work(Phase::Pre) {
            prop_assert!(self.journal.begun, "{:?}, which is not noted", asked);
            let is_here = self.boot == WISHED_IN || !self.knows_boot;
            prop_assert!(is_here, "{:?} after a restart", asked);
            prop_assert!(is_in_time, "{:?} after the end of the wish", asked);
        }
        let changes = matches!(
            asked,
            Do::Work(Phase::Apply) | Do::AskWhetherReboot | Do::Return
        );
        prop_assert!(!changes, "{:?} for a wish", asked);
        Ok(())
    }

    /// A wish is done if the machine has restarted, and only then. What was begun is taken back otherwise.
    fn wish_keeps_its_promise(&self, before: &RunJournal) -> Result<(), TestCaseError> {
        let now = &self.journal;
        let Some(wish) = &now.job.wish else {
            prop_assert_eq!(&now.void, &None);
            return Ok(());
        };
        prop_assert_eq!(before.job.wish.as_ref(), Some(wish));
        let has_restarted = self.boot != WISHED_IN;
        if now.begun && !before.begun {
            let is_known = self.knows_boot && !has_restarted;
            prop_assert!(is_known, "begun in another boot");
        }
        if let Step::Over { outcome, reason } = &now.step {
            let is_skipped = *outcome == Outcome::Failed;
            let is_taken_back = !now.begun || self.has_posted || is_skipped;
            prop_assert!(is_taken_back, "begun, and not taken back: {:?}", reason);
            // Each would be another run a minute later, and a record of nothing.
            let is_patient = !matches!(
                reason,
                Some(RunReason::LockFailed { .. } | RunReason::Busy { .. })
            );
            prop_assert!(is_patient, "given up before its end: {:?}", reason);
        }
        if now.step == Step::Post && before.step != Step::Post {
            prop_assert!(
                has_restarted || now.void.is_some(),
                "post without a restart"
            );
        }
        if let Step::Over {
            outcome: Outcome::Done,
            ..
        } = &now.step
        {
            prop_assert!(
                has_restarted && now.void.is_none(),
                "done without a restart"
            );
        }
        if now.is_over() {
            // What has done nothing before the end may be tried again by the same number; all else uses it up.
            let did_nothing = match &now.step {
                Step::Over {
                    outcome: Outcome::Postponed,
                    reason,
                } => !now.begun && !matches!(reason, Some(RunReason::WishOver { .. })),
                _ => false,
            };
            prop_assert_eq!(is_spent(Some(now), wish.number), !did_nothing);
        } else {
            prop_assert!(is_spent(Some(now), wish.number), "one run at a time");
        }
        prop_assert!(is_spent(Some(now), wish.number - 1));
        prop_assert!(!is_spent(Some(now), wish.number + 1));
        Ok(())
    }

    fn acquire(&mut self, choice: u8) -> Result<Happened, TestCaseError> {
        let asked_in_its_hours = !self.outside || self.journal.begun;
        prop_assert!(
            asked_in_its_hours,
            "asked for the lock outside of its hours"
        );
        Ok(match choice % 6 {
            0 => {
                let why = LockRefusal::Disabled { why: "now".into() };
                Happened::LockRefused {
                    why,
                    position: None,
                    retry_after: Some(Duration::from_secs(u64::from(choice) * 1000)),
                }
            }
            1 => lock_failed(),
            2 => {
                // It was granted, and the answer was lost.
                self.grant();
                lock_failed()
            }
            _ => {
                let fence = self.grant();
                Happened::LockGranted(super::tests::grant(fence))
            }
        })
    }

    /// One who holds the lock is granted it again.
    fn grant(&mut self) -> u64 {
        *self.held.get_or_insert_with(|| {
            self.grants += 1;
            self.grants
        })
    }

    fn give_back(&mut self, choice: u8) -> Happened {
        if choice % 4 == 3 {
            self.ghost |= self.journal.lock.is_none() && self.held.is_some();
            return no_answer();
        }
        self.held = None;
        self.ghost = false;
        match choice % 4 {
            0 | 1 => Happened::LockReleased,
            // The answer was lost.
            _ => no_answer(),
        }
    }

    fn hears(&mut self, happened: Happened) -> Result<(), TestCaseError> {
        let then = self.with_facts(|facts| after(&self.journal, happened, facts));
        self.writes(then)
    }

    /// The journal is written; here is what must hold of any two that follow each other.
    fn writes(&mut self, then: RunJournal) -> Result<(), TestCaseError> {
        let read: RunJournal =
            serde_json::from_str(&serde_json::to_string(&then).unwrap()).unwrap();
        prop_assert_eq!(&read, &then, "the journal is not read as it was written");
        let before = std::mem::replace(&mut self.journal, then);
        self.confirmed = false;
        let (now, has_lock) = (&self.journal, self.journal.job.lock.is_some());

        prop_assert!(!before.is_over() || before == *now, "over is for ever");
        if now.has_stopped() && has_lock {
            prop_assert!(now.lock.is_some(), "stopped without its lock");
        }
        let waits_outside = matches!(now.step, Step::Spread { .. } | Step::Fetch | Step::Idle);
        if waits_outside || now.is_over() {
            let is_free = now.lock.is_none() && (self.held.is_none() || self.ghost);
            prop_assert!(is_free, "a lock that nobody needs is kept");
        }
        if now.step.needs_lock() {
            prop_assert!(self.is_granted(), "{:?} without a lock", now.step);
            prop_assert!(now.begun || now.step == Step::Pre, "{:?}", now.step);
        }
        prop_assert!(!before.begun || now.begun, "what was begun was begun");
        self.bundles_keep_their_promise(&before)?;
        self.wish_keeps_its_promise(&before)?;
        let now = &self.journal;
        prop_assert!(now.commanded >= before.commanded);

        if now.step == Step::Post
            && before.step != Step::Post
            && let Some(boot) = self.must_restart.take()
        {
            prop_assert_ne!(boot, self.boot, "a restart was passed over");
        }
        let later_work = now.begun && !matches!(now.step, Step::Over { .. } | Step::Release { .. });
        if later_work {
            prop_assert!(now.is_at_work() || now.has_stopped(), "{:?}", now.step);
        }
        self.record_is_sound()
    }

    /// A bundle is kept only after it was well for its window, and never after the way back was begun. Only bundles are
    /// fetched and kept.
    fn bundles_keep_their_promise(&self, before: &RunJournal) -> Result<(), TestCaseError> {
        let now = &self.journal;
        let is_bundle = now.job.kind == RunKind::Bundle;
        let of_bundles = matches!(now.step, Step::Fetch | Step::Commit);
        prop_assert!(is_bundle || !of_bundles, "{:?}", now.step);
        if now.step == Step::Commit && before.step != Step::Commit {
            let from_where = matches!(before.step, Step::Verify { .. } | Step::Post);
            prop_assert!(from_where, "kept after {:?}", before.step);
        }
        if let Step::Over { outcome, .. } | Step::Release { outcome, .. } = &now.step
            && is_bundle
            && *outcome == Outcome::Done
        {
            let from_where = matches!(before.step, Step::Commit | Step::Release { .. });
            prop_assert!(from_where || before == now, "done after {:?}", before.step);
        }
        Ok(())
    }

    fn record_is_sound(&self) -> Result<(), TestCaseError> {
        let journal = &self.journal;
        let Some(record) = journal.record(at(self.now), String::new()) else {
            prop_assert!(matches!(journal.step, Step::Check | Step::Nothing));
            return Ok(());
        };
        let ended = record.outcome.is_some_and(|it| it != Outcome::Stopped);
        prop_assert_eq!(ended, record.phase == Phase::Done);
        prop_assert_eq!(ended, journal.is_over());
        let stopped = record.outcome == Some(Outcome::Stopped);
        prop_assert_eq!(stopped, journal.has_stopped());
        if let Some(outcome) = record.outcome {
            prop_assert_eq!(outcome == Outcome::Done, record.reason.is_none());
            prop_assert_eq!(&record.waits, &None);
        }
        if stopped {
            let phases = [
                Phase::Pre,
                Phase::Apply,
                Phase::Reboot,
                Phase::Post,
                Phase::Verify,
            ];
            prop_assert!(phases.contains(&record.phase), "{}", record.phase);
        }
        let reason = record.reason.as_ref().map(ToString::to_string);
        for sentence in [reason, record.waits.clone()].into_iter().flatten() {
            prop_assert!(!sentence.trim().is_empty());
        }
        let json = serde_json::to_string(&record).unwrap();
        prop_assert_eq!(serde_json::from_str::<RunRecord>(&json).unwrap(), record);
        Ok(())
    }

    fn is_started(&mut self) -> Result<(), TestCaseError> {
        let stopped = self.journal.has_stopped();
        let waited_for = match &self.journal.step {
            Step::Stopped { boot_id, .. } => boot_id.clone(),
            _ => None,
        };
        let then = self.with_facts(|facts| resume(&self.journal, facts));
        let again = self.with_facts(|facts| resume(&then, facts));
        prop_assert_eq!(&again, &then, "started twice is started once");
        if stopped && then != self.journal {
            let has_come = waited_for.is_some_and(|boot| boot != format!("boot-{}", self.boot));
            prop_assert!(has_come, "a start is no word of a person");
        }
        self.writes(then)
    }

    fn takes(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match event {
            Event::Turn(choice) => {
                let asked = self.asks();
                let stopped = self.journal.clone();
                if let Some(happened) = self.act(&asked, *choice)? {
                    let is_post = asked == Do::Work(Phase::Post);
                    self.has_posted |= is_post && happened == Happened::Succeeded;
                    self.hears(happened)?;
                }
                let goes_on = stopped.has_stopped() && stopped != self.journal;
                prop_assert!(!goes_on || asked == Do::GoOn, "{:?} after a stop", asked);
            }
            Event::Patience => {
                if let Do::Wait { until, .. } = self.asks() {
                    self.now = until.as_second() + i64::from(until.subsec_nanosecond() > 0);
                }
            }
            Event::Nonsense(which) => {
                let boot_id = self.boot_id();
                let things = everything();
                let thing = things[usize::from(*which) % things.len()].clone();
                if !can_come(&self.journal, &thing, &boot_id, self.now) {
                    let then = self.with_facts(|facts| after(&self.journal, thing, facts));
                    prop_assert_eq!(&then, &self.journal, "nonsense was believed");
                }
            }
            Event::Kill { act } => {
                let asked = self.asks();
                if let Some(choice) = act {
                    // What came of it is lost with the engine.
                    let must_restart = self.must_restart;
                    self.act(&asked, *choice)?;
                    self.must_restart = must_restart;
                }
                self.is_started()?;
            }
            Event::Restart => {
                self.boot += 1;
                self.is_started()?;
            }
            Event::BootId(is_known) => self.knows_boot = *is_known,
            Event::Clock(seconds) => {
                // The years in which clocks are plausible.
                self.now = (self.now + seconds).clamp(0, 4_000_000_000);
            }
            Event::Hours(outside) => self.outside = *outside,
            Event::FreeLock => self.held = None,
            Event::Command {
                retry,
                number,
                this,
            } => self.is_told(*retry, *number, *this)?,
        }
        Ok(())
    }

    fn is_told(&mut self, retry: bool, number: u64, this: bool) -> Result<(), TestCaseError> {
        let said = RunCommand {
            run: id(if this { 1 } else { 2 }),
            verb: if retry { RunVerb::Retry } else { RunVerb::Skip },
            number,
            by: "ada".into(),
            why: "mended by hand".into(),
        };
        let then = command(&self.journal, &said, at(self.now));
        if then != self.journal {
            prop_assert!(this && self.journal.has_stopped());
            prop_assert!(self.obeyed.iter().all(|&before| before < number));
            self.obeyed.push(number);
            if !retry {
                self.must_restart = None;
            }
        }
        self.writes(then)
    }

    /// From now on everything goes well. How many turns does it take to the end?
    fn ends(&mut self) -> Result<usize, TestCaseError> {
        self.outside = false;
        self.knows_boot = true;
        for turn in 0..200 {
            let asked = self.asks();
            match asked {
                Do::End => return Ok(turn),
                Do::AskPerson => {
                    let number = self.journal.commanded + 1;
                    self.is_told(true, number, true)?;
                }
                Do::Wait {
                    why: Wait::Reboot, ..
                } => self.takes(&Event::Restart)?,
                Do::Wait { .. } => self.takes(&Event::Patience)?,
                // A place, and good news otherwise.
                Do::AcquireLock => self.takes(&Event::Turn(3))?,
                _ => self.takes(&Event::Turn(0))?,
            }
        }
        Err(TestCaseError::fail(format!(
            "it never ends: {:?}",
            self.journal
        )))
    }
}

/// Everything that can happen.
fn everything() -> Vec<Happened> {
    vec![
        Happened::NothingToDo,
        super::tests::something(),
        Happened::NotNow(script_failed()),
        Happened::Waited,
        rest(),
        busy(),
        Happened::LockGranted(super::tests::grant(77)),
        super::tests::refused(None),
        lock_failed(),
        Happened::LockLost,
        no_answer(),
        Happened::Succeeded,
        failed(),
        later(),
        super::tests::again(),
        Happened::RebootNeeded,
        Happened::RebootOrdered,
        Happened::Well,
        worse(),
        Happened::NobodyToAsk,
        Happened::LockReleased,
    ]
}

/// Whether it can come of an act that the step asks for. Written down here a second time, and differently.
fn can_come(journal: &RunJournal, happened: &Happened, boot_id: &str, now: i64) -> bool {
    use Happened::{
        Again, Busy, Failed, Later, LockFailed, LockGranted, LockLost, LockRefused, LockReleased,
        LockUnknown, NobodyToAsk, NotNow, NothingToDo, RebootNeeded, RebootOrdered, Rest,
        SomethingToDo, Succeeded, Waited, Well, Worse,
    };
    let has_lock = journal.job.lock.is_some();
    let of_the_lock = has_lock && matches!(happened, LockLost | LockUnknown { .. });
    let of_work = of_the_lock || matches!(happened, Failed(_) | Later { .. });
    let is_known = !boot_id.is_empty();
    let restarted = |before: &str| *happened == Waited && is_known && before != boot_id;
    if let Some(wish) = &journal.job.wish {
        let is_over = at(now) < wish.from || at(now) >= wish.until;
        let can_turn = match &journal.step {
            Step::Check | Step::Spread { .. } | Step::Idle | Step::Hold { .. } | Step::Pre => true,
            Step::Lock { .. } => !journal.begun,
            Step::Rebooting { ordered_at, .. } => ordered_at.is_none(),
            _ => false,
        };
        let is_here = !is_known || wish.boot_id == boot_id;
        let orders = matches!(
            &journal.step,
            Step::Rebooting {
                ordered_at: None,
                ..
            }
        );
        let is_blind = !is_known && orders;
        if *happened == Waited && can_turn && (is_over || !is_here || is_blind) {
            return true;
        }
        if matches!(happened, NotNow(_)) && (journal.step == Step::Pre || orders) {
            return true;
        }
    }
    match &journal.step {
        Step::Check => matches!(
            happened,
            NothingToDo | SomethingToDo { .. } | NotNow(_) | Failed(_)
        ),
        Step::Spread { .. } => matches!(happened, Waited | NotNow(_)),
        Step::Fetch => matches!(happened, Succeeded | Failed(_) | NotNow(_) | Again { .. }),
        Step::Commit => matches!(happened, Succeeded | Again { .. }),
        Step::Idle | Step::Hold { .. } => matches!(
            happened,
            Rest { .. } | Busy { .. } | NotNow(_) | Failed(_) | Waited
        ),
        Step::Lock { .. } => matches!(
            happened,
            LockGranted(_)
                | LockRefused { .. }
                | LockFailed { .. }
                | NotNow(_)
                | Failed(_)
                | Waited
        ),
        Step::Yield { .. } | Step::Release { .. } => {
            of_the_lock || matches!(happened, LockLost | LockReleased)
        }
        Step::Pre | Step::Apply | Step::Post | Step::Return { .. } => {
            of_work || *happened == Succeeded
        }
        Step::NeedsReboot => of_work || matches!(happened, Succeeded | RebootNeeded),
        Step::Rebooting {
            boot_id,
            ordered_at: None,
        } => of_work || *happened == RebootOrdered || restarted(boot_id),
        Step::Rebooting { .. } => *happened == Waited,
        Step::Verify { .. } => matches!(happened, Well | Worse(_) | NobodyToAsk),
        Step::Stopped { boot_id, .. } => boot_id.as_deref().is_some_and(restarted),
        Step::Over { .. } | Step::Nothing => false,
    }
}

fn jobs() -> impl Strategy<Value = Job> {
    let busy_longest = proptest::option::of(Just(Duration::from_secs(3600)));
    let wish_lasts = 0i64..2_000;
    let all = (
        any::<bool>(),
        any::<bool>(),
        0u8..4,
        busy_longest,
        0u64..2,
        wish_lasts,
    );
    all.prop_map(
        |(lock, holds, kind, busy_longest, verify, wish_lasts)| Job {
            kind: match kind {
                0 => RunKind::System,
                1 => RunKind::Package,
                2 => RunKind::Bundle,
                _ => RunKind::Reboot,
            },
            lock: job().lock.filter(|_| lock),
            holds: holds && kind < 3,
            wish: (kind == 3).then(|| Wished {
                number: 7,
                boot_id: format!("boot-{WISHED_IN}"),
                from: at(1_800_000_000),
                until: at(1_800_000_000 + wish_lasts),
            }),
            rules: Rules {
                busy_longest,
                later_most: 3,
                verify_within: Duration::from_secs(10),
                verify_for: Duration::from_secs(60 * verify),
                ..Rules::default()
            },
            ..job()
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    // Of the answers the first ones are good: otherwise few runs would come far.
    let choice = prop_oneof![3 => Just(0u8), 3 => Just(3u8), 4 => any::<u8>()];
    let years = 10 * 365 * DAY;
    let clock = prop_oneof![
        4 => 0i64..120, 2 => -120i64..0, 1 => -2 * DAY..2 * DAY, 1 => -years..years,
        1 => Just(years), 1 => Just(-years),
    ];
    let number = 0u64..40;
    prop_oneof![
        30 => choice.clone().prop_map(Event::Turn),
        8 => Just(Event::Patience),
        6 => any::<u8>().prop_map(Event::Nonsense),
        3 => proptest::option::of(choice).prop_map(|act| Event::Kill { act }),
        2 => Just(Event::Restart),
        4 => clock.prop_map(Event::Clock),
        1 => any::<bool>().prop_map(Event::Hours),
        2 => prop::bool::weighted(0.7).prop_map(Event::BootId),
        1 => Just(Event::FreeLock),
        3 => (any::<bool>(), number, prop::bool::weighted(0.8))
            .prop_map(|(retry, number, this)| Event::Command { retry, number, this }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_history_breaks_a_promise(job in jobs(), events in proptest::collection::vec(event(), 1..150)) {
        let mut world = World::new(job);
        for event in &events {
            world.takes(event)?;
        }
        // And from wherever it has come to, it comes to an end when all goes well again.
        world.ends()?;
        prop_assert!(world.journal.is_over());
    }
}

/// The histories above are worth something only if they come everywhere.
#[test]
fn histories_come_to_every_step() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let histories = (jobs(), proptest::collection::vec(event(), 150));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..600 {
        let (job, events) = histories.new_tree(&mut runner).unwrap().current();
        let mut world = World::new(job);
        for event in &events {
            world.takes(event).unwrap();
            let step = serde_json::to_value(&world.journal.step).unwrap();
            seen.insert(step["step"].as_str().unwrap().to_owned());
        }
    }
    let all = [
        "apply",
        "check",
        "commit",
        "fetch",
        "hold",
        "idle",
        "lock",
        "needs-reboot",
        "nothing",
        "over",
        "post",
        "pre",
        "rebooting",
        "release",
        "return",
        "spread",
        "stopped",
        "verify",
        "yield",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}

/// A run in which nothing goes wrong takes a known number of turns.
#[test]
fn a_good_run_is_short() {
    let mut world = World::new(job());
    let turns = world.ends().unwrap();
    assert_eq!(
        world.journal.step,
        Step::Over {
            outcome: Outcome::Done,
            reason: None
        }
    );
    // Thirteen looks at the host's health with the waits between them, and the lock confirmed before five steps.
    assert_eq!(turns, 41);
}
