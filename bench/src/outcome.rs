//! What one run of one contender says of itself: a line of JSON on standard output.

use std::io::{self, Write};
use std::time::Instant;

/// One run of one contender. Peers in other languages write the same keys; what they cannot know they leave out.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Items done.
    pub items: u64,
    /// From the first item to the last answer, in seconds; starting the program and its imports are not in it.
    pub elapsed_s: f64,
    /// CPU time of the computations together, in seconds.
    pub compute_s: f64,
    /// CPU time of the whole process, in seconds, where it was taken.
    pub cpu_s: f64,
    /// What cannot overlap with anything, in seconds, where the contender knows it.
    pub ends_s: f64,
    /// Sum of all results, where they are numbers: proof that nothing was left out.
    pub sum: u64,
    /// The most memory the process ever held, in bytes.
    pub rss_max_bytes: u64,
    /// What the journal held in the end, in bytes, where there was one.
    pub journal_bytes: u64,
}

impl Outcome {
    /// Writes the line.
    ///
    /// # Errors
    /// When standard output fails.
    pub fn tell(&self) -> io::Result<()> {
        let line = serde_json::to_string(self)?;
        writeln!(io::stdout(), "{line}")
    }
}

/// What the work gives, and how long it took in seconds.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed().as_secs_f64())
}
