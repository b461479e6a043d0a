//! Makes what SQLite has committed outlive a loss of power, without a wait in each transaction.
//!
//! With `synchronous=NORMAL` a commit is only with the system. What has not been moved into the database itself, which
//! SQLite makes durable by its own means, stands in the log beside it; so it is enough to wait for that.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use inflight::Durable;

use crate::file_id::FileId;

/// Which file a connection has written to. A database that is removed while it is open is written on in silence.
#[derive(Clone, Debug, Default)]
pub(super) struct Written(Arc<OnceLock<FileId>>);

impl Written {
    /// Notes that the database at this path was opened.
    pub(super) fn note(&self, path: &Path) {
        if let Ok(about) = path.metadata() {
            // The first counts: another one at the same path is another database.
            let _ = self.0.set(FileId::of_file(&about));
        }
    }

    /// Whether what was written is in the database at this path.
    fn check(&self, path: &Path) -> io::Result<()> {
        let Some(written) = self.0.get() else {
            return Ok(());
        };
        let what = match path.metadata() {
            Ok(about) if FileId::of_file(&about) == *written => return Ok(()),
            Ok(_) => "was replaced by another file",
            Err(_) => "was removed or moved away",
        };
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "{} {what} while the run wrote it, and its rows with it; start over with --fresh",
                path.display()
            ),
        ))
    }
}

/// The log of a database, as a recorder sees it.
#[derive(Debug)]
pub(super) struct Log {
    database: PathBuf,
    written: Written,
}

impl Log {
    /// That of the database at this path.
    pub(super) fn beside(path: &Path, written: &Written) -> Log {
        Log {
            database: path.to_owned(),
            written: written.clone(),
        }
    }
}

impl Durable for Log {
    fn sync(&mut self) -> io::Result<()> {
        self.written.check(&self.database)?;
        // SQLite follows links before it names the log.
        let mut log = match self.database.canonicalize() {
            Ok(path) => path.into_os_string(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        log.push("-wal");
        match File::open(&log) {
            Ok(log) => log.sync_data(),
            // The last connection was closed, and SQLite has moved everything into the database.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn repeats_nothing(&self) -> bool {
        true // A row that is saved again replaces itself.
    }
}
