//! The only reader of facts: folds them into the summary and shows them to the observer.
//!
//! On a thread of its own, so that neither the I/O thread nor a compute thread waits for a screen or a disk.

use std::thread::JoinHandle;

use crossbeam_channel::Receiver;

use crate::error::Error;
use crate::fact::Fact;
use crate::observer::Observer;
use crate::tally::Tally;

/// The recorder's thread; ends when it is told the end.
pub(crate) struct Recorder(JoinHandle<Tally>);

impl Recorder {
    pub(crate) fn start(
        facts: Receiver<Vec<Fact>>,
        tally: Tally,
        observer: Option<Box<dyn Observer>>,
    ) -> Result<Recorder, Error> {
        std::thread::Builder::new()
            .name("inflight-recorder".to_owned())
            .spawn(move || record(&facts, tally, observer))
            .map(Recorder)
            .map_err(|e| Error::internal(format!("failed to start a thread: {e}")))
    }

    /// What all facts came to.
    pub(crate) fn finish(self) -> Result<Tally, Error> {
        self.0.join().map_err(|panic| {
            Error::internal(format!("observer {}", crate::Fault::panicked(&*panic)))
        })
    }
}

fn record(
    facts: &Receiver<Vec<Fact>>,
    mut tally: Tally,
    mut observer: Option<Box<dyn Observer>>,
) -> Tally {
    for fact in facts.iter().take_while(|facts| !facts.is_empty()).flatten() {
        tally.fold(&fact);
        if let Some(observer) = &mut observer {
            observer.observe(&fact, tally.counts());
        }
    }
    tally
}
