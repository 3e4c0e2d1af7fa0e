//! What can only be checked when everything has been read.

mod ambiguity;
mod circles;
mod follows;
mod hosts;
mod locks;
mod packages;

use crate::fault::Faults;
use crate::fleet::Fleet;
use crate::source::Sources;

/// Looks for everything that each line alone does not show.
pub(crate) fn fleet(fleet: &Fleet, sources: &Sources, faults: &Faults) {
    hosts::check(fleet, faults);
    circles::check(fleet, faults);
    ambiguity::check(fleet, sources, faults);
    locks::check(fleet, faults);
    packages::check(fleet, sources, faults);
    follows::check(fleet, sources, faults);
}
