//! Items that are known by keys: which number is that of which item, and the input that is another in each life.
//!
//! The oracle knows items, the engine numbers. What stands in the file of keys says which is which.

use std::collections::HashMap;

use super::scenario::{Keys, Scenario};
use super::service::Output;
use crate::key::Key;

/// The numbers of items.
pub(super) struct Names {
    kind: Keys,
    /// Which item a hash in the file is that of, and how often its key was there before.
    items: HashMap<[u8; 12], (u64, u64)>,
    file: Output,
}

/// How often an item may be in one input.
const TIMES_MAX: u64 = 3;

/// Bytes before the first key in the file, and those of one.
const HEAD: usize = 16;
const ENTRY: usize = 16;

impl Names {
    pub(super) fn new(scenario: &Scenario) -> Option<Names> {
        let kind = scenario.keys?;
        let mut items = HashMap::new();
        for item in 0..scenario.items {
            let key = key_of(kind, item);
            items.insert(kept(key), (item, 0));
            for times in 1..TIMES_MAX {
                items.insert(kept(key.again(times)), (item, times));
            }
        }
        let file = Output::default();
        Some(Names { kind, items, file })
    }

    /// The file of keys.
    pub(super) fn file(&self) -> &Output {
        &self.file
    }

    pub(super) fn key_of(&self, item: u64) -> Key {
        key_of(self.kind, item)
    }

    /// Which item has this number, and how often its key was there before in the same input.
    pub(super) fn item(&self, number: u64) -> Option<(u64, u64)> {
        let mut entry = [0; ENTRY];
        let place = HEAD + ENTRY * number as usize;
        let file = self.file.lock().expect("no panic under it");
        file.read_at(place as u64, &mut entry);
        self.items.get(entry.first_chunk()?).copied()
    }
}

/// The items that the source holds in this life: all of them in the last, and some of them more than once.
pub(super) fn input(scenario: &Scenario, life: usize, is_last: bool) -> Vec<u64> {
    let mut random = fastrand::Rng::with_seed(scenario.seed ^ (life as u64).rotate_left(40));
    let mut input: Vec<u64> = (0..scenario.items)
        .filter(|_| is_last || random.u8(0..5) > 0)
        .collect();
    random.shuffle(&mut input);
    for _ in 0..random.usize(0..=input.len() / 8) {
        let item = input[random.usize(0..input.len())];
        let times = input.iter().filter(|other| **other == item).count() as u64;
        if times < TIMES_MAX {
            input.insert(random.usize(0..=input.len()), item);
        }
    }
    input
}

fn key_of(kind: Keys, item: u64) -> Key {
    match kind {
        Keys::Different => Key::of(item.to_le_bytes()),
        Keys::Alike => Key(7 << 96 | u128::from(item) << 32),
    }
}

fn kept(key: Key) -> [u8; 12] {
    let bytes = key.0.to_be_bytes();
    *bytes.first_chunk().expect("a key is longer than that")
}
