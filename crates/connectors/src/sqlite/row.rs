//! What of a record goes into the columns of a SQLite table. Pure.

use std::borrow::Cow;

use inflight::{Fault, Record};
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::columns::{Columns, index_is_own, shown, shown_bytes};
use crate::payload::Payload;
use crate::row::Value;
use crate::row_key::no_key;

/// The values of a row, that by which it is known first, instead of those of the row before: the index, or the value of `key`.
pub(super) fn row<'a>(
    columns: &'a Columns,
    key: Option<&str>,
    record: &'a Record<Payload>,
    row: &mut Vec<Cell<'a>>,
) -> Result<(), Fault> {
    row.clear();
    row.push(Cell::Integer(record.index.cast_signed()));
    if columns.is_default() {
        row.push(Cell::of_bytes(record.value.bytes()));
        return Ok(());
    }
    for (name, value) in columns.names().zip(columns.cells(record)?) {
        match key {
            Some(key) if key == name && value == Value::Null => return Err(no_key(key)),
            Some(key) if key == name => row[0] = Cell::of_value(value),
            None if name == "index" => index_is_own(&value, record.index)?,
            _ => row.push(Cell::of_value(value)),
        }
    }
    Ok(())
}

/// The row of a record for whoever wants to see it first: an object, with the values as SQLite keeps them.
pub(super) fn preview(
    columns: &Columns,
    key: Option<&str>,
    record: &Record<Payload>,
) -> Result<String, Fault> {
    let mut cells = Vec::new();
    row(columns, key, record, &mut cells)?;
    let first = key.unwrap_or("index");
    let others = columns.names().filter(|name| *name != first);
    let names: Vec<&str> = std::iter::once(first).chain(others).collect();
    let values: Vec<Value<'_>> = cells.into_iter().map(Cell::shown).collect();
    Ok(shown(names.into_iter().zip(&values)))
}

/// A value as SQLite keeps it.
pub(super) enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Blob(&'a [u8]),
}

impl<'a> Cell<'a> {
    /// TEXT if it is UTF-8, else BLOB.
    fn of_bytes(bytes: &'a [u8]) -> Cell<'a> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Cell::Text(Cow::Borrowed(text)),
            Err(_) => Cell::Blob(bytes),
        }
    }

    fn shown(self) -> Value<'a> {
        match self {
            Cell::Null => Value::Null,
            Cell::Integer(integer) => Value::Json(integer.to_string().into()),
            Cell::Real(real) => Value::Json(real.to_string().into()),
            Cell::Text(text) => Value::Text(text),
            Cell::Blob(bytes) => shown_bytes(bytes),
        }
    }

    /// A number as a number, where SQLite has it exactly; true and false as 1 and 0, arrays and objects as their JSON.
    fn of_value(value: Value<'a>) -> Cell<'a> {
        match value {
            Value::Null => Cell::Null,
            Value::Text(text) => Cell::Text(text),
            Value::Json(json) => match &*json {
                "true" => Cell::Integer(1),
                "false" => Cell::Integer(0),
                number => match (number.parse(), number.parse::<f64>()) {
                    (Ok(integer), _) => Cell::Integer(integer),
                    (_, Ok(real)) if number.contains(['.', 'e', 'E']) && real.is_finite() => {
                        Cell::Real(real)
                    }
                    _ => Cell::Text(json),
                },
            },
        }
    }
}

/// As it is shown in a message.
impl std::fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cell::Null => f.write_str("NULL"),
            Cell::Integer(integer) => integer.fmt(f),
            Cell::Real(real) => real.fmt(f),
            Cell::Text(text) => text.fmt(f),
            Cell::Blob(bytes) => write!(f, "of {} bytes", bytes.len()),
        }
    }
}

/// Bound without a copy.
impl rusqlite::ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Null => ValueRef::Null,
            Cell::Integer(integer) => ValueRef::Integer(*integer),
            Cell::Real(real) => ValueRef::Real(*real),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
            Cell::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_numbers_where_sqlite_has_them_exactly() {
        let check = |json: &str, expected: ValueRef<'_>| {
            let cell = Cell::of_value(Value::Json(Cow::Borrowed(json)));
            let bound = rusqlite::ToSql::to_sql(&cell).unwrap();
            assert_eq!(bound, ToSqlOutput::Borrowed(expected), "{json}");
        };
        check("7", ValueRef::Integer(7));
        check("9223372036854775807", ValueRef::Integer(i64::MAX));
        check(
            "9223372036854775808",
            ValueRef::Text(b"9223372036854775808"),
        );
        check("1.5", ValueRef::Real(1.5));
        check("1e999", ValueRef::Text(b"1e999"));
        check("true", ValueRef::Integer(1));
        check("[1]", ValueRef::Text(b"[1]"));
        check("{\"a\":1}", ValueRef::Text(b"{\"a\":1}"));
    }
}
