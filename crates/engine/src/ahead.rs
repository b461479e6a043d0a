//! How far earlier runs of a journal have come: what is left to be done, and how far a run may get ahead of what it records.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::fault::Fault;
use crate::job::{JobOf, Types};
use crate::journal::{Horizon, Journal, Todo};
use crate::service::Service;

/// How far earlier runs have come, for those who read and send.
pub(crate) struct Ahead {
    pub(crate) todo: Todo,
    pub(crate) horizon: Option<Arc<Horizon>>,
}

impl Ahead {
    /// Brings the source to where the journal says that reading goes on.
    pub(crate) fn of<W: Types>(
        journal: Option<&mut Journal>,
        job: &mut JobOf<W>,
    ) -> Result<Ahead, Error> {
        let Some(journal) = journal else {
            let (todo, horizon) = (Todo::default(), None);
            return Ok(Ahead { todo, horizon });
        };
        let todo = journal.take_todo();
        let from = todo.from.as_ref().map(|(_, place)| place);
        job.source
            .resume(from, todo.read_to.as_ref())
            .map_err(|fault| Error::new(ErrorKind::OtherJob, changed(journal, &fault)))?;
        journal
            .follow(job.save.durable())
            .map_err(|error| Error::new(ErrorKind::Storage, journal.failure(&error)))?;
        Ok(Ahead {
            todo,
            horizon: Some(journal.horizon()),
        })
    }
}

fn changed(journal: &Journal, fault: &Fault) -> String {
    format!(
        "the input is not what it was when the journal {} was written: {fault}",
        journal.path().display()
    )
}
