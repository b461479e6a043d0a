//! How many records travel in one request: found by doubling, with one request in flight, before the limit is looked for.
//!
//! A request costs something by itself, and something for each of its records: `latency = A + K · b`. While `A` is a large part
//! of that, twice the records cost hardly more. Both knobs cannot be turned at once: what more in flight do to latency, and what
//! more records do, could not be told apart. Requests are filled with what is ready, never waited for.

use crate::request_cost::RequestCost;

/// The part of a request's latency that may be its own cost: nine tenths go into records.
const OWN_COST: f64 = 0.1;
/// A request that takes longer than this, in seconds, carries no more: whoever waits for its first record waits long enough,
/// and one that fails costs as much again.
const LONG: f64 = 0.75;
/// At a service that is slow anyway, one may take so many times as long as with one record.
const LONG_TIMES: f64 = 2.0;
/// A request that takes less than this, in seconds, is no reason to stop, whatever its parts: what is measured there is our
/// own thread.
const SHORT: f64 = 0.001;
/// Answers by which a size is judged: one may be late by chance.
const ANSWERS: u32 = 2;
/// Sizes that are tried: doublings of one, up to more records than any request carries.
const SIZES: usize = 21;

/// The most records in one request, searched or known.
#[derive(Clone, Debug, PartialEq)]
pub struct BulkSize {
    /// What the service takes, the user allows, and no refusal has shown to be too many.
    most: usize,
    size: usize,
    search: Option<Search>,
    /// Whether it was for a run to find, this one or one before.
    is_found: bool,
}

/// What has been seen of each size, from one on.
#[derive(Clone, Debug, Default, PartialEq)]
struct Search {
    seen: Vec<Mean>,
}

/// The mean latency of requests of one size, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mean {
    records: f64,
    latency: f64,
    count: u32,
}

impl BulkSize {
    /// A size that is not searched: as many as that.
    pub fn fixed(most: usize) -> BulkSize {
        let most = most.max(1);
        BulkSize {
            most,
            size: most,
            search: None,
            is_found: false,
        }
    }

    /// A size that is searched, from one record up to `most`, unless an earlier run has found it.
    pub fn auto(most: usize, known: Option<usize>) -> BulkSize {
        let most = most.max(1);
        let is_searched = known.is_none() && most > 1;
        BulkSize {
            most,
            size: known.unwrap_or(1).clamp(1, most),
            search: is_searched.then(Search::default),
            is_found: most > 1,
        }
    }

    /// The most records that a request may carry now.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether the size is still searched: then no more than one request may be in flight.
    pub fn is_searched(&self) -> bool {
        self.search.is_some()
    }

    /// The size that was found, for the next run to begin with.
    pub fn found(&self) -> Option<usize> {
        (self.is_found && !self.is_searched()).then_some(self.size)
    }

    /// Ends the search: a request was full in bytes before it had so many records, so more of them make no larger request.
    pub fn full_in_bytes(&mut self) -> usize {
        self.search = None;
        self.size
    }

    /// A request that was alone in flight was answered after so many seconds. Says what was found, if that is the end of the
    /// search. One that was not full says nothing: more records were not there.
    pub fn answered(&mut self, records: usize, latency: f64) -> Option<usize> {
        let search = self.search.as_mut().filter(|_| records == self.size)?;
        let last = search.add(records, latency);
        if last.count < ANSWERS {
            return None;
        }
        if self.size < self.most && search.pays_to_double() {
            self.size = (self.size * 2).min(self.most);
            return None;
        }
        self.search = None;
        Some(self.size)
    }

    /// The service refused a request because it was too large (413): half as many from now on, for good.
    pub fn too_large(&mut self, records: usize) {
        self.most = (records / 2).clamp(1, self.most);
        self.size = self.size.min(self.most);
        if self.size == self.most {
            self.search = None;
        }
    }
}

impl Search {
    fn add(&mut self, records: usize, latency: f64) -> Mean {
        let records = records as f64;
        if self.seen.last().is_none_or(|last| last.records < records) && self.seen.len() < SIZES {
            self.seen.push(Mean {
                records,
                ..Mean::default()
            });
        }
        let Some(last) = self.seen.last_mut() else {
            return Mean::default();
        };
        last.count += 1;
        last.latency += (latency - last.latency) / f64::from(last.count);
        *last
    }

    /// Whether twice the records would cost clearly less for each.
    fn pays_to_double(&self) -> bool {
        let (Some(first), Some(last)) = (self.seen.first(), self.seen.last()) else {
            return true;
        };
        if last.latency < SHORT {
            return true;
        }
        if last.latency > LONG.max(LONG_TIMES * first.latency) {
            return false;
        }
        let mut cost = RequestCost::default();
        for mean in &self.seen {
            cost.add(f64::from(mean.count), mean.records, mean.latency);
        }
        // Of a single size nothing is known but that a request costs something.
        cost.parts()
            .is_none_or(|(own, each)| own > OWN_COST * (own + each * last.records))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finds the size for a service that takes `own + each · records` seconds; the size, and after how many requests.
    fn found(most: usize, mut latency: impl FnMut(usize) -> f64) -> (usize, u32) {
        let mut bulk = BulkSize::auto(most, None);
        for requests in 1..200 {
            let size = bulk.size();
            if let Some(found) = bulk.answered(size, latency(size)) {
                assert!(!bulk.is_searched() && found == bulk.size());
                return (found, requests);
            }
        }
        panic!("{bulk:?} is still searched")
    }

    #[test]
    fn most_of_a_request_goes_into_its_records() {
        // A tenth is its own from 90 records on.
        assert_eq!(found(10_000, |b| 0.01 + 0.001 * b as f64).0, 128);
        assert_eq!(found(100, |b| 0.01 + 0.001 * b as f64).0, 100);
        assert_eq!(found(10_000, |b| 0.002 * b as f64).0, 2);
        let (size, requests) = found(10_000, |b| 0.02 + 1e-9 * b as f64);
        assert_eq!((size, requests), (10_000, 30));
    }

    #[test]
    fn nobody_waits_for_too_long() {
        let (size, _) = found(10_000, |b| 0.5 + 0.001 * b as f64);
        assert_eq!(size, 512);
        let (size, _) = found(10_000, |b| 10.0 + 0.1 * b as f64);
        assert_eq!(size, 128);
        assert_eq!(found(8192, |b| 1e-7 * b as f64).0, 8192);
    }

    #[test]
    fn chance_does_not_mislead_it() {
        let mut random = fastrand::Rng::with_seed(5);
        let sizes = (0..200).map(|_| {
            let mut noise = || 0.8 + 0.4 * random.f64();
            found(10_000, |b| (0.02 + 0.001 * b as f64) * noise()).0
        });
        let sizes: Vec<usize> = sizes.collect();
        let near = sizes.iter().filter(|size| (64..=1024).contains(*size));
        assert!(near.count() >= 190, "{sizes:?}");
    }

    #[test]
    fn requests_that_were_not_full_say_nothing() {
        let mut bulk = BulkSize::auto(100, None);
        assert_eq!(bulk.answered(1, 0.1), None);
        assert_eq!((bulk.answered(1, 0.1), bulk.size()), (None, 2));
        for _ in 0..50 {
            assert_eq!((bulk.answered(1, 0.1), bulk.size()), (None, 2));
        }
    }

    #[test]
    fn what_was_too_large_is_too_large_for_good() {
        let mut bulk = BulkSize::fixed(1000);
        bulk.too_large(600);
        bulk.too_large(600);
        assert_eq!(bulk.size(), 300);
        let mut bulk = BulkSize::auto(1000, None);
        bulk.too_large(1);
        assert_eq!((bulk.size(), bulk.is_searched()), (1, false));
        let mut bulk = BulkSize::auto(1000, None);
        for _ in 0..6 {
            bulk.answered(bulk.size(), 0.1);
        }
        bulk.too_large(8);
        assert_eq!((bulk.size(), bulk.is_searched()), (4, false));
        let mut bulk = BulkSize::auto(1000, Some(64));
        bulk.too_large(64);
        assert_eq!(bulk.found(), Some(32));
    }
}
