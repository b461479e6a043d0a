//! What is a secret, by its name: the one list for what is refused when it is typed, left out and masked.

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

/// Whether a header, query parameter or setting of this name holds a secret: nobody may type it as it is, and nobody gets to
/// see it. The one list of them.
///
/// ```
/// use inflight_connectors::is_secret;
///
/// assert!(is_secret("X-Api-Key") && is_secret("access_token") && !is_secret("author"));
/// ```
pub fn is_secret(name: &str) -> bool {
    let whole = name.to_lowercase();
    // A key that names a request opens nothing.
    if whole == "idempotency-key" {
        return false;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
