//! A record: an item on its way, whatever it has become so far.

/// The value of one item at some point of its way, with the index it keeps from source to sink.
#[derive(Debug, Clone)]
pub struct Record<T> {
    /// Which item this is, counted from 0 in the order of the source.
    pub index: u64,
    /// What the item is now: as read, as fetched, or as computed.
    pub value: T,
    pub(crate) trail: Trail,
}

/// What a stage must remember of a record between its attempts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trail {
    /// Nanoseconds into the run at which the record could have been sent.
    pub(crate) ready_ns: u64,
    /// Milliseconds into the run at which it was first sent.
    pub(crate) first_sent_ms: u32,
    /// Attempts that count against the item.
    pub(crate) attempts: u16,
    /// How many of those fall into the run of failures that may turn out to be an outage.
    pub(crate) in_streak: u16,
    /// Which run of failures that is.
    pub(crate) streak: u32,
    /// Times the service asked for less; sets how long the next wait is.
    pub(crate) overloads: u16,
}

impl<T> Record<T> {
    /// A record as a source makes it; of use in the tests of a connector.
    pub fn new(index: u64, value: T) -> Record<T> {
        Record {
            index,
            value,
            trail: Trail::default(),
        }
    }

    /// The same item with another value; a new stage starts counting anew.
    pub(crate) fn with<U>(index: u64, value: U) -> Record<U> {
        Record::new(index, value)
    }
}
