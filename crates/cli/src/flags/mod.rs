//! What was typed: every flag, from the command line, the environment and job files; shapes only, no meaning.
//!
//! It knows no service and opens nothing.

pub(crate) mod args;
pub(crate) mod command;
pub(crate) mod job_file;
pub(crate) mod lab;
pub(crate) mod layers;
pub(crate) mod pictures;
pub(crate) mod plan;
pub(crate) mod repeat;
pub(crate) mod secrets;
pub(crate) mod sweep;
pub(crate) mod value;
