//! `version.txt` and the repositories of a package.
