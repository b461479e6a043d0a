//! What is saved of an item, and under which names: the one rule for lines of JSON, CSV, JSON bodies and tables.
//!
//! A column is a field of the row, the index, the key or the result of the item, or what a filter makes of the result. Without
//! columns it is index and result.

mod by_key;
mod filled;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use inflight::{Fault, Record};

use self::filled::Filled;
use crate::error::Error;
use crate::jq::{Jq, JqInput, text_in};
use crate::jsonl::write_text;
use crate::nearest::nearest;
use crate::payload::Payload;
use crate::range::{DIGITS_MAX, decimal};
use crate::row::Value;

/// One value of a column.
pub type Cell<'a> = Value<'a>;

/// The columns of what is saved, as typed: `id,answer=.choices[0].message.content`.
///
/// ```
/// use inflight::Record;
/// use inflight_connectors::{Columns, Payload};
///
/// let columns = Columns::parse("index,length=length")?;
/// let mut line = Vec::new();
/// columns.write_json(&Record::new(7, Payload::read("abc")), &mut line).unwrap();
/// assert_eq!(line, br#"{"index":7,"length":3}"#);
/// # Ok::<(), inflight_connectors::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    columns: Vec<Column>,
    /// Whether nothing was typed.
    is_default: bool,
    /// Whether items are known by keys.
    is_keyed: bool,
    /// Which of them tells one row of a table from another, where items are known by keys.
    key: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    from: From,
    filled: Arc<Filled>,
}

/// Where the values of a column come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Index,
    Result,
    Key,
    Field,
    Jq(Jq),
}

/// What a name without a filter means besides a field of the row.
const KNOWN: [&str; 3] = ["index", "result", "key"];

impl Default for Columns {
    /// `index,result`.
    fn default() -> Columns {
        let column = |name: &str, from| Column::new(name.into(), from);
        Columns {
            columns: vec![column("index", From::Index), column("result", From::Result)],
            is_default: true,
            is_keyed: false,
            key: None,
        }
    }
}

impl Columns {
    /// Reads names and `NAME=FILTER`, with commas between them; commas in brackets and quotes are of the filter.
    ///
    /// # Errors
    /// A sentence that names the column at fault.
    pub fn parse(text: &str) -> Result<Columns, Error> {
        let mut columns = Vec::new();
        let mut names = HashSet::new();
        for part in split(text) {
            let column = Column::parse(part.trim())?;
            if !names.insert(column.name.clone()) {
                return Err(format!("column `{}` is there twice", column.name).into());
            }
            columns.push(column);
        }
        Ok(Columns {
            columns,
            is_default: false,
            is_keyed: false,
            key: None,
        })
    }

    /// The names, in their order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Whether nothing was typed, so that it is `index,result`.
    pub fn is_default(&self) -> bool {
        self.is_default
    }

    /// The columns whose filter has found nothing but null so far, each with its filter; none of them may be meant to.
    pub fn empty(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.iter().filter_map(|column| match &column.from {
            From::Jq(jq) if !column.filled.is_set() => {
                Some((column.name.as_str(), jq.expression()))
            }
            _ => None,
        })
    }

    /// Whether every column can be made of items with these fields; `is_result` where the item itself is saved, so that `.` of a
    /// filter is its row.
    ///
    /// # Errors
    /// Names the column that is no field, or whose filter asks for one that is none, and the nearest one; or that could mean two things.
    pub fn check(&self, fields: &[String], is_result: bool) -> Result<(), Error> {
        if self.is_default {
            return Ok(());
        }
        let has = |name: &str| fields.iter().any(|field| field == name);
        for Column { name, from, .. } in &self.columns {
            match from {
                From::Jq(jq) => jq
                    .check_fields(fields, is_result)
                    .map_err(|why| format!("column `{name}`: {why}"))?,
                From::Field if has(name) => {}
                From::Field if fields.is_empty() => {
                    return Err(format!(
                        "column `{name}`: the items of this input have no fields; for a part of the answer or result write \
                         {name}=.{name}"
                    )
                    .into());
                }
                From::Field => {
                    let known: Vec<&str> = fields.iter().map(String::as_str).chain(KNOWN).collect();
                    let guess = nearest(name, &known);
                    let guess =
                        guess.map_or(";".into(), |guess| format!("; did you mean `{guess}`?"));
                    return Err(format!(
                        "column `{name}` is no field of the input{guess} fields: {}",
                        fields.join(", ")
                    )
                    .into());
                }
                From::Index | From::Result | From::Key if has(name) => {
                    return Err(two_meanings(name).into());
                }
                From::Index | From::Result | From::Key => {}
            }
        }
        Ok(())
    }

    /// The values of one record, in the order of the columns.
    ///
    /// # Errors
    /// Permanent, naming the column: a field that the row lacks, a filter that fails, a result that is no text.
    pub fn cells<'a>(&'a self, record: &'a Record<Payload>) -> Result<Vec<Cell<'a>>, Fault> {
        let input = JqInput::of(record);
        self.cells_of(record, &input)
    }

    /// The same with something else as `.` of filters, such as an answer with its status.
    ///
    /// # Errors
    /// As [`Columns::cells`].
    pub fn cells_of<'a>(
        &'a self,
        record: &'a Record<Payload>,
        input: &JqInput<'_>,
    ) -> Result<Vec<Cell<'a>>, Fault> {
        let cells = self.columns.iter();
        cells
            .map(|column| self.cell(column, record, input))
            .collect()
    }

    fn cell<'a>(
        &self,
        column: &Column,
        record: &'a Record<Payload>,
        input: &JqInput<'_>,
    ) -> Result<Cell<'a>, Fault> {
        let name = &column.name;
        let field = || record.value.row.as_ref()?.field(name);
        if !self.is_default
            && matches!(column.from, From::Index | From::Result | From::Key)
            && field().is_some()
        {
            return Err(fault(two_meanings(name)));
        }
        match &column.from {
            From::Index => Ok(Value::Json(Cow::Owned(record.index.to_string()))),
            From::Key => Ok(Value::Text(match record.value.key_text() {
                Some(key) => Cow::Borrowed(key),
                None => Cow::Owned(format!("{:032x}", record.value.key)),
            })),
            From::Result => result_of(&record.value),
            From::Field => field().ok_or_else(|| fault(lacks(name, &record.value))),
            From::Jq(jq) => {
                let json = jq.one(input)?;
                if json != "null" {
                    column.filled.set();
                }
                Ok(match text_in(&json) {
                    Some(text) => Value::Text(Cow::Owned(text)),
                    None if json == "null" => Value::Null,
                    None => Value::Json(Cow::Owned(json)),
                })
            }
        }
    }

    /// Appends the record as a flat JSON object, without a line end; leaves the buffer as it was when it fails.
    ///
    /// # Errors
    /// As [`Columns::cells`].
    pub fn write_json(&self, record: &Record<Payload>, buffer: &mut Vec<u8>) -> Result<(), Fault> {
        self.write_json_of(record, &JqInput::of(record), buffer)
    }

    /// The same with something else as `.` of filters, such as an answer with its status.
    ///
    /// # Errors
    /// As [`Columns::cells`].
    pub fn write_json_of(
        &self,
        record: &Record<Payload>,
        input: &JqInput<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        if self.is_default {
            return write(record, buffer);
        }
        let cells = self.cells_of(record, input)?;
        write_object(self.names().zip(&cells), buffer);
        Ok(())
    }

    /// Appends the record as a line of CSV with this delimiter, with its end, and with this as `.` of filters; leaves the buffer as it
    /// was when it fails.
    ///
    /// # Errors
    /// As [`Columns::cells`].
    pub fn write_csv(
        &self,
        record: &Record<Payload>,
        input: &JqInput<'_>,
        delimiter: u8,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let cells = self.cells_of(record, input)?;
        let texts = cells.iter().map(|cell| match cell {
            Value::Null => "",
            Value::Text(text) | Value::Json(text) => text,
        });
        write_values(texts, delimiter, buffer);
        Ok(())
    }

    /// The line of CSV that names the columns.
    pub fn csv_header(&self, delimiter: u8) -> Vec<u8> {
        let mut line = Vec::new();
        write_values(self.names(), delimiter, &mut line);
        line
    }
}

impl Column {
    fn new(name: String, from: From) -> Column {
        Column {
            name,
            from,
            filled: Arc::default(),
        }
    }

    fn parse(text: &str) -> Result<Column, String> {
        let (name, filter) = match text.split_once('=') {
            Some((name, filter)) => (name.trim(), Some(filter.trim())),
            None => (text, None),
        };
        if name.is_empty() {
            return Err(match text {
                "" => "a column has no name; write it as NAME or NAME=FILTER".into(),
                _ => format!(
                    "column `{text}` has no name; write it as NAME={}",
                    text.trim_start_matches('=')
                ),
            });
        }
        if name.starts_with(['.', '$']) {
            return Err(format!(
                "column `{text}` has no name; write it as NAME={text}, in ( ) where it holds commas"
            ));
        }
        let from = match filter {
            Some(filter) => From::Jq(Jq::compile(filter).map_err(|why| {
                let is_name = filter.chars().all(|c| c.is_alphanumeric() || c == '_');
                match is_name {
                    true => format!(
                        "column `{name}`: {why}; write {name}=$row.{filter} for the field {filter}"
                    ),
                    false => format!("column `{name}`: {why}"),
                }
            })?),
            None => match name {
                "index" => From::Index,
                "result" => From::Result,
                "key" => From::Key,
                _ => From::Field,
            },
        };
        Ok(Column::new(name.to_owned(), from))
    }
}

/// The parts between commas that are in no brackets and no quotes.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth, mut is_text, mut is_escaped) = (0, 0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'(' | b'[' | b'{' if !is_text => depth += 1,
            b')' | b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            b',' if !is_text && depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Whether a cell is the index of its item: where tables know their rows by it, nothing else can stand there.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn index_is_own(cell: &Cell<'_>, index: u64) -> Result<(), Fault> {
    match cell {
        Value::Json(json) if json.parse() == Ok(index) => Ok(()),
        _ => Err(fault(
            "column `index` is the number of the item, by which the table knows its row; name `index` without a filter".into(),
        )),
    }
}

/// Appends these names and values as a flat JSON object.
pub(crate) fn write_object<'a>(
    cells: impl Iterator<Item = (&'a str, &'a Cell<'a>)>,
    buffer: &mut Vec<u8>,
) {
    buffer.push(b'{');
    for (place, (name, cell)) in cells.enumerate() {
        if place > 0 {
            buffer.push(b',');
        }
        write_text(name, buffer);
        buffer.push(b':');
        match cell {
            Value::Null => buffer.extend_from_slice(b"null"),
            Value::Text(text) => write_text(text, buffer),
            Value::Json(json) => buffer.extend_from_slice(json.as_bytes()),
        }
    }
    buffer.push(b'}');
}

/// A row of a table for whoever wants to see it first, as an object.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn shown<'a>(cells: impl Iterator<Item = (&'a str, &'a Cell<'a>)>) -> String {
    let mut row = Vec::new();
    write_object(cells, &mut row);
    String::from_utf8_lossy(&row).into_owned()
}

/// What is shown of bytes that are no text.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn shown_bytes(bytes: &[u8]) -> Cell<'static> {
    Value::Text(format!("{} bytes that are no text", bytes.len()).into())
}

fn result_of(payload: &Payload) -> Result<Cell<'_>, Fault> {
    let text = text_of(payload)?;
    Ok(match payload.is_json() {
        true if text.trim() == "null" => Value::Null,
        true => Value::Json(Cow::Borrowed(text)),
        false => Value::Text(Cow::Borrowed(text)),
    })
}

fn text_of(payload: &Payload) -> Result<&str, Fault> {
    std::str::from_utf8(payload.bytes()).map_err(|_| {
        Fault::permanent("result is not UTF-8 text; use sqlite: or http: with a raw body")
    })
}

fn two_meanings(name: &str) -> String {
    format!(
        "column `{name}` is a field of the input and a name of inflight's own; write it as {name}=$row.{name}, or as another \
         name with a filter"
    )
}

fn lacks(name: &str, payload: &Payload) -> String {
    let Some(row) = &payload.row else {
        return format!(
            "column `{name}`: the item has no fields; use index, result, key or NAME=FILTER"
        );
    };
    let names = row.names();
    let known: Vec<&str> = names.iter().map(|name| &**name).collect();
    match nearest(name, &known) {
        Some(guess) => format!("column `{name}` is no field of the item; did you mean `{guess}`?"),
        None => format!("column `{name}` is no field of the item"),
    }
}

fn fault(why: String) -> Fault {
    Fault::permanent(why).counted_as("a column that cannot be made")
}

/// Appends the beginning of a JSON object that says which record it is about: `{"index":7`, or `{"key":"a"`.
pub(crate) fn write_name(record: &Record<Payload>, buffer: &mut Vec<u8>) {
    match record.value.key_text() {
        Some(key) => {
            buffer.extend_from_slice(b"{\"key\":");
            write_text(key, buffer);
        }
        None => {
            buffer.extend_from_slice(b"{\"index\":");
            buffer.extend_from_slice(decimal(record.index, &mut [0; DIGITS_MAX]));
        }
    }
}

/// Appends the record as `{"index":I,"result":"R"}`, or with its key instead of the index, without a line end; leaves the buffer as it was when it fails. A result that
/// is the JSON of a value stands there as that value.
///
/// Fails permanently when the result is not UTF-8, the only text that JSON knows.
pub(crate) fn write(record: &Record<Payload>, buffer: &mut Vec<u8>) -> Result<(), Fault> {
    let text = text_of(&record.value)?;
    write_name(record, buffer);
    buffer.extend_from_slice(b",\"result\":");
    if record.value.is_json() {
        buffer.extend_from_slice(text.as_bytes());
    } else {
        write_text(text, buffer);
    }
    buffer.push(b'}');
    Ok(())
}

/// Appends a line of CSV. Values are quoted where readers would take them for something else.
fn write_values<'a>(
    values: impl ExactSizeIterator<Item = &'a str>,
    delimiter: u8,
    buffer: &mut Vec<u8>,
) {
    let is_alone = values.len() == 1;
    for (place, value) in values.enumerate() {
        if place > 0 {
            buffer.push(delimiter);
        }
        let is_special = |byte: u8| byte == delimiter || matches!(byte, b'"' | b'\r' | b'\n');
        // A line with nothing on it is no record, and a mark at the beginning of a file is none of its text.
        let must = value.bytes().any(is_special)
            || (is_alone && value.is_empty())
            || value.starts_with('\u{feff}');
        if must {
            buffer.push(b'"');
            buffer.extend_from_slice(value.replace('"', "\"\"").as_bytes());
            buffer.push(b'"');
        } else {
            buffer.extend_from_slice(value.as_bytes());
        }
    }
    buffer.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;

    fn record(row: &str, result: &str) -> Record<Payload> {
        let read = Payload::of_row(0xab, Row::json(row.to_owned()).unwrap());
        Record::new(7, read.becomes(result.to_owned()))
    }

    fn json(columns: &str, record: &Record<Payload>) -> Result<String, String> {
        let mut buffer = Vec::new();
        let columns = Columns::parse(columns).map_err(|why| why.to_string())?;
        let wrote = columns.write_json(record, &mut buffer);
        wrote.map_err(|fault| fault.to_string())?;
        Ok(String::from_utf8(buffer).unwrap())
    }

    #[test]
    fn without_columns_it_is_index_and_result() {
        let columns = Columns::default();
        let mut buffer = Vec::new();
        columns
            .write_json(&Record::new(7, Payload::read("a\"\n")), &mut buffer)
            .unwrap();
        assert_eq!(buffer, br#"{"index":7,"result":"a\"\n"}"#);
        let bad = Record::new(7, Payload::read(&b"\xff"[..]));
        let fault = columns.write_json(&bad, &mut buffer).unwrap_err();
        assert!(fault.to_string().contains("not UTF-8"));
        assert_eq!(buffer.len(), 28);
        buffer.clear();
        let value = Payload::read("7").becomes_json("{\"a\": [1]}");
        columns
            .write_json(&Record::new(8, value), &mut buffer)
            .unwrap();
        assert_eq!(buffer, br#"{"index":8,"result":{"a": [1]}}"#);
        let row = record(r#"{"index": 1}"#, "x");
        buffer.clear();
        columns.write_json(&row, &mut buffer).unwrap();
        assert_eq!(buffer, br#"{"index":7,"result":"x"}"#);
    }

    #[test]
    fn columns_are_fields_and_filters() {
        let one = record(
            r#"{"id": 1.50, "name": "A\"", "no": null, "a": {"b": [1]}}"#,
            r#"{"t": "x,y", "n": 3}"#,
        );
        let check = |columns: &str, expected: &str| {
            assert_eq!(json(columns, &one).unwrap(), expected, "{columns}")
        };
        check("id,name,no", r#"{"id":1.50,"name":"A\"","no":null}"#);
        check("a.b, index", r#"{"a.b":[1],"index":7}"#);
        check("key", r#"{"key":"000000000000000000000000000000ab"}"#);
        check("result", r#"{"result":"{\"t\": \"x,y\", \"n\": 3}"}"#);
        check(
            "t=.t,m=.m,n=[.n, 1],r=$row.name",
            r#"{"t":"x,y","m":null,"n":[3,1],"r":"A\""}"#,
        );
        check(
            "x=.t | split(\",\") | .[0], y=\"a,b\"",
            r#"{"x":"x","y":"a,b"}"#,
        );
        check("x=(.n == 3),y=$index", r#"{"x":true,"y":7}"#);
    }

    #[test]
    fn what_is_no_column_is_refused() {
        let refused = |columns: &str, part: &str| {
            let why = Columns::parse(columns).unwrap_err();
            assert!(why.to_string().contains(part), "{columns}: {why}");
        };
        refused("", "no name");
        refused("a,,b", "no name");
        refused("a,.x", "write it as NAME=.x");
        refused("=.x", "write it as NAME=.x");
        refused("a,b,a", "`a` is there twice");
        refused("a=b", "write a=$row.b for the field b");
        refused("a=.x | lenth", "did you mean `length`");
        let fields = ["id".to_owned(), "index".to_owned(), "question".to_owned()];
        let check = |columns: &str| Columns::parse(columns).unwrap().check(&fields, false);
        assert_eq!(check("id,result,x=.y"), Ok(()));
        assert_eq!(check("x=$row.id + .y"), Ok(()));
        let why = check("x=$row.questoin").unwrap_err().to_string();
        assert!(why.contains("did you mean `question`"), "{why}");
        let own = Columns::parse("x=.questoin | length").unwrap();
        let why = own.check(&fields, true).unwrap_err().to_string();
        assert!(why.contains("did you mean `question`"), "{why}");
        assert!(
            check("questoin")
                .unwrap_err()
                .to_string()
                .contains("did you mean `question`? fields: id, index")
        );
        assert!(
            check("index")
                .unwrap_err()
                .to_string()
                .contains("index=$row.index")
        );
        assert_eq!(Columns::default().check(&fields, true), Ok(()));
    }

    #[test]
    fn a_column_that_was_always_empty_is_known() {
        let columns = Columns::parse("id,a=.a,b=.b,n=$index").unwrap();
        let copy = columns.clone();
        for result in [r#"{"a": null}"#, r#"{"a": 0}"#] {
            copy.cells(&record(r#"{"id": 1}"#, result)).unwrap();
        }
        let empty: Vec<_> = columns.empty().collect();
        assert_eq!(empty, [("b", ".b")]);
    }

    #[test]
    fn an_item_that_lacks_a_column_is_bad() {
        let one = record(r#"{"id": 1, "key": 2}"#, "x");
        let refused = |columns: &str, part: &str| {
            let why = json(columns, &one).unwrap_err();
            assert!(why.contains(part), "{columns}: {why}");
        };
        refused("idd", "did you mean `id`");
        refused("key", "key=$row.key");
        refused("a=.[0].b[]", "jq filter `.[0].b[]`");
        let plain = Record::new(0, Payload::read("x"));
        assert!(json("id", &plain).unwrap_err().contains("no fields"));
        assert_eq!(json("a=.", &plain).unwrap(), r#"{"a":"x"}"#);
    }

    #[test]
    fn csv_is_quoted_where_it_must_be() {
        let columns = Columns::parse("a,b=.").unwrap();
        assert_eq!(columns.csv_header(b','), b"a,b\n");
        let check = |a: &str, b: &str, delimiter: u8, expected: &str| {
            let row = serde_json::json!({ "a": a }).to_string();
            let record = record(&row, b);
            let mut line = Vec::new();
            columns
                .write_csv(&record, &JqInput::of(&record), delimiter, &mut line)
                .unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), expected);
        };
        check("1", "x y", b',', "1,x y\n");
        check("a,b", "say \"hi\"", b',', "\"a,b\",\"say \"\"hi\"\"\"\n");
        check("a,b", "c\td", b'\t', "a,b\t\"c\td\"\n");
        check("two\nlines", "null", b',', "\"two\nlines\",\n");
        check("", "[1,\"é\"]", b',', ",\"[1,\"\"é\"\"]\"\n");
        let alone = Columns::parse("a").unwrap();
        let empty = record(r#"{"a":""}"#, "");
        let mut line = Vec::new();
        alone
            .write_csv(&empty, &JqInput::of(&empty), b',', &mut line)
            .unwrap();
        assert_eq!(line, b"\"\"\n");
    }
}
