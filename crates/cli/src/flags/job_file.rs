//! A job written down: `job.toml` says what flags say, by the same names.
//!
//! It knows no flag itself: which there are, and what they take, it is told by whoever reads the command line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};

use toml::Value;

use crate::error::{Error, Result};

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// `true` or `false`.
    Switch,
    /// One value.
    One,
    /// One value or a list of them.
    Many,
}

/// What a job file says: values by key, as they could be typed.
pub(crate) type Said = BTreeMap<String, Vec<String>>;

/// More is no job file: every flag with a long value is a few KiB.
const BYTES_MAX: u64 = 1 << 20;

/// The text of a job file.
///
/// # Errors
/// Why it cannot be read.
pub(crate) fn text(path: &str) -> Result<String> {
    let unreadable = |cause: io::Error| Error::usage(format_args!("cannot be read: {cause}"));
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    match text.len() as u64 {
        ..=BYTES_MAX => Ok(text),
        _ => Err(Error::usage(
            "is larger than 1 MiB, which no job file is; to read it as input, say --format",
        )),
    }
}

/// Reads what stands in a job file.
///
/// # Errors
/// A sentence that names the key and what is valid.
pub(crate) fn read(
    text: &str,
    known: &BTreeMap<String, Takes>,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Said> {
    let table: toml::Table =
        toml::from_str(text).map_err(|cause| Error::usage(cause.to_string().trim_end()))?;
    let mut said = Said::new();
    for (key, value) in table {
        let takes = known.get(&key).ok_or_else(|| unknown(&key, known, "key"))?;
        let values = values(&value, *takes)
            .and_then(|values| {
                values
                    .iter()
                    .map(|text| {
                        let is_header = HEADERS.contains(&&*key);
                        let read = is_header.then(|| read_from(text, environment)).flatten();
                        read.map_or_else(|| expanded(text, environment), Ok)
                    })
                    .collect()
            })
            .map_err(|why| Error::usage(format_args!("key `{key}`: {why}")))?;
        said.insert(key, values);
    }
    Ok(said)
}

/// Below this similarity (0 to 1, Jaro-Winkler) a guess confuses more than it helps.
const SIMILAR_MIN: f64 = 0.7;

/// What is said of a name that is none of these; `what` is such a name called.
pub(crate) fn unknown(key: &str, known: &BTreeMap<String, Takes>, what: &str) -> Error {
    let score = |other: &&String| strsim::jaro_winkler(key, other);
    let nearest = known.keys().max_by(|a, b| score(a).total_cmp(&score(b)));
    match nearest.filter(|other| score(other) >= SIMILAR_MIN) {
        Some(nearest) => Error::usage(format_args!(
            "unknown {what} `{key}`; did you mean `{nearest}`?"
        )),
        None => {
            let keys: Vec<&str> = known.keys().map(String::as_str).collect();
            Error::usage(format_args!(
                "unknown {what} `{key}`; known: {}",
                keys.join(", ")
            ))
        }
    }
}

fn values(value: &Value, takes: Takes) -> Result<Vec<String>> {
    match (value, takes) {
        (Value::Boolean(_), Takes::Switch) => Ok(vec![value.to_string()]),
        (_, Takes::Switch) => Err(Error::usage("should be true or false")),
        (Value::Array(values), Takes::Many) => values.iter().map(one).collect(),
        (Value::Array(_), Takes::One) => Err(Error::usage("takes one value, not a list")),
        (value, Takes::One | Takes::Many) => one(value).map(|value| vec![value]),
    }
}

fn one(value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(_) | Value::Float(_) => Ok(value.to_string()),
        Value::Boolean(_) => Err(Error::usage("takes a value, not true or false")),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            Err(Error::usage("takes a text or a number"))
        }
    }
}

/// The keys whose values are headers.
const HEADERS: [&str; 2] = ["header", "fetch-header"];

/// A header whose value is a variable, perhaps after one word, as one that is read from there: what it holds may be a secret,
/// and so is neither kept nor shown. `None` of any other, and where there is no such variable.
fn read_from(header: &str, environment: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let (name, value) = header.split_once(':')?;
    let value = value.trim();
    let (word, value) = match value.split_once(' ') {
        Some((word, rest)) => (format!("{word} "), rest),
        None => (String::new(), value),
    };
    let variable = value.strip_prefix("${")?.strip_suffix('}')?;
    environment(variable)?;
    Some(format!("{name}: {word}env:{variable}"))
}

/// Puts variables where `${NAME}` or `${NAME:-otherwise}` stands; `$${` is a literal `${`.
fn expanded(text: &str, environment: &impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            whole.push_str(&rest[..at - 1]);
            whole.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        whole.push_str(&rest[..at]);
        let (inner, after) = rest[at + 2..].split_once('}').ok_or_else(|| {
            Error::usage(format_args!(
                "`{}` has no end; write ${{NAME}}, or $${{ for the text itself",
                &rest[at..]
            ))
        })?;
        let (name, otherwise) = match inner.split_once(":-") {
            Some((name, otherwise)) => (name, Some(otherwise)),
            None => (inner, None),
        };
        let value = environment(name).or(otherwise.map(str::to_owned));
        whole.push_str(&value.ok_or_else(|| {
            Error::usage(format_args!(
                "the environment has no {name}; set it, or write ${{{name}:-otherwise}}"
            ))
        })?);
        rest = after;
    }
    whole.push_str(rest);
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<String> {
        let known = [
            ("append", Takes::Switch),
            ("header", Takes::Many),
            ("in-flight", Takes::One),
            ("save", Takes::One),
        ];
        let known = known.map(|(key, takes)| (key.to_owned(), takes)).into();
        let environment = |name: &str| match name {
            "WHERE" => Some("there".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let said = read(text, &known, &environment)?;
        let line = |(key, values): (&String, &Vec<String>)| format!("{key}={}", values.join("|"));
        Ok(said.iter().map(line).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn keys_are_flags_with_their_values() {
        let check = |text: &str, expected: &str| assert_eq!(said(text).unwrap(), expected);
        check("", "");
        check(
            "in-flight = 7\nsave = \"null:\" # nowhere",
            "in-flight=7 save=null:",
        );
        check("append = true", "append=true");
        check("header = ['A: b', 'C: d']", "header=A: b|C: d");
        check("header = 'A: b'", "header=A: b");
        check("in-flight = 'auto'", "in-flight=auto");
    }

    #[test]
    fn variables_are_put_in() {
        let check = |text: &str, expected: &str| {
            assert_eq!(
                said(&format!("save = '{text}'")).unwrap(),
                format!("save={expected}")
            );
        };
        check("a ${WHERE} b${WHERE}", "a there bthere");
        check("${NONE:-else} ${WHERE:-else} ${EMPTY}", "else there ");
        check("${NONE:-}", "");
        check("$WHERE $5 $${WHERE} {}", "$WHERE $5 ${WHERE} {}");
        check("$$${WHERE}", "$${WHERE}");
    }

    #[test]
    fn mistakes_are_named() {
        let check = |text: &str, part: &str| {
            let why = said(text).unwrap_err().to_string();
            assert!(why.contains(part), "{text}: {why}");
        };
        check(
            "in_flight = 1",
            "unknown key `in_flight`; did you mean `in-flight`?",
        );
        check(
            "zzz = 1",
            "unknown key `zzz`; known: append, header, in-flight, save",
        );
        check("append = 'yes'", "key `append`: should be true or false");
        check(
            "in-flight = [1]",
            "key `in-flight`: takes one value, not a list",
        );
        check("in-flight = true", "takes a value, not true or false");
        check("header = [['a']]", "a text or a number");
        check("[save]\na = 1", "a text or a number");
        check(
            "save = '${NONE}'",
            "key `save`: the environment has no NONE",
        );
        check("save = '${WHERE'", "has no end");
        check("save = ", "line 1");
        check("save = 'a'\nsave = 'b'", "duplicate key");
    }
}
