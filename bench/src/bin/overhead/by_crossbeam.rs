//! By hand, as a good engineer would: a source thread, a worker for each core, a sink thread, bounded channels between.

use std::hint::black_box;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

/// Items, or chunks, that may wait in a channel.
const WAITING_MAX: usize = 1024;

/// Items in a chunk.
const CHUNK: u64 = 1024;

/// One item at a time through the channels: the loop that everybody writes first.
pub(crate) fn items(items: u64) -> u64 {
    piped(
        move |out: Sender<u64>| {
            for item in 0..items {
                out.send(item).expect("the workers wait for more");
            }
        },
        black_box,
        |results| results.iter().sum(),
    )
}

/// A thousand items at a time: the loop after it was measured once.
pub(crate) fn chunks(items: u64) -> u64 {
    piped(
        move |out: Sender<Vec<u64>>| {
            for start in (0..items).step_by(CHUNK as usize) {
                let chunk = (start..items.min(start + CHUNK)).collect();
                out.send(chunk).expect("the workers wait for more");
            }
        },
        |mut chunk| {
            for item in &mut chunk {
                *item = black_box(*item);
            }
            chunk
        },
        |results| results.iter().flatten().sum(),
    )
}

/// Source, workers and sink; what the sink comes to.
fn piped<T: Send>(
    source: impl FnOnce(Sender<T>) + Send,
    compute: fn(T) -> T,
    sink: fn(Receiver<T>) -> u64,
) -> u64 {
    let (to_workers, work) = bounded(WAITING_MAX);
    let (to_sink, results) = bounded(WAITING_MAX);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        scope.spawn(|| source(to_workers));
        for _ in 0..workers {
            let (work, to_sink) = (work.clone(), to_sink.clone());
            scope.spawn(move || {
                for item in work {
                    to_sink
                        .send(compute(item))
                        .expect("the sink waits for more");
                }
            });
        }
        // The sink ends when the last worker is gone, and ours are not among them.
        drop((work, to_sink));
        scope
            .spawn(move || sink(results))
            .join()
            .expect("adding up cannot fail")
    })
}
