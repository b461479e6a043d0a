//! When a run will end, from how fast items were finished of late: pure.
//!
//! What waits inside a run needs no account of its own: items on their way are not finished, and at the rate at which
//! items are finished they take just as long as they are on their way (Little's law).

/// Points that are remembered; when there are more, every other one is forgotten.
const POINTS_MAX: usize = 128;
/// Between two forecasts, as a share of the run so far.
const EVERY: f64 = 0.05;
/// No forecast is made before.
const FIRST_S: f64 = 0.25;
/// A forecast is shown if those made in the half of the time before it agree with it to this share,
const AGREE: f64 = 0.1;
/// and there are so many of them,
const AGREEING_MIN: usize = 6;
/// and so many items were finished by then.
const FINISHED_MIN: u64 = 20;
/// A run that is shorter is over before a forecast is of use.
const RUN_MIN_S: f64 = 1.0;

/// How many items were finished when.
#[derive(Clone, Debug, Default)]
pub(super) struct Estimate {
    points: Vec<Point>,
    forecasts: Vec<Forecast>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    at_s: f64,
    finished: u64,
}

/// What a run was forecast to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forecast {
    /// When the forecast was made.
    pub(crate) at_s: f64,
    /// How long the whole run takes.
    pub(crate) whole_s: f64,
    finished: u64,
}

impl Estimate {
    /// So many items were finished when the last of them was.
    pub(super) fn point(&mut self, at_s: f64, finished: u64) {
        if self
            .points
            .last()
            .is_some_and(|last| finished <= last.finished || at_s <= last.at_s)
        {
            return;
        }
        if self.points.len() == POINTS_MAX {
            let mut place = 0;
            self.points.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
        self.points.push(Point { at_s, finished });
    }

    /// Seconds until all are finished; `None` while that cannot be said.
    pub(super) fn left_s(&self, now_s: f64, total: u64) -> Option<f64> {
        let last = self.points.last()?;
        let first = self
            .points
            .iter()
            .find(|point| point.at_s >= now_s / 2.0 || point == &last)?;
        // Half of the run so far, or all of it if there is less.
        let first = match first == last {
            true => self.points.iter().rev().nth(1)?,
            false => first,
        };
        let each_s = (last.at_s - first.at_s) / (last.finished - first.finished) as f64;
        let left = total.saturating_sub(last.finished) as f64;
        Some((left * each_s - (now_s - last.at_s)).max(0.0))
    }

    /// Makes a forecast, if it is time for one.
    pub(super) fn forecast(&mut self, now_s: f64, total: u64) {
        let is_due = match self.forecasts.last() {
            Some(last) => now_s >= last.at_s * (1.0 + EVERY),
            None => now_s >= FIRST_S,
        };
        if is_due && let Some(left_s) = self.left_s(now_s, total) {
            self.forecasts.push(Forecast {
                at_s: now_s,
                whole_s: now_s + left_s,
                finished: self.points.last().map_or(0, |last| last.finished),
            });
        }
    }

    /// The last forecast that was made in the first half of a run that took so long, if it was sure enough to be shown.
    pub(super) fn shown(&self, elapsed_s: f64) -> Option<Forecast> {
        let made = self
            .forecasts
            .partition_point(|made| made.at_s <= elapsed_s / 2.0);
        let made = &self.forecasts[..made];
        let last = made
            .last()
            .filter(|last| last.finished >= FINISHED_MIN && elapsed_s >= RUN_MIN_S)?;
        let recent = made.iter().filter(|made| made.at_s >= last.at_s / 2.0);
        let agrees = |made: &Forecast| (made.whole_s / last.whole_s - 1.0).abs() <= AGREE;
        (recent.clone().count() >= AGREEING_MIN && recent.clone().all(agrees)).then_some(*last)
    }
}
