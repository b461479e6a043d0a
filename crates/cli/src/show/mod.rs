//! What people and programs see of a run: progress, tables, JSON, pictures.

pub(crate) mod curl;
pub(crate) mod json;
pub(crate) mod pictures;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod shown;
pub(crate) mod sweep;
pub(crate) mod table;
pub(crate) mod taking;
