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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passed_is_known_when_the_clock_begins_anew() {
        let begins_anew = Duration::from_millis(1 << 32);
        let sent_ms = clock_ms(begins_anew - Duration::from_secs(2));
        let now_ms = clock_ms(begins_anew + Duration::from_secs(3));
        assert_eq!(now_ms.wrapping_sub(sent_ms), 5_000);
        assert_ne!(clock_ms(Duration::ZERO), 0);
        assert_ne!(clock_ms(begins_anew), 0);
    }
}
