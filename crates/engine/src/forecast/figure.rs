//! A figure, by how much it may be off, and where it comes from.

use crate::bound::Basis;

/// No measurement is trusted more closely: the same work never takes quite the same time again.
const OFF_MIN: f64 = 0.03;
/// By how much what an earlier run learnt may be off: the service has another load today.
const OFF_LEARNED: f64 = 0.15;
/// What is only assumed may be three times as much, or a third.
const OFF_ASSUMED: f64 = 2.0;

/// A figure with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Figure {
    /// The figure, in the unit that its name says; more than 0, or 0 for nothing.
    pub value: f64,
    /// By which share it may be off: 0.1 is from `value ÷ 1.1` to `value × 1.1`.
    pub off: f64,
    /// Where it comes from.
    pub basis: Basis,
}

impl Figure {
    /// What does not arise costs nothing, for sure.
    pub const NOTHING: Figure = Figure {
        value: 0.0,
        off: 0.0,
        basis: Basis::Declared,
    };

    /// Seen in a sample whose mean has this standard error.
    pub fn measured(value: f64, se: f64) -> Figure {
        let share = if value > 0.0 { 2.0 * se / value } else { 0.0 };
        Figure {
            value,
            off: share.clamp(OFF_MIN, OFF_ASSUMED),
            basis: Basis::Measured,
        }
    }

    /// The service or the user said so.
    pub fn declared(value: f64) -> Figure {
        Figure {
            value,
            off: OFF_MIN,
            basis: Basis::Declared,
        }
    }

    /// An earlier run found it.
    pub fn learned(value: f64) -> Figure {
        Figure {
            value,
            off: OFF_LEARNED,
            basis: Basis::Learned,
        }
    }

    /// Nobody knows: anything from a third to three times as much.
    pub fn assumed(value: f64) -> Figure {
        Figure {
            value,
            off: OFF_ASSUMED,
            basis: Basis::Assumed,
        }
    }

    /// The least it may be.
    pub fn low(&self) -> f64 {
        self.value / (1.0 + self.off)
    }

    /// The most it may be.
    pub fn high(&self) -> f64 {
        self.value * (1.0 + self.off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_less_sure_reaches_further() {
        let figures = [
            Figure::declared(10.0),
            Figure::learned(10.0),
            Figure::assumed(10.0),
        ];
        let widths = figures.map(|figure| figure.high() - figure.low());
        assert!(widths.is_sorted() && widths[0] > 0.0, "{widths:?}");
        assert_eq!(Figure::measured(10.0, 1.0).off, 0.2);
        assert_eq!(Figure::measured(10.0, 0.0).off, OFF_MIN);
        assert_eq!(Figure::measured(0.0, 0.0).high(), 0.0);
    }
}
