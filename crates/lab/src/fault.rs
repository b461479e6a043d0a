//! How a request ends that does not end well, and how often.

/// The shares of requests that end badly; together at most 1, because a request ends in one way. Default: none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Faults {
    /// Answered with status 500; nothing is stored.
    pub(crate) fail: f64,
    /// The connection is cut without an answer; nothing is stored.
    pub(crate) reset: f64,
    /// Never answered; nothing is stored.
    pub(crate) stall: f64,
    /// Stored, and then the connection is cut without an answer.
    pub(crate) after_apply: f64,
}

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Applied and answered.
    Answered,
    /// Not applied, status 500.
    Failed,
    /// Not applied, the connection is cut.
    Reset,
    /// Not applied, no answer.
    Stalled,
    /// Applied, the connection is cut.
    CutAfterApply,
}

impl Faults {
    /// The share of requests that end badly in any way.
    pub(crate) fn total(&self) -> f64 {
        self.fail + self.reset + self.stall + self.after_apply
    }

    /// How the next request ends. A lab without faults draws no random number.
    pub(crate) fn draw(&self, random: &mut fastrand::Rng) -> Outcome {
        if self.total() == 0.0 {
            return Outcome::Answered;
        }
        let mut rest = random.f64();
        for (share, outcome) in [
            (self.fail, Outcome::Failed),
            (self.reset, Outcome::Reset),
            (self.stall, Outcome::Stalled),
            (self.after_apply, Outcome::CutAfterApply),
        ] {
            if rest < share {
                return outcome;
            }
            rest -= share;
        }
        Outcome::Answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_share() {
        let faults = Faults {
            fail: 0.1,
            reset: 0.2,
            stall: 0.3,
            after_apply: 0.15,
        };
        let mut random = fastrand::Rng::with_seed(1);
        let drawn: Vec<Outcome> = (0..100_000).map(|_| faults.draw(&mut random)).collect();
        for (outcome, share) in [
            (Outcome::Failed, 0.1),
            (Outcome::Reset, 0.2),
            (Outcome::Stalled, 0.3),
            (Outcome::CutAfterApply, 0.15),
            (Outcome::Answered, 0.25),
        ] {
            let seen = drawn.iter().filter(|one| **one == outcome).count() as f64 / 1e5;
            assert!((seen - share).abs() < 0.01, "{outcome:?}: {seen}");
        }
    }
}
