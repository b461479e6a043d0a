//! What has come about and is not in the journal yet. Pure.

use std::ops::Range;

use super::frame::{Checkpoint, Progress};
use super::state::count;
use crate::fact::{Fact, Step};
use crate::planted::planted;

/// Ranges that wait to be written, at most, before a write is due whatever the time. A bulk may add some thousand
/// more; at ten bytes or so each, the largest frame stays below half a megabyte.
const RANGES_MAX: usize = 16 << 10;

/// Items that have been finished since the last write, and where reading stood.
#[derive(Debug, Default)]
pub(crate) struct Pending(Progress);

impl Pending {
    pub(crate) fn note(&mut self, fact: &Fact) {
        let progress = &mut self.0;
        match fact {
            Fact::Attempt(attempt) if attempt.step == Step::Save => {
                for range in attempt.done.ranges() {
                    let end = range.end + u64::from(planted!(RangeOffByOne));
                    add(&mut progress.saved, range.start..end);
                }
                progress.mark = attempt.mark.or(progress.mark);
            }
            Fact::Computed { first, .. } if planted!(RecordedBeforeAnswer) => {
                add(&mut progress.saved, *first..*first + 1);
            }
            Fact::Dead { .. } if planted!(DeadNotRecorded) => {}
            Fact::Dead { index, .. } => add(&mut progress.dead, *index..*index + 1),
            Fact::ReadTo { index, place } => progress.checkpoints.push(Checkpoint {
                index: *index,
                place: place.clone(),
            }),
            _ => {}
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0 == Progress::default()
    }

    /// Whether it should be written now, however soon after the last write.
    pub(crate) fn is_large(&self) -> bool {
        self.0.saved.len() + self.0.dead.len() + self.0.checkpoints.len() >= RANGES_MAX
    }

    /// How many items were saved.
    pub(crate) fn saved(&self) -> u64 {
        self.0.saved.iter().map(count).sum()
    }

    /// All of it, in the order in which it is written.
    pub(crate) fn take(&mut self) -> Progress {
        let mut progress = std::mem::take(&mut self.0);
        progress.saved = in_order(progress.saved);
        progress.dead = in_order(progress.dead);
        progress
    }
}

/// Most items finish beside the one before.
fn add(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if (last.start..=last.end).contains(&range.start) => {
            last.end = last.end.max(range.end)
        }
        _ if range.is_empty() => {}
        _ => ranges.push(range),
    }
}

fn in_order(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined = Vec::with_capacity(ranges.len());
    ranges.into_iter().for_each(|range| add(&mut joined, range));
    joined
}
