//! Makes UTF-8 of a text that a service sends in another charset.

use encoding_rs::{Encoding, UTF_8};
use hyper::header::{CONTENT_TYPE, HeaderMap};

/// The body of an answer with these headers, in UTF-8: as it is, unless the headers name a charset. What is no text stays
/// as it is, too.
///
/// Fails with a sentence: the charset is not known, or the body is not in it. One that is not whole may end within a character.
pub(super) fn to_utf8(
    headers: &HeaderMap,
    body: Vec<u8>,
    is_whole: bool,
) -> Result<Vec<u8>, String> {
    let Some(label) = label(headers) else {
        return Ok(body);
    };
    let encoding = Encoding::for_label(label.as_bytes());
    if encoding == Some(UTF_8) || (encoding.is_none() && std::str::from_utf8(&body).is_ok()) {
        return Ok(body);
    }
    let shown: String = label.chars().filter(|c| !c.is_control()).take(40).collect();
    let encoding =
        encoding.ok_or_else(|| format!("is in the charset `{shown}`, which is not known"))?;
    let (text, _, is_damaged) = encoding.decode(&body);
    if is_damaged && is_whole {
        return Err(format!(
            "is said to be in the charset `{shown}`, and is not"
        ));
    }
    Ok(text.into_owned().into_bytes())
}

/// The charset of a text, as the headers name it.
fn label(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?;
    let value = String::from_utf8_lossy(value.as_bytes());
    let mut parts = value.split(';');
    let kind = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = kind.starts_with("text/")
        || ["json", "xml", "javascript", "csv", "x-www-form-urlencoded"]
            .iter()
            .any(|end| kind.ends_with(end));
    if !is_text {
        return None;
    }
    parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: &str, body: &[u8]) -> Result<Vec<u8>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        to_utf8(&headers, body.to_vec(), true)
    }

    #[test]
    fn texts_become_utf_8() {
        let check = |content_type: &str, body: &[u8], expected: &[u8]| {
            assert_eq!(
                read(content_type, body).as_deref(),
                Ok(expected),
                "{content_type}"
            );
        };
        check(
            "text/plain; charset=ISO-8859-1",
            b"caf\xE9",
            "café".as_bytes(),
        );
        check(
            "application/json;charset=\"windows-1252\"",
            b"\"\x80\"",
            "\"€\"".as_bytes(),
        );
        check(
            "text/html; Charset = Shift_JIS",
            &[0x83, 0x65],
            "テ".as_bytes(),
        );
        check("text/csv; charset=utf-16le", b"a\0b\0", b"ab");
        check(
            "text/plain; charset=UTF-8",
            b"\xEF\xBB\xBFa",
            b"\xEF\xBB\xBFa",
        );
        check("text/plain; charset=utf-8", b"\xFF", b"\xFF");
        check("text/plain; charset=none", "é".as_bytes(), "é".as_bytes());
        check("text/plain", b"\xE9", b"\xE9");
        check("image/png; charset=latin1", b"\xE9", b"\xE9");
        assert_eq!(to_utf8(&HeaderMap::new(), vec![0xE9], true), Ok(vec![0xE9]));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let why = read("text/plain; charset=klingon", b"\xE9").unwrap_err();
        assert!(why.contains("`klingon`, which is not known"), "{why}");
        let why = read("text/plain; charset=shift_jis", b"\xFF\xFF").unwrap_err();
        assert!(why.contains("and is not"), "{why}");
    }
}
