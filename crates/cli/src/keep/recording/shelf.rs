//! The folder where runs keep their recordings: bounded in number and bytes, the oldest go first, readable by their owner
//! only.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::file::{decode, encode};
use super::whole::Recording;
use crate::error::{Error, Result};

/// Recordings that are kept: about a month of daily work.
const COUNT_MAX: usize = 100;

/// What they may take together; a recording of a large run takes about 3 MB.
const BYTES_MAX: u64 = 200 << 20;

/// A recording that is larger is none of ours: it would not be read into memory.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Names that are tried when several runs begin in one second.
const NAMES_MAX: u32 = 100;

const EXTENSION: &str = "run";

/// The newest of all.
const LAST: &str = "last";

/// The folder of recordings.
#[derive(Debug)]
pub(crate) struct Shelf(PathBuf);

impl Shelf {
    /// `runs` under the state directory of this program, if the environment says where that is.
    pub(crate) fn of_user() -> Option<Shelf> {
        crate::keep::state::folder("runs").map(Shelf)
    }

    #[cfg(test)]
    fn at(folder: &Path) -> Shelf {
        Shelf(folder.to_owned())
    }

    /// Puts a recording away under a name made of when it began, and lets go of the oldest ones.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub(crate) fn put(&self, recording: &mut Recording) -> Result<()> {
        let failed = || format!("failed to keep a recording in {}", self.0.display());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .with_context(failed)?;
        let (mut file, path) = self.create(recording).with_context(failed)?;
        let bytes = encode(recording)?;
        if let Err(error) = file.write_all(&bytes) {
            // Half a recording is of use to nobody.
            let _ = fs::remove_file(&path);
            return Err(error).with_context(failed)?;
        }
        self.tidy(&path);
        Ok(())
    }

    /// The recording that is meant: a file, the name of one that was kept, or `last`.
    ///
    /// # Errors
    /// When there is none, with the newest ones that there are; or when it cannot be read.
    pub(crate) fn get(shelf: Option<&Shelf>, which: &str) -> Result<Recording> {
        let unusable = |error: anyhow::Error| Error::usage(format_args!("{error:#}"));
        let file = Path::new(which);
        if which != LAST && file.is_file() {
            return read(file).map_err(unusable);
        }
        let Some(shelf) = shelf else {
            return Err(Error::usage(format_args!(
                "no file {which}, and no folder of recordings: neither XDG_STATE_HOME nor HOME is set"
            )));
        };
        let ids = shelf.ids();
        let id = match which {
            LAST => ids.last(),
            _ => ids.iter().find(|id| *id == which),
        };
        match id {
            Some(id) => read(&shelf.path(id)).map_err(unusable),
            None if ids.is_empty() => Err(Error::usage(format_args!(
                "no recording {which}: nothing was recorded yet in {}",
                shelf.0.display()
            ))),
            None => {
                let newest: Vec<&str> = ids.iter().rev().take(5).map(String::as_str).collect();
                Err(Error::usage(format_args!(
                    "no recording {which}: the newest are {}; or give a file, or `{LAST}`",
                    newest.join(", ")
                )))
            }
        }
    }

    /// The names of all recordings, the oldest first.
    fn ids(&self) -> Vec<String> {
        let files = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut ids: Vec<String> = files
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|end| end == EXTENSION))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        // Later ones of the same second are longer: by length they would come behind all others.
        ids.sort();
        ids
    }

    fn path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.{EXTENSION}"))
    }

    /// A file of a new name, which becomes that of the recording.
    fn create(&self, recording: &mut Recording) -> io::Result<(File, PathBuf)> {
        let started: String = recording
            .about
            .started
            .chars()
            .filter_map(|letter| match letter {
                'T' => Some('-'),
                _ => letter.is_ascii_digit().then_some(letter),
            })
            .collect();
        let mut number = 1;
        loop {
            let id = match number {
                1 => started.clone(),
                _ => format!("{started}-{number:02}"),
            };
            let path = self.path(&id);
            let file = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            match file {
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && number < NAMES_MAX =>
                {
                    number += 1;
                }
                Err(error) => return Err(error),
                Ok(file) => {
                    recording.about.id = id;
                    return Ok((file, path));
                }
            }
        }
    }

    /// Removes the oldest until the rest is within its bounds; the newest stays whatever its size.
    fn tidy(&self, newest: &Path) {
        let (mut count, mut bytes) = (0, 0);
        for id in self.ids().iter().rev() {
            let path = self.path(id);
            // Another run may be tidying too.
            let Ok(about) = fs::metadata(&path) else {
                continue;
            };
            count += 1;
            bytes += about.len();
            if path != newest && (count > COUNT_MAX || bytes > BYTES_MAX) {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Recording> {
    let failed = || format!("failed to read the recording {}", path.display());
    let bytes = fs::metadata(path).with_context(failed)?.len();
    ensure!(
        bytes <= FILE_BYTES_MAX,
        "{}: it is larger than 1 GiB",
        failed()
    );
    let bytes = fs::read(path).with_context(failed)?;
    decode(&bytes).with_context(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::keep::recording::file::tests::recording;

    #[test]
    fn a_recording_is_kept_by_its_owner_alone_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(&folder.path().join("runs"));
        let mut ids = Vec::new();
        for _ in 0..3 {
            let mut recording = recording();
            shelf.put(&mut recording).unwrap();
            ids.push(recording.about.id);
        }
        assert_eq!(
            ids,
            [
                "20261124-144843",
                "20261124-144843-02",
                "20261124-144843-03"
            ]
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&shelf.path(&ids[0])), 0o600);
        assert_eq!(mode(&shelf.0), 0o700);
        let get = |which: &str| Shelf::get(Some(&shelf), which);
        assert_eq!(get("last").unwrap().about.id, ids[2]);
        assert_eq!(get(&ids[1]).unwrap().about.id, ids[1]);
        let path = shelf.path(&ids[0]);
        assert_eq!(get(path.to_str().unwrap()).unwrap().about.id, ids[0]);
        let error = get("yesterday").unwrap_err().to_string();
        assert!(error.contains(&ids[2]), "{error}");
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_too_large_ones() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path());
        for day in 10..10 + COUNT_MAX + 5 {
            fs::write(shelf.path(&format!("20250101-0000{day:03}")), "x").unwrap();
        }
        shelf.put(&mut recording()).unwrap();
        assert_eq!(shelf.ids().len(), COUNT_MAX);
        assert_eq!(shelf.ids()[0], "20250101-0000016");
        let large = File::create(shelf.path("20260101-000000")).unwrap();
        large.set_len(BYTES_MAX).unwrap();
        shelf.put(&mut recording()).unwrap();
        assert_eq!(shelf.ids(), ["20261124-144843", "20261124-144843-02"]);
    }
}
