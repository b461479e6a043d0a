//! What is computed, as typed: by us, by a filter, or by worker processes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use inflight::{ComputeClock, Job, Record, Reply};
use inflight_connectors::{Crew, CrewSettings, Exec, Jq, Payload, Task};

use crate::error::{Error, Result};
use crate::job::given::{Code, Computing};
use crate::job::leash;
use crate::terminal::messages::Messages;

const EXEC: &str = "exec:";
const JQ: &str = "jq:";

/// The computation on one item.
#[derive(Clone, Debug)]
pub(crate) enum Computation {
    /// On our own threads.
    Task(Task),
    /// By a filter, on our own threads.
    Jq(Jq),
    /// By processes.
    Exec(Exec, Treatment),
    /// By code of the program around us, which calls it so.
    Given(String, Code, Treatment),
}

/// How worker processes are treated.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Treatment {
    /// How long one may take for an item.
    pub(crate) timeout: Duration,
    /// Items after which one is replaced; `None`: never.
    pub(crate) recycle: Option<u64>,
}

impl Treatment {
    fn settings(&self, messages: &Messages) -> CrewSettings {
        let telling = messages.clone();
        CrewSettings {
            timeout: self.timeout,
            recycle: self.recycle,
            notice: Some(Arc::new(move |sentence: &str| telling.say(sentence))),
            ..CrewSettings::default()
        }
    }
}

/// A computation that is ready: a first worker runs, if there are any.
pub(crate) enum Computer {
    Task(Task),
    Jq(Jq),
    Crew(Crew),
    Threads(Computing),
}

impl fmt::Debug for Computer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Computer::Task(_) => "Task",
            Computer::Jq(_) => "Jq",
            Computer::Crew(_) => "Crew",
            Computer::Threads(_) => "Threads",
        })
    }
}

impl Computation {
    /// Whether what comes out is what went in.
    pub(crate) fn keeps_items(&self) -> bool {
        matches!(
            self,
            Computation::Task(Task::None | Task::Sleep(_) | Task::Spin(_))
        )
    }

    /// Reads `exec:COMMAND`, `jq:FILTER`, or a task of ours; `treatment` is for those of the first.
    ///
    /// # Errors
    /// A sentence that names the task and what is allowed.
    pub(crate) fn parse(text: &str, treatment: Treatment) -> Result<Computation> {
        if let Some(command) = text.strip_prefix(EXEC) {
            return Ok(Computation::Exec(Exec::parse(command)?, treatment));
        }
        if treatment.recycle.is_some() {
            return Err(Error::usage(format_args!(
                "`{text}` has no worker processes, which --worker-recycle is for; exec:COMMAND has"
            )));
        }
        if let Some(filter) = text.strip_prefix(JQ) {
            return Ok(Computation::Jq(Jq::compile(filter)?));
        }
        Ok(Computation::Task(Task::parse(text)?))
    }

    /// Which clock says what the computation cost.
    pub(crate) fn clock(&self) -> ComputeClock {
        match self {
            Computation::Task(task) => task.clock(),
            Computation::Jq(_) => ComputeClock::Cpu,
            // The threads of ours that wait for workers use no CPU time.
            Computation::Exec(..) | Computation::Given(_, Code::Workers { .. }, _) => {
                ComputeClock::Elapsed
            }
            // It may wait as well as compute.
            Computation::Given(_, Code::Threads(_), _) => ComputeClock::Elapsed,
        }
    }

    /// Starts the first worker, if there are to be any.
    ///
    /// # Errors
    /// A usage error, when there is no such program, or it is no worker.
    pub(crate) fn open(&self, messages: &Messages) -> Result<Computer> {
        match self {
            Computation::Task(task) => Ok(Computer::Task(*task)),
            Computation::Jq(jq) => Ok(Computer::Jq(jq.clone())),
            Computation::Exec(exec, treatment) => {
                let telling = messages.clone();
                let settings = CrewSettings {
                    listener: messages.is_verbose().then(|| {
                        let listener = move |worker: usize, line: &str| {
                            telling.detail(format_args!("worker {worker}: {line}"));
                        };
                        Arc::new(listener) as Arc<_>
                    }),
                    launcher: leash::launcher(),
                    ..treatment.settings(messages)
                };
                Ok(Computer::Crew(Crew::start(exec, settings)?))
            }
            Computation::Given(_, Code::Workers { command, setup }, treatment) => {
                let telling = messages.clone();
                // What the code of the program prints is meant for whoever started the program.
                let listener = move |_: usize, line: &str| telling.always(line);
                let settings = CrewSettings {
                    listener: Some(Arc::new(listener)),
                    setup: Some(setup.clone()),
                    ..treatment.settings(messages)
                };
                let exec = Exec::of_words(command.clone())?;
                Ok(Computer::Crew(Crew::start(&exec, settings)?))
            }
            Computation::Given(_, Code::Threads(computing), _) => {
                Ok(Computer::Threads(Arc::clone(computing)))
            }
        }
    }
}

impl Computer {
    /// Adds the computation to a job.
    pub(crate) fn join<F>(
        &self,
        job: Job<Payload, Payload, F>,
    ) -> Job<Payload, Payload, F, Payload> {
        match self {
            Computer::Task(task) => {
                let task = *task;
                job.try_compute(move |item| task.run(item))
            }
            Computer::Jq(jq) => {
                let jq = jq.clone();
                job.compute_with(move || {
                    let jq = jq.clone();
                    move |bulk: &[Record<Payload>]| {
                        Ok(Reply::Each(
                            bulk.iter().map(|one| jq.compute(one)).collect(),
                        ))
                    }
                })
            }
            Computer::Crew(crew) => job.compute_until_stopped(crew.hire()),
            Computer::Threads(computing) => {
                let computing = Arc::clone(computing);
                job.compute_with(move || {
                    let computing = Arc::clone(&computing);
                    move |bulk: &[Record<Payload>]| computing(bulk)
                })
            }
        }
    }
}

impl fmt::Display for Computation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Computation::Task(task) => task.fmt(f),
            Computation::Jq(jq) => write!(f, "{JQ}{}", jq.expression()),
            Computation::Exec(exec, _) => write!(f, "{EXEC}{exec}"),
            Computation::Given(name, ..) => f.write_str(name),
        }
    }
}
