//! Results that come back to Python: a sink that hands them over, and waits when nobody takes them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use inflight::{Fault, Record, Reply};
use inflight_connectors::{Answering, Callee, Payload};
use pyo3::prelude::*;
use pyo3::types::PyList;
use tokio::sync::Notify;

use crate::fault::Letter;
use crate::values;

/// Results that wait to be taken, at most: enough that neither side waits for each one, few enough to be no second queue.
const WAITING_MAX: usize = 1024;

/// The same in bytes.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Results that are handed over in one piece: what shares one turn of the interpreter.
const BULK_MAX: usize = 256;

/// The results of one job, taken by one iterator.
#[pyclass(frozen)]
#[derive(Clone)]
pub(crate) struct Results(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Wakes who waits for results.
    changed: Condvar,
    /// Wakes who waits for room.
    room: Notify,
    is_ordered: bool,
}

#[derive(Default)]
struct State {
    done: VecDeque<(u64, Payload)>,
    bytes: usize,
    dead: BTreeMap<u64, Letter>,
    /// The next item, where they are handed over in order.
    next: u64,
    is_ended: bool,
    is_closed: bool,
}

/// What there is to say of one item.
enum One {
    Done(u64, Payload),
    Dead(Letter),
}

impl State {
    /// The next thing to say, if it is its turn.
    fn pop(&mut self, is_ordered: bool) -> Option<One> {
        if !is_ordered {
            if let Some((index, value)) = self.pop_done() {
                return Some(One::Done(index, value));
            }
            return self.dead.pop_first().map(|(_, letter)| One::Dead(letter));
        }
        if self.is_ended {
            // What is missing now is left; nothing comes any more.
            let done = self.done.front().map(|(index, _)| *index);
            let dead = self.dead.keys().next().copied();
            self.next = done.into_iter().chain(dead).min()?;
        }
        if self
            .done
            .front()
            .is_some_and(|(index, _)| *index == self.next)
        {
            self.next += 1;
            return self
                .pop_done()
                .map(|(index, value)| One::Done(index, value));
        }
        let letter = self.dead.remove(&self.next)?;
        self.next += 1;
        Some(One::Dead(letter))
    }

    fn pop_done(&mut self) -> Option<(u64, Payload)> {
        let done = self.done.pop_front()?;
        self.bytes -= done.1.heap_bytes();
        Some(done)
    }
}

impl Results {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sink that hands them over.
    pub(crate) fn callee(&self) -> Arc<dyn Callee> {
        Arc::new(Handing(self.clone()))
    }

    /// An item was given up.
    pub(crate) fn dead(&self, letter: Letter) {
        let mut state = self.lock();
        if !state.is_closed {
            state.dead.insert(letter.index, letter);
        }
        drop(state);
        self.0.changed.notify_all();
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self) {
        self.lock().is_ended = true;
        self.0.changed.notify_all();
    }
}

#[pymethods]
impl Results {
    #[new]
    fn new(is_ordered: bool) -> Results {
        Results(Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            room: Notify::new(),
            is_ordered,
        }))
    }

    /// What there is, waiting for it: `(index, kind, value)` for each result and `(index, None, letter)` for each item that was given
    /// up. An empty list when the time is over, `None` at the end.
    fn take<'py>(
        &self,
        py: Python<'py>,
        milliseconds: u64,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let (found, is_over) = py.detach(|| {
            let until = Instant::now() + Duration::from_millis(milliseconds);
            let mut state = self.lock();
            loop {
                let mut found = Vec::new();
                while found.len() < BULK_MAX
                    && let Some(one) = state.pop(self.0.is_ordered)
                {
                    found.push(one);
                }
                let left = until.saturating_duration_since(Instant::now());
                if !found.is_empty() || left.is_zero() || state.is_ended {
                    let is_over = found.is_empty() && state.is_ended;
                    return (found, is_over);
                }
                let waited = self.0.changed.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        });
        self.0.room.notify_one();
        if is_over {
            return Ok(None);
        }
        let list = PyList::empty(py);
        for one in found {
            match one {
                One::Done(index, value) => {
                    let (kind, value) = values::shown(py, &value)?;
                    list.append((index, kind, value))?;
                }
                One::Dead(letter) => list.append((letter.index, py.None(), letter.told(py)))?,
            }
        }
        Ok(Some(list))
    }

    /// Nobody takes any more: what comes is dropped, so that the run can end.
    fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let dropped = (
            std::mem::take(&mut state.done),
            std::mem::take(&mut state.dead),
        );
        state.bytes = 0;
        drop(state);
        drop(dropped);
        self.0.room.notify_one();
    }
}

/// The engine's end.
struct Handing(Results);

impl Callee for Handing {
    fn call(&self, bulk: &[Record<Payload>]) -> Answering {
        let results = self.0.clone();
        let records: Vec<_> = bulk
            .iter()
            .map(|record| (record.index, record.value.clone()))
            .collect();
        Box::pin(async move {
            loop {
                let room = results.0.room.notified();
                {
                    let mut state = results.lock();
                    let has_room =
                        state.done.len() < WAITING_MAX && state.bytes < WAITING_BYTES_MAX;
                    if state.is_closed || has_room {
                        return Ok(hand_over(&results, &mut state, records));
                    }
                }
                room.await;
            }
        })
    }

    fn bulk_max(&self) -> usize {
        BULK_MAX
    }

    fn calls_max(&self) -> usize {
        1
    }
}

fn hand_over(results: &Results, state: &mut State, records: Vec<(u64, Payload)>) -> Reply<Payload> {
    let answers = records.iter().map(|(_, value)| value.clone());
    let answers: Vec<Result<Payload, Fault>> = answers.map(Ok).collect();
    if !state.is_closed {
        let bytes = records.iter().map(|(_, value)| value.heap_bytes());
        state.bytes += bytes.sum::<usize>();
        state.done.extend(records);
        results.0.changed.notify_all();
    }
    Reply::Each(answers)
}
