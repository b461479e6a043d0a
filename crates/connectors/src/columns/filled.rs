//! Whether anything was ever found for a column: one that stays empty may be mistyped.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a filter has ever found something but null, in any copy of its column.
#[derive(Debug, Default)]
pub(super) struct Filled(AtomicBool);

/// Two columns are the same whatever has been made of them.
impl PartialEq for Filled {
    fn eq(&self, _: &Filled) -> bool {
        true
    }
}

impl Eq for Filled {}

impl Filled {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self) {
        // Read first, so that threads don't take the line from each other for every item.
        if !self.is_set() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}
