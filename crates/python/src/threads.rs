//! Code of Python's that computes in this process, on the threads of the engine: for code that lets go of the interpreter.

use std::sync::Arc;

use inflight::{Fault, Record, Reply};
use inflight_cli::embed::Computing;
use inflight_connectors::Payload;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::fault::Wrong;
use crate::values;

/// Computes with a function of Python's that takes a list of `(kind, value)` and gives one of `(is done, value or exception)`.
pub(crate) fn computing(function: Py<PyAny>) -> Computing {
    Arc::new(move |bulk: &[Record<Payload>]| {
        let answered = Python::attach(|py| many(function.bind(py), bulk));
        answered.map_err(|error| Fault::permanent(error.to_string()))
    })
}

fn many(function: &Bound<'_, PyAny>, bulk: &[Record<Payload>]) -> PyResult<Reply<Payload>> {
    let py = function.py();
    let items = PyList::empty(py);
    for record in bulk {
        items.append(values::shown(py, &record.value)?)?;
    }
    let answers = function.call1((items,))?.cast_into::<PyList>()?;
    let mut outcomes = Vec::with_capacity(bulk.len());
    for (record, answer) in bulk.iter().zip(answers) {
        let (is_done, value): (bool, Bound<'_, PyAny>) = answer.extract()?;
        outcomes.push(match is_done {
            true => Ok(values::became(record.value.clone(), &value)?),
            false => Err(value.extract::<Wrong>()?.fault()?),
        });
    }
    Ok(Reply::Each(outcomes))
}
