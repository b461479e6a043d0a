//! The objects of Python that are on their way through a job: the engine carries a number, the object stays here.
//!
//! An object is let go of when the last value that carries its number is dropped, on whichever thread that is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pyo3::prelude::*;

/// What the bytes of a number begin with. A pickle begins with 0x80.
const NUMBER: u8 = 0;

static TABLE: LazyLock<Mutex<HashMap<u64, Py<PyAny>>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU64 = AtomicU64::new(0);

fn table() -> MutexGuard<'static, HashMap<u64, Py<PyAny>>> {
    // No code that can panic runs under this lock.
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps an object as long as what is returned, or a copy of it, is there.
pub(crate) fn keep(object: Py<PyAny>) -> Bytes {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    table().insert(number, object);
    let mut bytes = [NUMBER; 9];
    bytes[1..].copy_from_slice(&number.to_le_bytes());
    Bytes::from_owner(Kept { bytes, number })
}

/// The object that these bytes are the number of; `None` of a pickle.
pub(crate) fn find(py: Python<'_>, bytes: &[u8]) -> Option<Py<PyAny>> {
    let (NUMBER, number) = bytes.split_first().map(|(first, rest)| (*first, rest))? else {
        return None;
    };
    let number = u64::from_le_bytes(number.try_into().ok()?);
    table().get(&number).map(|object| object.clone_ref(py))
}

/// How many objects are on their way; of use in tests.
pub(crate) fn count() -> usize {
    table().len()
}

struct Kept {
    bytes: [u8; 9],
    number: u64,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let object = table().remove(&self.number);
        // Not under the lock: it may run code of the user's.
        drop(object);
    }
}
