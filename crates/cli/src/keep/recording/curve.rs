//! What went on over the time of a run, in a fixed number of ticks: sums only, so that ticks can be joined.
//!
//! Pure. A run's length is not known beforehand: when it outgrows the ticks, each becomes twice as long.

use serde::{Deserialize, Serialize};

/// Ticks of a run at most; a screen is not much wider. With what a tick holds that is half a megabyte.
const TICKS: usize = 512;

/// The first length of a tick, as a power of two of microseconds, about 1 ms: what lasts less than half a second is still
/// drawn in detail.
const FIRST: u32 = 10;

/// Classes of latency in an octave, and octaves from a microsecond up to half an hour: good to a tenth.
const PER_OCTAVE: usize = 4;
const CLASSES: usize = PER_OCTAVE * 31;

/// What went on during one tick.
#[derive(Clone, Debug)]
struct Tick {
    saved: u64,
    failed: u64,
    /// Time that save and fetch requests were in flight.
    flying_us: u64,
    fetching_us: u64,
    /// Time that threads computed.
    computing_us: u64,
    stall_us: u64,
    ready_max: u64,
    latency: [u32; CLASSES],
}

/// The ticks of a run on its way.
#[derive(Debug)]
pub(crate) struct Ticks {
    /// How long a tick is: two to the power of this, in microseconds. To divide by it costs nothing.
    power: u32,
    ticks: Vec<Tick>,
}

/// The curves of a run, a value for each tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Curves {
    /// How long a tick is.
    pub(crate) tick_s: f64,
    /// Save requests in flight, on average.
    pub(crate) in_flight: Vec<f32>,
    /// The same for fetches; empty without a fetch.
    pub(crate) fetching: Vec<f32>,
    /// Items saved, a second.
    pub(crate) goodput: Vec<f32>,
    /// Attempts that failed, a second.
    pub(crate) failed: Vec<f32>,
    /// Threads that computed, on average.
    pub(crate) computing: Vec<f32>,
    /// Results that waited to be saved, at most.
    pub(crate) ready: Vec<f32>,
    /// How long the I/O thread served nothing, at most, in milliseconds.
    pub(crate) stall_ms: Vec<f32>,
    /// Half of the saves took at most this, in milliseconds; nothing where none was answered.
    pub(crate) p50_ms: Vec<Option<f32>>,
    /// 99 of 100 saves took at most this.
    pub(crate) p99_ms: Vec<Option<f32>>,
}

/// What lasts, and adds up to a mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Busy {
    Saving,
    Fetching,
    Computing,
}

impl Tick {
    fn new() -> Tick {
        Tick {
            saved: 0,
            failed: 0,
            flying_us: 0,
            fetching_us: 0,
            computing_us: 0,
            stall_us: 0,
            ready_max: 0,
            latency: [0; CLASSES],
        }
    }

    fn join(&mut self, other: &Tick) {
        self.saved += other.saved;
        self.failed += other.failed;
        self.flying_us += other.flying_us;
        self.fetching_us += other.fetching_us;
        self.computing_us += other.computing_us;
        self.stall_us = self.stall_us.max(other.stall_us);
        self.ready_max = self.ready_max.max(other.ready_max);
        for (count, more) in self.latency.iter_mut().zip(&other.latency) {
            *count += more;
        }
    }

    fn busy(&mut self, what: Busy) -> &mut u64 {
        match what {
            Busy::Saving => &mut self.flying_us,
            Busy::Fetching => &mut self.fetching_us,
            Busy::Computing => &mut self.computing_us,
        }
    }

    /// The latency that this share of the saves did not exceed.
    fn quantile_ms(&self, share: f64) -> Option<f32> {
        let count: u64 = self.latency.iter().map(|&count| u64::from(count)).sum();
        let wanted = (count as f64 * share).ceil() as u64;
        let mut seen = 0;
        let class = self.latency.iter().position(|&count| {
            seen += u64::from(count);
            seen >= wanted.max(1)
        })?;
        // The middle of the class, by ratio.
        let octave = (class as f64 + 0.5) / PER_OCTAVE as f64;
        Some(rounded(octave.exp2() / 1e3))
    }
}

impl Ticks {
    pub(crate) fn new() -> Ticks {
        Ticks {
            power: FIRST,
            ticks: Vec::new(),
        }
    }

    /// Something lasted from then on for so long.
    pub(crate) fn busy(&mut self, what: Busy, at_us: u64, took_us: u64) {
        let end = at_us + took_us;
        self.reach(end);
        let mut from = at_us;
        while from < end {
            let tick = self.tick(from);
            let until = end.min((tick as u64 + 1) << self.power);
            *self.ticks[tick].busy(what) += until - from;
            from = until;
        }
    }

    /// A save was answered then, having taken so long; so many items are saved.
    pub(crate) fn saved(&mut self, at_us: u64, items: u64, took_us: u64) {
        let tick = self.at(at_us);
        tick.saved += items;
        tick.latency[class(took_us)] += 1;
    }

    pub(crate) fn failed(&mut self, at_us: u64) {
        self.at(at_us).failed += 1;
    }

    pub(crate) fn beat(&mut self, at_us: u64, stall_us: u64, ready: u64) {
        let tick = self.at(at_us);
        tick.stall_us = tick.stall_us.max(stall_us);
        tick.ready_max = tick.ready_max.max(ready);
    }

    /// The curves, now that nothing more will come.
    pub(crate) fn curves(&self, has_fetch: bool) -> Curves {
        let length_us = (1_u64 << self.power) as f64;
        let tick_s = length_us / 1e6;
        let each = |value: &dyn Fn(&Tick) -> f64| -> Vec<f32> {
            self.ticks.iter().map(|tick| rounded(value(tick))).collect()
        };
        let mean = |us: u64| us as f64 / length_us;
        Curves {
            tick_s,
            in_flight: each(&|tick| mean(tick.flying_us)),
            fetching: match has_fetch {
                true => each(&|tick| mean(tick.fetching_us)),
                false => Vec::new(),
            },
            goodput: each(&|tick| tick.saved as f64 / tick_s),
            failed: each(&|tick| tick.failed as f64 / tick_s),
            computing: each(&|tick| mean(tick.computing_us)),
            ready: each(&|tick| tick.ready_max as f64),
            stall_ms: each(&|tick| tick.stall_us as f64 / 1e3),
            p50_ms: self.ticks.iter().map(|t| t.quantile_ms(0.5)).collect(),
            p99_ms: self.ticks.iter().map(|t| t.quantile_ms(0.99)).collect(),
        }
    }

    fn at(&mut self, at_us: u64) -> &mut Tick {
        self.reach(at_us);
        let tick = self.tick(at_us);
        &mut self.ticks[tick]
    }

    fn tick(&self, at_us: u64) -> usize {
        (at_us >> self.power) as usize
    }

    /// Makes sure that there is a tick for this time.
    #[inline]
    fn reach(&mut self, at_us: u64) {
        if self.tick(at_us) >= self.ticks.len() {
            self.extend_to(at_us);
        }
    }

    #[cold]
    fn extend_to(&mut self, at_us: u64) {
        while self.tick(at_us) >= TICKS {
            self.power += 1;
            let mut joined = Vec::with_capacity(TICKS);
            for pair in self.ticks.chunks(2) {
                let mut tick = pair[0].clone();
                pair[1..].iter().for_each(|other| tick.join(other));
                joined.push(tick);
            }
            self.ticks = joined;
        }
        let needed = self.tick(at_us) + 1;
        if self.ticks.len() < needed {
            self.ticks.resize_with(needed, Tick::new);
        }
    }
}

/// The class of a latency: by its highest bit, and the two below that.
fn class(us: u64) -> usize {
    let us = us.max(1);
    let octave = us.ilog2() as usize;
    let within = match octave {
        0 | 1 => 0,
        _ => (us >> (octave - 2)) as usize & (PER_OCTAVE - 1),
    };
    (octave * PER_OCTAVE + within).min(CLASSES - 1)
}

/// Four digits that mean something: what is drawn needs no more, and a recording stays small.
pub(crate) fn rounded(value: f64) -> f32 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10_f64.powi(3 - value.abs().log10().floor() as i32);
    ((value * scale).round() / scale) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_what_overlapped() {
        let mut ticks = Ticks::new();
        ticks.busy(Busy::Saving, 512, 2_048);
        ticks.busy(Busy::Saving, 0, 1_024);
        ticks.saved(2_560, 3, 2_000);
        let curves = ticks.curves(false);
        assert_eq!(curves.tick_s, 0.001_024);
        assert_eq!(curves.in_flight, [1.5, 1.0, 0.5]);
        assert_eq!(curves.goodput, [0.0, 0.0, rounded(3.0 / 0.001_024)]);
        assert_eq!(curves.p50_ms[0], None);
        let p50 = curves.p50_ms[2].unwrap();
        assert!((1.8..2.2).contains(&p50), "{p50}");
    }

    #[test]
    fn a_long_run_has_no_more_ticks_than_a_short_one() {
        let mut ticks = Ticks::new();
        for second in 0..3_600 {
            ticks.busy(Busy::Computing, second * 1_000_000, 1_000_000);
        }
        let curves = ticks.curves(false);
        assert!((TICKS / 2..=TICKS).contains(&curves.computing.len()));
        let last = curves.computing.len() - 1;
        assert!(curves.computing[..last].iter().all(|&busy| busy == 1.0));
    }

    #[test]
    fn classes_grow_with_latency() {
        let classes = [0, 1, 2, 4, 5, 6, 7, 8, 1_000, u64::MAX].map(class);
        assert!(classes.is_sorted(), "{classes:?}");
        assert!(classes[9] == CLASSES - 1);
    }
}
