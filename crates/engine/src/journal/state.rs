//! What the frames of a journal come to: who is finished, where reading stood, which run wrote last. Pure.

use std::ops::Range;

use super::finished::Finished;
use super::frame::{Began, Checkpoint, Entry, Frame, Progress};
use crate::planted::planted;

/// What a journal says, up to some frame of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) finished: Finished,
    /// Items saved, and those that will not be tried again.
    pub(crate) saved: u64,
    pub(crate) dead: u64,
    /// The last run that began.
    pub(crate) began: Began,
    /// Whether it recorded all that it knew, and whether nothing was left to do then.
    pub(crate) is_ended: bool,
    pub(crate) is_complete: bool,
    /// How far the sink's own output had come.
    pub(crate) mark: Option<u64>,
    /// Where reading stood: the last place below the watermark, and all beyond it.
    checkpoints: Vec<Checkpoint>,
    /// What the next frame must be.
    pub(crate) sequence: u64,
    pub(crate) chain: u32,
}

impl State {
    /// Whether this is the frame that follows.
    pub(crate) fn is_next(&self, frame: &Frame) -> bool {
        (frame.sequence, frame.chain) == (self.sequence, self.chain)
    }

    /// Takes in the frame that follows, with its checksum.
    pub(crate) fn apply(&mut self, frame: Frame, sum: u32) {
        self.sequence += 1;
        self.chain = sum;
        match frame.entry {
            Entry::Began(began) => {
                if began.is_keyed {
                    self.finished.know_by_keys();
                }
                self.began = began;
                (self.is_ended, self.is_complete) = (false, false);
            }
            Entry::Progress(progress) => self.progress(progress),
            Entry::Ended { is_complete } => (self.is_ended, self.is_complete) = (true, is_complete),
        }
    }

    fn progress(&mut self, progress: Progress) {
        let Progress {
            saved,
            dead,
            mark,
            checkpoints,
        } = progress;
        if self.began.is_retry {
            // All that a retry touches was dead before, and finished.
            let revived = saved.iter().map(count).sum::<u64>().min(self.dead);
            self.saved += revived;
            self.dead -= revived;
        } else {
            self.saved += self.insert(saved);
            self.dead += self.insert(dead);
        }
        self.mark = mark.or(self.mark);
        self.checkpoints.extend(checkpoints);
        self.forget_passed();
    }

    fn insert(&mut self, ranges: Vec<Range<u64>>) -> u64 {
        let inserted = ranges.into_iter().map(|range| self.finished.insert(range));
        inserted.sum()
    }

    /// Drops the places that a later one, still below the watermark, makes useless.
    fn forget_passed(&mut self) {
        let watermark = self.finished.watermark();
        let passed = self
            .checkpoints
            .partition_point(|checkpoint| checkpoint.index <= watermark);
        self.checkpoints.drain(..passed.saturating_sub(1));
    }

    /// The last place from which nothing that is not finished would be missed.
    pub(crate) fn resume_from(&self) -> Option<&Checkpoint> {
        let first = self.checkpoints.first()?;
        (first.index <= self.finished.watermark() || planted!(PlaceAhead)).then_some(first)
    }

    /// The furthest place that was read.
    pub(crate) fn read_to(&self) -> Option<&Checkpoint> {
        self.checkpoints.last()
    }

    /// Takes the word of the sink for what is saved: it kept its own account, in the same transaction as the results.
    pub(crate) fn believe(&mut self, saved: &[Range<u64>], dead: &[Range<u64>]) {
        let mut finished = Finished::default();
        if self.began.is_keyed {
            finished.know_by_keys();
        }
        for range in saved {
            finished.insert(range.clone());
        }
        self.saved = finished.ranges().iter().map(count).sum();
        self.dead = dead
            .iter()
            .map(|range| finished.insert(range.clone()))
            .sum();
        self.finished = finished;
        // A place beyond the watermark that now is would skip what the sink does not have.
        self.checkpoints.sort_by_key(|checkpoint| checkpoint.index);
        self.forget_passed();
    }
}

pub(crate) fn count(range: &Range<u64>) -> u64 {
    range.end - range.start
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Place;

    fn checkpoint(index: u64) -> Checkpoint {
        Checkpoint {
            index,
            place: Place(vec![]),
        }
    }

    fn progress(state: &mut State, saved: Range<u64>, dead: Range<u64>, at: &[u64]) {
        state.progress(Progress {
            saved: vec![saved],
            dead: vec![dead],
            mark: None,
            checkpoints: at.iter().copied().map(checkpoint).collect(),
        });
    }

    #[test]
    fn reading_goes_on_where_nothing_unfinished_would_be_missed() {
        let mut state = State::default();
        progress(&mut state, 0..10, 10..11, &[0, 5]);
        assert_eq!((state.saved, state.dead), (10, 1));
        assert_eq!(state.resume_from().unwrap().index, 5);
        progress(&mut state, 50..60, 0..0, &[20, 60]);
        assert_eq!(state.resume_from().unwrap().index, 5, "11 is not finished");
        assert_eq!(state.read_to().unwrap().index, 60);
        progress(&mut state, 11..50, 0..0, &[]);
        assert_eq!(state.resume_from().unwrap().index, 60);
    }

    #[test]
    fn what_was_saved_twice_counts_once() {
        let mut state = State::default();
        progress(&mut state, 0..10, 0..0, &[]);
        progress(&mut state, 5..15, 3..4, &[]);
        assert_eq!((state.saved, state.dead), (15, 0));
    }

    #[test]
    fn a_retry_turns_dead_into_saved() {
        let mut state = State::default();
        progress(&mut state, 0..10, 10..13, &[]);
        state.began.is_retry = true;
        progress(&mut state, 11..12, 10..11, &[]);
        assert_eq!((state.saved, state.dead), (11, 2));
    }

    #[test]
    fn the_sink_is_believed_more_than_the_journal() {
        let mut state = State::default();
        progress(&mut state, 0..100, 100..101, &[0, 64]);
        state.believe(&[0..10, 12..20], &[100..101, 102..103]);
        assert_eq!((state.saved, state.dead), (18, 2));
        assert_eq!(state.finished.watermark(), 10);
    }
}
