//! The results of `sha256` that tables are filled with: computed here too, so that what others saved can be checked, and
//! written to a file for those that only load.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use sha2::{Digest, Sha256};

/// The hash of an item's number as text, in hex.
pub(crate) fn hash(item: u64) -> String {
    let hash = Sha256::digest(item.to_string());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a line for each item, number and hash parted by a tab.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(path: &Path, items: u64) -> anyhow::Result<()> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        for item in 0..items {
            writeln!(file, "{item}\t{}", hash(item))?;
        }
        file.flush()
    };
    write().with_context(|| format!("failed to write {}", path.display()))
}
