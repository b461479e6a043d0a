//! What of a record goes into the columns of a SQLite table. Pure.

use std::borrow::Cow;

use inflight::{Fault, Record};
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::columns::{Columns, index_is_own};
use crate::payload::Payload;
use crate::row::Value;

/// The values of a row, that which tells it from others first, instead of those of the row before.
pub(super) fn row<'a>(
    columns: &'a Columns,
    record: &'a Record<Payload>,
    row: &mut Vec<Cell<'a>>,
) -> Result<(), Fault> {
    row.clear();
    let is_keyed = columns.is_keyed();
    if !is_keyed {
        row.push(Cell::Integer(record.index.cast_signed()));
    }
    if columns.is_default() {
        let key = record.value.key_text().map(Cow::Borrowed);
        row.extend(key.filter(|_| is_keyed).map(Cell::Text));
        row.push(Cell::of_bytes(record.value.bytes()));
        return Ok(());
    }
    let identity = columns.identity().map_err(Fault::permanent)?;
    for (name, value) in columns.names().zip(columns.cells(record)?) {
        match name {
            "index" if !is_keyed => index_is_own(&value, record.index)?,
            name if is_keyed && name == identity => row.insert(0, Cell::of_value(value)),
            _ => row.push(Cell::of_value(value)),
        }
    }
    Ok(())
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
