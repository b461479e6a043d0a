//! What of a word that was typed may be shown and kept: passwords and tokens may not. Which names are those of secrets is
//! for the connectors to say, which refuse and mask them.

use inflight_connectors::is_secret;

/// An address without its password and without the values of its secret parameters.
pub(crate) fn public(address: &str) -> String {
    // There the user is part of the place, `key` names a column, and a password is only said where to find.
    let is_postgres = is_postgres(address);
    let is_database = is_postgres || address.starts_with("sqlite:");
    // A password may hold the question mark that else begins the query.
    let address = match is_postgres && !userinfo(address).contains(':') {
        true => address.to_owned(),
        false => without_password(address),
    };
    let (place, query) = match address.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (&*address, None),
    };
    let mut text = place.to_owned();
    if let Some(query) = query {
        let kept = query.split('&').map(|pair| match pair.split_once('=') {
            Some(("key", _)) if is_database => pair,
            Some(("password", value)) if is_postgres && is_place(value) => pair,
            Some((name, _)) if is_secret(name) => name,
            _ => pair,
        });
        text.push('?');
        text.push_str(&kept.collect::<Vec<_>>().join("&"));
    }
    text
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
fn is_postgres(address: &str) -> bool {
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
        check("http://u:p?x@h/b?t=1", "http://h/b?t=1");
        check("http://u:p#x@h/b", "http://h/b");
        check("http://h/b?mail=a@b", "http://h/b?mail=a@b");
        check("lab:?latency=100ms&fail=5%", "lab:?latency=100ms&fail=5%");
        let whole = "sqlite:a.db?table=t&key=id&missing=skip";
        check(whole, whole);
        check("null:", "null:");
    }
}
