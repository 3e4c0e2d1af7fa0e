//! The fleet file: one declarative description of the fleet, compiled to what each host is told.
