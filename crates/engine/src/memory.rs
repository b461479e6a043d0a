//! The most memory this process ever held.

/// In bytes; 0 where the system does not say.
///
/// On Linux from the process's own status: what `getrusage` says there still counts the memory of the program
/// that started this one.
#[cfg(target_os = "linux")]
pub(crate) fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
    kib.unwrap_or(0) * 1024
}

/// In bytes; 0 where the system does not say.
#[cfg(not(target_os = "linux"))]
pub(crate) fn peak_bytes() -> u64 {
    use nix::sys::resource::{UsageWho, getrusage};
    // macOS counts in bytes, the others in KiB.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss().unsigned_abs() * unit)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_holds_some_memory() {
        let peak = super::peak_bytes();
        assert!((1 << 20..1 << 40).contains(&peak), "{peak}");
    }
}
