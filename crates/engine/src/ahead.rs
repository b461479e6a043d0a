//! How far earlier runs of a journal have come: what is left to be done, and how far a run may get ahead of what it records.

use std::io;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::fault::Fault;
use crate::job::{JobOf, Types};
use crate::journal::{Horizon, Journal, Todo, TodoItems};
use crate::keys::{Numbering, Store};
use crate::service::Service;

/// How far earlier runs have come, for those who read and send.
pub(crate) struct Ahead {
    pub(crate) todo: Todo,
    pub(crate) horizon: Option<Arc<Horizon>>,
    /// Which item is which, where they are known by keys.
    pub(crate) numbering: Option<Numbering>,
}

impl Ahead {
    /// Brings the source to where the journal says that reading goes on.
    pub(crate) fn of<W: Types>(
        journal: Option<&mut Journal>,
        job: &mut JobOf<W>,
    ) -> Result<Ahead, Error> {
        let Some(journal) = journal else {
            let numbering = match &job.key {
                Some(_) => {
                    let store = Store::temporary().map_err(no_place)?;
                    Some(Numbering::new(store).skipping(job.skipped.take()))
                }
                None => None,
            };
            return Ok(Ahead {
                todo: Todo::default(),
                horizon: None,
                numbering,
            });
        };
        let keys = journal.keys(job.key.is_some())?;
        let mut todo = journal.take_todo();
        if job.order.as_ref().is_some_and(|order| order.halts)
            && let TodoItems::Rest(_) = todo.items
        {
            todo.dead = journal.dead().map_err(|error| failed(journal, &error))?;
        }
        let from = todo.from.as_ref().map(|(_, place)| place);
        job.source
            .resume(from, todo.read_to.as_ref())
            .map_err(|fault| Error::new(ErrorKind::OtherJob, changed(journal, &fault)))?;
        if job.order.is_some() {
            journal.lets_go_in_order();
        }
        let followed = journal.follow(job.save.durable());
        followed.map_err(|error| failed(journal, &error))?;
        Ok(Ahead {
            todo,
            horizon: Some(journal.horizon()),
            numbering: keys.map(|keys| Numbering::new(keys).skipping(job.skipped.take())),
        })
    }
}

fn failed(journal: &Journal, error: &io::Error) -> Error {
    Error::new(ErrorKind::Storage, journal.failure(error))
}

fn no_place(cause: io::Error) -> Error {
    let message = format!("failed to make a temporary file for keys: {cause}");
    Error::new(ErrorKind::Storage, message)
}

fn changed(journal: &Journal, fault: &Fault) -> String {
    format!(
        "the input is not what it was when the journal {} was written: {fault}",
        journal.path().display()
    )
}
