//! Where items come from. Every iterator is a source; a trait for those that can fail or must not block.

use crate::fault::Fault;

/// Where the items of a job come from, in an order that does not change.
///
/// Any iterator will do. Implement it for input that can hold bad items, that knows how much is left, or
/// that should hand over what it has instead of waiting for a full chunk.
///
/// ```
/// use inflight::{Fault, Job, Options, Source};
///
/// struct Lines(Vec<&'static str>);
///
/// impl Source for Lines {
///     type Item = i64;
///     fn read(&mut self, max: usize, items: &mut Vec<Result<i64, Fault>>) -> Result<(), Fault> {
///         for line in self.0.drain(..max.min(self.0.len())) {
///             items.push(line.parse().map_err(|e| Fault::permanent("not a number").because(e)));
///         }
///         Ok(())
///     }
/// }
///
/// let job = Job::new(Lines(vec!["1", "2", "many"])).compute(|n: i64| n);
/// let summary = job.save(async |_: &i64| Ok::<(), Fault>(())).run(&Options::default())?;
/// assert_eq!((summary.saved, summary.dead), (2, 1));
/// # Ok::<(), inflight::Error>(())
/// ```
pub trait Source: Send + 'static {
    /// What one item is.
    type Item: Send + 'static;

    /// Appends at least one and at most `max` items, or none at the end of the input.
    ///
    /// An item that is there but cannot be used is an `Err` among them: it becomes a dead letter. A source
    /// that would have to wait for more returns what it has.
    ///
    /// # Errors
    /// When the input as a whole cannot be read on. The run finishes what it has and says why it stopped.
    fn read(&mut self, max: usize, items: &mut Vec<Result<Self::Item, Fault>>)
    -> Result<(), Fault>;

    /// Where reading stands, in a form that [`Source::resume`] understands. Default: nowhere in particular, so that a
    /// run that goes on reads the input from its beginning and skips what is finished.
    fn place(&mut self) -> Option<Place> {
        None
    }

    /// Goes on as if everything before `from` had been read; asked before the first read. `read_to` is the furthest
    /// place that earlier runs had read.
    ///
    /// # Errors
    /// When what was read then is not what would be read now; says what differs.
    fn resume(&mut self, from: Option<&Place>, read_to: Option<&Place>) -> Result<(), Fault> {
        let _ = read_to;
        match from {
            None => Ok(()),
            Some(_) => Err(Fault::permanent("this source cannot go back to a place")),
        }
    }

    /// How many items are still to be read, where that is known without reading them. Default: unknown.
    fn remaining(&self) -> Option<u64> {
        None
    }

    /// Counts what is still to be read, after a run has stopped early. Default: [`Source::remaining`].
    fn count_rest(&mut self) -> Option<u64> {
        self.remaining()
    }
}

/// A place in a source: bytes that only the source understands, a few dozen of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(pub Vec<u8>);

impl<I> Source for I
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
{
    type Item = I::Item;

    fn read(&mut self, max: usize, items: &mut Vec<Result<I::Item, Fault>>) -> Result<(), Fault> {
        items.extend(self.take(max).map(Ok));
        Ok(())
    }

    fn remaining(&self) -> Option<u64> {
        match self.size_hint() {
            (least, Some(most)) if least == most => Some(least as u64),
            _ => None,
        }
    }
}
