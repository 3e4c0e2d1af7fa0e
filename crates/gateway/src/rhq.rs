//! RHQ: its agents' updates over HTTP.
