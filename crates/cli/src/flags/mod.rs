//! What was typed: every flag, from the command line, the environment and job files; shapes only, no meaning.
//!
//! It knows no service and opens nothing.

pub(crate) mod args;
pub(crate) mod command;
pub(crate) mod compare;
pub(crate) mod headings;
pub(crate) mod job;
pub(crate) mod job_file;
pub(crate) mod keep;
pub(crate) mod keywords;
pub(crate) mod lab;
pub(crate) mod layers;
pub(crate) mod output;
pub(crate) mod pace;
pub(crate) mod pictures;
pub(crate) mod plan;
pub(crate) mod repeat;
pub(crate) mod run;
pub(crate) mod secrets;
pub(crate) mod setting;
pub(crate) mod shell;
pub(crate) mod short;
pub(crate) mod strategy;
pub(crate) mod sweep;
pub(crate) mod try_run;
pub(crate) mod typed;
pub(crate) mod value;
