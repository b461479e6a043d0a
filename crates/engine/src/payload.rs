//! What a dead letter shows of its item, where that is asked for: text, capped. Pure.

use std::borrow::Cow;

/// Says what a value looks like, as bytes; only called for items that may die, and only where letters show them.
pub(crate) type Show<T> = fn(&T) -> Cow<'_, [u8]>;

/// Bytes of an item that a letter shows: enough for a document, and few enough that letters stay files one can open.
const SHOWN_MAX: usize = 1 << 20;

/// The value as text. What is no UTF-8 becomes `U+FFFD`; what is beyond 1 MiB is left out, and that is said.
pub(crate) fn text<T>(show: Show<T>, value: &T) -> String {
    let bytes = show(value);
    let shown = &bytes[..bytes.len().min(SHOWN_MAX)];
    let mut text = String::from_utf8_lossy(shown).into_owned();
    let more = bytes.len() - shown.len();
    if more > 0 {
        text.push_str(&format!(" [{more} bytes more are left out]"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_text_and_says_what_it_leaves_out() {
        let check = |bytes: Vec<u8>, expected: &str| {
            let shown = text(|bytes: &Vec<u8>| Cow::Borrowed(bytes.as_slice()), &bytes);
            assert_eq!(shown, expected);
        };
        check(b"as it is".to_vec(), "as it is");
        check(b"\xffx".to_vec(), "\u{fffd}x");
        check(vec![b'a'; SHOWN_MAX], &"a".repeat(SHOWN_MAX));
        let cut = "a".repeat(SHOWN_MAX) + " [7 bytes more are left out]";
        check(vec![b'a'; SHOWN_MAX + 7], &cut);
    }
}
