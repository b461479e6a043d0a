//! Where items of one value go one after the other: none comes to a service after one that is behind it.

use std::collections::BTreeMap;

use super::{State, World};
use crate::fact::Step;
use crate::simulation::scenario::{End, Fate, Sink};

/// What is known of each value.
#[derive(Default)]
pub(super) struct Order {
    /// The last place in the input that came, at each service.
    came: BTreeMap<(u64, &'static str), u64>,
    /// Dead items.
    dead: Vec<u64>,
}

impl World {
    fn value_of(&self, item: u64) -> Option<u64> {
        let order = self.scenario.order?;
        Some(item % order.values)
    }

    /// A life begins, with these items dead.
    pub(super) fn begins_in_order(&self, state: &mut State, dead: impl Iterator<Item = u64>) {
        let before = std::mem::take(&mut state.order);
        let ended = state.lives.last().map(|lived| lived.end);
        // What a file holds is cut, what a loss of power forgot is done again, and another input has another order.
        let begins_anew = self.names.is_some()
            || self.scenario.sink == Sink::File
            || matches!(ended, Some(End::PowerLoss(_)));
        if !begins_anew {
            state.order.came = before.came;
        }
        state.order.dead = dead
            .filter(|item| self.scenario.fates[*item as usize] != Fate::Unreadable)
            .collect();
    }

    /// An item has come to a service.
    pub(super) fn comes_in_order(&self, state: &mut State, step: Step, item: u64) {
        let Some(value) = self.value_of(item) else {
            return;
        };
        let place = state.place_of(item);
        let last = state.order.came.insert((value, step.name()), place);
        // Those behind one that broke whoever computed it do not wait until something else is computed, and it is dead.
        let fate = self.scenario.fates[item as usize];
        let is_accused = matches!(fate, Fate::Breaks | Fate::ComputePanics);
        if last.is_some_and(|last| place < last) && !is_accused {
            state.is_wrong(format!(
                "item {item} comes to {} after one that is behind it",
                step.name()
            ));
        }
        if last.is_some() {
            state.fired("one after the other");
        }
        if self.is_behind_a_dead_one(state, item) {
            state.is_wrong(format!("item {item} is behind a dead one, and comes"));
        }
    }

    /// An item is dead.
    pub(super) fn dies_in_order(&self, state: &mut State, item: u64, step: Step) {
        if step != Step::Read {
            state.order.dead.push(item);
        }
    }

    pub(in crate::simulation) fn halts(&self) -> bool {
        self.scenario.order.is_some_and(|order| order.halts)
    }

    /// Whether an item is to be left because one before it is dead.
    pub(in crate::simulation) fn is_behind_a_dead_one(&self, state: &State, item: u64) -> bool {
        let is_before = |dead: &&u64| {
            **dead != item
                && self.value_of(**dead) == self.value_of(item)
                && state.input.contains(dead)
                && state.place_of(**dead) < state.place_of(item)
        };
        self.halts() && state.order.dead.iter().any(|dead| is_before(&dead))
    }
}

impl State {
    fn place_of(&self, item: u64) -> u64 {
        let place = self.input.iter().position(|other| *other == item);
        place.map_or(u64::MAX, |place| place as u64)
    }
}
