//! What must hold after each life of the machine, when its journal is read again, and in the end.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Answer, Lived, State, Taken, World};
use crate::simulation::scenario::{End, MS, Sink};

/// Items that the journal calls saved, and dead.
pub(in crate::simulation) struct Recorded {
    pub(in crate::simulation) saved: BTreeSet<u64>,
    pub(in crate::simulation) dead: BTreeSet<u64>,
}

impl Recorded {
    fn contains(&self, index: u64) -> bool {
        self.saved.contains(&index) || self.dead.contains(&index)
    }
}

impl World {
    /// What the journal calls saved was, and no more is forgotten than may be.
    pub(in crate::simulation) fn check_journal(&self, recorded: &Recorded) {
        let state = &mut *self.state();
        for index in &recorded.saved {
            let taken = state.items.get(*index as usize).copied().flatten();
            if !taken.is_some_and(|taken| matches!(taken.answer, Answer::Saved(_))) {
                state.is_wrong(format!(
                    "the journal calls item {index} saved, and it was not"
                ));
            }
        }
        for index in state.finished.clone() {
            if !recorded.contains(index) {
                state.is_wrong(format!(
                    "the journal has forgotten item {index}, which it had on the disk"
                ));
            }
        }
        if let Some(lived) = state.lives.last().copied() {
            self.check_forgotten(state, lived, recorded);
        }
    }

    /// What was taken in the last life and is not recorded is new enough, and not too much.
    fn check_forgotten(&self, state: &mut State, lived: Lived, recorded: &Recorded) {
        let window = match lived.end {
            // It may have waited for those before it.
            _ if self.scenario.options.keep_order => Duration::MAX,
            End::Crash(_) => self.window_after_crash(),
            End::PowerLoss(_) => self.window_after_power_loss(),
            // By then nothing has been recorded for a while.
            End::Fails(_) => Duration::MAX,
            End::Drain(_) | End::Abort(_) | End::None => Duration::ZERO,
        };
        let last = state.life - 1;
        let taken: Vec<(u64, Answer)> = (0..)
            .zip(&state.items)
            .filter_map(|(index, taken)| taken.map(|taken: Taken| (index, taken)))
            .filter(|(index, taken)| taken.life == last && !recorded.contains(*index))
            .map(|(index, taken)| (index, taken.answer))
            .collect();
        let mut unrecorded = 0;
        for (index, answer) in taken {
            unrecorded += u64::from(answer != Answer::InDoubt);
            let Answer::Saved(at) = answer else { continue };
            state.fired("answered and not recorded");
            if window.is_zero() || at.saturating_add(window) < lived.at {
                let until = lived.at;
                state.is_wrong(format!(
                    "the journal forgot item {index}, saved at {at:?} of {until:?}"
                ));
            }
        }
        let most = self.repeats_max(lived.end);
        if unrecorded > most {
            state.is_wrong(format!(
                "{unrecorded} items taken and not recorded, {most} are allowed"
            ));
        }
    }

    /// No more was repeated than each end of a life explains.
    pub(in crate::simulation) fn check_repeats(&self) {
        let state = &mut *self.state();
        for Lived { end, repeats, .. } in state.lives.clone() {
            let most = self.repeats_max(end);
            if repeats > most {
                state.is_wrong(format!(
                    "{repeats} repeats after {end:?}, {most} are allowed"
                ));
            }
        }
    }

    /// Items that may be sent again after a life that ended so: what was in flight, and the answers that may be ahead of
    /// the journal; and in order, what waits for those before it. What a loss of power may forget is bounded by time alone.
    fn repeats_max(&self, end: End) -> u64 {
        let options = &self.scenario.options;
        let held = match options.keep_order {
            true => options.unreleased_max() as u64,
            false => 0,
        };
        match end {
            // A file is cut where the journal ends.
            End::Crash(_) | End::Fails(_) if self.scenario.sink == Sink::File => u64::MAX,
            End::Crash(_) | End::Fails(_) => {
                self.scenario.saving_max() + self.scenario.unrecorded_max - 1 + held
            }
            End::PowerLoss(_) => u64::MAX,
            End::Drain(_) | End::Abort(_) | End::None => held,
        }
    }

    /// What a crash of the program may forget: a fact waits for its hand-over and for the recorder, and the journal for
    /// its write. Timers are a millisecond late.
    fn window_after_crash(&self) -> Duration {
        // What lies in a file must be durable before the journal may say so.
        let write = match self.scenario.has_file() {
            true => 200 * MS,
            false => 5 * MS,
        };
        write + 14 * MS + 2 * (self.scenario.lag_max + 2 * MS)
    }

    pub(super) fn window_after_power_loss(&self) -> Duration {
        self.window_after_crash() + 200 * MS + self.scenario.lag_max + 2 * MS
    }
}
