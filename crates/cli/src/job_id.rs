//! Names a job: the same words on any machine are the same job, so that its idempotency keys repeat.
//!
//! Passwords and tokens are no part of a job: they change, and they must not be printed.

use xxhash_rust::xxh3::Xxh3;

use crate::args::{BODY, Format, JobArgs, METHOD};
use crate::target;

/// Query parameters and headers in whose name one of these occurs are secrets,
const SECRET_PARTS: [&str; 4] = ["token", "secret", "password", "cookie"];
/// and those with one of these as a word, or with a word that ends in `key`. Not as a part: an `author` or a `design` is a
/// place to save to, and two of them are two jobs.
const SECRET_WORDS: [&str; 6] = [
    "key",
    "sig",
    "signature",
    "auth",
    "authorization",
    "authentication",
];

/// What a job is called: a hash of everything as typed that decides what a service gets. Two jobs of one name would
/// share their idempotency keys, and a service would answer the second without storing it.
pub(crate) fn job_id(input: &str, compute: &str, save: &str, job: &JobArgs) -> u64 {
    let mut hash = Xxh3::new();
    let fetch = job.fetch.as_deref().unwrap_or_default();
    for part in [input, compute, &public(fetch), &public(save)] {
        add(&mut hash, part);
    }
    // By name and only when given, so that a flag that is yet to come renames no job of today.
    for (flag, value) in given(job) {
        add(&mut hash, flag);
        add(&mut hash, value);
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
pub(crate) fn identity(compute: &str, save: &str, job: &JobArgs) -> Vec<(String, String)> {
    let named = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let (fetch, save) = (job.fetch.as_deref().map(public), public(save));
    let responses = job.responses.as_ref().map(|path| path.to_string_lossy());
    let mut identity = vec![named(("compute", compute)), named(("save", &save))];
    identity.extend(fetch.map(|fetch| named(("fetch", &fetch))));
    // No service gets it, but the journal knows how long that file is.
    identity.extend(responses.map(|path| named(("responses", &path))));
    identity.extend(given(job).into_iter().map(named));
    identity
}

/// The flags that differ from their defaults.
fn given(job: &JobArgs) -> Vec<(&'static str, &str)> {
    let format = job.format.map(|format| match format {
        Format::Text => "text",
        Format::Jsonl => "jsonl",
    });
    let single = [
        ("format", format),
        ("field", job.field.as_deref()),
        ("method", Some(job.method()).filter(|name| *name != METHOD)),
        ("body", Some(job.body()).filter(|mode| *mode != BODY)),
    ];
    let mut given: Vec<_> = single
        .into_iter()
        .filter_map(|(flag, value)| Some((flag, value?)))
        .collect();
    for (flag, headers) in [
        ("fetch-header", &job.fetch_headers),
        ("header", &job.headers),
    ] {
        given.extend(headers.iter().map(|text| (flag, public_header(text))));
    }
    given
}

fn add(hash: &mut Xxh3, part: &str) {
    hash.update(part.as_bytes());
    // Keeps `ab` + `c` apart from `a` + `bc`; no argument can hold it.
    hash.update(&[0]);
}

/// A header as typed, of a secret one its name only.
fn public_header(header: &str) -> &str {
    match header.split_once(':') {
        Some((name, _)) if is_secret(name) => name,
        _ => header,
    }
}

/// An address without its password and without the values of its secret parameters.
pub(crate) fn public(address: &str) -> String {
    // There the user is part of the place, `key` names a column, and a password is only said where to find.
    let is_postgres = target::is_postgres(address);
    let (place, query) = match address.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (address, None),
    };
    let mut text = match is_postgres && !userinfo(place).contains(':') {
        true => place.to_owned(),
        false => without_password(place),
    };
    if let Some(query) = query {
        let kept = query.split('&').map(|pair| match pair.split_once('=') {
            Some(("key", _)) if is_postgres => pair,
            Some(("password", value)) if is_postgres && is_place(value) => pair,
            Some((name, _)) if is_secret(name) => name,
            _ => pair,
        });
        text.push('?');
        text.push_str(&kept.collect::<Vec<_>>().join("&"));
    }
    text
}

fn is_secret(name: &str) -> bool {
    let whole = name.to_lowercase();
    SECRET_PARTS.iter().any(|part| whole.contains(part))
        || words(name).any(|word| is_secret_word(&word))
}

fn is_secret_word(word: &str) -> bool {
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let word = word.strip_suffix('s').unwrap_or(word);
    SECRET_WORDS.contains(&word) || word.ends_with("key")
}

/// The words of a name such as `X-Api-Key`, `api_key` or `apiKey`, in small letters.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && was_small) {
            words.push(String::new());
        }
        was_small = letter.is_lowercase() || letter.is_numeric();
        if letter.is_alphanumeric() {
            words
                .last_mut()
                .expect("there is one")
                .extend(letter.to_lowercase());
        }
    }
    words.into_iter()
}

/// Whether a value says where a secret is to be found, and so is none.
fn is_place(value: &str) -> bool {
    value.starts_with("env:") || value.starts_with("file:")
}

/// What stands before the host of an address.
fn userinfo(place: &str) -> &str {
    let authority = place.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    authority.rsplit_once('@').map_or("", |(user, _)| user)
}

fn without_password(place: &str) -> String {
    let Some((scheme, rest)) = place.split_once("://") else {
        return place.to_owned();
    };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((user, _)) => format!("{scheme}://{}", &rest[user.len() + 1..]),
        None => place.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn secrets_are_left_out() {
        let check = |address, expected| assert_eq!(public(address), expected);
        check(
            "http://u:p@h:1/add?api_key=1&table=t",
            "http://h:1/add?api_key&table=t",
        );
        check("postgres://me:p@db/x?table=t", "postgres://db/x?table=t");
        check(
            "postgres://me@db/x?password=p",
            "postgres://me@db/x?password",
        );
        let whole = "postgres://me@db/x?table=t&key=id&password=env:P&sslmode=disable";
        check(whole, whole);
        check("http://h/a@b", "http://h/a@b");
        check("lab:?latency=100ms&fail=5%", "lab:?latency=100ms&fail=5%");
        check("sqlite:a.db?table=t", "sqlite:a.db?table=t");
        check("null:", "null:");
    }

    #[test]
    fn a_name_is_a_secret_for_its_words() {
        let secret = [
            "key",
            "api_key",
            "apiKey",
            "apikey",
            "X-Api-Key",
            "keys",
            "sig",
            "X-Signature",
            "auth",
            "auth2",
            "Authorization",
            "Proxy-Authorization",
            "access_token",
            "tokenId",
            "PASSWORD",
            "Set-Cookie",
        ];
        for name in secret {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "author",
            "keyword",
            "design",
            "table",
            "authority",
            "significance",
            "id",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    /// The name of the job that `run` would do.
    fn id(line: &str) -> u64 {
        let words = ["inflight", "run"].into_iter().chain(line.split(' '));
        match Cli::try_parse_from(words).unwrap().command {
            Command::Run(args) => job_id(&args.input, &args.compute, &args.save, &args.job),
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
        check("--save http://h/", "--save http://h/ --method POST");
        check("--save http://h/", "--save http://h/ --body raw");
        check("--save http://h/", "--save http://h/ -j 3 --retries 1");
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
            "a.jsonl --save http://h/ --body json",
            "a.jsonl --save http://h/ --body form:a",
            "a.jsonl --save http://h/ --method PUT",
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
