//! jq, the one small language of filters, bodies and columns. The only file that knows the crates that speak it.
//!
//! A filter is compiled once and run on an answer or result, which is `.`; `$row`, `$index`, `$status` and `$headers` say more.
//! It can neither read the environment nor end the program, and its output is bounded. `docs/jq.md` lists what differs from jq.

mod fields;

use std::cell::OnceCell;
use std::sync::Arc;

use inflight::{Fault, Record};
use jaq_core::data::JustLut;
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars};
use jaq_json::{Map, Num, Val, read};
use serde::de::IgnoredAny;

use crate::error::Error;
use crate::jsonl::{is_deeper, write_text};
use crate::nearest::nearest;
use crate::payload::Payload;
use crate::row::Row;

/// Bytes of JSON that a filter may give for one item: as much as an item may have.
const OUTPUT_BYTES_MAX: usize = 16 << 20;

/// Values that a filter may give for one item. Nobody reads more, and `repeat(.)` gives values for ever.
const VALUES_MAX: usize = 100_000;

/// How deep arrays and objects may be nested in what a filter reads and gives. Reading and writing need a little stack for
/// each, and no answer of a service is a tenth as deep.
const DEPTH_MAX: usize = 512;

/// What an error shows of a filter, of the value it met.
const SHOWN_MAX: usize = 200;

/// What a filter knows besides `.`.
const VARIABLES: [&str; 4] = ["$row", "$index", "$status", "$headers"];

/// Where jq gives another value for the same filter, without failing, it is defined anew as jq has it.
const DEFINITIONS: &str = r#"
def leaf_paths: paths(scalars);
def join($s): reduce .[] as $x (null; (if . == null then "" else . + $s end) +
  ($x | if . == null then "" elif type == "string" then . else tojson end)) // "";
def @csv: map(if type == "string" then "\"" + gsub("\""; "\"\"") + "\"" elif . == null then ""
  elif type == "array" or type == "object" then error("an array or object cannot be CSV") else tojson end) | join(",");
def @tsv: map(if type == "string" then gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n") | gsub("\r"; "\\r")
  elif . == null then "" elif type == "array" or type == "object" then error("an array or object cannot be TSV")
  else tojson end) | join("\t");
"#;

/// A compiled filter; cheap to clone.
///
/// ```
/// use inflight_connectors::{Jq, JqInput};
///
/// let jq = Jq::compile(".choices[0].text | ascii_upcase")?;
/// let input = JqInput::new(br#"{"choices": [{"text": "hi"}]}"#);
/// assert_eq!(jq.one(&input).unwrap(), "\"HI\"");
/// # Ok::<(), inflight_connectors::Error>(())
/// ```
#[derive(Clone)]
pub struct Jq(Arc<Compiled>);

struct Compiled {
    expression: String,
    filter: Filter<JustLut<Val>>,
}

/// What a filter is run on. Nothing of it is read before a filter asks, and then once for all filters.
pub struct JqInput<'a> {
    /// `.`: the answer or result; JSON if it is that, else a string.
    dot: &'a [u8],
    row: Option<&'a Row>,
    index: Option<u64>,
    status: Option<u16>,
    headers: &'a [(&'a str, &'a str)],
    dot_read: OnceCell<Result<Val, String>>,
    row_read: OnceCell<Result<Val, String>>,
}

impl<'a> JqInput<'a> {
    /// With this as `.`, and every variable `null`.
    pub fn new(dot: &'a [u8]) -> JqInput<'a> {
        JqInput {
            dot,
            row: None,
            index: None,
            status: None,
            headers: &[],
            dot_read: OnceCell::new(),
            row_read: OnceCell::new(),
        }
    }

    /// What the record is now as `.`, with its row and index.
    pub fn of(record: &'a Record<Payload>) -> JqInput<'a> {
        JqInput::new(record.value.bytes()).with_item(record.value.row.as_deref(), record.index)
    }

    /// With this as `$row`.
    pub(crate) fn with_row(self, row: Option<&'a Row>) -> JqInput<'a> {
        JqInput { row, ..self }
    }

    /// With this as `$row` and `$index`.
    #[must_use]
    pub fn with_item(self, row: Option<&'a Row>, index: u64) -> JqInput<'a> {
        let index = Some(index);
        JqInput { row, index, ..self }
    }

    /// With this as `$status` and `$headers`, an object of which names are in small letters.
    #[must_use]
    pub fn with_answer(self, status: u16, headers: &'a [(&'a str, &'a str)]) -> JqInput<'a> {
        let status = Some(status);
        JqInput {
            status,
            headers,
            ..self
        }
    }

    fn dot(&self) -> Result<Val, String> {
        self.dot_read.get_or_init(|| value_of(self.dot)).clone()
    }

    fn variables(&self) -> Result<[Val; 4], String> {
        let row = self.row_read.get_or_init(|| match self.row {
            Some(row) => value_of(row.as_json()),
            None => Ok(Val::Null),
        });
        let number = |number: Option<u64>| match number {
            Some(number) => Val::Num(Num::from_integral(
                i64::try_from(number).unwrap_or(i64::MAX),
            )),
            None => Val::Null,
        };
        let headers = match self.status {
            Some(_) => headers_of(self.headers),
            None => Val::Null,
        };
        let status = number(self.status.map(u64::from));
        Ok([row.clone()?, number(self.index), status, headers])
    }
}

impl Jq {
    /// Compiles a filter.
    ///
    /// # Errors
    /// A sentence that shows the place, and the nearest known name.
    pub fn compile(expression: &str) -> Result<Jq, Error> {
        let fail = |why: String| format!("jq filter `{expression}`: {why}");
        if expression.trim().is_empty() {
            return Err("jq filter is empty; write . for the whole value".into());
        }
        let arena = Arena::default();
        let definitions = || {
            jaq_core::defs()
                .chain(jaq_std::defs())
                .chain(jaq_json::defs())
                .chain(own_definitions())
        };
        let file = File {
            code: expression,
            path: (),
        };
        let modules = Loader::new(definitions())
            .load(&arena, file)
            .map_err(|errors| fail(unreadable(expression, &errors)))?;
        let functions = || {
            let all = jaq_core::funs()
                .chain(jaq_std::funs())
                .chain(jaq_json::funs());
            // What a job does must not hang on the environment, which holds secrets.
            all.filter(|(name, ..)| *name != "env")
        };
        let filter = Compiler::default()
            .with_funs(functions())
            .with_global_vars(VARIABLES)
            .compile(modules)
            .map_err(|errors| {
                let mut known: Vec<&str> =
                    definitions().map(|definition| definition.name).collect();
                known.extend(functions().map(|(name, ..)| name));
                fail(undefined(expression, &errors, &known))
            })?;
        let expression = expression.to_owned();
        Ok(Jq(Arc::new(Compiled { expression, filter })))
    }

    /// The filter as typed.
    pub fn expression(&self) -> &str {
        &self.0.expression
    }

    /// All values that the filter gives, each as JSON text on one line.
    ///
    /// # Errors
    /// Permanent, naming the filter and what it met: it failed, or gave too much.
    pub fn run(&self, input: &JqInput<'_>) -> Result<Vec<String>, Fault> {
        let mut texts = Vec::new();
        let mut room = OUTPUT_BYTES_MAX;
        self.each(input, |value| {
            if texts.len() == VALUES_MAX {
                return Err(format!("gives more than {VALUES_MAX} values"));
            }
            let mut text = Vec::new();
            Writer { room }.value(value, 0, &mut text)?;
            room -= text.len().min(room);
            texts.push(String::from_utf8(text).map_err(|_| "gives what is not UTF-8 text")?);
            Ok(true)
        })?;
        Ok(texts)
    }

    /// The one value that the filter gives, as JSON text on one line.
    ///
    /// # Errors
    /// As [`Jq::run`]; also when it gives none, or several.
    pub fn one(&self, input: &JqInput<'_>) -> Result<String, Fault> {
        let mut found = None;
        self.each(input, |value| {
            if found.is_some() {
                return Err("gives several values; write [ ] around it for an array".into());
            }
            let mut text = Vec::new();
            Writer {
                room: OUTPUT_BYTES_MAX,
            }
            .value(value, 0, &mut text)?;
            let text = String::from_utf8(text).map_err(|_| "gives what is not UTF-8 text")?;
            found = Some(text);
            Ok(true)
        })?;
        found.ok_or_else(|| self.fault("gives no value"))
    }

    /// What the filter makes of a record: the content of a string, the JSON of any other value.
    ///
    /// # Errors
    /// As [`Jq::one`].
    pub fn compute(&self, record: &Record<Payload>) -> Result<Payload, Fault> {
        let json = self.one(&JqInput::of(record))?;
        let item = record.value.clone();
        Ok(match text_in(&json) {
            Some(text) => item.becomes(text),
            None => item.becomes_json(json),
        })
    }

    /// Whether the first value that the filter gives is neither `null` nor `false`; false where it gives none.
    ///
    /// # Errors
    /// As [`Jq::run`].
    pub fn is_true(&self, input: &JqInput<'_>) -> Result<bool, Fault> {
        let mut is_true = false;
        self.each(input, |value| {
            is_true = !matches!(value, Val::Null | Val::Bool(false));
            Ok(false)
        })?;
        Ok(is_true)
    }

    /// Gives each value to `take`, until it wants no more.
    fn each(
        &self,
        input: &JqInput<'_>,
        mut take: impl FnMut(&Val) -> Result<bool, String>,
    ) -> Result<(), Fault> {
        let fail = |why: String| self.fault(&why);
        let filter = &self.0.filter;
        let variables = Vars::new(input.variables().map_err(fail)?);
        let context = Ctx::<JustLut<Val>>::new(&filter.lut, variables);
        for value in filter.id.run((context, input.dot().map_err(fail)?)) {
            let value = value.map_err(|stop| match stop.get_err() {
                Ok(error) => self.fault(&error.to_string()),
                Err(_) => self.fault("ends the program with halt; use error instead"),
            })?;
            if !take(&value).map_err(fail)? {
                break;
            }
        }
        Ok(())
    }

    fn fault(&self, why: &str) -> Fault {
        let expression = shown(self.expression());
        Fault::permanent(format!("jq filter `{expression}`: {}", shown(why)))
            .counted_as("a jq filter that failed")
    }
}

impl std::fmt::Debug for Jq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Jq").field(&self.0.expression).finish()
    }
}

/// Filters that were typed alike are alike.
impl PartialEq for Jq {
    fn eq(&self, other: &Jq) -> bool {
        self.0.expression == other.0.expression
    }
}

impl Eq for Jq {}

fn own_definitions() -> Vec<load::parse::Def<&'static str>> {
    load::parse(DEFINITIONS, |parser| parser.defs())
        .expect("they are written here, and tried by every test")
}

/// The content of a JSON string; `None` of another value.
pub(crate) fn text_in(json: &str) -> Option<String> {
    let is_text = json.starts_with('"');
    is_text.then(|| serde_json::from_str(json).expect("it was written as a JSON string"))
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// What bytes are to a filter: the value of JSON, else a text.
fn value_of(bytes: &[u8]) -> Result<Val, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the value is not UTF-8 text")?;
    // The reader of filters takes more than JSON, and needs stack.
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Ok(Val::utf8_str(text.to_owned()));
    }
    if is_deeper(bytes, DEPTH_MAX) {
        return Err(format!("the value is nested deeper than {DEPTH_MAX}"));
    }
    read::parse_single(bytes).map_err(|cause| format!("the value cannot be read: {cause}"))
}

/// Headers as an object: names in small letters, the values of one name joined as HTTP does.
fn headers_of(headers: &[(&str, &str)]) -> Val {
    let mut texts: Vec<(String, String)> = Vec::new();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        match texts.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => {
                values.push_str(", ");
                values.push_str(value);
            }
            None => texts.push((name, (*value).to_owned())),
        }
    }
    let pairs = texts
        .into_iter()
        .map(|(name, value)| (Val::utf8_str(name), Val::utf8_str(value)));
    Val::obj(pairs.collect::<Map>())
}

/// Writes values as JSON, as jq does where they have no such form.
struct Writer {
    /// Bytes that may still be written.
    room: usize,
}

impl Writer {
    fn value(&self, value: &Val, depth: usize, buffer: &mut Vec<u8>) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!(
                "gives a value that is nested deeper than {DEPTH_MAX}"
            ));
        }
        match value {
            Val::Null => buffer.extend_from_slice(b"null"),
            Val::Bool(true) => buffer.extend_from_slice(b"true"),
            Val::Bool(false) => buffer.extend_from_slice(b"false"),
            Val::Num(number) => write_number(number, buffer),
            Val::TStr(text) => write_text(&String::from_utf8_lossy(text), buffer),
            Val::BStr(_) => return Err("gives bytes, which JSON does not know".into()),
            Val::Arr(values) => {
                buffer.push(b'[');
                for (place, value) in values.iter().enumerate() {
                    if place > 0 {
                        buffer.push(b',');
                    }
                    self.value(value, depth + 1, buffer)?;
                }
                buffer.push(b']');
            }
            Val::Obj(members) => {
                buffer.push(b'{');
                for (place, (name, value)) in members.iter().enumerate() {
                    if place > 0 {
                        buffer.push(b',');
                    }
                    let Val::TStr(name) = name else {
                        return Err("gives an object with a name that is no string".into());
                    };
                    write_text(&String::from_utf8_lossy(name), buffer);
                    buffer.push(b':');
                    self.value(value, depth + 1, buffer)?;
                }
                buffer.push(b'}');
            }
        }
        match buffer.len() > self.room {
            true => Err(format!("gives more than {} MiB", OUTPUT_BYTES_MAX >> 20)),
            false => Ok(()),
        }
    }
}

fn write_number(number: &Num, buffer: &mut Vec<u8>) {
    match number {
        Num::Float(float) if float.is_nan() => buffer.extend_from_slice(b"null"),
        Num::Float(float) => write_float(float.clamp(f64::MIN, f64::MAX), buffer),
        other => buffer.extend_from_slice(other.to_string().as_bytes()),
    }
}

/// Whole numbers up to this size are written without an exponent; those above it are not exact in any case.
const WHOLE_MAX: f64 = 1e17;

fn write_float(float: f64, buffer: &mut Vec<u8>) {
    let text = match float.fract() == 0.0 && float.abs() < WHOLE_MAX {
        true => format!("{float:.0}"),
        false => format!("{float:?}"),
    };
    buffer.extend_from_slice(text.as_bytes());
}

type LoadErrors<'a> = load::Errors<&'a str, ()>;
type CompileErrors<'a> = jaq_core::compile::Errors<&'a str, ()>;

/// What is said of a filter that cannot be parsed.
fn unreadable(expression: &str, errors: &LoadErrors<'_>) -> String {
    let error = errors.first().map(|(_, error)| error);
    let (expected, found) = match error {
        Some(load::Error::Lex(errors)) => match errors.first() {
            Some((expected, rest)) => (expected.as_str(), *rest),
            None => ("something else", ""),
        },
        Some(load::Error::Parse(errors)) => match errors.first() {
            Some((expected, rest)) => (expected.as_str(), *rest),
            None => ("something else", ""),
        },
        Some(load::Error::Io(_)) => return "a filter cannot load modules".into(),
        None => ("something else", ""),
    };
    let expected = match expected.chars().all(char::is_alphabetic) || expected.contains(' ') {
        true => format!("expected {expected}"),
        false => format!("expected `{expected}`"),
    };
    match found {
        "" => format!("{expected} at its end"),
        _ => format!("{expected} at {}", place(expression, found)),
    }
}

/// What is said of a filter with a name that does not exist.
fn undefined(expression: &str, errors: &CompileErrors<'_>, known: &[&str]) -> String {
    use jaq_core::compile::Undefined;
    let first = errors.first().and_then(|(_, errors)| errors.first());
    let Some((name, kind)) = first else {
        return "cannot be compiled".into();
    };
    let at = place(expression, name);
    let (what, guess) = match kind {
        Undefined::Filter(0) => ("filter".to_owned(), nearest(name, known)),
        Undefined::Filter(1) => ("filter with 1 argument".to_owned(), nearest(name, known)),
        Undefined::Filter(count) => (
            format!("filter with {count} arguments"),
            nearest(name, known),
        ),
        Undefined::Var => ("variable".to_owned(), nearest(name, &VARIABLES)),
        other => (other.as_str().to_owned(), None),
    };
    match guess.filter(|guess| guess != name) {
        Some(guess) => format!("unknown {what} at {at}; did you mean `{guess}`?"),
        None => format!("unknown {what} at {at}"),
    }
}

/// Where a part of the filter begins, and how.
fn place(expression: &str, part: &str) -> String {
    let offset = (part.as_ptr() as usize).checked_sub(expression.as_ptr() as usize);
    let begins: String = part.chars().take(20).collect();
    match offset.and_then(|offset| expression.get(..offset)) {
        Some(before) => format!("character {}, `{begins}`", before.chars().count() + 1),
        None => format!("`{begins}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, dot: &str, expected: Result<&[&str], &str>) {
        let run = Jq::compile(expression)
            .unwrap()
            .run(&JqInput::new(dot.as_bytes()));
        match (run, expected) {
            (Ok(values), Ok(expected)) => assert_eq!(values, expected, "{expression}"),
            (Err(fault), Err(part)) => {
                assert!(fault.to_string().contains(part), "{expression}: {fault}");
                assert!(fault.to_string().contains("jq filter `"), "{fault}");
            }
            (got, expected) => panic!("{expression}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn filters_give_json() {
        check(".a[1:], .b", r#"{"a":[1,2,3]}"#, Ok(&["[2,3]", "null"]));
        check("length", "no JSON", Ok(&["7"]));
        check(".", "7", Ok(&["7"]));
        check(
            "[nan, infinite, 1.5*2, 0.1+0.2]",
            "1",
            Ok(&["[null,1.7976931348623157e308,3,0.30000000000000004]"]),
        );
        check(".", r#"{"a":"\u0000\"é"}"#, Ok(&[r#"{"a":"\u0000\"é"}"#]));
        check("empty", "1", Ok(&[]));
        check(
            ".",
            "123456789012345678901234567890",
            Ok(&["123456789012345678901234567890"]),
        );
    }

    #[test]
    fn what_fails_says_what_it_met() {
        check(".a.b", r#"{"a":"text"}"#, Err("text"));
        check("error(\"no\")", "1", Err("no"));
        check("halt", "1", Err("halt"));
        check("repeat(.)", "1", Err("more than 100000 values"));
        check("\"x\" * 20000000", "1", Err("more than 16 MiB"));
        check(
            "reduce range(600) as $i (0; [.])",
            "1",
            Err("deeper than 512"),
        );
        check(
            ".",
            &("[".repeat(600) + &"]".repeat(600)),
            Err("deeper than 512"),
        );
        let text = format!("[\"{}\"]", "[\\\"".repeat(600));
        check("length", &text, Ok(&["1"]));
        let jq = Jq::compile(".").unwrap();
        let fault = jq.one(&JqInput::new(b"\xff")).unwrap_err();
        assert!(fault.to_string().contains("not UTF-8"), "{fault}");
    }

    #[test]
    fn one_value_is_one() {
        let one = |expression: &str| {
            Jq::compile(expression)
                .unwrap()
                .one(&JqInput::new(b"[1,2]"))
        };
        assert_eq!(one(".[0]").unwrap(), "1");
        assert!(
            one(".[]")
                .unwrap_err()
                .to_string()
                .contains("several values")
        );
        assert!(one("empty").unwrap_err().to_string().contains("no value"));
        let is_true = |text: &str| {
            Jq::compile(text)
                .unwrap()
                .is_true(&JqInput::new(b"[1]"))
                .unwrap()
        };
        let all = [
            ".[0]",
            "true, false",
            "false, true",
            "null",
            "empty",
            ".[0] == 1",
        ];
        assert_eq!(all.map(is_true), [true, true, false, false, false, true]);
    }

    #[test]
    fn variables_are_what_is_known() {
        let row = Row::json(r#"{"id":"a"}"#).unwrap();
        let headers = [("X-Left", "3"), ("set-cookie", "a"), ("Set-Cookie", "b")];
        let input = JqInput::new(b"{}")
            .with_item(Some(&row), 7)
            .with_answer(429, &headers);
        let jq = Jq::compile("[$row.id, $index, $status, $headers]").unwrap();
        let all = r#"["a",7,429,{"x-left":"3","set-cookie":"a, b"}]"#;
        assert_eq!(jq.one(&input).unwrap(), all);
        assert_eq!(
            jq.one(&JqInput::new(b"1")).unwrap(),
            "[null,null,null,null]"
        );
    }

    #[test]
    fn what_does_not_compile_is_refused_with_its_place() {
        let refused = |text: &str| Jq::compile(text).unwrap_err();
        let check = |text: &str, part: &str| {
            let why = refused(text);
            assert!(
                why.to_string().contains(part) && why.to_string().contains("jq filter"),
                "{text}: {why}"
            );
        };
        check(
            ".a | lenth",
            "unknown filter at character 6, `lenth`; did you mean `length`?",
        );
        check(
            "$rwo.id",
            "unknown variable at character 1, `$rwo`; did you mean `$row`?",
        );
        check("env.HOME", "unknown filter at character 1, `env`");
        check("$ENV", "unknown variable");
        check(".a[", "expected closing bracket at its end");
        check(".a | | .b", "at character 6");
        check("if . then 1", "expected else or end at its end");
        check("map(1; 2)", "unknown filter with 2 arguments");
        check(" ", "is empty");
        check("import \"a\" as a; .", "cannot load modules");
    }
}
