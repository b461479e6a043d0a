//! What is shown of a run, and where: decided, with files that can be written.

use crate::error::Result;
use crate::flags::output::OutputArgs;
use crate::show::progress::Shape;
use crate::terminal::messages::Messages;
use crate::terminal::out_file::OutFile;

/// What is shown, and where.
#[derive(Debug)]
pub(crate) struct Show {
    pub(crate) shape: Shape,
    pub(crate) messages: Messages,
    pub(crate) json: OutFile,
}

impl Show {
    /// What the flags and the terminal make of it.
    ///
    /// # Errors
    /// A usage error when a file cannot be written.
    pub(crate) fn new(output: &OutputArgs) -> Result<Show> {
        let shape = Shape::of(output);
        Ok(Show {
            shape,
            messages: Messages::new(output, shape == Shape::Bar),
            json: OutFile::open(output.json.as_deref())?,
        })
    }
}
