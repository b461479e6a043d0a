//! What is kept of a run so that it can be drawn: while it goes by a keeper that watches the facts, afterwards in a file.
//!
//! [`keeper`] sums up facts: [`sample`] decides of which items the [`span`]s are kept, [`curve`] what went on over time,
//! [`reasons`] what failed. [`whole`] is what all of that comes to, [`columns`] and [`file`] put it into bytes, and
//! [`shelf`] is the folder where runs keep themselves. No data of any item is in it, unless that was asked for.

pub(crate) mod columns;
mod comparison;
mod curve;
mod file;
mod keeper;
mod reasons;
mod sample;
mod shelf;
pub(crate) mod span;
mod whole;

pub(crate) use comparison::{Comparison, Workload};
pub(crate) use curve::Curves;
#[cfg(test)]
pub(crate) use file::tests;
pub(crate) use keeper::{Keeper, Kept, Mark};
pub(crate) use sample::ITEMS_MAX;
#[cfg(test)]
pub(crate) use sample::Sampled;
pub(crate) use shelf::Shelf;
pub(crate) use whole::{About, Compared, Group, Recording, Run, VERSION};
