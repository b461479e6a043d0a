//! Watches a run and keeps what a picture of it needs, in bounded memory.
//!
//! It works on the recorder's thread, beside the run; what it does for each fact costs tens of nanoseconds, and cheap items
//! share facts. It counts nothing that the summary says.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use inflight::{Attempt, Counts, Fact, Step};
use serde::{Deserialize, Serialize};

use super::curve::{Busy, Curves, Ticks};
use super::reasons::{Reason, Reasons};
use super::sample::{Chunk, Sample, Sampled};
use super::span::{Kind, Span, micros};

/// Events that are kept; a run with more of them is a story of its own.
const MARKS_MAX: usize = 500;

/// Keeps what happens in one run. What it kept is sent away when the run lets go of it.
#[derive(Debug)]
pub(crate) struct Keeper {
    keeping: Option<Keeping>,
    items_max: u64,
    has_fetch: bool,
    to: Sender<Kept>,
}

/// What was kept of one run.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// By item and time.
    pub(crate) spans: Vec<Span>,
    pub(crate) sampled: Sampled,
    pub(crate) curves: Curves,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) marks: Vec<Mark>,
}

/// Something that happened to the run as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) at_s: f64,
    /// For people; holds nothing of any item.
    pub(crate) text: String,
    /// The limit from then on, where that is what changed.
    pub(crate) limit: Option<usize>,
}

#[derive(Debug)]
struct Keeping {
    sample: Sample,
    ticks: Ticks,
    reasons: Reasons,
    marks: Vec<Mark>,
    /// The last attempt of fetch and of save, for what is told of its records after it.
    last: [Option<Last>; 2],
}

#[derive(Clone, Copy, Debug)]
struct Last {
    at: Duration,
    took: Duration,
    /// The item that was kept with the attempt itself.
    kept: Option<u64>,
}

impl Keeper {
    /// A keeper of so many items of one run, and where to get what it kept once the run is over.
    pub(crate) fn new(items_max: u64, has_fetch: bool) -> (Keeper, Receiver<Kept>) {
        let (to, kept) = channel();
        let keeper = Keeper {
            keeping: None,
            items_max,
            has_fetch,
            to,
        };
        (keeper, kept)
    }

    /// Something happened.
    pub(crate) fn observe(&mut self, fact: &Fact, counts: &Counts) {
        let (items_max, has_fetch) = (self.items_max, self.has_fetch);
        let keeping = self
            .keeping
            .get_or_insert_with(|| Keeping::new(Sample::new(counts.total, items_max, has_fetch)));
        keeping.keep(fact, counts);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let has_fetch = self.has_fetch;
        let kept = self.keeping.take().map(|keeping| keeping.finish(has_fetch));
        // Nobody waits for it when the run failed.
        let _ = self.to.send(kept.unwrap_or_default());
    }
}

impl Keeping {
    fn new(sample: Sample) -> Keeping {
        Keeping {
            sample,
            ticks: Ticks::new(),
            reasons: Reasons::default(),
            marks: Vec::new(),
            last: [None; 2],
        }
    }

    fn keep(&mut self, fact: &Fact, counts: &Counts) {
        match fact {
            Fact::Computed {
                first,
                last,
                items,
                at,
                took,
                cost,
            } => {
                let span = Span::new(*first, Kind::Compute, *at, *took);
                self.ticks
                    .busy(Busy::Computing, span.at_us(), micros(*cost));
                match items {
                    1 => self.sample.computed(span),
                    _ => self.sample.computed_together(Chunk {
                        first: *first,
                        last: *last,
                        items: u64::from(*items),
                        at_us: span.at_us(),
                        took_us: span.took_us(),
                    }),
                }
            }
            Fact::Attempt(attempt) => self.attempt(attempt),
            Fact::Retry { step, index, fault } => {
                self.reasons.retried(*step, fault);
                self.failed_with_others(*step, *index);
            }
            Fact::Dead {
                index, step, fault, ..
            } => {
                self.reasons.dead(*step, fault);
                self.failed_with_others(*step, *index);
                self.sample.fault(Span::new(
                    *index,
                    Kind::Dead,
                    counts.elapsed,
                    Duration::ZERO,
                ));
            }
            Fact::OutageBegan { step, at, fault } => {
                let (step, why) = (step.name(), fault.reason());
                self.mark(*at, None, format!("{step}: the service went away: {why}"));
            }
            Fact::OutageEnded { step, lasted } => {
                let (step, lasted) = (step.name(), lasted.as_secs_f64());
                let text = format!("{step}: the service is back after {lasted:.1} s");
                self.mark(counts.elapsed, None, text);
            }
            Fact::Limit { step, at, decision } => {
                let text = format!("{}: limit {decision}", step.name());
                let to = decision.to.round() as usize;
                self.mark(*at, (*step == Step::Save).then_some(to), text);
            }
            Fact::Bulk { step, at, records } => {
                let text = format!("{}: up to {records} records in a request", step.name());
                self.mark(*at, None, text);
            }
            Fact::NoMoreConnections {
                step,
                at,
                connections,
                ..
            } => {
                let text = format!(
                    "{}: no more than {connections} connections can be had",
                    step.name()
                );
                self.mark(*at, None, text);
            }
            Fact::Beat { at, stall, load } => {
                let (at, stall) = (micros(*at), micros(*stall));
                self.ticks.beat(at, stall, load.save.ready as u64);
            }
            _ => {}
        }
    }

    fn attempt(&mut self, attempt: &Attempt) {
        let kind = Kind::of_attempt(attempt.step, attempt.verdict);
        let like = Span::new(attempt.first, kind, attempt.at, attempt.took);
        let is_fetch = attempt.step == Step::Fetch;
        let busy = if is_fetch {
            Busy::Fetching
        } else {
            Busy::Saving
        };
        self.ticks.busy(busy, like.at_us(), like.took_us());
        for range in attempt.done.ranges() {
            self.sample.finished(range.clone(), like, attempt.is_again);
        }
        if kind.is_fault() {
            self.ticks.failed(like.end_us());
            self.sample.fault(like);
            if matches!(kind, Kind::FetchRefused | Kind::SaveRefused) {
                self.reasons.refused(attempt.step);
            }
        } else if !is_fetch {
            self.ticks
                .saved(like.end_us(), attempt.done.len(), like.took_us());
        }
        self.last[usize::from(is_fetch)] = Some(Last {
            at: attempt.at,
            took: attempt.took,
            kept: kind.is_fault().then_some(attempt.first),
        });
    }

    /// One record among several failed: the attempt itself names only one of them.
    fn failed_with_others(&mut self, step: Step, index: u64) {
        let kind = match step {
            Step::Fetch => Kind::FetchFailed,
            Step::Save => Kind::SaveFailed,
            Step::Read | Step::Compute => return,
        };
        if let Some(last) = self.last[usize::from(step == Step::Fetch)]
            && last.kept != Some(index)
        {
            self.sample
                .fault(Span::new(index, kind, last.at, last.took));
        }
    }

    fn mark(&mut self, at: Duration, limit: Option<usize>, text: String) {
        if self.marks.len() < MARKS_MAX {
            self.marks.push(Mark {
                at_s: at.as_secs_f64(),
                text,
                limit,
            });
        }
    }

    fn finish(self, has_fetch: bool) -> Kept {
        let (mut spans, sampled) = self.sample.finish();
        spans
            .chunk_by_mut(|a, b| a.index == b.index)
            .for_each(death_comes_last);
        Kept {
            spans,
            sampled,
            curves: self.ticks.curves(has_fetch),
            reasons: self.reasons.finish(),
            marks: self.marks,
        }
    }
}

/// That an item is dead is told without a time: it was when its last attempt or computation had failed.
fn death_comes_last(row: &mut [Span]) {
    let ends = row.iter().filter(|span| span.kind() != Kind::Dead);
    let Some(end_us) = ends.map(Span::end_us).max() else {
        return;
    };
    for span in row.iter_mut().filter(|span| span.kind() == Kind::Dead) {
        *span = Span::of_micros(span.index, Kind::Dead, end_us, 0);
    }
    row.sort_unstable();
}

#[cfg(test)]
mod tests {
    use inflight::{Fault, Job, Options, Strategy};

    use super::*;

    /// What a keeper makes of a run of ten items of which one never computes and one is saved at the third try.
    fn kept(strategy: Strategy) -> Kept {
        let (mut keeper, kept) = Keeper::new(100, false);
        let tries = std::sync::atomic::AtomicU32::new(0);
        let summary = Job::new(0..10_u64)
            .try_compute(|item: u64| match item {
                3 => Err(Fault::permanent("item 3 is odd").counted_as("odd")),
                _ => Ok(item),
            })
            .save(move |item: &u64| {
                let fails =
                    *item == 5 && tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2;
                async move {
                    match fails {
                        true => Err(Fault::transient("5 again").counted_as("busy")),
                        false => Ok(()),
                    }
                }
            })
            .observed_by(move |fact: &Fact, counts: &Counts| keeper.observe(fact, counts))
            .run(&Options {
                strategy,
                backoff: Duration::from_millis(5),
                ..Options::default()
            })
            .unwrap();
        assert_eq!((summary.saved, summary.dead), (9, 1));
        kept.recv().unwrap()
    }

    #[test]
    fn every_item_has_its_row() {
        for strategy in Strategy::ALL {
            let kept = kept(strategy);
            let rows: Vec<(u64, Vec<Kind>)> = kept
                .spans
                .chunk_by(|a, b| a.index == b.index)
                .map(|row| (row[0].index, row.iter().map(Span::kind).collect()))
                .collect();
            let expected = |index| match index {
                3 => vec![Kind::Compute, Kind::Dead],
                5 => vec![
                    Kind::Compute,
                    Kind::SaveFailed,
                    Kind::SaveFailed,
                    Kind::Save,
                ],
                _ => vec![Kind::Compute, Kind::Save],
            };
            let expected: Vec<_> = (0..10).map(|index| (index, expected(index))).collect();
            assert_eq!(rows, expected, "{strategy:?}");
            for row in kept.spans.chunk_by(|a, b| a.index == b.index) {
                assert!(
                    row.windows(2)
                        .all(|two| two[0].end_us() <= two[1].at_us() + 1)
                );
            }
        }
    }

    #[test]
    fn faults_are_counted_by_reason_without_a_word_of_the_item() {
        let reasons = kept(Strategy::Parallel).reasons;
        let told: Vec<_> = reasons
            .iter()
            .map(|reason| (reason.why.as_str(), reason.retried, reason.dead))
            .collect();
        assert_eq!(told, [("busy", 2, 0), ("odd", 0, 1)]);
    }
}
