//! The source of the simulation: items are their own index, some of them bad.

use std::sync::Arc;

use super::keyed;
use super::oracle::World;
use super::scenario::{Fails, Fate};
use crate::fault::Fault;
use crate::source::{Place, Source};

pub(super) struct Numbers {
    world: Arc<World>,
    /// The items, one after the other; where they are known by keys these are others in each life.
    items: Vec<u64>,
    next: u64,
    calls: u64,
    random: fastrand::Rng,
}

impl Numbers {
    pub(super) fn new(world: &Arc<World>, is_last: bool) -> Numbers {
        let scenario = &world.scenario;
        let items = match &world.names {
            Some(_) => keyed::input(scenario, world.life(), is_last),
            None => (0..scenario.items).collect(),
        };
        world.opens(&items);
        Numbers {
            items,
            world: Arc::clone(world),
            next: 0,
            calls: 0,
            random: fastrand::Rng::with_seed(scenario.seed),
        }
    }

    fn rest(&self) -> u64 {
        self.items.len() as u64 - self.next
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
        for item in &self.items[self.next as usize..(self.next + count) as usize] {
            items.push(match world.scenario.fates[*item as usize] {
                Fate::Unreadable => {
                    let fault = Fault::permanent("not a number, on purpose");
                    Err(match &world.names {
                        Some(names) => fault.of_item(names.key_of(*item)),
                        None => fault,
                    })
                }
                _ => Ok(*item),
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
            if self.world.names.is_some() {
                self.world
                    .wrong("reading goes on at a place of another input".to_owned());
            }
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
