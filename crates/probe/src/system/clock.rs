//! `clock_synchronised`: does somebody keep the clock right?
//!
//! systemd's own client leaves a file when it has heard from a server. For all others (chrony, ntpd, ptp4l) the
//! kernel knows: whoever steers the clock tells it how large the error may be. What the kernel thinks is told by
//! `systemd-timedated`, which the system bus starts for the purpose; its answer counts for a quarter of an hour.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{Level, Value};
use tokio::time::{Instant, timeout_at};

use super::bus::{Bus, Call};
use super::reading::{the_item, verdict, without_value};
use super::{has_options, without_object};
use crate::probe::{Look, Order, Probe};

/// For how long the answer of the bus counts. The program behind it is started for each question.
const ANSWER_COUNTS_FOR: SignedDuration = SignedDuration::from_mins(15);

/// The probe `clock_synchronised`.
pub(super) fn synchronised(order: &Order) -> Result<Arc<dyn Probe>, String> {
    has_options(order, &[])?;
    without_object(order)?;
    Ok(Arc::new(Clock {
        order: order.clone(),
        answer: Mutex::default(),
    }))
}

#[derive(Debug)]
struct Clock {
    order: Order,
    /// The last answer of the bus, and when it came.
    answer: Mutex<Option<(Timestamp, bool)>>,
}

impl Probe for Clock {
    fn look(self: Arc<Self>, at: Timestamp) -> Look {
        Box::pin(async move {
            let order = &self.order;
            // `/run` is memory: it does not hang.
            let by_systemd = order.root.join("run/systemd/timesync/synchronized");
            let answer = if by_systemd.exists() {
                Ok(true)
            } else {
                self.by_the_bus(at).await
            };
            match answer {
                Ok(true) => the_item(order, Value::Text("yes".into()), verdict(Level::FINE, "")),
                Ok(false) => the_item(
                    order,
                    Value::Text("no".into()),
                    verdict(Level::SICK, "nothing keeps the clock right"),
                ),
                Err(why) => without_value(order, why),
            }
        })
    }
}

impl Clock {
    async fn by_the_bus(&self, at: Timestamp) -> Result<bool, String> {
        if let Some((then, answer)) = *self.lock()
            // A clock that was set back has made the answer one of the future.
            && (then..=then.saturating_add(ANSWER_COUNTS_FOR).unwrap_or(then)).contains(&at)
        {
            return Ok(answer);
        }
        let deadline = Instant::now() + self.order.timeout;
        let asked = async {
            let mut bus = Bus::connect(&self.order.root).await?;
            let call = Call::property(
                "org.freedesktop.timedate1",
                "/org/freedesktop/timedate1",
                "NTPSynchronized",
            );
            let answer = bus.call(call).await?;
            answer.read("v", |reader| {
                let is_flag = reader.signature()? == "b";
                is_flag.then(|| reader.u32()).flatten()
            })
        };
        let answer = timeout_at(deadline, asked)
            .await
            .map_err(|_| "no answer of the system bus within the time limit")??
            == 1;
        *self.lock() = Some((at, answer));
        Ok(answer)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Timestamp, bool)>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use crate::system::bus::fake::{self, Reply};
    use crate::system::bus::wire::Writer;
    use crate::system::find;
    use crate::system::world::{World, at, lines};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn systemd_leaves_a_file() {
        let world = World::new();
        world.put("run/systemd/timesync/synchronized", "");
        let found = lines(&world.look("clock_synchronised", 0).await);
        assert_eq!(found, ["clock_synchronised = yes [fine]"]);
    }

    #[tokio::test]
    async fn the_kernel_is_asked_by_way_of_the_bus_and_not_too_often() {
        let world = World::new();
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let _bus = fake::serve(world.root(), move |call| {
            assert_eq!(call, "org.freedesktop.DBus.Properties.Get");
            let mut body = Writer::default();
            body.signature("b");
            body.u32(count.fetch_add(1, Ordering::Relaxed) % 2);
            Reply::Body("v", body)
        });
        let probe = find(&world.order("clock_synchronised")).unwrap().unwrap();
        let look = async |second| lines(&Arc::clone(&probe).look(at(second)).await).join("");
        let no = "clock_synchronised = no [sick] nothing keeps the clock right";
        assert_eq!(look(1000).await, no);
        assert_eq!(look(1900).await, no);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(look(1901).await, "clock_synchronised = yes [fine]");
        assert_eq!(look(1000).await, no, "set back");
    }

    #[tokio::test]
    async fn without_a_bus_nobody_knows() {
        let world = World::new();
        let value = world.value("clock_synchronised", 0).await;
        assert!(
            value.starts_with("none (there is no system bus at "),
            "{value}"
        );
    }
}
