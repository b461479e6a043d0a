//! The file of keys against losses of power, changed bytes and missing files, in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::journal::Simulated;
use crate::simulation::{each_seed, seeds};

type Shared = Arc<Mutex<Simulated>>;

fn open(disk: &Shared) -> io::Result<Store> {
    Store::read(Disk::Simulated(Arc::clone(disk)))
}

fn key(number: u64) -> Key {
    Key::of(number.to_le_bytes())
}

/// Adds keys and loses power, several times: what was committed is there, under its number, and nothing else is.
fn lose_power(seed: u64) {
    let (disk, mut random) = (Shared::default(), fastrand::Rng::with_seed(seed));
    let (mut numbers, mut committed) = (HashMap::new(), 0);
    for _ in 0..4 {
        let mut store = open(&disk).unwrap();
        let count = store.count();
        assert!(count >= committed, "{count} of {committed} keys are left");
        numbers.retain(|_, number| *number < count);
        for _ in 0..random.u32(0..12) {
            for _ in 0..random.u32(0..60) {
                let key = key(random.u64(0..300));
                let number = store.push(key).unwrap();
                numbers.insert(key, number);
            }
            for id in 0..300 {
                assert_eq!(store.find(key(id)).unwrap(), numbers.get(&key(id)).copied());
            }
            if random.u8(..) < 200 {
                store.commit().unwrap();
                committed = store.count();
            }
        }
        disk.lock().unwrap().lose_power(&mut random);
        // A key that is gone had another number before, or none.
        let mut store = open(&disk).unwrap();
        let left = store.count();
        for (key, number) in &mut numbers {
            let found = store.find(*key).unwrap();
            match *number < left {
                true => assert_eq!(found, Some(*number)),
                false => {
                    assert!(found.is_none_or(|found| found < left));
                    *number = found.unwrap_or(u64::MAX);
                }
            }
        }
    }
}

#[test]
fn a_loss_of_power_takes_no_key_that_was_committed() {
    each_seed("a_loss_of_power_takes_no_key", seeds(400), lose_power);
}

#[test]
fn a_changed_entry_ends_what_is_good() {
    let disk = Shared::default();
    let mut store = open(&disk).unwrap();
    for id in 0..100 {
        store.push(key(id)).unwrap();
    }
    store.commit().unwrap();
    assert_eq!(open(&disk).unwrap().count(), 100);
    disk.lock().unwrap().damage(place_of(70) as usize + 3, 1);
    assert_eq!(open(&disk).unwrap().count(), 70);
    disk.lock().unwrap().damage(2, 1);
    let error = open(&disk).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
}

#[test]
fn a_file_of_a_journal_that_is_gone_is_written_anew() {
    let disk = Shared::default();
    let mut store = open(&disk).unwrap();
    for id in 0..100 {
        store.push(key(id)).unwrap();
    }
    store.commit().unwrap();
    let mut store = open(&disk).unwrap();
    store.forget();
    assert_eq!((store.count(), store.find(key(7)).unwrap()), (0, None));
    store.push(key(7)).unwrap();
    store.commit().unwrap();
    let mut store = open(&disk).unwrap();
    assert_eq!((store.count(), store.find(key(7)).unwrap()), (1, Some(0)));
}

#[test]
fn keys_that_begin_alike_are_not_taken_for_each_other() {
    let mut store = open(&Shared::default()).unwrap();
    let alike = |n: u128| Key(7 << 96 | n << 32);
    for n in 0..50 {
        assert_eq!(store.find(alike(n)).unwrap(), None);
        store.push(alike(n)).unwrap();
        if n % 10 == 0 {
            store.commit().unwrap();
        }
    }
    for n in 0..50 {
        assert_eq!(store.find(alike(n)).unwrap(), Some(n as u64));
    }
}
