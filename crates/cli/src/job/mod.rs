//! The job that the flags mean: checked ([`work`], [`options`]), then opened ([`opened`]: source, computation and sink are there).
//!
//! It keeps nothing and shows nothing.

pub(crate) mod brake;
pub(crate) mod computation;
pub(crate) mod copies;
pub(crate) mod fetch;
pub(crate) mod fits;
pub(crate) mod given;
pub(crate) mod identity;
pub(crate) mod leash;
pub(crate) mod open_files;
pub(crate) mod opened;
pub(crate) mod options;
pub(crate) mod paths;
pub(crate) mod settings;
pub(crate) mod single;
pub(crate) mod target;
pub(crate) mod work;
