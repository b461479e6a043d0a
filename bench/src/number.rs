//! Numbers as people read them.

/// Three digits that mean something, or all of a whole number.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => grouped(value.round() as u64),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        v if v >= 0.1 => format!("{value:.3}"),
        v if v > 0.0 => format!("{value:.4}"),
        _ => "0".to_owned(),
    }
}

/// A whole number in groups of three.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
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
    fn numbers_are_as_long_as_they_mean_something() {
        let shown = [0.0, 0.01234, 0.5, 1.03, 49.62, 123.4, 61_234.5].map(number);
        assert_eq!(
            shown,
            ["0", "0.0123", "0.500", "1.03", "49.6", "123", "61,235"]
        );
        assert_eq!(grouped(10_000_000), "10,000,000");
    }
}
