//! Names a job: the same words on any machine are the same job, so that its idempotency keys repeat.
//!
//! Passwords and tokens are no part of a job: they change, and they must not be printed.

use xxhash_rust::xxh3::Xxh3;

/// Query parameters that are secrets, whatever they are called exactly.
const SECRET_WORDS: [&str; 6] = ["token", "key", "secret", "password", "sig", "auth"];

/// What a job is called: a hash of its input as typed, its computation, where it fetches and where it saves.
pub(crate) fn job_id(input: &str, compute: &str, fetch: Option<&str>, save: &str) -> u64 {
    let mut hash = Xxh3::new();
    for part in [
        input,
        compute,
        &public(fetch.unwrap_or_default()),
        &public(save),
    ] {
        hash.update(part.as_bytes());
        // Keeps `ab` + `c` apart from `a` + `bc`; no argument can hold it.
        hash.update(&[0]);
    }
    hash.digest()
}

/// An address without its password and without the values of its secret parameters.
pub(crate) fn public(address: &str) -> String {
    let (place, query) = match address.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (address, None),
    };
    let mut text = without_password(place);
    if let Some(query) = query {
        let kept = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => name,
            _ => pair,
        });
        text.push('?');
        text.push_str(&kept.collect::<Vec<_>>().join("&"));
    }
    text
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
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
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        let check = |address, expected| assert_eq!(public(address), expected);
        check(
            "http://u:p@h:1/add?api_key=1&table=t",
            "http://h:1/add?api_key&table=t",
        );
        check("postgres://me@db/x", "postgres://db/x");
        check("http://h/a@b", "http://h/a@b");
        check("lab:?latency=100ms&fail=5%", "lab:?latency=100ms&fail=5%");
        check("sqlite:a.db?table=t", "sqlite:a.db?table=t");
        check("null:", "null:");
    }

    #[test]
    fn a_job_keeps_its_name_when_a_token_changes() {
        let id = |save| job_id("0..600", "none", None, save);
        assert_eq!(id("http://h/add?token=1"), id("http://h/add?token=2"));
        assert_ne!(id("http://h/add?table=a"), id("http://h/add?table=b"));
        assert_ne!(
            job_id("0..6", "none", None, "null:"),
            job_id("0..6", "none", Some(""), "null:x")
        );
        // Keys reach other machines and later versions: this number must never change.
        assert_eq!(
            job_id("0..600", "bcrypt:8", None, "http://127.0.0.1:8080/add"),
            3_078_683_286_056_844_294
        );
    }
}
