//! The machine in general words: what a figure needs to be read, and nothing that names it.

use std::fs;
use std::thread;

use serde::{Deserialize, Serialize};

/// Where something was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    /// Such as "Linux 6.1".
    pub(crate) kernel: String,
    /// Programs that wanted a core during the minute before, on average.
    pub(crate) load: f64,
}

impl Machine {
    /// Asked before the measurement begins.
    pub(crate) fn now() -> Machine {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let load = read("/proc/loadavg");
        let load = load.split(' ').next().and_then(|load| load.parse().ok());
        Machine {
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel(&read("/proc/sys/kernel/osrelease")),
            load: load.unwrap_or(0.0),
        }
    }
}

/// The first two numbers of a release; what follows says who built it.
fn kernel(release: &str) -> String {
    let numbers: Vec<&str> = release.trim().split('.').take(2).collect();
    format!("Linux {}", numbers.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_named_by_its_version_alone() {
        assert_eq!(kernel("6.1.0-18-amd64\n"), "Linux 6.1");
    }
}
