//! The file of keys: which key has which number. The entry of a number stands at its place, and is never changed.
//!
//! It lies beside the journal, at `JOURNAL.keys`; without a journal it is a file without a name. An item is handed on only
//! after its key is on the disk, so a number that a journal or a database speaks of is always that of a known key.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::entry::{self, ENTRY, Hash};
use super::index::{Index, Loading, NUMBERS_MAX};
use crate::journal::Disk;
use crate::key::Key;
use crate::planted::planted;

/// How the file begins; then come four bytes of salt, so that no entry of another file is taken for one of this.
const MAGIC: &[u8; 12] = b"infl-keys\0\0\x01";

/// Bytes before the first entry.
const HEAD: usize = MAGIC.len() + 4;

/// Entries that are read at once where keys are asked for in the order in which they came.
const PAGE: u64 = 256;

/// Entries that are read at once when all are.
const LOADED_AT_ONCE: usize = 64 << 10;

/// The keys of all numbers.
#[derive(Debug)]
pub(crate) struct Store {
    disk: Disk,
    salt: [u8; 4],
    index: Index,
    /// Numbers whose entries are in the file.
    written: u64,
    /// Bytes of entries that are not.
    pending: Vec<u8>,
    /// Whether the file goes on behind its last good entry.
    is_torn: bool,
    /// Whether it must survive a loss of power.
    is_kept: bool,
    page: Page,
}

/// A piece of the file as it was read last.
#[derive(Debug, Default)]
struct Page {
    first: u64,
    bytes: Vec<u8>,
}

impl Page {
    fn end(&self) -> u64 {
        self.first + (self.bytes.len() / ENTRY) as u64
    }
}

impl Store {
    /// The file of keys of the journal at this path, or a new one (mode 0600).
    pub(crate) fn beside(journal: &Path) -> io::Result<Store> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(Store::path_beside(journal))?;
        Store::read(Disk::File(file))
    }

    /// Where the keys of the journal at this path lie.
    pub(crate) fn path_beside(journal: &Path) -> PathBuf {
        let mut name = journal.as_os_str().to_owned();
        name.push(".keys");
        PathBuf::from(name)
    }

    /// Keys that are known until the run ends.
    pub(crate) fn temporary() -> io::Result<Store> {
        let store = Store::read(Disk::File(tempfile::tempfile()?))?;
        Ok(Store {
            is_kept: false,
            ..store
        })
    }

    /// Reads all entries, up to the first that is not good. Writes nothing.
    pub(crate) fn read(mut disk: Disk) -> io::Result<Store> {
        let length = disk.len()?;
        let mut head = [0; HEAD];
        let got = disk.read_at(0, &mut head)?;
        let (magic, salt) = head.split_at(MAGIC.len());
        let is_torn_head = got < HEAD || head.iter().all(|byte| *byte == 0);
        if !is_torn_head && magic != MAGIC {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a file of keys of inflight",
            ));
        }
        let mut store = Store {
            disk,
            salt: match is_torn_head {
                true => fastrand::u32(..).to_le_bytes(),
                false => salt.try_into().expect("four bytes are left"),
            },
            index: Index::default(),
            written: 0,
            pending: Vec::new(),
            is_torn: length > 0 && is_torn_head,
            is_kept: true,
            page: Page::default(),
        };
        if !is_torn_head {
            store.load(length)?;
        }
        Ok(store)
    }

    fn load(&mut self, length: u64) -> io::Result<()> {
        let mut index = Loading::default();
        self.load_into(&mut index, length)?;
        self.index = index.finish();
        Ok(())
    }

    fn load_into(&mut self, index: &mut Loading, length: u64) -> io::Result<()> {
        let mut bytes = vec![0; LOADED_AT_ONCE * ENTRY];
        loop {
            let got = self.disk.read_at(place_of(self.written), &mut bytes)?;
            for piece in bytes[..got].chunks(ENTRY) {
                let hash = piece
                    .first_chunk()
                    .and_then(|piece| entry::read(self.salt, self.written, piece));
                let Some(hash) = hash else {
                    self.is_torn = true;
                    return Ok(());
                };
                index.push(hash.beginning(), self.written);
                self.written += 1;
            }
            if got < bytes.len() {
                self.is_torn = place_of(self.written) != length;
                return Ok(());
            }
        }
    }

    /// Takes it for new: the journal that it belonged to is gone.
    pub(crate) fn forget(&mut self) {
        self.is_torn |= self.written > 0;
        self.salt = fastrand::u32(..).to_le_bytes();
        (self.index, self.written, self.page) = (Index::default(), 0, Page::default());
    }

    /// How many numbers there are.
    pub(crate) fn count(&self) -> u64 {
        self.written + (self.pending.len() / ENTRY) as u64
    }

    /// The latest number of this key.
    pub(crate) fn find(&mut self, key: Key) -> io::Result<Option<u64>> {
        let hash = Hash::of(key);
        let candidates: Vec<u64> = self.index.candidates(hash.beginning()).collect();
        for number in candidates {
            if planted!(KeyUnconfirmed) || self.hash_of(number)? == Some(hash) {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Gives this key the next number. That is in the file after the next [`Store::commit`].
    pub(crate) fn push(&mut self, key: Key) -> io::Result<u64> {
        let (number, hash) = (self.count(), Hash::of(key));
        if number >= NUMBERS_MAX {
            return Err(io::Error::other("more keys than can be numbered"));
        }
        self.pending
            .extend_from_slice(&entry::write(self.salt, number, hash));
        self.index.insert(hash.beginning(), number);
        Ok(number)
    }

    /// Writes what was added, and waits until it is on the disk. After a failure nobody knows what is, so the store is not
    /// to be used again.
    pub(crate) fn commit(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.is_torn {
            // What a crash left unfinished must not stand behind what is written now.
            let end = match self.written {
                0 => 0,
                written => place_of(written),
            };
            self.disk.cut(end)?;
            self.is_torn = false;
        }
        if self.written == 0 {
            self.disk.write_at(0, &[&MAGIC[..], &self.salt].concat())?;
        }
        self.disk.write_at(place_of(self.written), &self.pending)?;
        if self.is_kept && !planted!(KeysUnsynced) {
            self.disk.sync()?;
        }
        self.written = self.count();
        self.pending.clear();
        Ok(())
    }

    /// What the entry of this number holds.
    fn hash_of(&mut self, number: u64) -> io::Result<Option<Hash>> {
        if let Some(at) = number.checked_sub(self.written) {
            return Ok(read_in(&self.pending, at, self.salt, number));
        }
        if !(self.page.first..self.page.end()).contains(&number) {
            let is_next = (self.page.end()..self.page.end() + PAGE).contains(&number);
            let count = if is_next { PAGE } else { 1 };
            let count = count.min(self.written - number) as usize;
            self.page.first = number;
            self.page.bytes.resize(count * ENTRY, 0);
            let got = self.disk.read_at(place_of(number), &mut self.page.bytes)?;
            self.page.bytes.truncate(got);
        }
        let at = number - self.page.first;
        let hash = read_in(&self.page.bytes, at, self.salt, number);
        // It was good when it was written, or read.
        hash.map(Some).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("key {number} was changed in the file while it was in use"),
            )
        })
    }
}

fn read_in(entries: &[u8], at: u64, salt: [u8; 4], number: u64) -> Option<Hash> {
    let entry = entries.get(at as usize * ENTRY..)?.first_chunk()?;
    entry::read(salt, number, entry)
}

fn place_of(number: u64) -> u64 {
    (HEAD + ENTRY * number as usize) as u64
}

#[cfg(test)]
mod tests;
