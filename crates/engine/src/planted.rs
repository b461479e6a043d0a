//! Bugs on purpose: each is one line of the engine that tests can make wrong, to show that the simulation finds it. Outside
//! tests there are none; [`planted!`] is `false` there.

/// Whether this bug is planted on this thread.
#[cfg(not(test))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

#[cfg(test)]
macro_rules! planted {
    ($bug:ident) => {
        $crate::planted::is($crate::planted::Bug::$bug)
    };
}

pub(crate) use planted;

#[cfg(test)]
pub(crate) use bug::{Bug, is, with};

#[cfg(test)]
mod bug {
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// What can be wrong.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Bug {
        /// The journal calls an item saved when it is computed.
        RecordedBeforeAnswer,
        /// What was written is taken for durable.
        SyncSkipped,
        /// The output of a sink is not made durable before the journal speaks of it.
        OutputSyncSkipped,
        /// A frame says that all before it was on the disk, though nobody waited for that.
        ClaimsSynced,
        /// A range ends one item late.
        RangeOffByOne,
        /// The outcomes of a bulk belong to the records beside.
        BulkShifted,
        /// The number of outcomes is not compared with that of the records.
        CountUnchecked,
        /// A connection is kept though nobody waited for its answer.
        TimedOutReused,
        /// What went over a stale connection, and perhaps arrived, is not counted as in doubt.
        StaleForgotten,
        /// A stage is done when nothing is in flight, whatever waits.
        DrainForgets,
        /// A request that failed stays in flight.
        SlotLeaked,
        /// One request more than the limit.
        LimitExceeded,
        /// The journal calls an item dead before its letter is written.
        LetterAfterJournal,
        /// Dead items are not recorded.
        DeadNotRecorded,
        /// Answers may get ahead of the journal without a bound.
        WindowUnbounded,
        /// An item that is to be tried again is not.
        RetryForgets,
        /// What failed in an outage counts against the items.
        NotForgiven,
        /// To be refused counts as a failure.
        RefusalCounted,
        /// Nobody waits as long as the service asked.
        PauseIgnored,
        /// Half of a bulk that was refused is forgotten.
        HalfForgotten,
        /// Reading goes on at a place beyond items that are not finished.
        PlaceAhead,
        /// A disk that failed is written again.
        FailureIgnored,
        /// The service is away as long as bad items fail, whatever else there is.
        StaleProbes,
        /// An item dies of its attempts, whatever others show.
        JudgedByItself,
        /// Where no other item can be tried, the last attempt follows at once.
        NoDoubt,
        /// An item is to blame when whoever computed it broke once.
        BlamedAtOnce,
        /// A key is taken for one that begins as it does.
        KeyUnconfirmed,
        /// Items are handed on before their keys are on the disk.
        KeysUnsynced,
        /// An item whose key was there before is forgotten.
        DuplicateForgotten,
        /// An item goes though one before it of the same value is out.
        OrderIgnored,
        /// The next item of a value goes before the journal knows how the one before it ended.
        OrderUnrecorded,
    }

    impl Bug {
        /// All of them.
        pub(crate) const ALL: [Bug; 31] = [
            Bug::RecordedBeforeAnswer,
            Bug::SyncSkipped,
            Bug::OutputSyncSkipped,
            Bug::ClaimsSynced,
            Bug::RangeOffByOne,
            Bug::BulkShifted,
            Bug::CountUnchecked,
            Bug::TimedOutReused,
            Bug::StaleForgotten,
            Bug::DrainForgets,
            Bug::SlotLeaked,
            Bug::LimitExceeded,
            Bug::LetterAfterJournal,
            Bug::DeadNotRecorded,
            Bug::WindowUnbounded,
            Bug::RetryForgets,
            Bug::NotForgiven,
            Bug::RefusalCounted,
            Bug::PauseIgnored,
            Bug::HalfForgotten,
            Bug::PlaceAhead,
            Bug::FailureIgnored,
            Bug::StaleProbes,
            Bug::JudgedByItself,
            Bug::NoDoubt,
            Bug::BlamedAtOnce,
            Bug::KeyUnconfirmed,
            Bug::KeysUnsynced,
            Bug::DuplicateForgotten,
            Bug::OrderIgnored,
            Bug::OrderUnrecorded,
        ];
    }

    /// Whether this one is planted on this thread.
    pub(crate) fn is(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Does something on this thread while the bug is planted.
    pub(crate) fn with<T>(bug: Bug, work: impl FnOnce() -> T) -> T {
        struct Dug;
        impl Drop for Dug {
            fn drop(&mut self) {
                PLANTED.set(None);
            }
        }
        PLANTED.set(Some(bug));
        let _dug = Dug;
        work()
    }
}
