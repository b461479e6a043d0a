//! Items of Python's: a thread of Python's pulls them from an iterable, the engine's source takes what is there.
//!
//! The source waits without the interpreter. What was pulled is never held back by what is still to come.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use inflight::{Fault, Source, Stop};
use inflight_connectors::{Payload, Raised, Supply};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::objects;
use crate::values;

/// How often a source that waits looks whether the run ends.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Wakes the engine's source, and the thread that pulls.
#[pyclass(frozen)]
#[derive(Default)]
pub(crate) struct Signal(Arc<Flags>);

#[derive(Default)]
struct Flags {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    has_items: bool,
    has_room: bool,
    is_over: bool,
}

impl Flags {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, LOOK_EVERY);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[pymethods]
impl Signal {
    #[new]
    fn new() -> Signal {
        Signal::default()
    }

    /// Says that there is something to take.
    fn has_items(&self) {
        self.0.lock().has_items = true;
        self.0.changed.notify_all();
    }

    /// Waits until what was pulled has been taken; false when nobody takes anything any more.
    fn wait_for_room(&self, py: Python<'_>) -> bool {
        py.detach(|| {
            let mut state = self.0.lock();
            while !state.has_room && !state.is_over {
                state = self.0.wait(state);
            }
            state.has_room = false;
            !state.is_over
        })
    }

    /// Whether nobody takes anything any more.
    fn is_over(&self) -> bool {
        self.0.lock().is_over
    }
}

/// A source of Python's: an object that says its name, opens, and knows whether it is what it was.
pub(crate) struct Given {
    pub(crate) source: Py<PyAny>,
    pub(crate) stop: Stop,
}

impl Given {
    fn ask<T>(&self, ask: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> PyResult<T> {
        Python::attach(|py| ask(self.source.bind(py)))
    }
}

impl Supply for Given {
    fn name(&self) -> String {
        let name = self.ask(|source| source.call_method0("name")?.extract());
        name.unwrap_or_else(|_| "the items".to_owned())
    }

    fn open(&self) -> io::Result<Box<dyn Source<Item = Payload>>> {
        let opened = self.ask(|source| {
            let feed = source.call_method0("open")?;
            let signal: Bound<'_, Signal> = feed.getattr("signal")?.cast_into()?;
            Ok(Pulling {
                flags: Arc::clone(&signal.get().0),
                remaining: source.call_method0("remaining")?.extract()?,
                feed: feed.unbind(),
                stop: self.stop.clone(),
                taken: VecDeque::new(),
                is_ended: false,
            })
        });
        let pulling = opened.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Box::new(pulling))
    }

    fn fingerprint(&self) -> Option<String> {
        let print = self.ask(|source| source.call_method0("fingerprint")?.extract());
        print.unwrap_or(None)
    }

    fn continues(&self, earlier: &str) -> Result<(), String> {
        let why: PyResult<Option<String>> =
            self.ask(|source| source.call_method1("continues", (earlier,))?.extract());
        match why {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(why),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The engine's end.
struct Pulling {
    feed: Py<PyAny>,
    flags: Arc<Flags>,
    stop: Stop,
    /// Taken from Python and not handed over yet; as much as one turn brings.
    taken: VecDeque<Result<Payload, Fault>>,
    remaining: Option<u64>,
    is_ended: bool,
}

impl Pulling {
    /// Waits until there is something to take; false when the run ends first.
    fn wait(&self) -> bool {
        let mut state = self.flags.lock();
        while !state.has_items {
            if self.stop.is_wanted() {
                return false;
            }
            state = self.flags.wait(state);
        }
        state.has_items = false;
        true
    }

    fn take(&mut self) -> Result<(), Fault> {
        let outcome = Python::attach(|py| {
            let (items, is_ended, error): (Bound<'_, PyList>, bool, Option<Bound<'_, PyAny>>) =
                self.feed.bind(py).call_method0("take")?.extract()?;
            for item in items {
                self.taken.push_back(values::item(&item)?);
            }
            self.is_ended = is_ended;
            error.map(|error| raised(&error)).transpose()
        });
        {
            self.flags.lock().has_room = true;
            self.flags.changed.notify_all();
        }
        match outcome {
            Ok(None) => Ok(()),
            // What came before it is done first.
            Ok(Some(fault)) if self.taken.is_empty() => Err(fault),
            Ok(Some(_)) => {
                self.is_ended = false;
                self.flags.lock().has_items = true;
                Ok(())
            }
            Err(error) => Err(Fault::permanent(error.to_string())),
        }
    }
}

/// Why no more items come.
fn raised(error: &Bound<'_, PyAny>) -> PyResult<Fault> {
    let name = error.get_type().name()?.to_string();
    let message = error.str()?.to_string();
    let raised = Raised {
        name: name.clone(),
        message,
        traceback: String::new(),
        object: Some(objects::keep(error.clone().unbind())),
    };
    Ok(Fault::permanent(format!("the items raised {name}")).because(raised))
}

impl Source for Pulling {
    type Item = Payload;

    fn read(&mut self, max: usize, items: &mut Vec<Result<Payload, Fault>>) -> Result<(), Fault> {
        while self.taken.is_empty() {
            if self.is_ended || !self.wait() {
                return Ok(());
            }
            self.take()?;
        }
        let count = max.min(self.taken.len());
        self.remaining = self.remaining.map(|left| left.saturating_sub(count as u64));
        items.extend(self.taken.drain(..count));
        Ok(())
    }

    fn remaining(&self) -> Option<u64> {
        self.remaining
    }
}

impl Drop for Pulling {
    fn drop(&mut self) {
        self.flags.lock().is_over = true;
        self.flags.changed.notify_all();
    }
}
