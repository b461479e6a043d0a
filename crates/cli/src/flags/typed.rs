//! What was typed of a job, whichever command is to do it.

use crate::flags::compare::CompareArgs;
use crate::flags::job::JobArgs;
use crate::flags::pace::PaceArgs;
use crate::flags::run::RunArgs;
use crate::flags::setting::Setting;

/// A job as typed.
#[derive(Debug)]
pub(crate) struct Typed<'a> {
    pub(crate) input: &'a str,
    pub(crate) compute: &'a str,
    pub(crate) save: &'a str,
    pub(crate) job: &'a JobArgs,
    pub(crate) pace: &'a PaceArgs,
    /// All of that, and the rest of the command, as one table.
    pub(crate) settings: Vec<Setting>,
}

impl RunArgs {
    /// The job of the command.
    pub(crate) fn typed(&self) -> Typed<'_> {
        Typed {
            input: &self.input,
            compute: &self.compute,
            save: &self.save,
            job: &self.job,
            pace: &self.pace,
            settings: self.settings(),
        }
    }
}

impl CompareArgs {
    /// The job of the command.
    pub(crate) fn typed(&self) -> Typed<'_> {
        Typed {
            input: &self.input,
            compute: &self.compute,
            save: &self.save,
            job: &self.job,
            pace: &self.pace,
            settings: self.settings(),
        }
    }
}
