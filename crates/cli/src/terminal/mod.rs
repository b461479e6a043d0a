//! What a terminal is: standard output and error, files that results go to, signals, and figures for people.

pub(crate) mod messages;
pub(crate) mod out_file;
pub(crate) mod quantity;
pub(crate) mod signals;
pub(crate) mod stdout;
