//! A record: an item on its way, whatever it has become so far; and the chunk in which records travel.

use crate::key::Key;

/// The value of one item at some point of its way, with the index it keeps from source to sink.
#[derive(Debug, Clone)]
pub struct Record<T> {
    /// Which item this is, counted from 0 in the order of the source.
    pub index: u64,
    /// What the item is now: as read, as fetched, or as computed.
    pub value: T,
    pub(crate) trail: Trail,
}

/// What a stage remembers of a record between its attempts. Compute leaves it alone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trail {
    /// Nanoseconds into the run at which the record could have been sent.
    pub(crate) ready_ns: u64,
    /// Milliseconds into the run at which it was first sent; 0 before that.
    pub(crate) first_sent_ms: u32,
    /// The run of failures its last attempts belong to.
    pub(crate) streak: u32,
    /// Attempts that count against the item.
    pub(crate) attempts: u16,
    /// How many of those belong to that run of failures, and are forgiven if it was an outage.
    pub(crate) attempts_in_streak: u16,
    /// Whether it was sent in vain, through no fault of a request's other records: what fails again says nothing of the service.
    pub(crate) has_failed: bool,
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
}

/// Records that travel together between threads, so that they share a hand-off.
pub(crate) struct Chunk<T> {
    pub(crate) records: Vec<Record<T>>,
    /// What they hold, themselves included.
    pub(crate) bytes: usize,
    /// Which chunk of its way this is, counted from 0: what comes of it keeps the number, for who wants it in order.
    pub(crate) number: u64,
    /// The value of its only record, where those of one value go one after the other.
    pub(crate) value: Option<Key>,
}

impl<T> Chunk<T> {
    /// `size` says what one value holds on the heap.
    pub(crate) fn new(records: Vec<Record<T>>, size: fn(&T) -> usize) -> Chunk<T> {
        let bytes = records.iter().map(|r| record_bytes(r, size)).sum();
        Chunk {
            records,
            bytes,
            number: 0,
            value: None,
        }
    }

    /// What says that an item of this value died in an earlier run.
    pub(crate) fn halting(value: Key) -> Chunk<T> {
        Chunk {
            value: Some(value),
            ..Chunk::nothing(0)
        }
    }

    /// The same chunk with this number.
    pub(crate) fn numbered(self, number: u64) -> Chunk<T> {
        Chunk { number, ..self }
    }

    /// Nothing came of the chunk with this number, and nobody need wait for it.
    pub(crate) fn nothing(number: u64) -> Chunk<T> {
        Chunk {
            records: Vec::new(),
            bytes: 0,
            number,
            value: None,
        }
    }
}

/// What one record holds, itself included.
pub(crate) fn record_bytes<T>(record: &Record<T>, size: fn(&T) -> usize) -> usize {
    size_of::<Record<T>>() + size(&record.value)
}
