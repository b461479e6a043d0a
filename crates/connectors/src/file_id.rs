//! Which file a path leads to: device and inode, or where a new file would be made. Two spellings of one file are equal.
//!
//! Links are followed, as opening the file would. Nothing is created, and nothing is opened: a look changes nothing.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// Links that are followed at most; the system gives up at 40 too.
const LINKS_MAX: usize = 40;

/// The file that a path leads to, whatever its spelling: `out`, `./out` and a link to it are the same.
///
/// ```
/// use std::path::Path;
/// use inflight_connectors::FileId;
///
/// let folder = std::env::temp_dir();
/// let spelled = |name: &str| FileId::of(&folder.join(name)).unwrap();
/// assert_eq!(spelled("new.jsonl"), spelled("./new.jsonl"));
/// assert_ne!(spelled("new.jsonl"), spelled("other.jsonl"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileId(Id);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Id {
    /// One that is there.
    There { device: u64, inode: u64 },
    /// One that opening the path would make: the name in its folder.
    New {
        device: u64,
        inode: u64,
        name: OsString,
    },
}

impl FileId {
    /// The file at this path, which may be yet to be made.
    ///
    /// # Errors
    /// When the folder is not there, or may not be searched.
    pub fn of(path: &Path) -> io::Result<FileId> {
        match fs::metadata(path) {
            Ok(about) => Ok(FileId::of_file(&about)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                let (folder, name) = place_of_new(path)?;
                let folder = fs::metadata(folder)?;
                let (device, inode) = (folder.dev(), folder.ino());
                Ok(FileId(Id::New {
                    device,
                    inode,
                    name,
                }))
            }
            Err(cause) => Err(cause),
        }
    }

    /// The file that this was read of.
    pub fn of_file(about: &Metadata) -> FileId {
        let (device, inode) = (about.dev(), about.ino());
        FileId(Id::There { device, inode })
    }
}

/// Whether what is written there stays: not in a terminal or `/dev/null`, which several may share.
pub fn keeps(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |about| !about.file_type().is_char_device())
}

/// The path of the file in full, with all links followed; the file itself may be yet to be made.
///
/// # Errors
/// As [`FileId::of`].
pub fn full_path(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let (folder, name) = place_of_new(path)?;
            Ok(folder.canonicalize()?.join(name))
        }
        outcome => outcome,
    }
}

/// Looks whether the file can be written: what stands there, or `None` of one that is yet to be made. Nothing is made.
///
/// # Errors
/// When there is no such folder, or nothing may be made in it.
pub fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(about) => {
            access(path, AccessFlags::W_OK)?;
            Ok(Some(about))
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let (folder, _) = place_of_new(path)?;
            access(&folder, AccessFlags::W_OK | AccessFlags::X_OK)?;
            Ok(None)
        }
        Err(cause) => Err(cause),
    }
}

/// The folder in which a new file would be made, and its name: of a link that leads nowhere, where it leads.
fn place_of_new(path: &Path) -> io::Result<(PathBuf, OsString)> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        match fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            Err(_) => {
                let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
                return Ok((folder, name.to_owned()));
            }
        }
    }
    Err(io::ErrorKind::TooManyLinks.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_the_same_however_it_is_spelled() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("d")).unwrap();
        symlink("new", at("nowhere")).unwrap();
        symlink(at("nowhere"), at("d/further")).unwrap();
        let check = |is_there: bool| {
            let id = FileId::of(&at("new")).unwrap();
            for other in ["./new", "d/../new", "nowhere", "d/further"] {
                assert_eq!(FileId::of(&at(other)).unwrap(), id, "{other}");
                let full = folder.path().canonicalize().unwrap().join("new");
                assert_eq!(full_path(&at(other)).unwrap(), full, "{other}");
                assert_eq!(look(&at(other)).unwrap().is_some(), is_there);
            }
            assert_ne!(FileId::of(&at("other")).unwrap(), id);
        };
        check(false);
        assert!(!at("new").exists(), "a look makes nothing");
        fs::write(at("new"), "").unwrap();
        check(true);
        fs::hard_link(at("new"), at("hard")).unwrap();
        assert_eq!(
            FileId::of(&at("hard")).unwrap(),
            FileId::of(&at("new")).unwrap()
        );
    }

    #[test]
    fn what_cannot_be_made_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("loop", at("loop")).unwrap();
        let long = "x".repeat(300);
        for name in ["no/such", "d/", "loop", &long] {
            assert!(look(&at(name)).is_err(), "{name}");
        }
        assert!(look(Path::new("")).is_err());
    }
}
