//! The face of fault injection in release builds: nothing, at no cost.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Does nothing in release builds.
#[inline(always)]
pub fn point(_name: &'static str) {}

/// Does the work, in release builds as in others.
#[inline(always)]
pub fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Does nothing in release builds.
#[inline(always)]
pub fn set_role(_role: &'static str) {}

/// Does nothing in release builds.
#[inline(always)]
pub fn set_partner(_pid: u32) {}

#[inline(always)]
pub(crate) fn carried() -> Option<(&'static str, OsString)> {
    None
}

/// What would be needed to take an effect back.
#[derive(Debug)]
pub(crate) struct Kept;

/// The record of effects, which release builds do not keep.
#[derive(Debug)]
pub(crate) struct Effects;

#[inline(always)]
pub(crate) fn effects() -> Effects {
    Effects
}

impl Effects {
    #[inline(always)]
    pub(crate) fn keep(&self, _dir: &Arc<OwnedFd>, _name: &OsStr) -> Kept {
        Kept
    }
    #[inline(always)]
    pub(crate) fn wrote(&mut self, _file: &File) {}
    #[inline(always)]
    pub(crate) fn created(&mut self, _dir: &Arc<OwnedFd>, _name: &OsStr) {}
    #[inline(always)]
    pub(crate) fn removed(&mut self, _dir: &Arc<OwnedFd>, _name: &OsStr, _was: Kept) {}
    #[inline(always)]
    pub(crate) fn renamed(
        &mut self,
        _from: (&Arc<OwnedFd>, &OsStr),
        _to: (&Arc<OwnedFd>, &OsStr),
        _replaced: Kept,
    ) {
    }
    #[inline(always)]
    pub(crate) fn exchanged(&mut self, _dir: &Arc<OwnedFd>, _one: &OsStr, _other: &OsStr) {}
    #[inline(always)]
    pub(crate) fn synced_file(&mut self, _file: &File) {}
    #[inline(always)]
    pub(crate) fn synced_dir(&mut self, _dir: &Arc<OwnedFd>) {}
}
