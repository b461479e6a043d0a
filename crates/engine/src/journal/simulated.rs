//! A file in memory whose calls can fail and whose unsynced blocks may be kept, lost, zeroed or garbled when the power goes.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::dead_letters::DeadLetters;
use super::disk::Disk;
use super::keys::KeysPlace;
use super::opened::OpenedJournal;
use crate::error::Error;
use crate::simulation::{Effect, Plug};

/// What a disk writes at once; what lies in one block shares its fate.
const BLOCK: usize = 512;

/// The file: what would survive, and what the system knows.
#[derive(Debug, Default)]
pub(crate) struct Simulated {
    durable: Vec<u8>,
    now: Vec<u8>,
    /// Calls that may fail, so far; and which of them does, and all that follow.
    pub(crate) calls: u64,
    pub(crate) fails_from: Option<u64>,
    /// That of the machine it is in.
    pub(crate) plug: Arc<Plug>,
}

/// Opens the journal on such a disk, with its dead letters and keys on others.
pub(crate) fn open_simulated(
    journal: &Arc<Mutex<Simulated>>,
    letters: &Arc<Mutex<Simulated>>,
    keys: &Arc<Mutex<Simulated>>,
) -> Result<OpenedJournal, Error> {
    let letters = DeadLetters::on(Disk::Simulated(Arc::clone(letters)));
    let journal = Disk::Simulated(Arc::clone(journal));
    let keys = KeysPlace::On(Arc::clone(keys));
    OpenedJournal::read(Path::new("simulated"), journal, letters, keys)
}

impl Simulated {
    pub(crate) fn len(&self) -> u64 {
        self.now.len() as u64
    }

    pub(crate) fn read_at(&self, offset: u64, bytes: &mut [u8]) -> usize {
        let rest = self.now.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        count
    }

    pub(crate) fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        // A write that fails, or in which the machine stops, may have written a part.
        let failed = self.call().map(|()| bytes.len());
        let count = match self.plug.effect() {
            Effect::Whole => *failed.as_ref().unwrap_or(&(bytes.len() / 2)),
            Effect::Half => bytes.len() / 2,
            Effect::None => return failed.map(drop),
        };
        self.now.resize(offset as usize, 0);
        self.now.extend_from_slice(&bytes[..count]);
        failed.map(drop)
    }

    pub(crate) fn cut(&mut self, length: u64) -> io::Result<()> {
        self.call()?;
        if self.plug.has_effect() {
            self.now.resize(length as usize, 0);
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.call()?;
        if self.plug.has_effect() {
            self.durable.clone_from(&self.now);
        }
        Ok(())
    }

    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        match self.fails_from {
            Some(from) if self.calls >= from => Err(io::Error::other("no space left, on purpose")),
            _ => Ok(()),
        }
    }

    /// The power goes. What was synced is there; of the blocks written since, each has its own fate.
    pub(crate) fn lose_power(&mut self, random: &mut fastrand::Rng) {
        let synced = self.durable.len().min(self.now.len());
        let mut after = self.durable.clone();
        let length = random.usize(synced..=self.now.len().max(synced));
        after.resize(length, 0);
        let first = synced / BLOCK * BLOCK;
        let is_new = self.durable.is_empty();
        for start in (first..length).step_by(BLOCK) {
            let range = start.max(synced)..(start + BLOCK).min(length);
            match random.u8(0..4) {
                0 => after[range.clone()].copy_from_slice(&self.now[range]),
                1 => after[range].fill(0),
                // A file that is new shows what was written to it, or zeros.
                2 if is_new => after[range].fill(0),
                2 => after[range]
                    .iter_mut()
                    .for_each(|byte| *byte = random.u8(..)),
                // The block was written up to somewhere.
                _ => {
                    let part = random.usize(range.start..=range.end);
                    after[range.start..part].copy_from_slice(&self.now[range.start..part]);
                }
            }
        }
        self.durable.clone_from(&after);
        self.now = after;
        (self.calls, self.fails_from) = (0, None);
    }

    /// Changes a byte that was safely on the disk.
    pub(crate) fn damage(&mut self, at: usize, change: u8) {
        self.now[at] ^= change;
        self.durable.clone_from(&self.now);
    }
}
