//! One job on its way: started on a thread of its own, waited for by Python, stopped by it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use inflight::{Counts, Fact, Stop};
use inflight_cli::embed::{self, Code, Done, Given, Refusal, Said};

use pyo3::exceptions::{PyException, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyString};

use crate::calls::Calls;
use crate::fault::Letter;
use crate::results::Results;
use crate::{objects, supply, threads};

pyo3::create_exception!(
    _inflight,
    Refused,
    PyException,
    "A job that was not done: an exit code and why."
);

/// Dead letters that are kept for Python, at most; the others are counted.
const LETTERS_MAX: usize = 10_000;

/// A job that was asked for.
#[pyclass(frozen)]
pub(crate) struct Run {
    stop: Stop,
    shared: Arc<Shared>,
    /// Taken when it starts.
    asked: Mutex<Option<Asked>>,
}

/// What was asked for.
struct Asked {
    command: String,
    input: String,
    keywords: Vec<(String, Said)>,
    given: Given,
    results: Option<Results>,
}

#[derive(Default)]
struct Shared {
    outcome: Mutex<Option<Result<Done, Refusal>>>,
    ended: Condvar,
    counts: Mutex<Counts>,
    letters: Mutex<Vec<Letter>>,
}

/// How a run goes: saved, dead, read, elapsed seconds.
type Progress = (u64, u64, f64);

#[pymethods]
impl Run {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword of Python's")]
    #[pyo3(signature = (command, input, keywords, *, source=None, fetch=None, compute=None, save=None, results=None))]
    fn new(
        command: String,
        input: String,
        keywords: &Bound<'_, PyDict>,
        source: Option<Py<PyAny>>,
        fetch: Option<&Bound<'_, Calls>>,
        compute: Option<&Bound<'_, PyAny>>,
        save: Option<&Bound<'_, Calls>>,
        results: Option<&Bound<'_, Results>>,
    ) -> PyResult<Run> {
        let stop = Stop::new();
        let results = results.map(|results| results.get().clone());
        let save = save.map(|calls| calls.get().callee());
        let given = Given {
            source: source.map(|source| {
                let stop = stop.clone();
                Arc::new(supply::Given { source, stop }) as Arc<_>
            }),
            fetch: fetch.map(|calls| calls.get().callee()),
            compute: compute.map(code).transpose()?,
            save: save.or_else(|| results.as_ref().map(Results::callee)),
            watch: None,
        };
        let keywords = keywords
            .iter()
            .map(|(name, value)| Ok((name.extract()?, said(&value)?)));
        Ok(Run {
            stop,
            shared: Arc::default(),
            asked: Mutex::new(Some(Asked {
                command,
                input,
                keywords: keywords.collect::<PyResult<_>>()?,
                given,
                results,
            })),
        })
    }

    /// Begins the job, on a thread of its own.
    fn start(&self) -> PyResult<()> {
        let asked = self
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let asked = asked.ok_or_else(|| PyRuntimeError::new_err("the job has been started"))?;
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        let thread = thread::Builder::new().name("inflight-run".to_owned());
        thread
            .spawn(move || shared.run(asked, &stop))
            .map_err(|cause| PyRuntimeError::new_err(cause.to_string()))?;
        Ok(())
    }

    /// Whether it is over, after at most this time.
    fn wait(&self, py: Python<'_>, milliseconds: u64) -> bool {
        py.detach(|| {
            let until = Instant::now() + Duration::from_millis(milliseconds);
            let outcome = &self.shared.outcome;
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            while outcome.is_none() {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                let waited = self.shared.ended.wait_timeout(outcome, left);
                outcome = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            true
        })
    }

    /// Drains the run; called again, ends it without the answers to what is in flight.
    fn stop(&self) {
        self.stop.now();
    }

    /// How far it has come.
    fn progress(&self) -> Progress {
        let counts = self.shared.counts.lock();
        let counts = counts.unwrap_or_else(PoisonError::into_inner);
        (counts.saved, counts.dead, counts.elapsed.as_secs_f64())
    }

    /// What it came to, as JSON and for people, and the exit code of the command, once it is over; why there is none, otherwise.
    fn outcome(&self) -> PyResult<(String, String, u8)> {
        let outcome = self.shared.outcome.lock();
        let outcome = outcome.unwrap_or_else(PoisonError::into_inner);
        match &*outcome {
            Some(Ok(done)) => Ok((done.json.clone(), done.text.clone(), done.code)),
            Some(Err(refusal)) => Err(Refused::new_err((refusal.code, refusal.to_string()))),
            None => Err(PyRuntimeError::new_err("the job is not over")),
        }
    }

    /// The items that were given up, the first 10,000 of them.
    fn letters<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let letters = self.shared.letters.lock();
        let letters = letters.unwrap_or_else(PoisonError::into_inner).clone();
        let told = letters.iter().map(|letter| {
            let told = letter.told(py).into_pyobject(py)?;
            Ok(told.into_any())
        });
        told.collect()
    }

    /// Objects that are on their way, in all jobs of this process; of use in tests.
    #[staticmethod]
    fn objects() -> usize {
        objects::count()
    }
}

impl Shared {
    fn run(self: Arc<Shared>, asked: Asked, stop: &Stop) {
        let Asked {
            command,
            input,
            keywords,
            mut given,
            results,
        } = asked;
        let (watching, telling) = (Arc::clone(&self), results.clone());
        given.watch = Some(Box::new(move |fact: &Fact, counts: &Counts| {
            watching.observe(fact, counts, telling.as_ref());
        }));
        let outcome = embed::perform(&command, &input, &keywords, given, stop);
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.ended.notify_all();
        if let Some(results) = results {
            results.end();
        }
    }

    fn observe(&self, fact: &Fact, counts: &Counts, results: Option<&Results>) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = *counts;
        let Fact::Dead {
            index,
            step,
            attempts,
            fault,
            ..
        } = fact
        else {
            return;
        };
        let letter = Letter {
            index: *index,
            step: *step,
            attempts: *attempts,
            fault: fault.clone(),
        };
        let letters = self.letters.lock();
        let mut letters = letters.unwrap_or_else(PoisonError::into_inner);
        if letters.len() < LETTERS_MAX {
            letters.push(letter.clone());
        }
        drop(letters);
        if let Some(results) = results {
            results.dead(letter);
        }
    }
}

/// What computes: `(command, setup)` for worker processes, a function for threads.
fn code(compute: &Bound<'_, PyAny>) -> PyResult<Code> {
    if let Ok((command, setup)) = compute.extract::<(Vec<String>, Bound<'_, PyBytes>)>() {
        let setup = setup.as_bytes().to_vec().into();
        return Ok(Code::Workers { command, setup });
    }
    Ok(Code::Threads(threads::computing(compute.clone().unbind())))
}

/// A keyword's value.
fn said(value: &Bound<'_, PyAny>) -> PyResult<Said> {
    if value.is_instance_of::<PyBool>() {
        return Ok(Said::Switch(value.extract()?));
    }
    if value.is_instance_of::<PyString>() {
        return Ok(Said::Text(value.extract()?));
    }
    if value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>() {
        return Ok(Said::Number(value.extract()?));
    }
    let many: PyResult<Vec<String>> = value.extract();
    many.map(Said::Many).map_err(|_| {
        PyTypeError::new_err("a keyword takes a text, a number, True or False, or a list of texts")
    })
}
