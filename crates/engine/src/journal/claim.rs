//! The file of a journal, made where there is none, and locked: it is this process's until it lets go.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};

/// How often a file is opened anew that another process removed between our opening it and locking it.
const OPEN_MAX: usize = 10;

/// A file that was empty when it was claimed. Dropped while the lock is held, it removes a file that still is: a run that was
/// refused leaves no trace.
#[derive(Debug)]
pub(super) struct Untouched {
    path: PathBuf,
    inode: u64,
}

impl Drop for Untouched {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| found.len() == 0 && found.ino() == self.inode) {
            // An empty file is a journal that says nothing: one that stays does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens a journal, or makes one, and locks it; beside it what removes it again if nothing is written to it.
pub(super) fn open_locked(path: &Path) -> Result<(File, Option<Untouched>), Error> {
    let failed = |error| {
        Error::new(
            ErrorKind::Storage,
            format!("failed to open the journal {}: {error}", path.display()),
        )
    };
    for _ in 0..OPEN_MAX {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        lock(&file, path)?;
        let locked = file.metadata().map_err(failed)?;
        if !fs::metadata(path).is_ok_and(|found| found.ino() == locked.ino()) {
            continue;
        }
        sync_folder(path).map_err(failed)?;
        let untouched = (locked.len() == 0).then(|| Untouched {
            path: path.to_owned(),
            inode: locked.ino(),
        });
        return Ok((file, untouched));
    }
    Err(failed(io::Error::other("it is removed again and again")))
}

fn lock(file: &File, path: &Path) -> Result<(), Error> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            ErrorKind::InUse,
            format!(
                "the journal {} is in use by another run of this job; wait for it, or name another with --journal",
                path.display()
            ),
        )),
        Err(TryLockError::Error(error)) => Err(Error::new(
            ErrorKind::Storage,
            format!("failed to lock the journal {}: {error}", path.display()),
        )),
    }
}

/// Makes the name of the file outlive a loss of power.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, OpenedJournal};

    #[test]
    fn a_journal_that_nothing_was_written_to_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let opened = OpenedJournal::open(&path).unwrap();
        assert!(path.exists(), "it is locked by its file");
        drop(opened);
        assert!(!path.exists());
        let journal = OpenedJournal::open(&path)
            .unwrap()
            .start(&[], Command::default());
        drop(journal.unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_took_the_place_of_the_journal_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let opened = OpenedJournal::open(&path).unwrap();
        fs::rename(&path, folder.path().join("aside")).unwrap();
        fs::write(&path, "").unwrap();
        drop(opened);
        assert!(path.exists());
    }
}
