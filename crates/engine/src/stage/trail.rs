//! What is kept of a record's attempts, and taken back when they were nobody's fault. Pure.

use std::time::Duration;

use crate::fact::{Fact, Step};
use crate::planted::planted;
use crate::record::Trail;

/// Takes back what was counted since the last success: it was the service, not the item. Nor does the time of
/// an outage count towards the item's own deadline.
pub(super) fn forgive(trail: &mut Trail, step: Step, streak: u32, facts: &mut Vec<Fact>) {
    if trail.streak == streak && trail.attempts_in_streak > 0 && !planted!(NotForgiven) {
        let attempts = trail.attempts_in_streak;
        facts.push(Fact::Forgiven { step, attempts });
        trail.attempts -= attempts;
        trail.attempts_in_streak = 0;
    }
    trail.first_sent_ms = 0;
}

/// A time of the run as a trail keeps it: never 0, which stands for none; it begins anew after 49 days.
pub(super) fn clock_ms(now: Duration) -> u32 {
    (now.as_millis() as u32).max(1)
}
