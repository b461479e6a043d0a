//! What a request costs by itself, and for each of its records: the line `latency = A + K · records` through what was
//! measured. Pure.

/// Sizes whose spread is less than this share of their square, as a variance, are one size.
const APART_MIN: f64 = 1e-6;

/// The sums of a weighted fit: each latency is trusted to the same share of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RequestCost {
    weights: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl RequestCost {
    /// So many requests with so many records took so many seconds.
    pub(crate) fn add(&mut self, requests: f64, records: f64, latency: f64) {
        let weight = requests / latency.max(1e-9).powi(2);
        self.weights += weight;
        self.x += weight * records;
        self.y += weight * latency;
        self.xx += weight * records * records;
        self.xy += weight * records * latency;
    }

    /// `A` and `K`, in seconds; `None` where all had the same size, which says nothing of either. `A` is below 0 where each
    /// record costs more than the one before.
    pub(crate) fn parts(&self) -> Option<(f64, f64)> {
        let apart = self.weights * self.xx - self.x * self.x;
        if apart <= APART_MIN * self.weights * self.xx {
            return None;
        }
        let each = ((self.weights * self.xy - self.x * self.y) / apart).max(0.0);
        Some(((self.y - each * self.x) / self.weights, each))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sizes_tell_both_parts() {
        let mut cost = RequestCost::default();
        assert_eq!(cost.parts(), None);
        cost.add(5.0, 3.0, 0.013);
        assert_eq!(cost.parts(), None);
        cost.add(1.0, 90.0, 0.1);
        let (own, each) = cost.parts().unwrap();
        assert!((own - 0.01).abs() < 1e-9 && (each - 0.001).abs() < 1e-9);
    }
}
