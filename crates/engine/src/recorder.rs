//! The only reader of facts: folds them into the tally, writes the journal, shows them to the observer.
//!
//! On a thread of its own, so that neither the I/O thread nor a compute thread waits for a screen or a disk.

use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::clock::Clock;
use crate::ended::Ended;
use crate::error::Error;
use crate::fact::{Fact, Step};
use crate::halt::{Halt, Recent};
use crate::journal::Journal;
use crate::observer::Observer;
use crate::planted::planted;
use crate::service::Durable;
use crate::stop::{Reason, Stop};
use crate::tally::Tally;

/// How long to wait for facts when nothing is due: they wake the recorder by themselves.
const IDLE: Duration = Duration::from_secs(3600);

/// The recorder's thread; ends when it is told the end.
pub(crate) struct Recorder(JoinHandle<Recording>);

/// What a recorder works with, and gives back.
pub(crate) struct Recording {
    pub(crate) tally: Tally,
    pub(crate) journal: Option<Journal>,
    /// Who waits for items to end.
    pub(crate) ended: Option<Ended>,
    /// The sink's own output, where no journal looks after it: asked at the end.
    pub(crate) output: Option<Box<dyn Durable>>,
    pub(crate) observer: Option<Box<dyn Observer>>,
    /// The most dead letters.
    pub(crate) halt: Option<Halt>,
    /// How the last items ended, for it.
    pub(crate) recent: Recent,
    /// Stopped when there are more, or when the journal cannot be written.
    pub(crate) stop: Stop,
    pub(crate) clock: Clock,
}

impl Recorder {
    pub(crate) fn start(
        facts: Receiver<Vec<Fact>>,
        mut recording: Recording,
    ) -> Result<Recorder, Error> {
        std::thread::Builder::new()
            .name("inflight-recorder".to_owned())
            .spawn(move || {
                let _guard = StopIfPanicking(recording.stop.clone());
                recording.record(&facts);
                recording
            })
            .map(Recorder)
            .map_err(|e| Error::internal(format!("failed to start a thread: {e}")))
    }

    /// What all facts came to.
    pub(crate) fn finish(self) -> Result<Recording, Error> {
        self.0.join().map_err(|panic| {
            Error::internal(format!("observer {}", crate::Fault::panicked(&*panic)))
        })
    }
}

/// Stops the run when an observer panics: nobody writes its journal any more, so who saves would wait for it for ever.
struct StopIfPanicking(Stop);

impl Drop for StopIfPanicking {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.now();
        }
    }
}

impl Recording {
    fn record(&mut self, facts: &Receiver<Vec<Fact>>) {
        loop {
            let due = self.journal.as_ref().and_then(Journal::due);
            let wait = due.map_or(IDLE, |due| due.saturating_sub(self.clock.now()));
            match facts.recv_timeout(wait) {
                Ok(facts) if facts.is_empty() => break,
                Ok(facts) => facts.iter().for_each(|fact| self.fold(fact)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.advance_journal();
        }
    }

    /// The same where nothing may block: looks for facts after each of these times.
    #[cfg(test)]
    pub(crate) async fn follow(
        &mut self,
        facts: Receiver<Vec<Fact>>,
        mut lag: impl FnMut() -> Duration,
    ) {
        loop {
            while let Ok(facts) = facts.try_recv() {
                if facts.is_empty() {
                    return;
                }
                facts.iter().for_each(|fact| self.fold(fact));
                self.advance_journal();
            }
            self.advance_journal();
            tokio::time::sleep(lag()).await;
        }
    }

    fn fold(&mut self, fact: &Fact) {
        self.tally.fold(fact);
        if let Some(journal) = &mut self.journal {
            journal.note(fact);
        }
        if let Some(ended) = &mut self.ended {
            ended.note(fact);
        }
        if let Some(observer) = &mut self.observer {
            observer.observe(fact, self.tally.counts());
        }
        if let Some(why) = self.too_many(fact) {
            self.stop.because(Reason::Halted(why));
        }
    }

    /// Why the run should stop because of its dead letters, if it should.
    fn too_many(&mut self, fact: &Fact) -> Option<String> {
        let halt = self.halt?;
        match fact {
            Fact::Attempt(attempt) if attempt.step == Step::Save => {
                self.recent.saved(attempt.done.len());
                None
            }
            Fact::Dead { fault, .. } => {
                self.recent.failed();
                halt.reached(
                    self.tally.counts(),
                    self.tally.before.1,
                    &self.recent,
                    fault,
                )
            }
            _ => None,
        }
    }

    fn advance_journal(&mut self) {
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.advance(self.clock.now())
            && !planted!(FailureIgnored)
        {
            self.give_up_journal(&error);
        }
        let is_recorded = self.journal.as_ref().is_none_or(Journal::lets_others_go);
        if let Some(ended) = self.ended.as_mut().filter(|_| is_recorded) {
            ended.tell();
        }
    }

    /// Writes what is left. `is_complete`: nothing is left to do.
    pub(crate) fn finish_journal(&mut self, is_complete: bool) {
        if let Some(Err(error)) = self.output.as_mut().map(|output| output.sync()) {
            self.stop.because(Reason::Storage(error.to_string()));
        }
        let Some(journal) = &mut self.journal else {
            return;
        };
        if let Err(error) = journal.finish(self.clock.now(), is_complete) {
            self.give_up_journal(&error);
        }
    }

    /// A journal that could not be written is not written again: nobody knows what is on the disk. What is saved from
    /// now on is done again by the run that goes on.
    fn give_up_journal(&mut self, error: &std::io::Error) {
        // What waits behind others is left.
        self.ended = None;
        if let Some(journal) = self.journal.take() {
            self.stop.because(Reason::Storage(journal.failure(error)));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::error::ErrorKind;
    use crate::fact::Fact;
    use crate::fault::Fault;
    use crate::job::Job;
    use crate::journal::{Command, Journal, OpenedJournal};
    use crate::observer::Observer;
    use crate::options::Options;
    use crate::tally::Counts;

    struct Panics;

    impl Observer for Panics {
        fn observe(&mut self, fact: &Fact, _counts: &Counts) {
            assert!(!matches!(fact, Fact::Attempt(_)), "on purpose");
        }
    }

    #[test]
    fn an_observer_that_panics_ends_a_run_with_a_journal() {
        let folder = tempfile::tempdir().unwrap();
        let opened = OpenedJournal::open(&folder.path().join("journal")).unwrap();
        let journal = opened.start(&[], Command::default()).unwrap();
        // Enough for the answers to come up against the bound beyond which they wait for the journal.
        let error = Job::new(0..20 * Journal::UNRECORDED_MAX)
            .compute(|item| item)
            .save(async |_: &u64| Ok::<(), Fault>(()))
            .recorded_in(journal)
            .observed_by(Panics)
            .run(&Options::default())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(error.to_string().contains("on purpose"), "{error}");
    }
}
