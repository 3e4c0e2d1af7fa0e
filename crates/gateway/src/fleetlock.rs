//! FleetLock: places for reboots.
