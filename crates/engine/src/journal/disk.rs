//! Where a journal or a file of dead letters lies: a real file, or one in memory that can fail and lose power.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
#[cfg(test)]
use std::sync::{Arc, Mutex};

#[cfg(test)]
use super::simulated::Simulated;

/// A file that is only appended to. Not buffered: a write that did not fail is with the system.
#[derive(Debug)]
pub(crate) enum Disk {
    /// Closed, and so unlocked, when this is dropped.
    File(File),
    #[cfg(test)]
    Simulated(Arc<Mutex<Simulated>>),
}

impl Disk {
    pub(crate) fn len(&self) -> io::Result<u64> {
        match self {
            Disk::File(file) => file.metadata().map(|about| about.len()),
            #[cfg(test)]
            Disk::Simulated(disk) => Ok(disk.lock().expect("no panic under it").len()),
        }
    }

    /// Fills `bytes` from there on as far as the file goes; says how many it got.
    pub(crate) fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Disk::File(file) => {
                let mut got = 0;
                while got < bytes.len() {
                    match file.read_at(&mut bytes[got..], offset + got as u64) {
                        Ok(0) => break,
                        Ok(count) => got += count,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(got)
            }
            #[cfg(test)]
            Disk::Simulated(disk) => Ok(disk
                .lock()
                .expect("no panic under it")
                .read_at(offset, bytes)),
        }
    }

    /// Adds these bytes at `offset`, which is the end of what is good.
    pub(crate) fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match self {
            Disk::File(file) => file.write_all_at(bytes, offset),
            #[cfg(test)]
            Disk::Simulated(disk) => disk
                .lock()
                .expect("no panic under it")
                .write_at(offset, bytes),
        }
    }

    /// Cuts the file to this length.
    pub(crate) fn cut(&mut self, length: u64) -> io::Result<()> {
        match self {
            Disk::File(file) => file.set_len(length),
            #[cfg(test)]
            Disk::Simulated(disk) => disk.lock().expect("no panic under it").cut(length),
        }
    }

    /// Waits until all that was written would survive a loss of power. After a failure nobody knows what would, so
    /// it is not to be called again.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        match self {
            Disk::File(file) => file.sync_data(),
            #[cfg(test)]
            Disk::Simulated(disk) => disk.lock().expect("no panic under it").sync(),
        }
    }
}
