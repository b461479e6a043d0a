//! Finds the valid name closest to a mistyped one, and says so in a sentence.

/// Below this similarity (0 to 1, Jaro-Winkler) a guess confuses more than it helps.
const SIMILAR_MIN: f64 = 0.7;

/// The sentence for a name that does not exist: the nearest that does, and all of them.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let guess = match nearest(name, known) {
        Some(guess) => format!("; did you mean `{guess}`?"),
        None => ";".into(),
    };
    format!("unknown {what} `{name}`{guess} known: {}", known.join(", "))
}

/// The valid name that is most like a mistyped one, if any is.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let score = |other: &str| strsim::jaro_winkler(&name, &other.to_lowercase());
    known
        .iter()
        .copied()
        .filter(|other| score(other) >= SIMILAR_MIN)
        .max_by(|a, b| score(a).total_cmp(&score(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_when_one_is_near() {
        let known = ["http:", "sqlite:", "null:"];
        assert_eq!(
            unknown("scheme", "htp:", &known),
            "unknown scheme `htp:`; did you mean `http:`? known: http:, sqlite:, null:"
        );
        assert_eq!(
            unknown("scheme", "zzz", &known),
            "unknown scheme `zzz`; known: http:, sqlite:, null:"
        );
        assert_eq!(nearest("putt", &["GET", "PUT"]), Some("PUT"));
    }
}
