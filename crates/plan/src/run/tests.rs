//! The course of runs, step by step.
