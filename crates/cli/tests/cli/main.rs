//! Drives the real binary: what it prints, what it saves, and how it leaves.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod answers;
mod bad_input;
mod brake;
mod browser;
mod bulk;
mod compare;
mod crash;
mod dead_letters;
mod exec;
mod help;
mod job;
mod journal;
mod keys;
mod lab;
mod llm;
mod look;
mod order;
mod plan;
mod postgres;
mod progress;
mod report;
mod rows;
mod run;
mod secrets;
mod signals;
mod storage;
mod support;
mod usage;
