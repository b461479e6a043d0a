//! Values between Python and the engine: bytes that Rust reads, pickles for another process, and objects that stay here.

use bytes::Bytes;
use inflight::Fault;
use inflight_connectors::{Payload, Row};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyTuple};

use crate::objects;

/// Longer bytes are shared with Python instead of copied.
const SHARED_FROM: usize = 4 << 10;

/// What a value is, as Python says it and is told it.
mod kind {
    pub(super) const TEXT: u8 = 0;
    pub(super) const JSON: u8 = 1;
    pub(super) const PICKLE: u8 = 2;
    pub(super) const OBJECT: u8 = 3;
}

/// A value as Python gives it: a pickle as `bytes`, anything else as `(kind, value, key)`.
pub(crate) enum Given {
    Text(Bytes),
    Json(Bytes),
    /// A pickle, or the number of an object.
    Object(Bytes),
}

/// The bytes of a Python object, shared if that pays.
fn bytes_of(value: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    let bytes: PyBackedBytes = value.extract()?;
    Ok(match bytes.len() {
        ..SHARED_FROM => Bytes::copy_from_slice(&bytes),
        _ => Bytes::from_owner(bytes),
    })
}

/// Reads a value, with what it is known by, where that is not the value itself.
pub(crate) fn read(value: &Bound<'_, PyAny>) -> PyResult<(Given, Option<Bytes>)> {
    if value.is_instance_of::<PyBytes>() {
        return Ok((Given::Object(bytes_of(value)?), None));
    }
    let parts = value.cast::<PyTuple>()?;
    let (what, value) = (parts.get_item(0)?, parts.get_item(1)?);
    let key = parts.get_item(2)?;
    let key = match key.is_none() {
        true => None,
        false => Some(bytes_of(&key)?),
    };
    let given = match what.extract::<u8>()? {
        kind::TEXT => Given::Text(bytes_of(&value)?),
        kind::JSON => Given::Json(bytes_of(&value)?),
        kind::PICKLE => Given::Object(bytes_of(&value)?),
        kind::OBJECT => Given::Object(objects::keep(value.unbind())),
        other => return Err(PyTypeError::new_err(format!("no kind of value: {other}"))),
    };
    Ok((given, key))
}

/// An item that Python gave: a value, with its fields in JSON behind it where a service gets to know them.
pub(crate) fn item(value: &Bound<'_, PyAny>) -> PyResult<Result<Payload, Fault>> {
    let (given, key) = read(value)?;
    let key = |bytes: &Bytes| Payload::key_of(key.as_ref().unwrap_or(bytes));
    let fields = match value.cast::<PyTuple>() {
        Ok(parts) => Some(parts.get_item(3)?).filter(|fields| !fields.is_none()),
        Err(_) => None,
    };
    let fields = fields.map(|fields| bytes_of(&fields)).transpose()?;
    let row_of = |json: Bytes| Row::json(json).map_err(|why| Fault::permanent(why.to_string()));
    Ok(match given {
        Given::Text(text) => Ok(Payload::read(text)),
        Given::Json(json) => {
            let key = key(&json);
            row_of(json).map(|row| Payload::of_row(key, row))
        }
        Given::Object(bytes) => match fields {
            Some(fields) => {
                let row = row_of(fields);
                row.map(|row| Payload::of_row(key(&bytes), row).becomes_object(bytes))
            }
            None => Ok(Payload::of_object(key(&bytes), bytes)),
        },
    })
}

/// What an item has become, as Python says.
pub(crate) fn became(before: Payload, value: &Bound<'_, PyAny>) -> PyResult<Payload> {
    Ok(match read(value)?.0 {
        Given::Text(text) => before.becomes(text),
        Given::Json(json) => before.becomes_json(json),
        Given::Object(bytes) => before.becomes_object(bytes),
    })
}

/// A value for Python: what it is, and its bytes or the object itself.
pub(crate) fn shown<'py>(py: Python<'py>, value: &Payload) -> PyResult<(u8, Bound<'py, PyAny>)> {
    let bytes = value.bytes();
    if value.is_object() {
        return Ok(of_object(py, bytes));
    }
    let what = match value.is_json() || value.is_row() {
        true => kind::JSON,
        false => kind::TEXT,
    };
    Ok((what, PyBytes::new(py, bytes).into_any()))
}

/// The same of the bytes of an object.
pub(crate) fn of_object<'py>(py: Python<'py>, bytes: &[u8]) -> (u8, Bound<'py, PyAny>) {
    match objects::find(py, bytes) {
        Some(object) => (kind::OBJECT, object.into_bound(py)),
        None => (kind::PICKLE, PyBytes::new(py, bytes).into_any()),
    }
}
