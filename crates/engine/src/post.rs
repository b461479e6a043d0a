//! What a compute thread is at, seen from outside; and who has the last word when it takes too long.
//!
//! A thread that hangs in a user's function cannot be ended, only written off: its item is given up, and whatever it may
//! still bring is ignored. Thread and watcher may come to an end of it in the same moment, so one of them has to win.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Nothing is being computed.
const IDLE: u64 = 0;
/// The thread was given up.
const WRITTEN_OFF: u64 = u64::MAX;

/// The post of one compute thread.
#[derive(Debug, Default)]
pub(crate) struct Post {
    /// `IDLE`, `WRITTEN_OFF`, or when the stretch of computing began, in nanoseconds from 1.
    since: AtomicU64,
    /// The item that is being computed.
    index: AtomicU64,
    /// Items in the stretch.
    items: AtomicU32,
}

/// At which item a post was first seen, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    since: u64,
    index: u64,
    at: Duration,
}

/// A computation that has taken too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overdue {
    /// The item it is at.
    pub(crate) index: u64,
    /// Whether others, which are as good as they were, are lost with it.
    pub(crate) is_alone: bool,
    since: u64,
}

impl Post {
    /// A stretch of so many items begins.
    pub(crate) fn begin(&self, now: Duration, items: usize) {
        self.items.store(items as u32, Ordering::Relaxed);
        let since = (now.as_nanos() as u64).clamp(1, WRITTEN_OFF - 1);
        // A thread that was written off stays it.
        let _ = self
            .since
            .compare_exchange(IDLE, since, Ordering::Release, Ordering::Relaxed);
    }

    /// It is at this item now.
    pub(crate) fn at(&self, index: u64) {
        self.index.store(index, Ordering::Relaxed);
    }

    /// The stretch ends. Whether what came of it counts: not if the thread was written off meanwhile.
    pub(crate) fn end(&self) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        let ended = |since| {
            self.since
                .compare_exchange(since, IDLE, Ordering::AcqRel, Ordering::Acquire)
        };
        since != WRITTEN_OFF && ended(since).is_ok()
    }

    /// Whether an item takes longer than this. When the one it is at began, the thread tells only of the first of a
    /// stretch: of the others it is as old as the watcher has seen it, who keeps what it saw in `seen`.
    pub(crate) fn overdue(
        &self,
        now: Duration,
        most: Duration,
        seen: &mut Option<Seen>,
    ) -> Option<Overdue> {
        let since = self.since.load(Ordering::Acquire);
        if since == IDLE || since == WRITTEN_OFF {
            *seen = None;
            return None;
        }
        let index = self.index.load(Ordering::Relaxed);
        let is_alone = self.items.load(Ordering::Relaxed) == 1;
        let first = seen.filter(|seen| (seen.since, seen.index) == (since, index));
        let first = *seen.insert(first.unwrap_or(Seen {
            since,
            index,
            at: match is_alone {
                true => Duration::from_nanos(since),
                false => now,
            },
        }));
        (now.saturating_sub(first.at) > most).then_some(Overdue {
            index,
            is_alone,
            since,
        })
    }

    /// Gives the thread up, unless it has just come to an end after all.
    pub(crate) fn write_off(&self, overdue: Overdue) -> bool {
        let write_off = self.since.compare_exchange(
            overdue.since,
            WRITTEN_OFF,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        write_off.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_thread_or_its_watcher_has_the_last_word_and_never_both() {
        let (post, mut seen) = (Post::default(), None);
        assert_eq!(post.overdue(100 * S, S, &mut seen), None);
        post.begin(S, 1);
        post.at(7);
        assert_eq!(post.overdue(2 * S, S, &mut seen), None);
        let overdue = post.overdue(3 * S, S, &mut seen).unwrap();
        assert_eq!((overdue.index, overdue.is_alone), (7, true));
        assert!(post.end(), "it came just in time");
        assert!(!post.write_off(overdue));
        post.begin(4 * S, 2);
        assert_eq!(post.overdue(5 * S, S, &mut seen), None);
        let overdue = post.overdue(7 * S, S, &mut seen).unwrap();
        assert!(!overdue.is_alone && post.write_off(overdue));
        assert!(!post.end());
        post.begin(7 * S, 1);
        assert!(!post.end(), "for good");
    }

    #[test]
    fn many_quick_items_may_take_longer_together_than_one_may() {
        let (post, mut seen) = (Post::default(), None);
        post.begin(Duration::ZERO, 100);
        for second in 1..=100 {
            post.at(second);
            assert_eq!(post.overdue(S * second as u32, S, &mut seen), None);
        }
        assert!(post.overdue(102 * S, S, &mut seen).is_some());
    }
}
