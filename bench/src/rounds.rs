//! Rounds: every contender once, then again, so that whatever slows the machine slows all of them.

use bench::Outcome;

use crate::contender::Contender;
use crate::section::{Growth, Row};
use crate::spread::Spread;
use crate::tell;

/// The outcomes of all rounds.
#[derive(Debug)]
pub(crate) struct Rounds {
    /// One for each contender: its label, and its outcome in each round.
    lanes: Vec<(&'static str, Vec<Outcome>)>,
}

impl Rounds {
    /// Runs all contenders `pairs` times, in turn.
    ///
    /// # Errors
    /// That of the first run that fails.
    pub(crate) fn run(pairs: usize, contenders: &[Contender<'_>]) -> anyhow::Result<Rounds> {
        let mut rounds = Rounds {
            lanes: contenders.iter().map(|c| (c.label, Vec::new())).collect(),
        };
        for round in 1..=pairs {
            for (contender, (label, lane)) in contenders.iter().zip(&mut rounds.lanes) {
                let outcome = contender.run()?;
                tell::line(&format!(
                    "round {round} of {pairs}: {label}: {} items in {:.3} s",
                    outcome.items, outcome.elapsed_s
                ));
                lane.push(outcome);
            }
        }
        Ok(rounds)
    }

    pub(crate) fn labels(&self) -> impl Iterator<Item = &'static str> {
        self.lanes.iter().map(|(label, _)| *label)
    }

    /// A figure of one contender over all rounds.
    pub(crate) fn spread(&self, label: &str, figure: impl Fn(&Outcome) -> f64) -> Spread {
        Spread::of(self.lane(label).iter().map(figure))
    }

    /// One contender's figure by another's, each taken within a round.
    pub(crate) fn ratio(
        &self,
        over: &str,
        under: &str,
        figure: impl Fn(&Outcome) -> f64,
    ) -> Spread {
        self.by(over, under, |over, under| figure(over) / figure(under))
    }

    /// A figure made of two contenders' outcomes, each taken within a round.
    pub(crate) fn by(
        &self,
        one: &str,
        other: &str,
        figure: impl Fn(&Outcome, &Outcome) -> f64,
    ) -> Spread {
        let pairs = self.lane(one).iter().zip(self.lane(other));
        Spread::of(pairs.map(|(one, other)| figure(one, other)))
    }

    /// Every contender's figure, and ours by theirs.
    pub(crate) fn rows(&self, ours: &str, figure: impl Fn(&Outcome) -> f64) -> Vec<Row> {
        let row = |label| Row {
            label: String::from(label),
            figure: self.spread(label, &figure),
            ratio: (label != ours).then(|| self.ratio(ours, label, &figure)),
        };
        self.labels().map(row).collect()
    }

    /// How our time grows with the items: a hundredth and a tenth of them are run now, all of them were in these rounds.
    ///
    /// # Errors
    /// That of the first run that fails.
    pub(crate) fn growth<'a>(
        &self,
        ours: &'static str,
        (pairs, items): (usize, u64),
        contender: impl Fn(&'static str, u64) -> Contender<'a>,
    ) -> anyhow::Result<Growth> {
        let parts = [
            ("inflight, a hundredth", items / 100),
            ("inflight, a tenth", items / 10),
        ];
        let small = Rounds::run(pairs, &parts.map(|(label, items)| contender(label, items)))?;
        let seconds = |rounds: &Rounds, label| rounds.spread(label, |o| o.elapsed_s).median;
        let mut points = parts
            .map(|(label, items)| (items, seconds(&small, label)))
            .to_vec();
        points.push((items, seconds(self, ours)));
        Ok(Growth::new(ours, "s", points))
    }

    fn lane(&self, label: &str) -> &[Outcome] {
        let lane = self.lanes.iter().find(|(name, _)| *name == label);
        lane.map_or(&[], |(_, outcomes)| outcomes)
    }
}
