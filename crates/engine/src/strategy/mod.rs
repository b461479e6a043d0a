//! Where steps run and in what order. The steps are the same for all; only who drives differs.

mod batched;
mod event_loop;
mod intake;
mod parallel;
mod sequential;
mod threads;

use crate::cpu::Cpu;
use crate::driver::Driver;
use crate::error::Error;
use crate::job::Types;
use crate::options::{Options, Strategy};
use crate::stage::Stage;
use crate::stop::Stop;
pub(crate) use intake::{Fetching, Intake};

/// The steps of a job, ready to be driven on the I/O thread.
pub(crate) struct Steps<W: Types> {
    pub(crate) intake: Intake<W>,
    pub(crate) cpu: Cpu<W::Input, W::Result>,
    pub(crate) save: Stage<W::Result, W::Save>,
    /// Asked between computations, which nothing else interrupts on one thread.
    pub(crate) stop: Stop,
    /// Where `parallel` computes.
    pub(crate) driver: Driver,
}

/// Drives the steps until every item is finished or the stages have stopped.
pub(crate) async fn drive<W: Types>(steps: Steps<W>, options: &Options) -> Result<(), Error> {
    match options.strategy {
        Strategy::Sequential => sequential::drive(steps).await,
        Strategy::Batched => batched::drive(steps, options.batch).await,
        Strategy::Async => return event_loop::drive(steps, options.yield_every).await,
        Strategy::Parallel => return parallel::drive(steps, options).await,
    }
    Ok(())
}
