//! Beats on the thread that serves I/O, and so measures how long that thread serves nothing.

use std::time::Duration;

use tokio::time::sleep_until;

use crate::clock::Clock;
use crate::fact::Fact;
use crate::load::Load;
use crate::log::Log;

/// How often it beats. A stall is seen to within this; a beat costs a few microseconds.
const PERIOD: Duration = Duration::from_millis(5);
/// How often a beat is told when nothing stalled: a short run is looked at more often than a long one.
const TOLD: Duration = Duration::from_millis(100);
/// The same as a part of the run so far.
const TOLD_PART: u32 = 32;

/// Beats for ever; `visit` hands over facts that have waited, and says what there is to do.
pub(crate) async fn beat(clock: Clock, mut log: Log, visit: impl Fn() -> Load) {
    let (mut stall, mut stall_told, mut told_at) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    loop {
        let due = clock.now() + PERIOD;
        sleep_until(clock.at(due)).await;
        let at = clock.now();
        stall = stall.max(at.saturating_sub(due));
        let load = visit();
        // A longer stall than any before is told at once: the run may end before the next beat.
        if at.saturating_sub(told_at) >= TOLD.min(at / TOLD_PART) || stall > stall_told {
            let beat = Fact::Beat { at, stall, load };
            log.push(at, beat);
            log.hand_over(at);
            stall_told = stall_told.max(stall);
            (stall, told_at) = (Duration::ZERO, at);
        }
    }
}
