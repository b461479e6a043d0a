//! wrk: a load generator in C that does nothing but send; the most that one service can be asked.

use std::process::Command;

use anyhow::{Context, ensure};
use bench::Outcome;

use crate::contender::stdout;
use crate::lab::Lab;
use crate::plan::Plan;

/// How to load a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) seconds: u64,
}

/// Whether it is installed.
pub(crate) fn is_there() -> bool {
    // Without arguments it says how it is used, and fails; that it started is enough.
    Command::new("wrk").output().is_ok()
}

/// Sends bodies that are all different for a time; how many were answered in it.
///
/// # Errors
/// When it cannot be run, or an answer was no success, or not every body reached the service.
pub(crate) fn send(plan: &Plan, lab: &Lab, load: Load) -> anyhow::Result<Outcome> {
    let mut command = Command::new("wrk");
    command.arg("--threads").arg("1");
    command
        .arg("--connections")
        .arg(load.connections.to_string());
    command.arg("--duration").arg(format!("{}s", load.seconds));
    command.arg("--script").arg(plan.places.peer("bodies.lua"));
    let report = stdout(command.arg(lab.add()))?;
    let outcome =
        read(&report).with_context(|| format!("failed to read wrk's report:\n{report}"))?;
    let stats = lab.stats()?;
    // What was under way at the end was saved and not counted.
    let most = outcome.items + load.connections as u64;
    ensure!(
        (outcome.items..=most).contains(&stats.distinct) && stats.saved == stats.distinct,
        "wrk counted {} answers, the service {stats:?}",
        outcome.items
    );
    Ok(outcome)
}

/// Reads `500 requests in 2.00s, 1.00MB read`; none when something went wrong in between.
fn read(report: &str) -> Option<Outcome> {
    let failed = ["Non-2xx", "Socket errors"];
    if failed.iter().any(|words| report.contains(words)) {
        return None;
    }
    let line = report.lines().find(|line| line.contains(" requests in "))?;
    let (items, rest) = line.trim().split_once(" requests in ")?;
    let elapsed = rest.split(',').next()?;
    let elapsed_s = match elapsed.strip_suffix("ms") {
        Some(millis) => millis.parse::<f64>().ok()? / 1e3,
        None => match elapsed.strip_suffix('m') {
            Some(minutes) => minutes.parse::<f64>().ok()? * 60.0,
            None => elapsed.strip_suffix('s')?.parse().ok()?,
        },
    };
    Some(Outcome {
        items: items.parse().ok()?,
        elapsed_s,
        ..Outcome::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_read_in_any_unit() {
        for (elapsed, seconds) in [("2.50s", 2.5), ("900.00ms", 0.9), ("1.50m", 90.0)] {
            let report = format!(
                "Running 2s test\n  5000 requests in {elapsed}, 1.00MB read\nRequests/sec: 2000\n"
            );
            let outcome = read(&report).unwrap();
            assert_eq!((outcome.items, outcome.elapsed_s), (5000, seconds));
        }
    }

    #[test]
    fn a_report_with_failures_counts_for_nothing() {
        let report = "5000 requests in 1.00s, 1MB read\n  Non-2xx or 3xx responses: 1\n";
        assert_eq!(read(report), None);
    }
}
