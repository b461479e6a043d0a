//! The numbers of keys: the first key that is read is item 0, the next new one item 1, whatever the place in the input.
//!
//! All else in the engine knows items by their number. So a job with keys has the journal, the dead letters and the accounts
//! of databases that any other has; and here is kept which key has which number. `README.md` beside the journal says why so.

mod entry;
mod index;
mod numbering;
mod set;
mod store;

pub(crate) use numbering::{Numbered, Numbering};
pub use set::KeySet;
pub(crate) use store::Store;
