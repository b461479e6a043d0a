//! What a run comes to, once its parts have ended: the promise is checked, the journal finished, the summary made.

use std::time::Duration;

use crate::cores::Machine;
use crate::error::Error;
use crate::options::Options;
use crate::recorder::Recording;
use crate::score::{Known, Setting, score};
use crate::stop::{Reason, Stop};
use crate::summary::{Ending, Summary};
use crate::tally::Tally;

/// What a run took, as a whole.
pub(crate) struct Took {
    pub(crate) elapsed: Duration,
    pub(crate) machine: Machine,
}

/// What all of it came to.
pub(crate) fn conclude(
    mut recording: Recording,
    outcome: Result<Conducted, Error>,
    options: &Options,
    took: Took,
    stop: &Stop,
) -> Result<Summary, Error> {
    let finished = outcome.and_then(|conducted| {
        let ending = checked(conducted.ending, &recording.tally, stop)?;
        Ok((ending, conducted.fetch, conducted.save))
    });
    recording.finish_journal(matches!(finished, Ok((Ending::Complete, ..))));
    let (ending, fetch, save) = finished?;
    let setting = Setting {
        options,
        elapsed: took.elapsed,
        machine: took.machine,
        ending: with_reason(ending, stop),
        fetch,
        save,
    };
    Ok(score(&recording.tally, setting))
}

/// What a part of the run stopped it for is told rather than that it was stopped.
fn with_reason(ending: Ending, stop: &Stop) -> Ending {
    match stop.reason().cloned() {
        Some(Reason::Storage(why)) => Ending::Storage(why),
        Some(Reason::Hung(why)) => Ending::Hung(why),
        Some(Reason::Halted(why) | Reason::Late(why)) if ending == Ending::Stopped => {
            Ending::Halted(why)
        }
        _ => ending,
    }
}

/// Checks the promise: every item is saved or dead, none twice, or the run was stopped before that.
fn checked(ending: Ending, tally: &Tally, stop: &Stop) -> Result<Ending, Error> {
    let counts = tally.counts();
    let finished = tally.finished();
    let all = finished == counts.read && tally.input_left == Some(0);
    match ending {
        Ending::Complete if all => Ok(Ending::Complete),
        Ending::Complete if finished <= counts.read && stop.is_wanted() => Ok(Ending::Stopped),
        Ending::Unavailable(_) | Ending::Unreadable(_) | Ending::Halted(_)
            if finished <= counts.read =>
        {
            Ok(ending)
        }
        _ => Err(Error::internal(format!(
            "{} items read, but {} saved and {} dead, of which {} and {} before",
            counts.read, counts.saved, counts.dead, tally.before.0, tally.before.1
        ))),
    }
}

/// How the work itself went.
pub(crate) struct Conducted {
    pub(crate) ending: Ending,
    pub(crate) fetch: Option<Known>,
    pub(crate) save: Known,
}

/// Items are left because they are behind dead ones.
pub(crate) fn left_behind(items: u64) -> Ending {
    Ending::Halted(format!(
        "{items} items are left, because one before them with the same value is dead; try the dead ones again, then go on"
    ))
}
