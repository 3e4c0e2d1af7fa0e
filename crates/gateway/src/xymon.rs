//! Xymon: clients report on TCP 1984 and update themselves from there.
