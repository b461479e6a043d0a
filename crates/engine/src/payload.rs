//! What a dead letter shows of its item: its key, where items have one; its text, capped, where that is asked for. Pure.

use std::borrow::Cow;

/// Says what a value looks like, as bytes; only called for items that may die, and only where letters show them.
pub(crate) type Show<T> = fn(&T) -> Cow<'_, [u8]>;

/// Says how the key of a value is spelled; `None` of one that has no key.
pub(crate) type ShowKey<T> = fn(&T) -> Option<Cow<'_, str>>;

/// Bytes of an item that a letter shows: enough for a document, and few enough that letters stay files one can open.
const SHOWN_MAX: usize = 1 << 20;

/// What letters show of values.
pub(crate) struct Showing<T> {
    pub(crate) key: Option<ShowKey<T>>,
    pub(crate) payload: Option<Show<T>>,
}

/// What a letter shows of one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) key: Option<String>,
    pub(crate) payload: Option<String>,
}

impl<T> Showing<T> {
    pub(crate) const NOTHING: Showing<T> = Showing {
        key: None,
        payload: None,
    };

    /// The same with the text of the value, or without.
    pub(crate) fn with_payload(self, is_wanted: bool) -> Showing<T> {
        Showing {
            payload: self.payload.filter(|_| is_wanted),
            ..self
        }
    }

    pub(crate) fn of(self, value: &T) -> Shown {
        Shown {
            key: self.key.and_then(|key| key(value)).map(Cow::into_owned),
            payload: self.payload.map(|show| text(show, value)),
        }
    }
}

// Not derived: that would ask it of the values too.
impl<T> Clone for Showing<T> {
    fn clone(&self) -> Showing<T> {
        *self
    }
}

impl<T> Copy for Showing<T> {}

/// The value as text. What is no UTF-8 becomes `U+FFFD`; what is beyond 1 MiB is left out, and that is said.
fn text<T>(show: Show<T>, value: &T) -> String {
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
