//! Shows the facts to the oracle, which knows whether they are true.

use std::sync::Arc;

use super::{Answer, State, Taken, World};
use crate::fact::{Fact, Step};
use crate::fault::{Fault, Verdict};
use crate::observer::Observer;
use crate::simulation::are_all_tried;
use crate::simulation::scenario::Fate;
use crate::tally::Counts;

/// Shows the facts to the oracle.
pub(in crate::simulation) struct Watcher(pub(in crate::simulation) Arc<World>);

impl Observer for Watcher {
    fn observe(&mut self, fact: &Fact, _counts: &Counts) {
        let mut state = self.0.state();
        if !are_all_tried() && !matches!(fact, Fact::Beat { .. }) {
            // For whoever looks into one seed.
            println!("life {}, {:?}: {fact:?}", state.life, state.now());
        }
        match fact {
            Fact::Attempt(attempt) => {
                let until = attempt.at + attempt.took;
                state.service(attempt.step).blame.told(until);
                if attempt.step == Step::Save {
                    let numbers = attempt.done.ranges().iter().cloned().flatten();
                    self.0.are_saved(&mut state, numbers);
                }
            }
            Fact::OutageBegan { step, at, .. } => {
                state.fired(match step {
                    Step::Fetch => "outage of the fetch",
                    _ => "outage of the sink",
                });
                state.service(*step).blame.outage_began(*at);
            }
            Fact::OutageEnded { step, .. } => state.service(*step).blame.outage_ended(),
            Fact::Dead {
                index, step, fault, ..
            } => {
                self.0.is_rightly_dead(&mut state, *index, *step, fault);
            }
            _ => {}
        }
    }
}

impl World {
    /// Whether these items are, of which a fact says that they are saved.
    fn are_saved(&self, state: &mut State, numbers: impl Iterator<Item = u64>) {
        for number in numbers {
            let item = self.item(state, number);
            let taken = item.and_then(|item| state.items.get(item as usize).copied().flatten());
            let is_saved = taken.is_some_and(|taken: Taken| {
                taken.life == state.life && matches!(taken.answer, Answer::Saved(_))
            });
            if !is_saved && !state.plug.is_out() {
                state.is_wrong(format!("item {item:?} is told to be saved: {taken:?}"));
            }
        }
    }

    fn is_rightly_dead(&self, state: &mut State, number: u64, step: Step, fault: &Fault) {
        // A key that was torn off while it was written looks like another.
        if self.names.is_some() && state.plug.is_out() {
            return;
        }
        let Some(index) = self.item(state, number) else {
            state.fired("a key was there before");
            if step != Step::Read && !state.plug.is_out() {
                state.is_wrong(format!(
                    "number {number} was there before, and went on: {fault:?}"
                ));
            }
            return;
        };
        self.dies_in_order(state, index, step);
        let fate = self.scenario.fates[index as usize];
        let is_right = match (step, fault.verdict()) {
            (Step::Read, _) => fate == Fate::Unreadable,
            (Step::Compute, _) => matches!(
                fate,
                Fate::Uncomputable | Fate::ComputePanics | Fate::Breaks
            ),
            (Step::Fetch, Verdict::Permanent) => fate == Fate::NotFound,
            (Step::Save, Verdict::Permanent) => matches!(fate, Fate::Refused | Fate::SavePanics),
            (step, Verdict::Transient | Verdict::InDoubt) => {
                state.fired("an item died of its retries");
                state.service(step).blame.counted(index)
                    > usize::from(self.scenario.options.retries)
            }
            _ => false,
        };
        if !is_right {
            let counted = state.service(step).blame.counted(index);
            state.is_wrong(format!(
                "item {index}, {fate:?}, is dead after {counted} failures that count: {} {fault:?}",
                step.name()
            ));
        }
    }
}
