//! What crowding does to the service time, and which crowd a service gets most done with.

use crate::value::{self, Expected};

/// How the service time grows with n, the number of requests inside.
///
/// Default: [`Queue`](Self::Queue), because a service that keeps its pace and lets the rest wait is the mildest one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) enum Overload {
    /// It does not: what exceeds the capacity waits.
    #[default]
    Queue,
    /// `× (1 + growth · max(0, n ÷ capacity − 1))`: those who wait slow down those who are served.
    Degrade { growth: f64 },
    /// `× (1 + shared · (n − 1) + pairs · n(n − 1))`: requests compete for what they share, and pairwise for coherence
    /// (the universal scalability law).
    Contention { shared: f64, pairs: f64 },
}

impl Overload {
    /// Reads `queue`, `degrade:G` or `contention:A,B`.
    pub(crate) fn parse(text: &str) -> Result<Self, Expected> {
        // Factors beyond 1000 turn milliseconds into hours; they are typing errors.
        let factor = |text| value::number(text, 1000.0).ok();
        let parsed = match text.trim().split_once(':') {
            None if text.trim() == "queue" => Some(Self::Queue),
            Some(("degrade", growth)) => factor(growth).map(|growth| Self::Degrade { growth }),
            Some(("contention", rest)) => value::arguments(rest).and_then(|[shared, pairs]| {
                Some(Self::Contention {
                    shared: factor(shared)?,
                    pairs: factor(pairs)?,
                })
            }),
            _ => None,
        };
        parsed.ok_or_else(|| {
            "`queue`, `degrade:0.5` or `contention:0.01,0.0001`, each number from 0 to 1000"
                .to_owned()
        })
    }

    /// What the service time of a request is multiplied by when `inside` requests (itself included) are inside.
    pub(crate) fn factor(self, inside: usize, capacity: Option<usize>) -> f64 {
        let n = inside as f64;
        match self {
            Self::Queue => 1.0,
            Self::Degrade { growth } => {
                let over = capacity.map_or(0.0, |capacity| (n / capacity as f64 - 1.0).max(0.0));
                1.0 + growth * over
            }
            Self::Contention { shared, pairs } => 1.0 + shared * (n - 1.0) + pairs * n * (n - 1.0),
        }
    }

    /// The most requests per mean service time that any number inside gives; `None` when it grows without end.
    ///
    /// For `queue` and `degrade` that is the capacity. For `contention` it is at `√((1 − shared) ÷ pairs)`, or at the
    /// capacity if that is less.
    pub(crate) fn parallelism_best(self, capacity: Option<usize>) -> Option<f64> {
        let Self::Contention { shared, pairs } = self else {
            return capacity.map(|capacity| capacity as f64);
        };
        let parallelism = |inside: f64| inside / self.factor(inside as usize, None);
        let ceiling = capacity.map_or(f64::INFINITY, |capacity| capacity as f64);
        let peak = match (shared, pairs) {
            (1.0.., _) => 1.0,
            (_, 0.0) => f64::INFINITY,
            _ => ((1.0 - shared) / pairs).sqrt(),
        };
        let below = peak.floor().clamp(1.0, ceiling);
        if below.is_finite() {
            return Some(parallelism(below).max(parallelism((below + 1.0).min(ceiling))));
        }
        // Nothing pairwise and no capacity: n ÷ (1 + shared · (n − 1)) tends to 1 ÷ shared.
        (shared > 0.0).then(|| 1.0 / shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_follow_the_formulas() {
        let degrade = Overload::parse("degrade:0.5").unwrap();
        assert_eq!(degrade.factor(100, Some(100)), 1.0);
        assert_eq!(degrade.factor(1000, Some(100)), 5.5);
        assert_eq!(degrade.factor(1000, None), 1.0);
        let contention = Overload::parse("contention:0.1,0.01").unwrap();
        assert_eq!(contention.factor(1, None), 1.0);
        assert!((contention.factor(10, None) - 2.8).abs() < 1e-12);
        assert_eq!(Overload::Queue.factor(1000, Some(1)), 1.0);
    }

    #[test]
    fn the_best_parallelism_is_found_without_trying_all() {
        let tried = |overload: Overload, capacity: usize| {
            (1..=capacity)
                .map(|n| n as f64 / overload.factor(n, Some(capacity)))
                .fold(0.0, f64::max)
        };
        for text in [
            "contention:0.02,0.0005",
            "contention:0,0.001",
            "contention:0.5,0",
            "contention:2,0.1",
            "contention:1,0",
        ] {
            let overload = Overload::parse(text).unwrap();
            for capacity in [1, 7, 30, 5000] {
                let best = overload.parallelism_best(Some(capacity)).unwrap();
                assert!(
                    (best - tried(overload, capacity)).abs() < 1e-9,
                    "{text} {capacity}: {best}"
                );
            }
        }
        let unbounded = |text| Overload::parse(text).unwrap().parallelism_best(None);
        assert_eq!(unbounded("contention:0.25,0"), Some(4.0));
        assert_eq!(unbounded("contention:0,0"), None);
        assert_eq!(unbounded("queue"), None);
    }

    #[test]
    fn unknown_shapes_are_refused() {
        for wrong in [
            "degrade",
            "degrade:-1",
            "contention:1",
            "collapse",
            "queue:3",
        ] {
            assert!(Overload::parse(wrong).is_err(), "{wrong}");
        }
    }
}
