//! The command line as it can be shown and typed again: quoted for a shell, and without a single secret.
//!
//! What is kept of an address is less than a terminal shows: a recording is passed on.

use crate::flags::secrets::public;
use crate::flags::shell;

/// Flags whose value is an HTTP header.
const HEADERS: [&str; 2] = ["--header", "--fetch-header"];

/// What stands for something that was left out.
const LEFT_OUT: &str = "…";

/// The command that was typed; the name of the program is that of the product.
pub(crate) fn repeated(words: impl IntoIterator<Item = String>) -> String {
    let mut shown = vec!["inflight".to_owned()];
    let mut is_header = false;
    for word in words.into_iter().skip(1) {
        let word_shown = match word.split_once('=') {
            _ if is_header => header(&word),
            Some((flag, value)) if HEADERS.contains(&flag) => format!("{flag}={}", header(value)),
            Some((flag, value)) if flag.starts_with("--") => format!("{flag}={}", address(value)),
            _ => address(&word),
        };
        is_header = HEADERS.contains(&word.as_str());
        shown.push(shell::quoted(&word_shown));
    }
    shown.join(" ")
}

/// An address without its password; one on the network also without its query, which may hold anything.
pub(crate) fn address(text: &str) -> String {
    let text = public(text);
    match text.split_once('?') {
        Some((place, query)) if place.contains("://") && !query.is_empty() => {
            format!("{place}?{LEFT_OUT}")
        }
        _ => text,
    }
}

/// A header by its name; its value only where that says from where it is read.
pub(crate) fn header(text: &str) -> String {
    match text.split_once(':') {
        Some((_, value)) if value.contains("env:") || value.contains("file:") => text.to_owned(),
        Some((name, _)) => format!("{name}: {LEFT_OUT}"),
        None => LEFT_OUT.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &[&str], expected: &str) {
        let words = ["target/inflight"].iter().chain(words);
        assert_eq!(repeated(words.map(|word| (*word).to_owned())), expected);
    }

    #[test]
    fn a_command_can_be_typed_again() {
        check(
            &["run", "0..600", "--save", "lab:?latency=100ms&fail=5%"],
            "inflight run 0..600 --save 'lab:?latency=100ms&fail=5%'",
        );
        check(&["run", "it's", ""], r"inflight run 'it'\''s' ''");
    }

    #[test]
    fn secrets_are_left_out() {
        check(
            &["run", "--save", "https://u:canary@h/add?code=canary"],
            "inflight run --save 'https://h/add?…'",
        );
        check(
            &["run", "--save=http://h/add?canary"],
            "inflight run '--save=http://h/add?…'",
        );
        check(
            &["run", "--header", "X-Whatever: canary"],
            "inflight run --header 'X-Whatever: …'",
        );
        check(
            &["run", "--fetch-header=canary"],
            "inflight run '--fetch-header=…'",
        );
        check(
            &["run", "--header", "Authorization: Bearer env:TOKEN"],
            "inflight run --header 'Authorization: Bearer env:TOKEN'",
        );
        check(
            &["run", "--save", "sqlite:a.db?table=t&token=canary"],
            "inflight run --save 'sqlite:a.db?table=t&token'",
        );
    }
}
