//! A set of keys of any size, most of it on the disk: those that a sink has already.

use std::io;

use super::store::Store;
use crate::key::Key;

/// Keys that are added before they are written together.
const TOGETHER: u64 = 1 << 16;

/// Keys of which so many may be known that memory alone would not hold them: each takes 6.5 bytes there, and 16 in a temporary file.
/// See [`Job::skipping`](crate::Job::skipping).
#[derive(Debug)]
pub struct KeySet(Store);

impl KeySet {
    /// An empty set, in a file without a name that goes with it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn new() -> io::Result<KeySet> {
        Store::temporary().map(KeySet)
    }

    /// Adds a key. One that is added twice counts twice.
    ///
    /// # Errors
    /// When the file cannot be written. The set is not to be used after that.
    pub fn insert(&mut self, key: Key) -> io::Result<()> {
        let number = self.0.push(key)?;
        if number % TOGETHER == TOGETHER - 1 {
            self.0.commit()?;
        }
        Ok(())
    }

    /// How many keys were added.
    pub fn len(&self) -> u64 {
        self.0.count()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn contains(&mut self, key: Key) -> io::Result<bool> {
        Ok(self.0.find(key)?.is_some())
    }
}
