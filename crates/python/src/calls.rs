//! Code of Python's that fetches or saves: the engine asks, an event loop or threads of Python's answer.
//!
//! What is asked lies in a queue. A loop is woken by one byte in a socket that it watches, threads by a condition; so the engine never
//! needs the interpreter. A loop takes what is there in one call, and answers many in one call.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use inflight::{Fault, Record, Reply};
use inflight_connectors::{Answering, Callee, Payload};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyList;
use tokio::sync::oneshot;

use crate::fault::Wrong;
use crate::values;

/// Calls of one function, on their way between engine and Python.
#[pyclass(frozen)]
pub(crate) struct Calls {
    shared: Arc<Shared>,
    woken: Mutex<UnixStream>,
    fd: i32,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes threads that wait for something to be asked.
    asked: Condvar,
    /// Wakes a loop.
    wake: UnixStream,
    calls_max: usize,
}

#[derive(Default)]
struct State {
    next: u64,
    /// Asked and not taken yet: as many as are in flight, which the engine's limit bounds.
    asked: VecDeque<(u64, Payload)>,
    /// Given up by the engine, which Python has not been told yet.
    given_up: Vec<u64>,
    /// Those that wait for an answer, with the item as it was.
    waiting: HashMap<u64, Waiting>,
    /// Whether the loop was woken and has not looked yet.
    is_awake: bool,
    is_closed: bool,
}

struct Waiting {
    item: Payload,
    answer: oneshot::Sender<Result<Payload, Fault>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, state: &mut State) {
        if !state.is_awake {
            state.is_awake = true;
            // Fails only when a byte is there already, or nobody watches any more.
            let _ = (&self.wake).write(&[1]);
        }
        self.asked.notify_one();
    }
}

impl Calls {
    /// What the engine calls.
    pub(crate) fn callee(&self) -> Arc<dyn Callee> {
        Arc::new(Asking(Arc::clone(&self.shared)))
    }

    fn taken<'py>(
        &self,
        py: Python<'py>,
        most: usize,
        mut state: MutexGuard<'_, State>,
    ) -> PyResult<(Bound<'py, PyList>, Vec<u64>)> {
        let count = state.asked.len().min(most);
        let asked: Vec<_> = state.asked.drain(..count).collect();
        let given_up = std::mem::take(&mut state.given_up);
        drop(state);
        let calls = PyList::empty(py);
        for (id, payload) in asked {
            let (kind, value) = values::shown(py, &payload)?;
            calls.append((id, kind, value))?;
        }
        Ok((calls, given_up))
    }
}

#[pymethods]
impl Calls {
    #[new]
    fn new(calls_max: usize) -> PyResult<Calls> {
        let pair = || -> io::Result<(UnixStream, UnixStream)> {
            let (wake, woken) = UnixStream::pair()?;
            wake.set_nonblocking(true)?;
            woken.set_nonblocking(true)?;
            Ok((wake, woken))
        };
        let (wake, woken) = pair().map_err(|cause| PyOSError::new_err(cause.to_string()))?;
        Ok(Calls {
            fd: woken.as_raw_fd(),
            woken: Mutex::new(woken),
            shared: Arc::new(Shared {
                state: Mutex::default(),
                asked: Condvar::new(),
                wake,
                calls_max,
            }),
        })
    }

    /// What a loop watches for reading.
    fn fileno(&self) -> i32 {
        self.fd
    }

    /// What was asked, at most so many, and what was given up: for a loop, which is woken again when there is more.
    fn take<'py>(&self, py: Python<'py>, most: usize) -> PyResult<(Bound<'py, PyList>, Vec<u64>)> {
        let mut state = self.shared.lock();
        if state.asked.len() <= most {
            let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
            // One byte at most is there.
            let _ = (&*woken).read(&mut [0; 8]);
            state.is_awake = false;
        }
        self.taken(py, most, state)
    }

    /// One call, once there is one, for a thread; `None` when none comes any more.
    fn wait<'py>(
        &self,
        py: Python<'py>,
        milliseconds: u64,
    ) -> PyResult<Option<(Bound<'py, PyList>, Vec<u64>)>> {
        let is_open = py.detach(|| {
            let until = Instant::now() + Duration::from_millis(milliseconds);
            let mut state = self.shared.lock();
            while state.asked.is_empty() && !state.is_closed {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                let waited = self.shared.asked.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            !state.is_closed || !state.asked.is_empty()
        });
        if !is_open {
            return Ok(None);
        }
        self.taken(py, 1, self.shared.lock()).map(Some)
    }

    /// Calls that wait to be taken.
    fn waiting(&self) -> usize {
        self.shared.lock().asked.len()
    }

    /// Answers: `(id, True, value)`, or `(id, False, exception as told)`.
    fn answer(&self, answers: &Bound<'_, PyList>) -> PyResult<()> {
        for answer in answers {
            let (id, is_done, value): (u64, bool, Bound<'_, PyAny>) = answer.extract()?;
            let Some(Waiting { item, answer }) = self.shared.lock().waiting.remove(&id) else {
                // It was given up meanwhile.
                continue;
            };
            let outcome = match is_done {
                true if value.is_none() => Ok(item),
                true => Ok(values::became(item, &value)?),
                false => Err(value.extract::<Wrong>()?.fault()?),
            };
            // As above.
            let _ = answer.send(outcome);
        }
        Ok(())
    }

    /// Nothing more is answered: what waits is left to a later run, and threads that wait go home.
    fn close(&self) {
        let mut state = self.shared.lock();
        state.is_closed = true;
        state.asked.clear();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.shared.asked.notify_all();
        drop(waiting);
    }
}

/// The engine's end of [`Calls`].
struct Asking(Arc<Shared>);

impl Callee for Asking {
    fn call(&self, bulk: &[Record<Payload>]) -> Answering {
        let shared = Arc::clone(&self.0);
        let [record] = bulk else {
            let many = "a call has one item";
            return Box::pin(async move { Err(Fault::permanent(many)) });
        };
        let (answer, answered) = oneshot::channel();
        let mut state = shared.lock();
        if state.is_closed {
            return Box::pin(async { Err(gone()) });
        }
        let id = state.next;
        state.next += 1;
        let item = record.value.clone();
        state.asked.push_back((id, item.clone()));
        state.waiting.insert(id, Waiting { item, answer });
        shared.wake(&mut state);
        drop(state);
        let call = Call {
            shared,
            id,
            is_over: false,
        };
        Box::pin(async move {
            let mut call = call;
            let outcome = answered.await;
            call.is_over = true;
            outcome.unwrap_or_else(|_| Err(gone())).map(Reply::one)
        })
    }

    fn calls_max(&self) -> usize {
        self.0.calls_max
    }
}

fn gone() -> Fault {
    Fault::stops_run(
        "the event loop was closed while the run went on; the items that are left were not done",
    )
}

/// A call that is on its way; dropped early, it is given up.
struct Call {
    shared: Arc<Shared>,
    id: u64,
    is_over: bool,
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut state = self.shared.lock();
        let id = self.id;
        state.waiting.remove(&id);
        let before = state.asked.len();
        state.asked.retain(|(asked, _)| *asked != id);
        if state.asked.len() == before {
            // Python works at it.
            state.given_up.push(id);
            self.shared.wake(&mut state);
        }
    }
}
