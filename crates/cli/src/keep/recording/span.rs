//! One stretch of time in the life of one item: what was done, when, how it went.
//!
//! Times are whole microseconds from the start of the run. Three words wide, because hundreds of thousands are kept.

use std::time::Duration;

use inflight::{Step, Verdict};

/// A stretch of time of one item. Ordered by item, then by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) index: u64,
    at_us: u64,
    /// How long it took, and below that eight bits of what it was.
    took_us_and_kind: u64,
}

/// What was done, and how it went. The numbers are those in a recording and in the page's script: never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Fetch = 0,
    Compute = 1,
    Save = 2,
    FetchFailed = 3,
    SaveFailed = 4,
    FetchRefused = 5,
    SaveRefused = 6,
    /// It became a dead letter here.
    Dead = 7,
}

impl Kind {
    pub(crate) const ALL: [Kind; 8] = [
        Kind::Fetch,
        Kind::Compute,
        Kind::Save,
        Kind::FetchFailed,
        Kind::SaveFailed,
        Kind::FetchRefused,
        Kind::SaveRefused,
        Kind::Dead,
    ];

    /// What an attempt is drawn as.
    pub(crate) fn of_attempt(step: Step, verdict: Option<Verdict>) -> Kind {
        match (step, verdict) {
            (Step::Fetch, None) => Kind::Fetch,
            (Step::Fetch, Some(Verdict::Overload)) => Kind::FetchRefused,
            (Step::Fetch, Some(_)) => Kind::FetchFailed,
            (_, None) => Kind::Save,
            (_, Some(Verdict::Overload)) => Kind::SaveRefused,
            (_, Some(_)) => Kind::SaveFailed,
        }
    }

    /// As it is called in the words of the house.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Fetch => "fetch",
            Kind::Compute => "compute",
            Kind::Save => "save",
            Kind::FetchFailed => "fetch failed",
            Kind::SaveFailed => "save failed",
            Kind::FetchRefused => "fetch refused",
            Kind::SaveRefused => "save refused",
            Kind::Dead => "dead letter",
        }
    }

    /// Whether something went wrong.
    pub(crate) fn is_fault(self) -> bool {
        self as u8 > Kind::Save as u8
    }
}

impl Span {
    pub(crate) fn new(index: u64, kind: Kind, at: Duration, took: Duration) -> Span {
        let (at_us, end_us) = (micros(at), micros(at + took));
        Span::of_micros(index, kind, at_us, end_us - at_us)
    }

    pub(crate) fn of_micros(index: u64, kind: Kind, at_us: u64, took_us: u64) -> Span {
        Span {
            index,
            at_us,
            took_us_and_kind: took_us << 8 | kind as u64,
        }
    }

    pub(crate) fn at_us(&self) -> u64 {
        self.at_us
    }

    pub(crate) fn took_us(&self) -> u64 {
        self.took_us_and_kind >> 8
    }

    pub(crate) fn end_us(&self) -> u64 {
        self.at_us + self.took_us()
    }

    pub(crate) fn kind(&self) -> Kind {
        Kind::ALL[self.took_us_and_kind as usize & 7]
    }
}

/// Whole microseconds; `as_micros` would count in twice the width.
pub(crate) fn micros(time: Duration) -> u64 {
    time.as_secs() * 1_000_000 + u64::from(time.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_three_words_and_keeps_what_it_is_told() {
        assert_eq!(size_of::<Span>(), 24);
        for kind in Kind::ALL {
            let span = Span::new(
                7,
                kind,
                Duration::from_nanos(1_999),
                Duration::from_nanos(2_001),
            );
            assert_eq!((span.kind(), span.at_us(), span.end_us()), (kind, 1, 4));
        }
    }
}
