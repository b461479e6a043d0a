//! How long a job will take with each strategy, before it is run: pure formulas, and what they are fed with.
//!
//! A [`Sample`] folds the facts of a few items and requests, a [`Ladder`] says with how many in flight a service is asked
//! next; both give [`Figure`]s, of which [`Work`] is made. [`forecast`] puts these into a closed form for each strategy
//! ([`Way`]) and says what would change it. `docs/forecast.md` has the formulas and says where they come from. Nothing here waits, asks a
//! clock or knows a service by name. What a run says of its own end is in `progress`.

mod figure;
mod formula;
mod ladder;
mod outlook;
mod plain;
mod sample;
mod stream;
#[cfg(test)]
mod tests;
mod way;
mod work;

pub use figure::Figure;
pub use ladder::{Ladder, LadderSettings, Rung, Top};
pub use outlook::{Change, Forecast, What, forecast};
pub use sample::{Moments, Requests, Sample};
pub use way::Way;
pub use work::{Traffic, Work};
