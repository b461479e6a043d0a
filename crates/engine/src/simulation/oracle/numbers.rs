//! Which item a number or a value stands for: what each step makes of an item, and back.

use super::{State, World};
use crate::fact::Step;
use crate::record::Record;

impl World {
    /// Which item has this number. `None` of one whose key was there before in the same input: all that may become of that is that it
    /// is given up.
    pub(in crate::simulation) fn item(&self, state: &mut State, number: u64) -> Option<u64> {
        let Some(names) = &self.names else {
            return Some(number);
        };
        match names.item(number) {
            Some((item, 0)) => Some(item),
            Some(_) => None,
            // What is written now is written nowhere.
            None if state.plug.is_out() => None,
            None => {
                state.is_wrong(format!("number {number} has no key"));
                None
            }
        }
    }

    /// A request or answer as the services know it, which have not heard of numbers. `item` says of which item a value is.
    pub(in crate::simulation) fn known(
        &self,
        bulk: &[Record<u64>],
        item: fn(u64) -> u64,
    ) -> Vec<Record<u64>> {
        let mut bulk = bulk.to_vec();
        let Some(names) = &self.names else {
            return bulk;
        };
        for record in &mut bulk {
            let number = std::mem::replace(&mut record.index, item(record.value));
            let found = names.item(number);
            if found != Some((record.index, 0)) {
                if self.state().plug.is_out() {
                    continue;
                }
                self.wrong(format!(
                    "number {number} carries item {}, and is {found:?}",
                    record.index
                ));
                record.index = 0;
            }
        }
        bulk
    }

    /// Of which item a value is that comes to the service of this step.
    pub(in crate::simulation) fn item_sent(&self, step: Step) -> fn(u64) -> u64 {
        match (step, self.scenario.has_fetch) {
            (Step::Fetch, _) => |value| value,
            (_, false) => uncompute,
            (_, true) => |value| unfetched(uncompute(value)),
        }
    }
}

/// What fetching makes of an item, and computing of what it gets.
pub(in crate::simulation) fn fetched(item: u64) -> u64 {
    item * 7 + 1
}

/// The item that was fetched so.
pub(in crate::simulation) fn unfetched(input: u64) -> u64 {
    input.wrapping_sub(1) / 7
}

/// What was computed to this.
fn uncompute(result: u64) -> u64 {
    // The inverse of the factor, modulo 2^64.
    result.rotate_right(17).wrapping_mul(0xF1DE_83E1_9937_733D)
}

pub(in crate::simulation) fn compute(input: u64) -> u64 {
    input.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17)
}
