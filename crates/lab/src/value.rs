//! Reads the plain values of settings: durations, numbers, probabilities.
//!
//! Every function answers with the text of what it expected, and leaves naming the key to the caller.

use std::time::Duration;

/// The longest time any setting may name; a lab that answers later is better made with `stall`.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(3600);

/// What a value should have been, as the end of "expected ...".
pub(crate) type Expected = String;

/// A duration as humantime writes it, at most an hour; a bare `0` is allowed.
pub(crate) fn duration(text: &str) -> Result<Duration, Expected> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text.trim())
        .ok()
        .filter(|duration| *duration <= DURATION_MAX)
        .ok_or_else(|| "a duration such as `100ms` or `1s`, at most `1h`".to_owned())
}

/// A share of 0 to 1, written `0.01` or `1%`.
pub(crate) fn probability(text: &str) -> Result<f64, Expected> {
    let text = text.trim();
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    share
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "a probability such as `1%` or `0.01`, from 0 to 1".to_owned())
}

/// A finite number that is not negative and at most `max`.
pub(crate) fn number(text: &str, max: f64) -> Result<f64, Expected> {
    text.trim()
        .parse::<f64>()
        .ok()
        .filter(|number| (0.0..=max).contains(number))
        .ok_or_else(|| format!("a number from 0 to {max}"))
}

/// A whole number of at least `min`.
pub(crate) fn count(text: &str, min: usize) -> Result<usize, Expected> {
    text.trim()
        .parse::<usize>()
        .ok()
        .filter(|count| *count >= min)
        .ok_or_else(|| format!("a whole number of at least {min}"))
}

/// A switch: on when it is named without a value.
pub(crate) fn switch(text: &str) -> Result<bool, Expected> {
    match text.trim() {
        "" | "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err("nothing, `true` or `false`".to_owned()),
    }
}

/// The comma-separated arguments of `name:a,b`, when there are exactly `N`.
pub(crate) fn arguments<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split(',').collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("100").is_err());
        assert!(duration("2h").is_err());
    }

    #[test]
    fn probabilities_are_shares_or_percentages() {
        assert_eq!(probability("1%"), Ok(0.01));
        assert_eq!(probability("0.25"), Ok(0.25));
        for wrong in ["101%", "-1%", "1.5", "often", "NaN", ""] {
            assert!(probability(wrong).is_err(), "{wrong}");
        }
    }
}
