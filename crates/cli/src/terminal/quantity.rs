//! How times and rates are written for people: three digits that matter, and the unit.

/// Seconds as `0.042 s`, `1.03 s`, `14.1 s`, `3 min 20 s` or `2 h 5 min`.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.9995 => format!("{s:.3} s"),
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 99.95 => format!("{s:.1} s"),
        s if s < 600.0 => format!("{s:.0} s"),
        s => parts(s.round() as u64),
    }
}

/// Seconds that are only guessed: whole ones, and tenths of the last ten, of which whole ones would be too much.
pub(crate) fn about(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 119.5 => format!("{s:.0} s"),
        s => parts(s.round() as u64),
    }
}

fn parts(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Milliseconds as `0.12 ms`, `8.3 ms` or `101 ms`, and as seconds from there on.
pub(crate) fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 0.995 => format!("{ms:.2} ms"),
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => seconds(ms / 1e3),
    }
}

/// Items a second as `0.52/s`, `9.7/s` or `116/s`.
pub(crate) fn rate(items: u64, elapsed_s: f64) -> String {
    match items as f64 / elapsed_s.max(1e-9) {
        rate if rate < 0.995 => format!("{rate:.2}/s"),
        rate if rate < 9.95 => format!("{rate:.1}/s"),
        rate => format!("{rate:.0}/s"),
    }
}

/// A share as a percentage, with a digit after the point below 9.95 %.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent < 9.95 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// A count with its noun: `1 item`, `2 items`.
pub(crate) fn count(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_the_unit() {
        let written = [0.0421, 1.0349, 14.12, 120.4, 600.0, 661.0, 7500.0].map(seconds);
        assert_eq!(
            written,
            [
                "0.042 s",
                "1.03 s",
                "14.1 s",
                "120 s",
                "10 min",
                "11 min 1 s",
                "2 h 5 min"
            ]
        );
        assert_eq!(
            [about(0.3), about(30.2), about(119.6), about(150.0)],
            ["0.3 s", "30 s", "2 min", "2 min 30 s"]
        );
        let written = [0.118, 8.34, 101.2, 12_000.0].map(milliseconds);
        assert_eq!(written, ["0.12 ms", "8.3 ms", "101 ms", "12.0 s"]);
        assert_eq!([rate(120, 1.03), rate(5, 9.6)], ["117/s", "0.52/s"]);
        assert_eq!([percent(0.973), percent(0.066)], ["97 %", "6.6 %"]);
        assert_eq!([count(1, "item"), count(0, "item")], ["1 item", "0 items"]);
    }
}
