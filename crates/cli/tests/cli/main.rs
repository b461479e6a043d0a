//! Drives the real binary: what it prints, what it saves, and how it leaves.

mod compare;
mod help;
mod lab;
mod run;
mod signals;
mod support;
mod usage;
