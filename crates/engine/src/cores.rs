//! How many cores other programs used meanwhile, from what the system counts.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// The cores of a machine, and who used them meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Cores that this program may use.
    pub(crate) cores: usize,
    /// Cores that other programs used, in the mean; `None` where the system does not say.
    pub(crate) others: Option<f64>,
}

impl Machine {
    /// This one, since `before`.
    pub(crate) fn since(before: Option<CoresUsed>, elapsed: Duration) -> Machine {
        let used = before.zip(CoresUsed::now());
        Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            others: used.and_then(|(before, now)| now.by_others_since(&before, elapsed)),
        }
    }
}

/// CPU time up to a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoresUsed {
    cores: usize,
    /// Ticks of all cores in which they did something, and all their ticks.
    ticks: (u64, u64),
    /// Time that this program has used, and the processes that it started and that have ended.
    own: Duration,
}

impl CoresUsed {
    /// Up to now. `None` where the system does not say, or where this program may not use all the cores that it counts.
    pub(crate) fn now() -> Option<CoresUsed> {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        let is_core = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
        let cores = stat.lines().filter(is_core).count();
        let own_cores = std::thread::available_parallelism().ok()?.get();
        (cores == own_cores).then_some(())?;
        let (ticks, own) = (ticks(&stat)?, own()?);
        Some(CoresUsed { cores, ticks, own })
    }

    /// Cores that others used since `before`, in the mean of a time that lasted so long.
    fn by_others_since(&self, before: &CoresUsed, elapsed: Duration) -> Option<f64> {
        let all = self
            .ticks
            .1
            .checked_sub(before.ticks.1)
            .filter(|all| *all > 0)?;
        let busy = self.ticks.0.saturating_sub(before.ticks.0) as f64;
        let own = self.own.saturating_sub(before.own).as_secs_f64() / elapsed.as_secs_f64();
        Some((self.cores as f64 * busy / all as f64 - own).max(0.0))
    }
}

/// Ticks in which cores did something, and all of them.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let words = line.split_whitespace();
    let ticks: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
    // What guests use, which would follow, is in user and nice already.
    let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = ticks[..] else {
        return None;
    };
    let busy = user + nice + system + irq + softirq + steal;
    Some((busy, busy + idle + iowait))
}

fn own() -> Option<Duration> {
    let used = |who| {
        let usage = getrusage(who).ok()?;
        Some(duration(usage.user_time()) + duration(usage.system_time()))
    };
    Some(used(UsageWho::RUSAGE_SELF)? + used(UsageWho::RUSAGE_CHILDREN)?)
}

fn duration(time: TimeVal) -> Duration {
    Duration::from_secs(time.tv_sec().unsigned_abs())
        + Duration::from_micros(time.tv_usec().unsigned_abs())
}

/// CPU time of the processes that this one started and that have ended; nobody says how much those that run have used.
pub(crate) fn children_cpu() -> Duration {
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(Duration::ZERO, |usage| {
        duration(usage.user_time()) + duration(usage.system_time())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_use_is_what_is_left() {
        let used = |ticks, own| CoresUsed {
            cores: 2,
            ticks,
            own: Duration::from_secs(own),
        };
        let (before, after) = (used((100, 1000), 5), used((3100, 5000), 14));
        // Three quarters of two cores, of which we had 0.45.
        let others = after.by_others_since(&before, Duration::from_secs(20));
        assert!((others.unwrap() - 1.05).abs() < 1e-9, "{others:?}");
        assert_eq!(
            before.by_others_since(&before, Duration::from_secs(1)),
            None
        );
        let text = "cpu  100 1 50 900 7 1 2 3 0 0\ncpu0 100 1 50 900 7 1 2 3 0 0\n";
        assert_eq!(ticks(text), Some((157, 1064)));
        assert_eq!(ticks("intr 1"), None);
    }
}
