//! Probes with one item, whose value is in a file of the kernel.

use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{ItemName, Value};

use super::Kernel;
use crate::probe::{Found, Look, Order, Probe};

/// A value; none where this machine has nothing of the kind, such as swap.
pub(super) type Reading = Result<Option<Value>, String>;

/// Reads one value.
#[derive(Debug)]
pub(super) struct Single {
    item: ItemName,
    kernel: Arc<Kernel>,
    read: fn(&Kernel) -> Reading,
}

impl Single {
    pub(super) fn new(order: &Order, read: fn(&Kernel) -> Reading) -> Result<Self, String> {
        Ok(Self {
            item: lone(order)?,
            kernel: Arc::clone(&order.kernel),
            read,
        })
    }
}

impl Probe for Single {
    fn look(self: Arc<Self>, _: Timestamp) -> Look {
        Box::pin(async move {
            let value = (self.read)(&self.kernel).transpose();
            value
                .map(|value| Found::new(self.item.clone(), value))
                .into_iter()
                .collect()
        })
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

/// The item of a probe that looks at the machine as a whole.
pub(crate) fn lone(order: &Order) -> Result<ItemName, String> {
    match order.object() {
        None => order.item(),
        Some(object) => Err(format!(
            "{0} is one item: write {0}, without {object:?} behind it",
            order.probe()
        )),
    }
}
