//! `cargo xtask test`: all tests and doc tests, on a machine that has a Rust toolchain and may have nothing else.

use crate::needs;
use crate::python;
use crate::shell::{cargo, run};

/// Installs what is missing, then tests the whole workspace and the Python package.
///
/// # Errors
/// When something cannot be installed, or a test fails.
pub(crate) fn test() -> Result<(), String> {
    needs::install(needs::TEST)?;
    run(&mut cargo(["test", "--workspace", "--locked"]))?;
    python::python(&[])
}
