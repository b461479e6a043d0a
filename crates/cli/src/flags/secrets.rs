//! What of a word that was typed may be shown and kept: passwords and tokens may not.

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

/// An address without its password and without the values of its secret parameters.
pub(crate) fn public(address: &str) -> String {
    // There the user is part of the place, `key` names a column, and a password is only said where to find.
    let is_postgres = is_postgres(address);
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
    ["env:", "file:", "exec:"]
        .iter()
        .any(|scheme| value.starts_with(scheme))
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

/// A header as typed, of a secret one its name only.
pub(crate) fn public_header(header: &str) -> &str {
    match header.split_once(':') {
        Some((name, _)) if is_secret(name) => name,
        _ => header,
    }
}

/// Whether an address is that of a Postgres table or query.
pub(crate) fn is_postgres(address: &str) -> bool {
    let schemes = ["postgres://", "postgresql://"];
    schemes.iter().any(|scheme| address.starts_with(scheme))
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
}
