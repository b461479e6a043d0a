//! What several measurements of one thing come to, and how a cost grows with its size.

use serde::{Deserialize, Serialize};

/// Median and extremes; all 0 when nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (values.first(), values.last()) else {
            return Spread::default();
        };
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Spread {
            median: f64::midpoint(low, high),
            min: *min,
            max: *max,
        }
    }
}

/// By which power of the size a cost grows: 1 is in proportion, 0 is not at all. Least squares over logarithms.
pub(crate) fn exponent(points: &[(u64, f64)]) -> f64 {
    let logs = || {
        points
            .iter()
            .map(|&(size, cost)| ((size as f64).ln(), cost.ln()))
    };
    let count = points.len() as f64;
    let mean_x = logs().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = logs().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = logs().map(|(x, _)| (x - mean_x).powi(2)).sum();
    covariance / variance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0].into_iter());
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.5, 4.0));
        assert_eq!(Spread::of([7.0].into_iter()).median, 7.0);
        assert_eq!(Spread::of(std::iter::empty()), Spread::default());
    }

    #[test]
    fn the_exponent_tells_linear_from_square_from_flat() {
        for power in [0, 1, 2] {
            let points = [10_u64, 100, 1000].map(|n| (n, 3.0 * (n as f64).powi(power)));
            assert!((exponent(&points) - f64::from(power)).abs() < 1e-9);
        }
    }
}
