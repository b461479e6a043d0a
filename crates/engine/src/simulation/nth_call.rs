//! Each call that can fail, failing: the first, the second, and so on until none is left, of the journal's disk, of that of
//! the dead letters, of the source and of the sink. Nothing is lost, and the run that goes on finishes the job exactly.

use super::life::Machine;
use super::scenario::{Disk, End, Fails, Keys, Scenario};
use crate::options::Strategy;
use crate::summary::Ending;

/// Items of the job: enough for some dead letters, and for a few dozen calls of each kind.
const ITEMS: u64 = 50;

/// More calls than any of these jobs makes.
const CALLS_MAX: u64 = 2000;

/// Lets call after call fail in this way until none is hit.
fn each_call(strategy: Strategy, end: impl Fn(u64) -> End, ending: impl Fn(&Ending) -> bool) {
    let mut hit = 0;
    for seed in 0..2 {
        for call in 1..CALLS_MAX {
            let end = end(call);
            let mut scenario = Scenario::plain(seed, strategy, ITEMS);
            if end == End::Fails(Fails::Disk(Disk::Keys, call)) {
                scenario.keys = Some(Keys::Different);
            }
            let mut machine = Machine::new(scenario);
            let first = machine.live_and_check(end, true);
            let is_hit = first
                .as_ref()
                .is_none_or(|first| *first != Ending::Complete);
            if let Some(first) = first.filter(|_| is_hit) {
                assert!(ending(&first), "call {call}, seed {seed}: {first:?}");
            }
            if is_hit {
                // All items are there, also where they are known by keys.
                let second = machine.live_and_check(End::None, true);
                assert_eq!(second, Some(Ending::Complete), "call {call}, seed {seed}");
            }
            machine.check_in_the_end();
            let verdict = machine.world.verdict();
            assert_eq!(
                verdict,
                Ok(()),
                "{}, call {call}, seed {seed}",
                strategy.name()
            );
            if !is_hit {
                break;
            }
            hit += 1;
        }
    }
    assert!(hit > 4, "{hit}");
}

#[test]
fn whichever_call_of_the_disks_fails_nothing_is_lost() {
    for strategy in Strategy::ALL {
        for disk in [Disk::Journal, Disk::Letters, Disk::Keys] {
            let fails = |call| End::Fails(Fails::Disk(disk, call));
            each_call(strategy, fails, |ending| {
                matches!(ending, Ending::Storage(_))
            });
        }
    }
}

#[test]
fn whichever_read_of_the_source_fails_nothing_is_lost() {
    for strategy in Strategy::ALL {
        let fails = |call| End::Fails(Fails::Read(call));
        each_call(strategy, fails, |ending| {
            matches!(ending, Ending::Unreadable(_))
        });
    }
}

#[test]
fn whichever_save_is_cut_after_it_took_effect_nothing_is_lost() {
    for strategy in Strategy::ALL {
        for call in 1..CALLS_MAX {
            let mut machine = Machine::new(Scenario::plain(call, strategy, ITEMS));
            let ending = machine.live_and_check(End::Fails(Fails::Save(call)), false);
            assert_eq!(ending, Some(Ending::Complete));
            machine.check_in_the_end();
            assert_eq!(
                machine.world.verdict(),
                Ok(()),
                "{}, save {call}",
                strategy.name()
            );
            if !machine
                .world
                .seen()
                .0
                .contains("the save that was to be cut")
            {
                assert!(call > 5);
                break;
            }
        }
    }
}
