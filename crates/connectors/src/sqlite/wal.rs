//! Makes what SQLite has committed outlive a loss of power, without a wait in each transaction.
//!
//! With `synchronous=NORMAL` a commit is only with the system. What has not been moved into the database itself, which
//! SQLite makes durable by its own means, stands in the log beside it; so it is enough to wait for that.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use inflight::Durable;

/// The log of a database, as a recorder sees it.
#[derive(Debug)]
pub(super) struct Log(PathBuf);

impl Log {
    /// That of the database at this path.
    pub(super) fn beside(path: &Path) -> Log {
        Log(path.to_owned())
    }
}

impl Durable for Log {
    fn sync(&mut self) -> io::Result<()> {
        // SQLite follows links before it names the log.
        let mut log = match self.0.canonicalize() {
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
