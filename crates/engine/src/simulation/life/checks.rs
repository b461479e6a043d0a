//! What must hold of the disks of a machine after a life: of its journal, its dead letters and its file.

use std::collections::BTreeSet;

use super::{Machine, contents};
use crate::error::Error;
use crate::journal::DeadLetter;
use crate::simulation::oracle::{Recorded, fetched};
use crate::simulation::scenario::{Fate, Sink};

impl Machine {
    /// What the journal says now is what may be said. Gives the numbers of items saved and dead.
    pub(super) fn check_journal(&self) -> Option<(usize, usize)> {
        let recorded = match self.recorded() {
            Ok(recorded) => recorded,
            Err(error) => {
                self.world
                    .wrong(format!("the journal cannot be read: {error}"));
                return None;
            }
        };
        let counts = (recorded.saved.len(), recorded.dead.len());
        for index in recorded.dead.difference(&self.lettered()) {
            self.world
                .wrong(format!("item {index} is dead and has no letter"));
        }
        let items = self.as_items(recorded);
        self.world.check_journal(&items);
        Some(counts)
    }

    /// The same of items, where the journal knows numbers: each item has one of those that are finished.
    fn as_items(&self, recorded: Recorded) -> Recorded {
        if self.world.names.is_none() {
            return recorded;
        }
        let numbers = recorded.saved.union(&recorded.dead).copied();
        let (mut seen, mut state) = (BTreeSet::new(), self.world.state());
        for number in numbers {
            if let Some(item) = self.world.item(&mut state, number)
                && !seen.insert(item)
            {
                state.is_wrong(format!("item {item} was finished twice, also as {number}"));
            }
        }
        drop(state);
        Recorded {
            saved: self.items_of(recorded.saved),
            dead: self.items_of(recorded.dead),
        }
    }

    fn recorded(&self) -> Result<Recorded, Error> {
        let mut opened = self.open()?;
        let dead: BTreeSet<u64> = opened.dead()?.into_iter().collect();
        let mut saved: BTreeSet<u64> = opened.finished().into_iter().flatten().collect();
        saved.retain(|index| !dead.contains(index));
        Ok(Recorded { saved, dead })
    }

    fn lettered(&self) -> BTreeSet<u64> {
        let text = contents(&self.letters);
        let lines = text.split(|byte| *byte == b'\n');
        lines
            .filter_map(|line| serde_json::from_slice::<DeadLetter>(line).ok())
            .map(|letter| letter.index)
            .collect()
    }

    /// Every item is saved or dead, the right ones; none more often than crashes explain; and a file holds each once.
    pub(in crate::simulation) fn check_in_the_end(&self) {
        self.world.check_repeats();
        let Ok(recorded) = self.recorded() else {
            return;
        };
        self.check_duplicates(&recorded.dead);
        let Recorded { saved, dead } = self.as_items(recorded);
        for (index, fate) in (0..).zip(&self.world.scenario.fates) {
            let (is_saved, is_dead) = (saved.contains(&index), dead.contains(&index));
            let is_left = !is_saved && !is_dead;
            if is_left && self.world.is_behind_a_dead_one(&self.world.state(), index) {
                continue;
            }
            if is_saved == is_dead || is_saved && *fate != Fate::Good {
                let what = format!("item {index}, {fate:?}: saved {is_saved}, dead {is_dead}");
                self.world.wrong(what);
            }
        }
        let scenario = &self.world.scenario;
        if scenario.has_file() {
            let mut lines = self.lines();
            if !scenario.options.keep_order || scenario.keys.is_some() {
                lines.sort_unstable();
            }
            if !lines.iter().eq(&saved) {
                self.world
                    .wrong(format!("the file holds {lines:?}, saved are {saved:?}"));
            }
        }
    }

    /// Each item whose key was there before is dead; `dead` are numbers.
    fn check_duplicates(&self, dead: &BTreeSet<u64>) {
        let Some(names) = &self.world.names else {
            return;
        };
        let dead: BTreeSet<_> = dead
            .iter()
            .filter_map(|number| names.item(*number))
            .collect();
        let mut input = self.world.input();
        input.sort_unstable();
        for same in input.chunk_by(|one, other| one == other) {
            for times in 1..same.len() as u64 {
                let item = (same[0], times);
                if !dead.contains(&item) {
                    self.world
                        .wrong(format!("item {item:?} is not dead, and was there before"));
                }
            }
        }
    }

    /// The items that the file holds, line by line.
    pub(super) fn lines(&self) -> Vec<u64> {
        let text = String::from_utf8_lossy(&contents(&self.output)).into_owned();
        let mut lines = Vec::new();
        for line in text.lines() {
            let numbers: Vec<u64> = line.split(' ').filter_map(|n| n.parse().ok()).collect();
            match numbers.as_slice() {
                [index, value] if *value == self.is_said_of(*index) => lines.push(*index),
                _ => self.world.wrong(format!("the file holds {line:?}")),
            }
        }
        lines
    }

    fn is_said_of(&self, index: u64) -> u64 {
        match self.world.scenario.sink {
            Sink::File => self.world.result_of(index),
            Sink::Append => fetched(index),
        }
    }
}
