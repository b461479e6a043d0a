//! Where something goes that a flag asked for: a file that is tried before the run, or standard output.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use inflight_connectors::look;

use crate::error::{Error, Result};
use crate::terminal::stdout;

/// Where something goes that was asked for by a flag. Whether a file can be written is tried before the run, so that a wrong path costs nothing;
/// it is created or emptied only when there is something to write.
#[derive(Debug)]
pub(crate) enum OutFile {
    Nowhere,
    Stdout,
    /// One that is there already, open: a pipe is not to be closed and opened again.
    Old(File, PathBuf),
    /// One that is yet to be created.
    New(PathBuf),
}

impl OutFile {
    /// Tries the file, or takes `-` for standard output.
    ///
    /// # Errors
    /// A usage error when the file cannot be written.
    pub(crate) fn open(path: Option<&Path>) -> Result<OutFile> {
        match path {
            None => Ok(OutFile::Nowhere),
            Some(path) if path == Path::new("-") => Ok(OutFile::Stdout),
            Some(path) => OutFile::file(path).map_err(|error| {
                Error::usage(format_args!("failed to write {}: {error}", path.display()))
            }),
        }
    }

    fn file(path: &Path) -> io::Result<OutFile> {
        // Only looks: what another program makes there meanwhile is its own.
        if look(path)?.is_none() {
            return Ok(OutFile::New(path.to_owned()));
        }
        let file = File::options().write(true).open(path)?;
        Ok(OutFile::Old(file, path.to_owned()))
    }

    /// Whether standard output belongs to this alone.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self, OutFile::Stdout)
    }

    /// Whether nobody asked for it.
    pub(crate) fn is_nowhere(&self) -> bool {
        matches!(self, OutFile::Nowhere)
    }

    /// Writes all of it at once.
    ///
    /// # Errors
    /// When the file or standard output fails.
    pub(crate) fn write(self, bytes: &[u8]) -> Result<()> {
        let (written, path) = match self {
            OutFile::Nowhere => return Ok(()),
            OutFile::Stdout => return Ok(stdout::write(&String::from_utf8_lossy(bytes))?),
            OutFile::Old(file, path) => (replace(file, bytes), path),
            OutFile::New(path) => (fs::write(&path, bytes), path),
        };
        Ok(written.with_context(|| format!("failed to write {}", path.display()))?)
    }
}

/// Puts this in place of what the file holds; a pipe or terminal holds nothing.
fn replace(mut file: File, bytes: &[u8]) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_only_when_there_is_something_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, before: Option<&str>| {
            let path = folder.path().join(name);
            let read = || fs::read_to_string(&path).ok();
            if let Some(text) = before {
                fs::write(&path, text).unwrap();
            }
            drop(OutFile::open(Some(&path)).unwrap());
            assert_eq!(read().as_deref(), before, "{name}");
            let target = OutFile::open(Some(&path)).unwrap();
            target.write(b"[1]\n").unwrap();
            assert_eq!(read().as_deref(), Some("[1]\n"), "{name}");
        };
        check("new.json", None);
        check("old.json", Some("{\"longer\":\"than what comes\"}\n"));
        std::os::unix::fs::symlink(folder.path().join("end"), folder.path().join("link")).unwrap();
        check("link", None);
        assert!(folder.path().join("link").is_symlink());
    }
}
