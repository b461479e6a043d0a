//! `parallel`: compute on threads of their own, serve I/O on this one.

use tokio::task::spawn_local;

use super::Steps;
use super::threads::{Threads, Work};
use crate::driver::Driver;
use crate::error::Error;
use crate::job::Types;
use crate::options::Options;
use crate::queue::{queue, queue_in_order};

pub(super) async fn drive<W: Types>(steps: Steps<W>, options: &Options) -> Result<(), Error> {
    let Steps {
        intake,
        cpu,
        save,
        stop,
        driver,
    } = steps;
    let inputs = intake.stream();
    let make = if options.keep_order {
        queue_in_order
    } else {
        queue
    };
    let (sender, results) = make(options.queue_bytes);
    let work = Work {
        cpu,
        inputs: inputs.clone(),
        results: sender,
        deadline: options.compute_timeout,
        in_order: options.keep_order,
        stop,
    };
    let watching = match driver {
        Driver::Threads => {
            let (threads, ended) = Threads::start(options.jobs, work)?;
            spawn_local(threads.watch(ended))
        }
        #[cfg(test)]
        Driver::Simulated {
            compute, is_told, ..
        } => spawn_local(work.in_tasks(options.jobs, compute, is_told)),
    };
    save.drain(results).await;
    // All is saved, or nothing more will be: whoever still waits for input need not.
    inputs.close();
    watching
        .await
        .map_err(|error| Error::internal(format!("watching task: {error}")))?
}
