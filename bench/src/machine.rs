//! The machine in general words: what a figure needs to be read, and nothing that names it.

use std::time::Duration;
use std::{fs, thread};

use serde::{Deserialize, Serialize};

/// Where something was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// Such as "Linux 6.1".
    pub kernel: String,
    /// Cores that others kept busy just before, on average.
    pub cores_busy: f64,
}

/// How long others are watched: long enough to see a build, short enough not to be noticed.
const WATCHED: Duration = Duration::from_secs(2);

impl Machine {
    /// Asked while nothing of ours runs; takes two seconds.
    pub fn now() -> Machine {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let before = read("/proc/stat");
        thread::sleep(WATCHED);
        Machine {
            cores,
            kernel: kernel(&read("/proc/sys/kernel/osrelease")),
            cores_busy: busy_share(&before, &read("/proc/stat")) * cores as f64,
        }
    }

    /// Whether others wanted so much of it that a measurement feels it.
    pub fn is_busy(&self) -> bool {
        self.cores_busy > 0.1 * self.cores as f64
    }
}

/// The first two numbers of a release; what follows says who built it.
fn kernel(release: &str) -> String {
    let numbers: Vec<&str> = release.trim().split('.').take(2).collect();
    format!("Linux {}", numbers.join("."))
}

/// Which share of all cores' time between two readings of `/proc/stat` was not idle.
fn busy_share(before: &str, after: &str) -> f64 {
    let (before, after) = (ticks(before), ticks(after));
    let total = after.total.saturating_sub(before.total);
    let idle = after.idle.saturating_sub(before.idle);
    if total == 0 {
        return 0.0;
    }
    1.0 - idle as f64 / total as f64
}

/// Time since the system started, of all cores together.
#[derive(Debug, Default)]
struct Ticks {
    total: u64,
    idle: u64,
}

fn ticks(stat: &str) -> Ticks {
    let line = stat.lines().next().unwrap_or_default();
    let numbers: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .flat_map(str::parse)
        .collect();
    Ticks {
        total: numbers.iter().sum(),
        // Idle, and idle while a disk was waited for.
        idle: numbers.iter().skip(3).take(2).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_named_by_its_version_alone() {
        assert_eq!(kernel("6.1.0-18-amd64\n"), "Linux 6.1");
    }

    #[test]
    fn what_is_not_idle_is_busy() {
        let share = busy_share(
            "cpu  100 0 100 700 100 0",
            "cpu  140 0 110 830 120 0\ncpu0 1",
        );
        assert!((share - 0.25).abs() < 1e-9, "{share}");
        assert_eq!(busy_share("", ""), 0.0);
    }
}
