//! The source of the simulation: items are their own index, some of them bad.

use std::sync::Arc;

use super::oracle::World;
use super::scenario::{Fails, Fate};
use crate::fault::Fault;
use crate::source::{Place, Source};

pub(super) struct Numbers {
    world: Arc<World>,
    next: u64,
    calls: u64,
    random: fastrand::Rng,
}

impl Numbers {
    pub(super) fn new(world: &Arc<World>) -> Numbers {
        Numbers {
            world: Arc::clone(world),
            next: 0,
            calls: 0,
            random: fastrand::Rng::with_seed(world.scenario.seed),
        }
    }

    fn rest(&self) -> u64 {
        self.world.scenario.items - self.next
    }
}

impl Source for Numbers {
    type Item = u64;

    fn read(&mut self, max: usize, items: &mut Vec<Result<u64, Fault>>) -> Result<(), Fault> {
        let world = &self.world;
        self.calls += 1;
        if world.fails() == Some(Fails::Read(self.calls)) {
            return Err(Fault::permanent("the disk cannot be read, on purpose"));
        }
        let most = max.min(world.scenario.source.at_once) as u64;
        let count = self.random.u64(1..=most).min(self.rest());
        for index in self.next..self.next + count {
            items.push(match world.scenario.fates[index as usize] {
                Fate::Unreadable => Err(Fault::permanent("not a number, on purpose")),
                _ => Ok(index),
            });
        }
        self.next += count;
        world.is_reading(count > 0);
        Ok(())
    }

    fn place(&mut self) -> Option<Place> {
        let has_places = self.world.scenario.source.has_places;
        has_places.then(|| Place(self.next.to_le_bytes().to_vec()))
    }

    fn resume(&mut self, from: Option<&Place>, _read_to: Option<&Place>) -> Result<(), Fault> {
        if let Some(Place(bytes)) = from {
            let bytes = <[u8; 8]>::try_from(bytes.as_slice())
                .map_err(|error| Fault::permanent("no place of this source").because(error))?;
            self.next = u64::from_le_bytes(bytes);
            self.world.fired("reading went on at a place");
        }
        Ok(())
    }

    fn remaining(&self) -> Option<u64> {
        self.world.scenario.source.knows_length.then(|| self.rest())
    }

    fn count_rest(&mut self) -> Option<u64> {
        Some(self.rest())
    }
}
