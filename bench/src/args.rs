//! What was typed: which benches, how many rounds, quick or in earnest.

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Args {
    Help,
    Measure(Choice),
}

/// What to measure.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Names of benches; none is all.
    pub(crate) names: Vec<String>,
    /// How many rounds, instead of what suits each bench.
    pub(crate) pairs: Option<usize>,
    /// Less of everything, and nothing written: to see that it works.
    pub(crate) is_quick: bool,
}

impl Args {
    /// Reads the words after the program's name; `known` are the benches there are.
    ///
    /// # Errors
    /// A sentence that says what is valid.
    pub(crate) fn read(
        words: impl IntoIterator<Item = String>,
        known: &[&str],
    ) -> Result<Args, String> {
        let mut words = words.into_iter();
        let mut choice = Choice::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--help" | "-h" => return Ok(Args::Help),
                "--quick" => choice.is_quick = true,
                "--pairs" => choice.pairs = Some(pairs(words.next())?),
                name if known.contains(&name) => choice.names.push(word),
                _ => return Err(format!("no such bench or flag: {word}\n\n{}", usage(known))),
            }
        }
        Ok(Args::Measure(choice))
    }
}

fn pairs(word: Option<String>) -> Result<usize, String> {
    word.and_then(|word| word.parse().ok())
        .filter(|pairs| (1..=1000).contains(pairs))
        .ok_or_else(|| "--pairs needs a number from 1 to 1000".to_owned())
}

/// The text for `--help`.
pub(crate) fn usage(known: &[&str]) -> String {
    format!(
        "usage: cargo xtask bench [NAME…] [--pairs N] [--quick]

  NAME       {} [default: all]
  --pairs N  rounds, each with every contender once [default: what suits each, mostly 5]
  --quick    smaller and fewer runs; prints, writes nothing",
        known.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(typed: &str) -> Result<Args, String> {
        Args::read(
            typed.split_whitespace().map(str::to_owned),
            &["start", "tiny"],
        )
    }

    #[test]
    fn names_and_flags_come_in_any_order() {
        let choice = Choice {
            names: vec!["tiny".to_owned(), "start".to_owned()],
            pairs: Some(7),
            is_quick: true,
        };
        assert_eq!(
            read("tiny --pairs 7 start --quick"),
            Ok(Args::Measure(choice))
        );
        assert_eq!(read(""), Ok(Args::Measure(Choice::default())));
    }

    #[test]
    fn what_is_wrong_is_answered_with_what_is_valid() {
        assert!(read("tinny").unwrap_err().contains("start, tiny"));
        assert!(read("--pairs 0").unwrap_err().contains("1 to 1000"));
        assert!(read("--pairs").is_err());
    }
}
