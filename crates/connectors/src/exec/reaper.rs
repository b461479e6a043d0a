//! Buries what workers leave behind, where nobody else does: the first process of a container inherits every orphan.
//!
//! It takes no child that somebody waits for: neither a worker nor one that ended a moment ago, which may be a worker that is
//! just being started or ended.

#[cfg(target_os = "linux")]
pub(super) use linux::Reaper;
#[cfg(not(target_os = "linux"))]
pub(super) use none::Reaper;

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeSet;
    use std::fs;
    use std::sync::{Arc, Weak, mpsc};
    use std::thread::{self, JoinHandle};
    use std::time::Duration;

    use nix::sys::wait::{WaitPidFlag, waitpid};

    use super::super::crew::{Shared, pid};

    /// How often it looks: few processes can end in between, and a container has few to look at.
    const LOOK_EVERY: Duration = Duration::from_millis(100);

    /// A thread that buries orphans until this is dropped.
    pub(in crate::exec) struct Reaper {
        /// Dropped to end it.
        end: Option<mpsc::Sender<()>>,
        thread: Option<JoinHandle<()>>,
    }

    impl Reaper {
        /// One, if this is the first process of its world.
        pub(in crate::exec) fn if_first_process(shared: &Arc<Shared>) -> Option<Reaper> {
            if std::process::id() != 1 {
                return None;
            }
            let (end, ended) = mpsc::channel();
            let shared = Arc::downgrade(shared);
            let thread = thread::Builder::new().name("inflight-reaper".to_owned());
            // Without it zombies stay, which harms nobody for a while.
            let thread = thread.spawn(move || reap(&shared, &ended)).ok()?;
            Some(Reaper {
                end: Some(end),
                thread: Some(thread),
            })
        }
    }

    impl Drop for Reaper {
        fn drop(&mut self) {
            self.end = None;
            if let Some(thread) = self.thread.take() {
                // It cannot panic in a way that matters here.
                let _ = thread.join();
            }
        }
    }

    fn reap(shared: &Weak<Shared>, ended: &mpsc::Receiver<()>) {
        let mut seen = BTreeSet::new();
        while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(LOOK_EVERY) {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            let mut dead = zombies();
            for ours in shared.processes() {
                dead.remove(&ours);
            }
            for &orphan in dead.intersection(&seen) {
                // Whoever has buried it meanwhile has done so.
                let _ = waitpid(pid(orphan), Some(WaitPidFlag::WNOHANG));
            }
            seen = dead;
        }
    }

    /// Children of this process that have ended and that nobody has waited for.
    fn zombies() -> BTreeSet<u32> {
        let Ok(processes) = fs::read_dir("/proc") else {
            return BTreeSet::new();
        };
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        let numbers = processes.flatten().filter_map(number);
        numbers.filter(|&number| is_our_zombie(number)).collect()
    }

    fn is_our_zombie(process: u32) -> bool {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"));
        stat.is_ok_and(|stat| is_zombie_of(&stat, std::process::id()))
    }

    /// Whether a line of `/proc/N/stat` is that of a zombie of this parent. A name may hold anything, also brackets.
    fn is_zombie_of(stat: &str, parent: u32) -> bool {
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = after_name.split_ascii_whitespace();
        fields.next() == Some("Z") && fields.next() == Some(parent.to_string().as_str())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_zombie_is_known_whatever_its_name() {
            assert!(is_zombie_of("17 (a) Z 9) Z 1 17 17 0", 1));
            assert!(!is_zombie_of("17 (a) S 1 17 17 0", 1));
            assert!(!is_zombie_of("17 (a) Z 12 17 17 0", 1));
            assert!(!is_zombie_of("", 1));
        }

        #[test]
        fn a_child_that_ended_is_seen_until_it_is_waited_for() {
            let mut child = std::process::Command::new("true").spawn().unwrap();
            while !zombies().contains(&child.id()) {
                thread::sleep(Duration::from_millis(1));
            }
            child.wait().unwrap();
            assert!(!zombies().contains(&child.id()));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    use std::sync::Arc;

    use super::super::crew::Shared;

    /// Elsewhere nobody is the first process but the system's own.
    pub(in crate::exec) struct Reaper;

    impl Reaper {
        pub(in crate::exec) fn if_first_process(_: &Arc<Shared>) -> Option<Reaper> {
            None
        }
    }
}
