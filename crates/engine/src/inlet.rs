//! The end of the reader's queue, and the horizon that it waits for: closed, both tell it to stop.

use std::sync::Arc;

use crate::journal::Horizon;
use crate::queue::Receiver;

/// What the reader fills and waits for, so that it can be told to stop.
pub(crate) struct Inlet<T> {
    pub(crate) items: Receiver<T>,
    pub(crate) horizon: Option<Arc<Horizon>>,
}

impl<T> Clone for Inlet<T> {
    fn clone(&self) -> Inlet<T> {
        Inlet {
            items: self.items.clone(),
            horizon: self.horizon.clone(),
        }
    }
}

impl<T> Inlet<T> {
    pub(crate) fn close(&self) {
        self.items.close();
        self.horizon.iter().for_each(|horizon| horizon.close());
    }
}
