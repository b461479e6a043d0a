//! A figure as it stands in a table: its number with the unit; what it is called is for the languages to say.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// What was run: a strategy, or the value of a sweep.
    Run,
    /// The strategy, beside the value of a sweep.
    Strategy,
    /// Elapsed time.
    Time,
    /// Time over that of computing alone.
    Slowdown,
    /// Half of the saves took less.
    SaveMedian,
    /// 99 of 100 took less.
    SaveHighest,
    /// Requests in flight, on average.
    InFlight,
    /// The longest time in which no I/O was served.
    Stall,
    /// Requests that were refused.
    Refused,
    /// Bound over elapsed time.
    Attainment,
    /// What computing cost, on all threads together.
    Compute,
    /// Computing alone, on as many threads.
    Alone,
}

/// Seconds, to three digits that matter.
pub(crate) fn seconds(s: f64) -> String {
    match s {
        s if s < 0.9995 => format!("{s:.3} s"),
        s if s < 9.995 => format!("{s:.2} s"),
        s => format!("{s:.1} s"),
    }
}

/// Milliseconds, whole ones where that is enough.
pub(crate) fn ms(ms: f64) -> String {
    match ms {
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 9_995.0 => format!("{ms:.0} ms"),
        ms => seconds(ms / 1e3),
    }
}

/// How many times.
pub(crate) fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 9.95 => format!("{ratio:.2}"),
        ratio => format!("{ratio:.0}"),
    }
}

/// A share of the whole.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_matter() {
        let written = [0.0412, 1.034, 71.03].map(seconds);
        assert_eq!(written, ["0.041 s", "1.03 s", "71.0 s"]);
        assert_eq!(
            [ms(0.43), ms(101.4), ms(12_000.0)],
            ["0.4 ms", "101 ms", "12.0 s"]
        );
        assert_eq!([times(1.034), times(98.6)], ["1.03", "99"]);
        assert_eq!(percent(0.9731), "97.3 %");
    }
}
