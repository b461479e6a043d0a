//! One arm of an experiment: the latencies of requests that were sent with about as many in flight.
//!
//! Latency enters as its logarithm: the mean of logarithms needs few samples and shrugs off heavy tails. In a closed loop
//! goodput is in flight ÷ latency, so two arms tell how goodput answers to in flight: `e = 1 − Δln R ÷ Δln N` is 1 below the
//! knee, 0 above it, and negative when the service degrades.

/// What is believed of the spread before anything was measured: a standard deviation of 0.3, as of three samples.
const PRIOR_WEIGHT: f64 = 3.0;
const PRIOR_VARIANCE: f64 = 0.09;

/// No mean of logarithms is trusted more closely than this: what else happens on the way is never quite the same.
const SE_MIN: f64 = 0.004;

/// Counts, means and spread of one arm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Arm {
    /// Samples; less than there were once it has decayed.
    pub(super) count: f64,
    /// Mean of ln(latency in seconds).
    pub(super) ln_latency: f64,
    /// Mean of the latency itself, which is what Little's law is about.
    pub(super) latency: f64,
    /// Sum of squared deviations from it.
    squares: f64,
    /// Mean of the requests in flight when one was sent.
    pub(super) in_flight: f64,
    /// Samples that were sent when the limit kept others from being sent.
    pub(super) bound: f64,
}

/// How goodput answers to in flight, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Elasticity {
    pub(super) value: f64,
    pub(super) se: f64,
}

impl Arm {
    /// An arm of which only its means are known, as if from this many samples.
    pub(super) fn known(count: f64, ln_latency: f64, in_flight: f64) -> Arm {
        Arm {
            count,
            ln_latency,
            latency: ln_latency.exp(),
            squares: 0.0,
            in_flight,
            bound: count,
        }
    }

    /// The same with another latency.
    pub(super) fn with_latency(self, ln_latency: f64) -> Arm {
        Arm { ln_latency, ..self }
    }

    pub(super) fn add(&mut self, ln_latency: f64, in_flight: f64, is_bound: bool) {
        self.count += 1.0;
        let deviation = ln_latency - self.ln_latency;
        self.ln_latency += deviation / self.count;
        self.squares += deviation * (ln_latency - self.ln_latency);
        self.latency += (ln_latency.exp() - self.latency) / self.count;
        self.in_flight += (in_flight - self.in_flight) / self.count;
        self.bound += f64::from(is_bound);
    }

    /// Both together.
    pub(super) fn merged(self, other: Arm) -> Arm {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let share = other.count / count;
        let apart = other.ln_latency - self.ln_latency;
        Arm {
            count,
            ln_latency: self.ln_latency + apart * share,
            latency: self.latency + (other.latency - self.latency) * share,
            squares: self.squares + other.squares + apart * apart * self.count * share,
            in_flight: self.in_flight + (other.in_flight - self.in_flight) * share,
            bound: self.bound + other.bound,
        }
    }

    /// The same, trusted less.
    pub(super) fn decayed(mut self, keep: f64) -> Arm {
        self.count *= keep;
        self.squares *= keep;
        self.bound *= keep;
        self
    }

    /// Sum of squared deviations from the mean logarithm.
    pub(super) fn squares(&self) -> f64 {
        self.squares
    }

    /// Standard deviation of one logarithm.
    pub(super) fn sd(&self) -> f64 {
        let prior = PRIOR_WEIGHT * PRIOR_VARIANCE;
        ((self.squares + prior) / (self.count + PRIOR_WEIGHT)).sqrt()
    }

    /// Standard error of the mean logarithm.
    pub(super) fn se(&self) -> f64 {
        (self.sd() / self.count.max(1.0).sqrt()).max(SE_MIN)
    }

    /// How much longer answers took here than in the other arm, as a logarithm, and how sure that is.
    pub(super) fn longer_than(&self, other: &Arm) -> (f64, f64) {
        (
            self.ln_latency - other.ln_latency,
            self.se().hypot(other.se()),
        )
    }

    /// How goodput answered between the other arm and this one; `None` if they are too close to tell.
    pub(super) fn elasticity(&self, other: &Arm) -> Option<Elasticity> {
        let apart = (self.in_flight / other.in_flight).ln();
        if !apart.is_finite() || apart.abs() < 0.02 {
            return None;
        }
        let (longer, se) = self.longer_than(other);
        Some(Elasticity {
            value: 1.0 - longer / apart,
            se: se / apart.abs(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(latency_s: f64, in_flight: f64) -> Arm {
        let mut arm = Arm::default();
        for _ in 0..1000 {
            arm.add(latency_s.ln(), in_flight, true);
        }
        arm
    }

    #[track_caller]
    fn check(fewer: Arm, more: Arm, expected: f64) {
        let e = more.elasticity(&fewer).unwrap();
        assert!((e.value - expected).abs() < 1e-9 && e.se < 0.2, "{e:?}");
    }

    #[test]
    fn elasticity_tells_room_from_a_full_service() {
        check(arm(0.1, 10.0), arm(0.1, 20.0), 1.0);
        check(arm(0.1, 10.0), arm(0.2, 20.0), 0.0);
        check(arm(0.1, 10.0), arm(0.4, 20.0), -1.0);
        assert_eq!(arm(0.1, 10.0).elasticity(&arm(0.1, 10.1)), None);
    }

    #[test]
    fn merging_is_adding_all() {
        let (mut one, mut other, mut all) = (Arm::default(), Arm::default(), Arm::default());
        for n in 0..50 {
            let latency = (f64::from(n) * 0.7).sin();
            all.add(latency, f64::from(n), n % 2 == 0);
            let part = if n < 20 { &mut one } else { &mut other };
            part.add(latency, f64::from(n), n % 2 == 0);
        }
        let merged = one.merged(other);
        assert!((merged.squares - all.squares).abs() < 1e-9);
        assert!((merged.ln_latency - all.ln_latency).abs() < 1e-9);
        assert_eq!((merged.count, merged.bound), (all.count, all.bound));
    }
}
