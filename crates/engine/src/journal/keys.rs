//! The file of keys beside a journal, and whether it holds every key that the journal speaks of.

use std::io;
use std::path::Path;
#[cfg(test)]
use std::sync::{Arc, Mutex};

use super::disk::Disk;
use super::frame::{Entry, Frame};
use super::recover::recover;
#[cfg(test)]
use super::simulated::Simulated;
use super::state::State;
use crate::error::{Error, ErrorKind};
use crate::keys::Store;

/// Where the keys of a journal lie.
#[derive(Debug)]
pub(super) enum KeysPlace {
    Beside,
    #[cfg(test)]
    On(Arc<Mutex<Simulated>>),
}

impl KeysPlace {
    /// Reads the keys of the journal at this path.
    pub(super) fn open(&self, journal: &Path) -> Result<Store, Error> {
        let store = match self {
            KeysPlace::Beside => Store::beside(journal),
            #[cfg(test)]
            KeysPlace::On(disk) => Store::read(Disk::Simulated(Arc::clone(disk))),
        };
        store.map_err(|cause| {
            let kind = match cause.kind() {
                io::ErrorKind::InvalidData => ErrorKind::Damaged,
                _ => ErrorKind::Storage,
            };
            let place = Store::path_beside(journal);
            Error::new(
                kind,
                format!("failed to read the keys {}: {cause}", place.display()),
            )
        })
    }

    /// The same without making a file where there is none: then there are no keys.
    pub(super) fn count(&self, journal: &Path) -> Result<u64, Error> {
        match self.is_missing(journal) {
            true => Ok(0),
            false => self.open(journal).map(|store| store.count()),
        }
    }

    /// Whether there is no file.
    pub(super) fn is_missing(&self, journal: &Path) -> bool {
        match self {
            KeysPlace::Beside => !Store::path_beside(journal).exists(),
            #[cfg(test)]
            KeysPlace::On(_) => false,
        }
    }
}

/// Whether each item below `end` has a key.
pub(super) fn check(journal: &Path, count: u64, end: u64) -> Result<(), Error> {
    if count >= end {
        return Ok(());
    }
    let place = Store::path_beside(journal);
    Err(Error::new(
        ErrorKind::Damaged,
        format!(
            "the journal {} speaks of {end} keys, and {} holds {count} that are good; nothing was sent; put the file back, or \
             `inflight journal repair {0}` forgets what was done with the others, which is then done again",
            journal.display(),
            place.display(),
        ),
    ))
}

/// Why a job cannot go on from the journal of one that knew its items in another way.
pub(super) fn of_another_kind(journal: &Path, is_keyed: bool) -> Error {
    let (was, is) = match is_keyed {
        true => ("by their place in the input", "by keys"),
        false => ("by keys", "by their place in the input"),
    };
    Error::new(
        ErrorKind::OtherJob,
        format!(
            "the journal {} is that of another job: it knows items {was}, and this job knows them {is}",
            journal.display()
        ),
    )
}

/// Where the first frame begins that speaks of an item from `count` on, if one does.
pub(super) fn first_without_key(disk: &mut Disk, count: u64) -> io::Result<Option<u64>> {
    let mut first = None;
    recover(disk, |at, frame| {
        if first.is_none() && end_of(frame) > count {
            first = Some(at);
        }
    })?;
    Ok(first)
}

fn end_of(frame: &Frame) -> u64 {
    match &frame.entry {
        Entry::Progress(progress) => {
            let ranges = progress.saved.iter().chain(&progress.dead);
            ranges.map(|range| range.end).max().unwrap_or(0)
        }
        Entry::Began(_) | Entry::Ended { .. } => 0,
    }
}

/// The end of the items that a journal speaks of, if it knows them by keys.
pub(super) fn keyed_end(state: &State) -> Option<u64> {
    state.began.is_keyed.then(|| state.finished.end())
}
