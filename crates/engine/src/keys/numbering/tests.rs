//! Numbers against a model: several runs over an input that changes between them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::simulation::{each_seed, seeds};

fn finished(numbers: &BTreeSet<u64>) -> TodoItems {
    let ranges = numbers.iter().map(|number| *number..number + 1);
    TodoItems::Rest(ranges.collect())
}

/// Which item an entry of the input is: that of this key, which came so many times before.
type Item = (u64, u64);

fn runs(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut numbering = Numbering::new(Store::temporary().unwrap());
    let (mut done, mut numbers) = (BTreeSet::<Item>::new(), BTreeSet::new());
    let mut last = None;
    for _ in 0..4 {
        // Another input each time: other rows, in another order.
        let input: Vec<u64> = (0..random.usize(0..60))
            .map(|_| random.u64(0..30))
            .collect();
        let mut items = finished(&numbers);
        let mut times = BTreeMap::<u64, u64>::new();
        let mut firsts = BTreeMap::new();
        for key in input {
            let before = times.entry(key).or_default();
            let item = (key, *before);
            *before += 1;
            let numbered = numbering
                .number(Key::of(key.to_string()), &mut items)
                .unwrap();
            let number = match numbered {
                Numbered::Unwanted(_) | Numbered::Skipped => {
                    assert!(done.contains(&item), "{item:?} is left out");
                    continue;
                }
                Numbered::Wanted(number) => {
                    assert_eq!(item.1, 0, "{item:?} is taken for the first");
                    firsts.insert(key, number);
                    number
                }
                Numbered::Duplicate { number, first } => {
                    assert!(item.1 > 0, "{item:?} is taken for a duplicate");
                    assert!(firsts.get(&key).is_none_or(|known| *known == first));
                    number
                }
            };
            assert!(!done.contains(&item), "{item:?} is done again");
            assert!(last.is_none_or(|last| number > last), "numbers rise");
            last = Some(number);
            if random.bool() {
                done.insert(item);
                numbers.insert(number);
            }
        }
        numbering.commit().unwrap();
        numbering.read.clear();
    }
}

#[test]
fn whatever_becomes_of_the_input_each_item_is_done_until_it_is_finished() {
    each_seed("whatever_becomes_of_the_input", seeds(1000), runs);
}

#[test]
fn many_items_of_one_key_are_told_apart() {
    let mut numbering = Numbering::new(Store::temporary().unwrap());
    let mut items = finished(&BTreeSet::new());
    let numbered: Vec<Numbered> = (0..3000)
        .map(|_| numbering.number(Key::of("a"), &mut items).unwrap())
        .collect();
    assert_eq!(numbered[0], Numbered::Wanted(0));
    for (number, numbered) in (0..).zip(numbered).skip(1) {
        assert_eq!(numbered, Numbered::Duplicate { number, first: 0 });
    }
}

#[test]
fn only_what_was_asked_for_is_tried_again() {
    let mut numbering = Numbering::new(Store::temporary().unwrap());
    let mut rest = finished(&BTreeSet::new());
    for key in ["a", "b", "c", "b"] {
        numbering.number(Key::of(key), &mut rest).unwrap();
    }
    numbering.read.clear();
    let mut items = TodoItems::Only([1, 3].into());
    let numbered = ["new", "b", "c", "new", "b", "a"]
        .map(|key| numbering.number(Key::of(key), &mut items).unwrap());
    let unwanted = Numbered::Unwanted;
    let duplicate = Numbered::Duplicate {
        number: 3,
        first: 1,
    };
    let expected = [
        unwanted(None),
        Numbered::Wanted(1),
        unwanted(Some(2)),
        unwanted(None),
        duplicate,
        unwanted(Some(0)),
    ];
    assert_eq!(numbered, expected);
    assert!(items.is_over());
}

#[test]
fn what_is_done_by_others_is_skipped_unless_it_was_done_here_or_is_to_be_tried_again() {
    let mut there = KeySet::new().unwrap();
    for key in ["a", "b", "c"] {
        there.insert(Key::of(key)).unwrap();
    }
    let mut numbering = Numbering::new(Store::temporary().unwrap());
    let mut rest = finished(&BTreeSet::new());
    numbering.number(Key::of("a"), &mut rest).unwrap();
    numbering.read.clear();
    let mut numbering = numbering.skipping(Some(there));
    let mut rest = finished(&[0].into());
    let numbered =
        ["a", "b", "b", "new"].map(|key| numbering.number(Key::of(key), &mut rest).unwrap());
    let (skipped, done) = (Numbered::Skipped, Numbered::Unwanted(Some(0)));
    assert_eq!(numbered, [done, skipped, skipped, Numbered::Wanted(1)]);
    numbering.read.clear();
    let mut again = TodoItems::Only([0].into());
    assert_eq!(
        numbering.number(Key::of("a"), &mut again).unwrap(),
        Numbered::Wanted(0)
    );
}
