//! One file or folder for each command.

pub(crate) mod checked;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod dead_letters;
pub(crate) mod dry_run;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod journal;
pub(crate) mod lab;
pub(crate) mod lab_simulate;
pub(crate) mod looked_at;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod try_run;
