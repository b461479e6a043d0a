//! The files that a command names: which of them are one, however they are spelled.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use inflight_connectors::{Address, FileId, full_path, keeps};

use crate::error::{Error, Result};
use crate::flags::job::LAB;

/// The files that a command reads and writes, each with what it is for.
#[derive(Debug, Default)]
pub(crate) struct Paths(Vec<(&'static str, PathBuf)>);

impl Paths {
    /// Adds one, if it is named and not standard input or output.
    pub(crate) fn add(&mut self, what: &'static str, path: Option<&Path>) {
        let path = path.filter(|path| *path != Path::new("-"));
        self.0.extend(path.map(|path| (what, path.to_owned())));
    }

    /// Adds an address, if it is that of a local file.
    pub(crate) fn add_address(&mut self, what: &'static str, address: &str) {
        self.add(what, local(address).map(|(_, path)| path).as_deref());
    }

    /// Whether no two of them are one file: what is written to one would destroy the other.
    ///
    /// # Errors
    /// A usage error that names both.
    pub(crate) fn check(&self) -> Result<()> {
        let mut seen: HashMap<FileId, (&str, &Path)> = HashMap::new();
        for (what, path) in &self.0 {
            // One that cannot be looked at is refused where it is opened; in a terminal or `/dev/null` nothing is destroyed.
            let Some(id) = FileId::of(path).ok().filter(|_| keeps(path)) else {
                continue;
            };
            if let Some((other, spelled)) = seen.insert(id, (what, path)) {
                let also = match spelled == *path {
                    true => String::new(),
                    false => format!(" (there {})", spelled.display()),
                };
                return Err(Error::usage(format_args!(
                    "{what} and {other} are one file, {}{also}; name another for one of them",
                    path.display()
                )));
            }
        }
        Ok(())
    }
}

/// An address in the spelling that is the same in every folder and for every link, if it is that of a local file.
pub(crate) fn spelled_in_full(address: &str) -> String {
    let Some((sink, path)) = local(address) else {
        return address.to_owned();
    };
    match full_path(&path) {
        Ok(path) => sink.with_path(&path).text().to_owned(),
        // It is refused where it is opened.
        Err(_) => address.to_owned(),
    }
}

/// A sink that is a file of this machine, and that file. What is no address of a sink is refused where it is read.
fn local(address: &str) -> Option<(Address, PathBuf)> {
    let address = Address::parse(address, &[LAB]).ok()?;
    let path = address.path()?;
    Some((address, path))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_two_paths_may_be_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("in"), "").unwrap();
        symlink(at("in"), at("link")).unwrap();
        symlink(at("new"), at("nowhere")).unwrap();
        fs::hard_link(at("in"), at("hard")).unwrap();
        let check = |one: &str, other: &str, is_fine: bool| {
            let mut paths = Paths::default();
            paths.add("the input", Some(&at(one)));
            paths.add_address("--save", &format!("file:{}", at(other).display()));
            match paths.check() {
                Ok(()) => assert!(is_fine, "{one} {other}"),
                Err(error) => {
                    assert!(!is_fine, "{error}");
                    let said = error.to_string();
                    assert!(
                        said.starts_with("--save and the input are one file"),
                        "{said}"
                    );
                }
            }
        };
        check("in", "out", true);
        check("in", "in", false);
        check("in", "./in", false);
        check("in", "link", false);
        check("link", "hard", false);
        check("new", "nowhere", false);
        check("new", "./new", false);
        check("new", "other", true);
        let null = Path::new("/dev/null");
        let mut paths = Paths::default();
        paths.add("--json", Some(null));
        paths.add("--report", Some(null));
        paths.add("--svg", Some(Path::new("-")));
        paths.add("--trace", Some(Path::new("-")));
        paths.check().unwrap();
    }
}
