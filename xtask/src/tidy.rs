//! `cargo xtask tidy`: the rules of the house that no other tool checks, as plain functions of text.
//!
//! Which crate and which folder may use which, how a file begins, how long it may be, words that must not stay, links that lead nowhere.

mod dependencies;
mod folders;
mod links;
mod source;

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::shell::tell;

/// Checks every file of the workspace.
///
/// # Errors
/// How many findings there are, each told before; or that a file cannot be read.
pub(crate) fn tidy(root: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    collect(root, &mut files).map_err(|error| format!("failed to list the files: {error}"))?;
    files.sort();
    let mut findings = 0;
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file);
        let text = fs::read_to_string(&file)
            .map_err(|error| format!("failed to read {}: {error}", name.display()))?;
        for finding in check(name, &text, &|target| root.join(target).exists()) {
            findings += 1;
            tell(&format!("{}: {finding}", name.display()));
        }
    }
    match findings {
        0 => Ok(()),
        1 => Err("1 finding".to_owned()),
        _ => Err(format!("{findings} findings")),
    }
}

/// What is wrong with one file; `exists` is asked about paths from the root.
fn check(name: &Path, text: &str, exists: &dyn Fn(&Path) -> bool) -> Vec<String> {
    match name.extension().and_then(|extension| extension.to_str()) {
        Some("rs") => [source::check(name, text), folders::check(name, text)].concat(),
        Some("md") => links::check(name, text, exists),
        _ if name.ends_with("Cargo.toml") => dependencies::check(name, text),
        _ => Vec::new(),
    }
}

const CHECKED: [&str; 3] = ["rs", "md", "toml"];

/// The files that can be checked, without what is built and what is hidden.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_encoded_bytes().starts_with(b".") || name == "target" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&path, files)?;
        } else if CHECKED
            .iter()
            .any(|kind| path.extension().is_some_and(|e| e == *kind))
        {
            files.push(path);
        }
    }
    Ok(())
}
