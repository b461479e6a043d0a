//! `batched`: take a batch, fetch it together, compute it, save it together, wait for all; next batch.

use super::{Fetching, Intake, Steps};
use crate::job::Types;
use crate::queue::Receiver;
use crate::record::{Chunk, Record};

pub(super) async fn drive<W: Types>(steps: Steps<W>, batch: usize) {
    let Steps {
        intake,
        mut cpu,
        save,
        stop,
        ..
    } = steps;
    let has_fetch = intake.fetch().is_some();
    let mut batches = Batches::new(intake, batch);
    while let Some(inputs) = batches.next().await {
        let mut results = Vec::with_capacity(inputs.len());
        let mut inputs = inputs.into_iter();
        while let Some(record) = inputs.next() {
            if stop.ends_saves(has_fetch) {
                return;
            }
            match cpu.at_once() {
                0 | 1 => results.extend(cpu.one_among_requests(record, &mut save.log())),
                more => {
                    let batch = std::iter::once(record).chain(inputs.by_ref().take(more - 1));
                    results.extend(cpu.some_among_requests(batch.collect(), &mut save.log()));
                }
            }
            if cpu.is_over() {
                break;
            }
        }
        save.offer_all(results);
        save.at_rest().await;
        if save.is_stopped() || cpu.is_over() {
            return;
        }
    }
    save.idle().await;
}

/// Cuts what comes from the source into batches, and fetches each.
struct Batches<W: Types> {
    intake: Take<W>,
    size: usize,
}

enum Take<W: Types> {
    Direct(Cutter<W::Input>),
    Fetched(Cutter<W::Item>, Fetching<W>),
}

impl<W: Types> Batches<W> {
    fn new(intake: Intake<W>, size: usize) -> Self {
        let intake = match intake {
            Intake::Direct(items) => Take::Direct(Cutter::new(items)),
            Intake::Fetched(fetching) => {
                Take::Fetched(Cutter::new(fetching.items.clone()), fetching)
            }
        };
        Batches { intake, size }
    }

    /// The next batch, ready to be computed; `None` at the end of the input.
    async fn next(&mut self) -> Option<Vec<Record<W::Input>>> {
        match &mut self.intake {
            Take::Direct(cutter) => cutter.cut(self.size).await,
            Take::Fetched(cutter, fetching) => {
                let items = cutter.cut(self.size).await;
                fetching.fetch.offer_all(items?);
                // What comes of them later, nobody would take: the next items may wait until these are saved.
                fetching.fetch.turn_over().await;
                // Nobody does before all of the batch is computed.
                fetching.fetch.hand_over_facts();
                let chunks = std::iter::from_fn(|| fetching.fetched.try_recv());
                Some(chunks.flat_map(|chunk| chunk.records).collect())
            }
        }
    }
}

/// Cuts chunks anew, to the size of a batch.
struct Cutter<T> {
    chunks: Receiver<T>,
    rest: std::vec::IntoIter<Record<T>>,
}

impl<T> Cutter<T> {
    fn new(chunks: Receiver<T>) -> Cutter<T> {
        Cutter {
            chunks,
            rest: Vec::new().into_iter(),
        }
    }

    /// The next items, as many as a batch holds; fewer at the end of the input, and where all others are behind these.
    async fn cut(&mut self, size: usize) -> Option<Vec<Record<T>>> {
        let mut batch = Vec::new();
        loop {
            batch.extend(self.rest.by_ref().take(size - batch.len()));
            if batch.len() == size {
                return Some(batch);
            }
            let chunk = match batch.is_empty() {
                true => self.chunks.recv_async().await,
                false => self.chunks.recv_before_those_behind().await,
            };
            match chunk {
                Some(Chunk { records, .. }) => self.rest = records.into_iter(),
                None => return (!batch.is_empty()).then_some(batch),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::queue;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Every item is in one batch, in order, and only the last is smaller than was asked for.
        #[test]
        fn batches_partition_the_input(
            chunks in prop::collection::vec(0usize..40, 0..30),
            size in 1usize..60,
        ) {
            let (sender, items) = queue(usize::MAX);
            let mut indexes = 0u64..;
            let mut count = 0;
            for length in chunks {
                let records = indexes.by_ref().take(length);
                sender.push(Chunk::new(records.map(|n| Record::new(n, n)).collect(), |_| 0));
                count += length as u64;
            }
            drop(sender);
            let mut cutter = Cutter::new(items);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let batches: Vec<Vec<u64>> = std::iter::from_fn(|| {
                let batch = runtime.block_on(cutter.cut(size))?;
                Some(batch.iter().map(|record| record.index).collect())
            })
            .collect();
            let last = batches.len().saturating_sub(1);
            for (number, batch) in batches.iter().enumerate() {
                prop_assert!(batch.len() == size || number == last && !batch.is_empty() && batch.len() < size);
            }
            prop_assert_eq!(batches.concat(), (0..count).collect::<Vec<_>>());
        }
    }
}
