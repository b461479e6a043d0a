//! What went wrong in code of Python's, as a fault with its verdict; and a fault, as Python is told of it.

use std::time::Duration;

use inflight::{Fault, Step, Verdict};
use inflight_connectors::Raised;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::{objects, values};

/// What Python says of an exception. `verdict` is a word; which one is decided there, where the types are known.
#[derive(FromPyObject)]
pub(crate) struct Wrong {
    verdict: String,
    name: String,
    message: String,
    traceback: String,
    error: Py<PyAny>,
    after: Option<f64>,
    quota: bool,
}

impl Wrong {
    /// The fault that it is.
    pub(crate) fn fault(self) -> PyResult<Fault> {
        let raised = Raised {
            name: self.name.clone(),
            message: self.message,
            traceback: self.traceback,
            object: Some(objects::keep(self.error)),
        };
        let what = format!("raised {}", self.name);
        let fault = match self.verdict.as_str() {
            "permanent" => Fault::permanent(what),
            "transient" => Fault::transient(what),
            "overload" => Fault::overload(what),
            "in doubt" => Fault::in_doubt(what),
            "unreached" => Fault::unreached(what),
            "stop" => {
                let trace = &raised.traceback;
                Fault::stops_run(format!("every item so far {what}; the first says\n{trace}"))
            }
            other => return Err(PyValueError::new_err(format!("no verdict: {other}"))),
        };
        let fault = fault.because(raised).counted_as(self.name);
        let fault = if self.quota { fault.by_quota() } else { fault };
        let after = self
            .after
            .and_then(|after| Duration::try_from_secs_f64(after).ok());
        Ok(match after {
            Some(after) => fault.retry_after(after),
            None => fault,
        })
    }
}

/// An item that was given up.
#[derive(Clone)]
pub(crate) struct Letter {
    pub(crate) index: u64,
    pub(crate) step: Step,
    pub(crate) attempts: u16,
    pub(crate) fault: Fault,
}

/// A letter as Python is told of it: index, step, attempts, verdict, message, type, traceback, kind and value of the error.
type Told<'py> = (
    u64,
    &'static str,
    u16,
    &'static str,
    String,
    Option<String>,
    String,
    Option<(u8, Bound<'py, PyAny>)>,
);

impl Letter {
    pub(crate) fn told<'py>(&self, py: Python<'py>) -> Told<'py> {
        let raised = self
            .fault
            .source()
            .and_then(|cause| cause.downcast_ref::<Raised>());
        let object = raised.and_then(|raised| raised.object.as_deref());
        (
            self.index,
            self.step.name(),
            self.attempts,
            verdict_of(&self.fault),
            self.fault.to_string(),
            raised.map(|raised| raised.name.clone()),
            raised.map_or_else(String::new, |raised| raised.traceback.clone()),
            object.map(|object| values::of_object(py, object)),
        )
    }
}

fn verdict_of(fault: &Fault) -> &'static str {
    match fault.verdict() {
        Verdict::Permanent => "permanent",
        Verdict::Transient => "transient",
        Verdict::Overload => "overload",
        Verdict::InDoubt => "in doubt",
        Verdict::Unreached => "unreached",
    }
}
