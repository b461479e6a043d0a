//! `parallel`: compute on threads of their own, serve I/O on this one.

use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;

use super::Steps;
use crate::cpu::Cpu;
use crate::error::Error;
use crate::fault::Fault;
use crate::job::Types;
use crate::options::Options;
use crate::queue::{Receiver, Sender, queue};

pub(super) async fn drive<W: Types>(steps: Steps<W>, options: &Options) -> Result<(), Error> {
    let Steps {
        intake, cpu, save, ..
    } = steps;
    let inputs = intake.stream();
    let (sender, results) = queue(options.queue_bytes);
    let (alive, mut ended) = mpsc::channel(1);
    let workers = (0..options.jobs)
        .map(|number| {
            let ends = (inputs.clone(), sender.clone(), alive.clone());
            start(number, cpu.another(), ends)
        })
        .collect::<Result<Vec<_>, _>>()?;
    // The workers have their own; these would keep the queues open.
    drop((cpu, sender, alive));
    save.drain(results).await;
    // All is saved, or nothing more will be: whoever still waits for input need not.
    inputs.close();
    // Joining would block this thread, and with it the way out for who stops the run.
    ended.recv().await;
    for worker in workers {
        worker.join().map_err(|panic| {
            Error::internal(format!("compute thread {}", Fault::panicked(&*panic)))
        })?;
    }
    Ok(())
}

/// What a worker takes from, what it gives to, and what tells by its drop that the worker has ended.
type Ends<Q, R> = (Receiver<Q>, Sender<R>, mpsc::Sender<()>);

fn start<Q: Send + 'static, R: Send + 'static>(
    number: usize,
    mut cpu: Cpu<Q, R>,
    ends: Ends<Q, R>,
) -> Result<JoinHandle<()>, Error> {
    thread::Builder::new()
        .name(format!("inflight-cpu-{number}"))
        .spawn(move || {
            let (inputs, results, _alive) = ends;
            while let Some(chunk) = inputs.recv() {
                if results.send(cpu.chunk(chunk.records)).is_err() {
                    break;
                }
                if cpu.is_over() {
                    // Others may be waiting for input that nobody will compute.
                    inputs.close();
                }
            }
            cpu.thread_ended();
        })
        .map_err(|e| Error::internal(format!("failed to start a thread: {e}")))
}
