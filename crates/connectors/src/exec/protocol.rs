//! What we and a worker say to each other: lines of JSON, as `docs/workers.md` has them. Pure: bytes in, messages out.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use inflight::Fault;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::nearest::unknown;
use crate::range::{DIGITS_MAX, decimal};

/// The versions of the protocol that this speaks: lines, and frames.
const LINES: u64 = 1;
const FRAMES: u64 = 2;

/// More items a line than this are never sent, whatever a worker takes: what one failure can delay.
pub(super) const BATCH_MAX: usize = 1024;

/// Bytes of a worker's words that a message repeats: enough to see what they are, too few to bury the rest.
const SHOWN_MAX: usize = 300;

/// What a worker says of itself before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    /// The most items in a line, as an array; `None`: a line is one item, not in an array.
    pub(super) batch: Option<usize>,
    pub(super) items: Items,
    /// Whether it speaks in frames from now on, not in lines.
    pub(super) in_frames: bool,
}

/// As what a worker wants its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Items {
    /// A string: the item's text.
    Text,
    /// The value that the item's text is the JSON of.
    Json,
    /// A string: the base64 of the item's bytes, whatever they are.
    Base64,
}

/// What a worker says of one item.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) id: u64,
    pub(super) outcome: Result<Found, Fault>,
}

/// A result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Text, or bytes of any kind.
    Bytes(Bytes),
    /// The JSON of a value that is no text.
    Json(Bytes),
    /// What only whoever started the worker can read.
    Object(Bytes),
}

impl Hello {
    /// Reads the first line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(line: &[u8]) -> Result<Hello, String> {
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Words<'a> {
            #[serde(rename = "version")]
            _version: u64,
            batch: Option<usize>,
            #[serde(borrow)]
            items: Option<Cow<'a, str>>,
        }
        let wrong = |cause: serde_json::Error| {
            format!(
                "its first line should be a hello such as {{\"version\":1}}, not {}: {cause}; print anything else to \
                 standard error",
                shown(line)
            )
        };
        let Version { version } = serde_json::from_slice(line).map_err(wrong)?;
        if ![LINES, FRAMES].contains(&version) {
            return Err(format!(
                "it speaks version {version} of the protocol, and there are {LINES} and {FRAMES}"
            ));
        }
        let Words { batch, items, .. } = serde_json::from_slice(line).map_err(wrong)?;
        if batch == Some(0) {
            return Err("its hello says batch 0; at least 1 item must be in a line".into());
        }
        let items = match items.as_deref() {
            None | Some("text") => Items::Text,
            Some("json") => Items::Json,
            Some("base64") => Items::Base64,
            Some(other) => return Err(unknown("items", other, &["text", "json", "base64"])),
        };
        let in_frames = version == FRAMES;
        if in_frames && items != Items::Text {
            return Err(
                "its hello says \"items\", which version 2 has no need of: items are bytes".into(),
            );
        }
        Ok(Hello {
            batch,
            items,
            in_frames,
        })
    }
}

/// Appends `{"id":I,"item":…}`; leaves the line as it was when it fails.
///
/// # Errors
/// Permanent, when the item is not what the worker wants.
pub(super) fn write_item(
    id: u64,
    item: &[u8],
    items: Items,
    line: &mut Vec<u8>,
) -> Result<(), Fault> {
    let began = line.len();
    line.extend_from_slice(b"{\"id\":");
    line.extend_from_slice(decimal(id, &mut [0; DIGITS_MAX]));
    line.extend_from_slice(b",\"item\":");
    let written = match items {
        Items::Text => write_as_text(item, line),
        Items::Json => write_as_json(item, line),
        Items::Base64 => {
            write_text(&BASE64_STANDARD.encode(item), line);
            Ok(())
        }
    };
    match written {
        Ok(()) => line.push(b'}'),
        Err(_) => line.truncate(began),
    }
    written
}

fn write_as_text(item: &[u8], line: &mut Vec<u8>) -> Result<(), Fault> {
    let text = std::str::from_utf8(item).map_err(|cause| {
        Fault::permanent(format!(
            "the item is not UTF-8 at byte {}; a worker whose hello says \"items\":\"base64\" takes any bytes",
            cause.valid_up_to() + 1
        ))
    })?;
    write_text(text, line);
    Ok(())
}

fn write_as_json(item: &[u8], line: &mut Vec<u8>) -> Result<(), Fault> {
    let value: &RawValue = serde_json::from_slice(item).map_err(|cause| {
        Fault::permanent("the item is not JSON, which the worker's hello asks for").because(cause)
    })?;
    // Between the tokens of a value line ends are blanks, and within them they cannot be.
    line.extend(value.get().bytes().map(|byte| match byte {
        b'\n' | b'\r' => b' ',
        other => other,
    }));
    Ok(())
}

fn write_text(text: &str, line: &mut Vec<u8>) {
    serde_json::to_writer(line, text).expect("a string always has a JSON form, and a Vec takes it");
}

/// How a sentence begins about a line that is no answer and not meant to be one.
pub(super) const PRINTED: &str = "it printed ";

/// What is said of such a line.
pub(super) fn printed(line: &[u8]) -> String {
    format!(
        "{PRINTED}{} to standard output, where only answers may stand; print to standard error instead",
        shown(line)
    )
}

/// Reads one line of answers: one, or an array of them. What is wrong with an answer that names its item is a fault of that
/// item; in an array, if `is_last`: one answer is missing, so that it must be the one that is wrong.
///
/// # Errors
/// What is wrong with it.
pub(super) fn answers(line: &[u8], is_last: bool) -> Result<Vec<Answer>, String> {
    let line = line.trim_ascii();
    let read = match line.first() {
        Some(b'[') => serde_json::from_slice(line),
        Some(b'{') => serde_json::from_slice(line).map(|words| vec![words]),
        _ => return Err(printed(line)),
    };
    let words: Vec<Words<'_>> = match read {
        Ok(words) => words,
        Err(cause) => {
            let why = format!("{}: {cause}{}", shown(line), no_number(line));
            let named = named(line).filter(|_| is_last || line[0] == b'{');
            let id = named.ok_or_else(|| format!("it answered {why}"))?;
            return Ok(vec![malformed(id, format!("it is answered {why}"))]);
        }
    };
    Ok(words.into_iter().map(Words::meaning).collect())
}

/// The item that a line names at its beginning, though it cannot be read.
fn named(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    let mut rest = text.strip_prefix('[').unwrap_or(text).trim_start();
    for token in ["{", "\"id\"", ":"] {
        rest = rest.strip_prefix(token)?.trim_start();
    }
    let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
    rest[..end].parse().ok()
}

/// What many languages write for numbers that JSON does not have.
fn no_number(line: &[u8]) -> &'static str {
    let has = |word: &[u8]| line.windows(word.len()).any(|part| part == word);
    match has(b"NaN") || has(b"Infinity") {
        true => "; JSON knows neither NaN nor Infinity",
        false => "",
    }
}

fn malformed(id: u64, why: String) -> Answer {
    let outcome = Err(Fault::permanent(why).counted_as("a malformed answer"));
    Answer { id, outcome }
}

/// An answer as written.
#[derive(Deserialize)]
struct Words<'a> {
    id: u64,
    #[serde(borrow, default, deserialize_with = "given")]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    base64: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(default)]
    retry: bool,
}

/// A `null` that is there is a result, other than one that is missing.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl Words<'_> {
    fn meaning(self) -> Answer {
        let id = self.id;
        let outcome = match (self.result, self.base64, self.error) {
            (Some(result), None, None) => match content(result) {
                Ok(found) => Ok(found),
                Err(cause) => return malformed(id, format!("its result is no text: {cause}")),
            },
            (None, Some(base64), None) => match BASE64_STANDARD.decode(base64.as_bytes()) {
                Ok(bytes) => Ok(Found::Bytes(bytes.into())),
                Err(cause) => return malformed(id, format!("its result is no base64: {cause}")),
            },
            (None, None, Some(error)) if self.retry => Err(Fault::transient(cut(&error))),
            (None, None, Some(error)) => Err(Fault::permanent(cut(&error))),
            _ => {
                let why = "its answer should have one of \"result\", \"base64\" and \"error\"";
                return malformed(id, why.to_owned());
            }
        };
        Answer { id, outcome }
    }
}

/// The content of a string, the JSON text of anything else.
fn content(result: &RawValue) -> serde_json::Result<Found> {
    let text = result.get();
    if !text.starts_with('"') {
        return Ok(Found::Json(Bytes::copy_from_slice(text.as_bytes())));
    }
    let text = serde_json::from_str::<String>(text)?;
    Ok(Found::Bytes(text.into()))
}

/// The beginning of what a worker said, for people.
fn shown(line: &[u8]) -> String {
    match line.trim_ascii() {
        b"" => "an empty line".into(),
        line => format!("`{}`", cut(&String::from_utf8_lossy(line))),
    }
}

/// At most so much of a text, without what would disturb a terminal.
pub(super) fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(SHOWN_MAX);
    let visible = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut shown: String = text[..end].chars().map(visible).collect();
    if end < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use inflight::Verdict;

    #[test]
    fn a_hello_says_how_many_and_as_what() {
        let check = |line: &str, expected: Result<(Option<usize>, Items), &str>| match (
            Hello::parse(line.as_bytes()),
            expected,
        ) {
            (Ok(hello), Ok((batch, items))) => {
                assert_eq!((hello.batch, hello.items), (batch, items), "{line}");
                assert_eq!(hello.in_frames, line.contains("\"version\":2"), "{line}");
            }
            (Err(why), Err(part)) => assert!(why.contains(part), "{line}: {why}"),
            (got, expected) => panic!("{line}: {got:?}, expected {expected:?}"),
        };
        check(r#"{"version":1}"#, Ok((None, Items::Text)));
        check(r#"{"version":1,"batch":1}"#, Ok((Some(1), Items::Text)));
        check(
            r#"{"version":1,"batch":256,"items":"json"}"#,
            Ok((Some(256), Items::Json)),
        );
        check(
            r#"{"version":1,"items":"base64"}"#,
            Ok((None, Items::Base64)),
        );
        check(r#"{"version":2,"batch":256}"#, Ok((Some(256), Items::Text)));
        check(r#"{"version":2,"items":"json"}"#, Err("version 2"));
        check(r#"{"version":3,"shape":"round"}"#, Err("version 3"));
        check(r#"{"version":1,"bacth":2}"#, Err("bacth"));
        check(
            r#"{"version":1,"items":"jsno"}"#,
            Err("did you mean `json`"),
        );
        check(r#"{"version":1,"batch":0}"#, Err("at least 1"));
        check("Loading the model", Err("not `Loading the model`"));
        check("", Err("an empty line"));
    }

    fn written(item: &[u8], items: Items) -> Result<String, String> {
        let mut line = b"before ".to_vec();
        let outcome = write_item(7, item, items, &mut line);
        let line = String::from_utf8(line).unwrap();
        assert_eq!(line == "before ", outcome.is_err());
        outcome.map(|()| line[7..].to_owned()).map_err(|fault| {
            assert_eq!(fault.verdict(), Verdict::Permanent);
            fault.to_string()
        })
    }

    #[test]
    fn items_are_written_as_the_worker_wants_them() {
        let check = |item: &str, items, expected: &str| {
            assert_eq!(written(item.as_bytes(), items).unwrap(), expected);
        };
        check("a\"\n", Items::Text, r#"{"id":7,"item":"a\"\n"}"#);
        check("12", Items::Text, r#"{"id":7,"item":"12"}"#);
        check(
            "{\"a\":\n\r[1, 2]} ",
            Items::Json,
            "{\"id\":7,\"item\":{\"a\":  [1, 2]}}",
        );
        check("a", Items::Base64, r#"{"id":7,"item":"YQ=="}"#);
        let refused = |item: &[u8], items, part: &str| {
            let message = written(item, items).unwrap_err();
            assert!(message.contains(part), "{message}");
        };
        refused(b"a\xff", Items::Text, "not UTF-8 at byte 2");
        refused(b"{\"a\"", Items::Json, "not JSON");
        refused(b"1 2", Items::Json, "not JSON");
        refused(b"\xff", Items::Json, "not JSON");
    }

    fn read(line: &str) -> Result<Vec<(u64, String)>, String> {
        let answers = answers(line.as_bytes(), false)?;
        let text = |answer: Answer| match answer.outcome {
            Ok(Found::Bytes(bytes)) => format!("{bytes:?}"),
            Ok(Found::Json(bytes)) => format!("JSON {bytes:?}"),
            Ok(Found::Object(bytes)) => format!("object {bytes:?}"),
            Err(fault) => format!("{fault:?}"),
        };
        Ok(answers
            .into_iter()
            .map(|answer| (answer.id, text(answer)))
            .collect())
    }

    #[test]
    fn answers_are_read() {
        let check = |line: &str, expected: &[(u64, &str)]| {
            let answers = read(line).unwrap();
            let answers: Vec<_> = answers
                .iter()
                .map(|(id, text)| (*id, text.as_str()))
                .collect();
            assert_eq!(answers, expected, "{line}");
        };
        check(
            r#"{"id":0,"result":"\u00e9\n"}"#,
            &[(0, r#"b"\xc3\xa9\n""#)],
        );
        check(
            r#" {"id":1, "result": {"a": [1]} } "#,
            &[(1, r#"JSON b"{\"a\": [1]}""#)],
        );
        check(r#"{"id":1,"result":null}"#, &[(1, r#"JSON b"null""#)]);
        check(r#"{"id":1,"base64":"/w=="}"#, &[(1, r#"b"\xff""#)]);
        check(r#"{"id":1,"error":"bad"}"#, &[(1, "Permanent: bad")]);
        check(
            r#"{"id":1,"error":"busy","retry":true}"#,
            &[(1, "Transient: busy")],
        );
        check(
            r#"{"id":1,"error":"bad","retry":false,"more":1}"#,
            &[(1, "Permanent: bad")],
        );
        check(
            r#"[{"id":2,"result":"a"},{"id":1,"result":"b"}]"#,
            &[(2, r#"b"a""#), (1, r#"b"b""#)],
        );
        check("[]", &[]);
    }

    #[test]
    fn what_is_no_answer_is_said() {
        let check = |line: &str, part: &str| {
            let why = read(line).unwrap_err();
            assert!(why.contains(part), "{line}: {why}");
        };
        check("debug: here", "it printed `debug: here` to standard output");
        check("", "an empty line");
        check("42", "print to standard error instead");
        check(r#"{"result":1}"#, "missing field `id`");
        check(
            r#"[{"id":1,"result":NaN},{"id":2,"result":1}]"#,
            "it answered `[{",
        );
        check(&"x\u{1b}".repeat(1000), "x x …");
    }

    #[test]
    fn a_malformed_answer_that_names_its_item_is_that_items_fault() {
        let check = |line: &str, part: &str| {
            let answers = answers(line.as_bytes(), true).unwrap();
            let [Answer { id: 1, outcome }] = answers.as_slice() else {
                panic!("{line}: {answers:?}")
            };
            let fault = outcome.as_ref().unwrap_err();
            assert_eq!(fault.verdict(), Verdict::Permanent);
            assert!(fault.to_string().contains(part), "{line}: {fault}");
        };
        check(r#"{"id":1}"#, "should have one of");
        check(r#"{"id":1,"result":1,"error":"x"}"#, "should have one of");
        check(r#"{"id":1,"base64":"!"}"#, "no base64");
        check(r#"{"id":1,"result":"\ud800"}"#, "no text");
        check(r#"{"id": 1, "result": NaN}"#, "neither NaN nor Infinity");
        check(r#" [ { "id" : 1, "result": [-Infinity]}]"#, "neither NaN");
        check(r#"{"id":1,"result":"x"#, "EOF");
        check(r#"{"id":1,"result":"x"}}"#, "trailing");
        assert!(answers(br#"[{"id":1,"result":NaN}]"#, false).is_err());
        assert!(answers(br#"{"id":,"result":NaN}"#, true).is_err());
    }
}
