//! Names a job: the same words on any machine are the same job, so that its idempotency keys repeat.
//!
//! Passwords and tokens are no part of a job: they change, and they must not be printed.

use std::path::Path;

use inflight_connectors::full_path;
use xxhash_rust::xxh3::Xxh3;

use crate::flags::setting::{Decides, Setting, public_of};
use crate::job::paths::spelled_in_full;

const INPUT: &str = "input";

/// The settings that are hashed first and without their names, given or not.
const FIRST: [&str; 4] = [INPUT, "compute", "fetch", "save"];

/// What a job is called: a hash of everything as typed that decides what a service gets. Two jobs of one name would
/// share their idempotency keys, and a service would answer the second without storing it.
pub(crate) fn job_id(settings: &[Setting]) -> u64 {
    let mut hash = Xxh3::new();
    for key in FIRST {
        add(&mut hash, &first_of(settings, key).unwrap_or_default());
    }
    // By name and only when given, so that a flag that is yet to come renames no job of today.
    for (key, value) in given(settings) {
        add(&mut hash, &key);
        add(&mut hash, &value);
    }
    hash.digest()
}

/// A name as journals and databases hold it.
pub(crate) fn name_of(id: u64) -> String {
    format!("{id:016x}")
}

/// What [`name_of`] wrote; `None` of anything else.
pub(crate) fn id_of(name: &str) -> Option<u64> {
    u64::from_str_radix(name, 16).ok()
}

/// The names and values that make a job this one and no other, for its journal: all that decides what a service gets,
/// except the input, whose content says more than its name.
pub(crate) fn identity(settings: &[Setting]) -> Vec<(String, String)> {
    let first = FIRST.iter().filter(|key| **key != INPUT);
    let first = first.filter_map(|key| Some(((*key).to_owned(), first_of(settings, key)?)));
    // No service gets it, but the journal knows how long that file is.
    let files = settings
        .iter()
        .filter(|row| row.decides == Decides::Journal);
    let all = first.chain(named(files)).chain(given(settings));
    // Files are what they are, however they are spelled.
    all.map(|(key, value)| match key.as_str() {
        "save" => (key, spelled_in_full(&value)),
        "responses" => {
            let full = full_path(Path::new(&value));
            (key, full.map_or(value, |path| path.display().to_string()))
        }
        _ => (key, value),
    })
    .collect()
}

/// One of the first settings; of an address without the method that it has anyway, so that to say it makes no other job.
fn first_of(settings: &[Setting], key: &str) -> Option<String> {
    let value = public_of(settings, key)?;
    let method = match key {
        "fetch" => "GET",
        "save" => "POST",
        _ => return Some(value),
    };
    let rest = value.trim().strip_prefix(method);
    let rest = rest.filter(|rest| rest.starts_with(char::is_whitespace));
    Some(rest.map_or(value.as_str(), str::trim_start).to_owned())
}

/// What was given beyond the first settings.
fn given(settings: &[Setting]) -> impl Iterator<Item = (String, String)> {
    let given = settings.iter();
    named(given.filter(|row| row.decides == Decides::Results && !FIRST.contains(&row.key)))
}

fn named<'a>(rows: impl Iterator<Item = &'a Setting>) -> impl Iterator<Item = (String, String)> {
    rows.flat_map(|row| row.public().map(|value| (row.key.to_owned(), value)))
}

fn add(hash: &mut Xxh3, part: &str) {
    hash.update(part.as_bytes());
    // Keeps `ab` + `c` apart from `a` + `bc`; no argument can hold it.
    hash.update(&[0]);
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::flags::args::{Cli, Command};

    /// The name of the job that `run` would do.
    fn id(line: &str) -> u64 {
        let words = ["inflight", "run"].into_iter().chain(line.split(' '));
        match Cli::try_parse_from(words).unwrap().command {
            Command::Run(args) => job_id(&args.settings()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_job_keeps_its_name_when_a_token_changes() {
        let check = |one: &str, other: &str| {
            let of = |flags| id(&format!("a.jsonl {flags}"));
            assert_eq!(of(one), of(other));
        };
        check("--save http://h/add?token=1", "--save http://h/add?token=2");
        check(
            "--save http://h/ --header X-Api-Key:1",
            "--save http://h/ --header X-Api-Key:2",
        );
        check("--save http://h/", "--save http://h/ --save-body raw");
        check("--save http://h/", "--save http://h/ -j 3 --retries 1");
        // What fails saves nothing, so a run that goes on may judge it otherwise.
        check("--save http://h/", "--save http://h/ --fail-status 404");
    }

    #[test]
    fn whatever_decides_what_is_sent_makes_another_job() {
        let mut ids: Vec<u64> = [
            "a.jsonl --save http://h/",
            "b.jsonl --save http://h/",
            "a.jsonl --save http://h/?table=a",
            "a.jsonl --save http://h/?author=a",
            "a.jsonl --save http://h/?author=b",
            "a.jsonl --save http://h/ --format text",
            "a.jsonl --save http://h/ --format jsonl",
            "a.jsonl --save http://h/ --field url",
            "a.jsonl --save http://h/ --field title",
            "a.jsonl --save http://h/ --compute sha256",
            "a.jsonl --save http://h/ --fetch http://f/{}",
            "a.jsonl --save http://h/ --save-body json",
            "a.jsonl --save http://h/ --save-body form:a",
            "a.jsonl --save http://h/ --ok-status 404",
            "a.jsonl --save http://h/ --fetch http://f/{} --fetch-body json",
            "a.jsonl --save http://h/ --header X-Table:a",
            "a.jsonl --save http://h/ --header X-Table:b",
            "a.jsonl --save http://h/ --fetch-header X-Table:a",
        ]
        .map(id)
        .to_vec();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }

    #[test]
    fn a_name_is_the_same_everywhere() {
        // Keys reach other machines and later versions: this number must never change.
        assert_eq!(
            id("0..600 --compute bcrypt:8 --save http://127.0.0.1:8080/add"),
            3_078_683_286_056_844_294
        );
    }
}
