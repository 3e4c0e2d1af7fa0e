//! The only crate that touches the machine: files and fsync, slots, unpacking, processes.
