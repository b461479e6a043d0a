//! What goes wrong in each case, and what must come of it.

use std::time::Duration;

use super::played::{Came, play};
use crate::options::{InFlightLimit, Options, Strategy};

/// Items of a job.
pub(super) const ITEMS: u64 = 1000;
/// How long a good answer takes.
pub(super) const LATENCY: Duration = Duration::from_millis(20);
/// The deadline of a request, where requests hang; else it is the usual one.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than this nothing may stand still, and twice the deadline.
const STALL: Duration = Duration::from_secs(10);

/// How an item is bad, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// The service answers 500.
    Answered,
    /// The connection is cut.
    Cut,
    /// No answer comes.
    Hangs,
}

/// How a service is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Away {
    /// Connections are refused.
    Refuses,
    /// It answers 503.
    Busy,
    /// No answer comes.
    Hangs,
    /// Each connection is cut.
    Cuts,
    /// It answers 500.
    Fails,
}

/// Where the bad items stand, or when the outage begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Beginning,
    Middle,
    /// Of an outage: with a tenth left.
    End,
    /// Of an outage alone: with twenty items left.
    Last,
    /// Of bad items alone: here and there.
    Spread,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Trouble {
    /// This share of the items.
    Bad(Bad, f64),
    /// For so many seconds.
    Away(Away, u64),
    /// One item of a hundred, here and there, and a minute.
    Both(Bad, Away),
}

/// One job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Case {
    pub(super) trouble: Trouble,
    pub(super) place: Place,
    pub(super) strategy: Strategy,
    pub(super) limit: usize,
}

impl Case {
    pub(super) fn options(&self) -> Options {
        let hangs = matches!(
            self.trouble,
            Trouble::Bad(Bad::Hangs, _)
                | Trouble::Away(Away::Hangs, _)
                | Trouble::Both(Bad::Hangs, _)
                | Trouble::Both(_, Away::Hangs)
        );
        let usual = Options::default();
        Options {
            strategy: self.strategy,
            jobs: 2,
            in_flight: InFlightLimit::Fixed(self.limit),
            timeout: if hangs { TIMEOUT } else { usual.timeout },
            ..usual
        }
    }

    /// In which way an item is bad, if it is.
    pub(super) fn is_bad(&self, index: u64) -> Option<Bad> {
        let (bad, share, place) = match self.trouble {
            Trouble::Bad(bad, share) => (bad, share, self.place),
            Trouble::Both(bad, _) => (bad, 0.01, Place::Spread),
            Trouble::Away(..) => return None,
        };
        let count = (share * ITEMS as f64).ceil() as u64;
        let is_bad = match place {
            Place::Beginning => index < count,
            Place::Middle => (index + count / 2).wrapping_sub(ITEMS / 2) < count,
            Place::End | Place::Last => index >= ITEMS - count,
            Place::Spread => index * 7919 % ITEMS < count,
        };
        is_bad.then_some(bad)
    }

    /// How the service is away, for how long, and with how many items left that begins.
    pub(super) fn outage(&self) -> Option<(Away, Duration, u64)> {
        let (how, seconds) = match self.trouble {
            Trouble::Away(how, seconds) => (how, seconds),
            Trouble::Both(_, how) => (how, 60),
            Trouble::Bad(..) => return None,
        };
        let left = match self.place {
            Place::Beginning => ITEMS,
            Place::Middle | Place::Spread => ITEMS / 2,
            Place::End => ITEMS / 10,
            Place::Last => 20,
        };
        Some((how, Duration::from_secs(seconds), left))
    }

    /// What is wrong with what came of it, by what is promised.
    pub(super) fn wrong(&self, came: &Came) -> Option<&'static str> {
        let options = self.options();
        let bad = (0..ITEMS)
            .filter(|index| self.is_bad(*index).is_some())
            .count() as u64;
        let is_over = |budget: Duration| self.outage().is_some_and(|(_, lasts, _)| lasts >= budget);
        // Nothing has succeeded before it.
        let is_unknown = bad == ITEMS || self.place == Place::Beginning && is_over(Duration::ZERO);
        let may_stop = is_over(options.outage_budget) || is_unknown;
        match () {
            () if came.innocent > 0 => Some("good items died"),
            () if came.stall > 2 * options.timeout + STALL => Some("it stood still"),
            () if came.stopped.is_some() && may_stop => None,
            () if came.stopped.is_some() => Some("it stopped"),
            () if came.guilty != bad || came.saved != ITEMS - bad => Some("some were forgotten"),
            () => None,
        }
    }

    /// Plays it. `Err` says what was wrong.
    pub(super) fn check(&self) -> Result<(), String> {
        let came = play(self);
        let wrong = self.wrong(&came);
        wrong.map_or(Ok(()), |wrong| Err(format!("{wrong}: {self:?}, {came:?}")))
    }

    /// What goes wrong, for people.
    pub(super) fn kind(&self) -> String {
        let bad = |bad: Bad| match bad {
            Bad::Answered => "answered 500",
            Bad::Cut => "cut",
            Bad::Hangs => "without an answer",
        };
        let away = |how: Away| match how {
            Away::Refuses => "refuses connections",
            Away::Busy => "answers 503",
            Away::Hangs => "answers nothing",
            Away::Cuts => "cuts connections",
            Away::Fails => "answers 500",
        };
        match self.trouble {
            Trouble::Bad(how, share) => {
                format!("{:.0} % of the items are {}", share * 100.0, bad(how))
            }
            Trouble::Away(how, seconds) => format!("the service {} for {seconds} s", away(how)),
            Trouble::Both(item, how) => format!(
                "1 % of the items are {}, and the service {} for 60 s",
                bad(item),
                away(how)
            ),
        }
    }

    /// Where, for people.
    pub(super) fn place_name(&self) -> &'static str {
        match self.place {
            Place::Beginning => "at the beginning",
            Place::Middle => "in the middle",
            Place::End => "at the end",
            Place::Last => "with 20 items left",
            Place::Spread => "here and there",
        }
    }

    /// Whether the two cannot be told apart, and what is decided is known to be wrong here.
    pub(super) fn is_undecidable(&self) -> bool {
        match (self.trouble, self.place) {
            // The last items of a job, and an outage that is neither a refusal to connect nor an answer that asks for less.
            (Trouble::Away(Away::Hangs | Away::Cuts | Away::Fails, seconds), Place::Last) => {
                seconds >= 10
            }
            // Only so many are seen before the first success must come.
            (Trouble::Bad(_, share), Place::Beginning) => {
                let few_at_a_time = [Strategy::Sequential, Strategy::Batched];
                share > 0.05 && few_at_a_time.contains(&self.strategy)
            }
            // As many bad items as an outage would leave, and nothing good behind them.
            (Trouble::Bad(Bad::Cut | Bad::Hangs, share), Place::End) => share > 0.05 && share < 1.0,
            _ => false,
        }
    }
}

/// Cases that are quick to play, of each kind some.
pub(super) fn quick() -> Vec<Case> {
    let troubles = [
        Trouble::Bad(Bad::Answered, 0.01),
        Trouble::Bad(Bad::Answered, 0.1),
        Trouble::Bad(Bad::Cut, 0.01),
        Trouble::Bad(Bad::Hangs, 0.01),
        Trouble::Away(Away::Cuts, 1),
        Trouble::Away(Away::Cuts, 5),
        Trouble::Away(Away::Refuses, 20),
        Trouble::Away(Away::Hangs, 20),
        Trouble::Away(Away::Cuts, 20),
        Trouble::Away(Away::Busy, 20),
        Trouble::Away(Away::Fails, 20),
        Trouble::Both(Bad::Cut, Away::Cuts),
    ];
    let mut cases = all(&troubles, &[8]);
    cases.retain(|case| !case.is_undecidable());
    cases
}

/// Each of these troubles at each place, in each way.
pub(super) fn all(troubles: &[Trouble], limits: &[usize]) -> Vec<Case> {
    let mut cases = Vec::new();
    for trouble in troubles {
        let places: &[Place] = match trouble {
            Trouble::Bad(_, share) if *share >= 1.0 => &[Place::Spread],
            Trouble::Bad(..) => &[Place::Beginning, Place::Middle, Place::End, Place::Spread],
            Trouble::Away(..) => &[Place::Beginning, Place::Middle, Place::End, Place::Last],
            Trouble::Both(..) => &[Place::Middle],
        };
        for place in places {
            for strategy in Strategy::ALL {
                for limit in limits {
                    let case = Case {
                        trouble: *trouble,
                        place: *place,
                        strategy,
                        limit: *limit,
                    };
                    // One request at a time is in flight whatever the limit is.
                    if strategy != Strategy::Sequential || *limit == limits[0] {
                        cases.push(case);
                    }
                }
            }
        }
    }
    cases
}

/// Everything that is played for the table.
pub(super) fn full() -> Vec<Case> {
    let mut troubles = Vec::new();
    for bad in [Bad::Answered, Bad::Cut, Bad::Hangs] {
        troubles.extend([0.01, 0.1, 0.5, 1.0].map(|share| Trouble::Bad(bad, share)));
    }
    for how in [
        Away::Refuses,
        Away::Busy,
        Away::Hangs,
        Away::Cuts,
        Away::Fails,
    ] {
        troubles.extend([1, 20, 600].map(|seconds| Trouble::Away(how, seconds)));
    }
    troubles.extend([
        Trouble::Both(Bad::Cut, Away::Cuts),
        Trouble::Both(Bad::Hangs, Away::Refuses),
    ]);
    all(&troubles, &[8])
}
