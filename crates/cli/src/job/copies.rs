//! Temporary copies of local sinks, so that a comparison leaves the user's files as they are.
//!
//! They lie beside the original, because another disk would be another service.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use inflight_connectors::Address;
use tempfile::TempDir;

use crate::flags::job::LAB;

/// Copies of one local sink, a fresh one for each run; all are deleted when this is dropped.
pub(crate) struct Copies {
    folder: TempDir,
    sink: Address,
    path: PathBuf,
    made: u32,
}

impl Copies {
    /// For a sink that is a local file; `None` for all others.
    ///
    /// # Errors
    /// When nothing can be written beside the original.
    pub(crate) fn of(sink: &str) -> io::Result<Option<Copies>> {
        // What is wrong with an address is said by whoever saves there.
        let Ok(sink) = Address::parse(sink, &[LAB]) else {
            return Ok(None);
        };
        let Some(path) = sink.path() else {
            return Ok(None);
        };
        let beside = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        Ok(Some(Copies {
            folder: tempfile::Builder::new()
                .prefix(".inflight-compare-")
                .tempdir_in(beside)?,
            sink,
            path,
            made: 0,
        }))
    }

    /// A sink like the original, in the state in which the original is. Lines begin with an empty file: how much is
    /// there already does not change what it costs to add to them.
    ///
    /// # Errors
    /// When the original cannot be copied.
    pub(crate) fn next(&mut self) -> io::Result<String> {
        self.made += 1;
        let folder = self.folder.path().join(self.made.to_string());
        fs::create_dir(&folder)?;
        let copy = folder.join(self.path.file_name().unwrap_or_default());
        if self.sink.abilities().keeps_account {
            copy_database(&self.path, &copy)?;
        }
        Ok(self.sink.with_path(&copy).text().to_owned())
    }
}

/// A database is its file and the log that has not been folded into it yet.
fn copy_database(from: &Path, to: &Path) -> io::Result<()> {
    for log in ["", "-wal"] {
        let with = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(log);
            PathBuf::from(name)
        };
        match fs::copy(with(from), with(to)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => drop(other?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_holds_what_the_original_holds_and_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let original = folder.path().join("a.db");
        fs::write(&original, "rows").unwrap();
        let sink = format!("sqlite:{}?table=t", original.display());
        let mut copies = Copies::of(&sink).unwrap().unwrap();
        let (first, second) = (copies.next().unwrap(), copies.next().unwrap());
        assert_ne!(first, second);
        let copy = first
            .strip_prefix("sqlite:")
            .unwrap()
            .strip_suffix("?table=t")
            .unwrap()
            .to_owned();
        assert_eq!(fs::read_to_string(&copy).unwrap(), "rows");
        drop(copies);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
