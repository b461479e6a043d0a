//! How long one request takes in a service that has nothing else to do.
//!
//! The number written first is the mean, so that what a lab declares about itself is exact whatever the shape.

use std::f64::consts::TAU;
use std::time::Duration;

use crate::value::{self, DURATION_MAX, Expected};

/// The distribution of unloaded service times. Default: none at all, so that the lab shows the cost of HTTP alone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Latency {
    /// Always the same.
    Fixed(Duration),
    /// Skewed as real services are: `sigma` is the standard deviation of the logarithm, `mean` the mean (not the median,
    /// which is `mean × exp(−sigma²/2)`).
    LogNormal { mean: Duration, sigma: f64 },
    /// Usually `usual`; `slow` for the share `slow_share` of requests.
    Bimodal {
        usual: Duration,
        slow: Duration,
        slow_share: f64,
    },
}

impl Default for Latency {
    fn default() -> Self {
        Self::Fixed(Duration::ZERO)
    }
}

impl Latency {
    /// Reads `100ms`, `lognormal:MEAN,SIGMA` or `bimodal:USUAL,SLOW,SHARE`.
    pub(crate) fn parse(text: &str) -> Result<Self, Expected> {
        match text.trim().split_once(':') {
            None => value::duration(text).map(Self::Fixed),
            Some(("lognormal", rest)) => Self::parse_log_normal(rest),
            Some(("bimodal", rest)) => Self::parse_bimodal(rest),
            Some(_) => Err(String::new()),
        }
        .map_err(|part| {
            let whole = "`100ms`, `lognormal:100ms,0.3` (mean, sigma) or `bimodal:20ms,1s,5%` (usual, slow, share of slow)";
            match part.as_str() {
                "" => whole.to_owned(),
                _ => format!("{part}; as {whole}"),
            }
        })
    }

    fn parse_log_normal(rest: &str) -> Result<Self, Expected> {
        let [mean, sigma] = value::arguments(rest).ok_or_else(String::new)?;
        Ok(Self::LogNormal {
            mean: value::duration(mean)?,
            // Beyond 3 the mean is made by requests that never come up in a run, and says nothing about it.
            sigma: value::number(sigma, 3.0)?,
        })
    }

    fn parse_bimodal(rest: &str) -> Result<Self, Expected> {
        let [usual, slow, slow_share] = value::arguments(rest).ok_or_else(String::new)?;
        Ok(Self::Bimodal {
            usual: value::duration(usual)?,
            slow: value::duration(slow)?,
            slow_share: value::probability(slow_share)?,
        })
    }

    /// The mean of the distribution.
    pub(crate) fn mean(&self) -> Duration {
        match self {
            Self::Fixed(latency) => *latency,
            Self::LogNormal { mean, .. } => *mean,
            Self::Bimodal {
                usual,
                slow,
                slow_share,
            } => usual.mul_f64(1.0 - slow_share) + slow.mul_f64(*slow_share),
        }
    }

    /// One service time. A fixed latency draws no random number.
    pub(crate) fn draw(&self, random: &mut fastrand::Rng) -> Duration {
        match self {
            Self::Fixed(latency) => *latency,
            Self::LogNormal { mean, sigma } => {
                let factor = (sigma * normal(random) - sigma * sigma / 2.0).exp();
                Duration::from_secs_f64(
                    (mean.as_secs_f64() * factor).min(DURATION_MAX.as_secs_f64()),
                )
            }
            Self::Bimodal {
                usual,
                slow,
                slow_share,
            } => {
                if random.f64() < *slow_share {
                    *slow
                } else {
                    *usual
                }
            }
        }
    }
}

/// A standard normal number (Box and Muller; the second of the pair is thrown away to stay free of state).
pub(crate) fn normal(random: &mut fastrand::Rng) -> f64 {
    // 1 − [0, 1) is never 0, whose logarithm is infinite.
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (TAU * random.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws many times with a fixed seed; answers the mean and the median in milliseconds.
    fn check(text: &str) -> (f64, f64) {
        let latency = Latency::parse(text).unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        let mut drawn_ms: Vec<f64> = (0..200_000)
            .map(|_| latency.draw(&mut random).as_secs_f64() * 1e3)
            .collect();
        drawn_ms.sort_by(f64::total_cmp);
        let mean_ms = drawn_ms.iter().sum::<f64>() / drawn_ms.len() as f64;
        let declared_ms = latency.mean().as_secs_f64() * 1e3;
        assert!(
            (mean_ms / declared_ms - 1.0).abs() < 0.01,
            "{text}: {mean_ms}"
        );
        (mean_ms, drawn_ms[drawn_ms.len() / 2])
    }

    #[test]
    fn the_mean_is_what_was_asked_for() {
        assert_eq!(check("100ms"), (100.0, 100.0));
        let (_, median_ms) = check("lognormal:100ms,0.5");
        assert!(
            (median_ms - 100.0 * (-0.125_f64).exp()).abs() < 1.0,
            "{median_ms}"
        );
        let (mean_ms, median_ms) = check("bimodal:20ms,1s,0.05");
        assert!((mean_ms - 69.0).abs() < 1.0, "{mean_ms}");
        assert_eq!(median_ms, 20.0);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(
            Latency::parse("lognormal:100ms")
                .unwrap_err()
                .contains("lognormal:100ms,0.3")
        );
        assert!(
            Latency::parse("bimodal:1s,2s,7")
                .unwrap_err()
                .starts_with("a probability")
        );
        assert!(
            Latency::parse("uniform:1s,2s")
                .unwrap_err()
                .starts_with("`100ms`")
        );
    }
}
