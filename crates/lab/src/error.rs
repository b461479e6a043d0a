//! Why a setting was refused, in words that name the key and what is valid.
//!
//! Whether a flag, a query parameter or a scenario line was wrong is for the caller to add.

use std::path::Path;

/// A key or value that [`Config::set`](crate::Config::set) refused.
///
/// The message names the key, the value and what is valid, for example
/// ``invalid value `soon` for `latency`: expected a duration such as `100ms` ``; an unknown key brings the nearest valid one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct ConfigError(#[from] Kind);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Kind {
    #[error("unknown key `{key}`{suggestion}; valid are {valid}")]
    UnknownKey {
        key: String,
        suggestion: String,
        valid: String,
    },
    #[error("invalid value `{value}` for `{key}`: expected {expected}")]
    InvalidValue {
        key: &'static str,
        value: String,
        expected: String,
    },
}

impl ConfigError {
    pub(crate) fn unknown_key(key: &str, valid: &[&str]) -> Self {
        let suggestion = nearest(key, valid)
            .map(|name| format!(", did you mean `{name}`?"))
            .unwrap_or_default();
        Self(Kind::UnknownKey {
            key: key.to_owned(),
            suggestion,
            valid: valid.join(", "),
        })
    }

    pub(crate) fn invalid_value(key: &'static str, value: &str, expected: String) -> Self {
        Self(Kind::InvalidValue {
            key,
            value: value.to_owned(),
            expected,
        })
    }
}

/// A scenario that could not be read, or makes no sense; the message names the file if there is one, the key and what is
/// valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScenarioError(String);

impl ScenarioError {
    pub(crate) fn new(file: Option<&Path>, wrong: String) -> Self {
        let wrong = wrong.trim_end();
        Self(match file {
            Some(file) => format!("scenario {}: {wrong}", file.display()),
            None => wrong.to_owned(),
        })
    }
}

/// The valid name most like `key`, unless none is like it.
///
/// 0.7 of Jaro-Winkler lets a typing error or a missing ending pass and keeps unrelated words apart.
fn nearest<'a>(key: &str, valid: &[&'a str]) -> Option<&'a str> {
    valid
        .iter()
        .map(|name| (strsim::jaro_winkler(key, name), *name))
        .filter(|(likeness, _)| *likeness >= 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
