//! Under which headings the help shows flags.

pub(crate) const JOB: &str = "The job";
pub(crate) const PACE: &str = "How it runs";
pub(crate) const KEEP: &str = "What is kept";
pub(crate) const OUTPUT: &str = "What is shown";
pub(crate) const STRATEGIES: &str = "Other ways to run, which compare shows";
