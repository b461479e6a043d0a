//! Shows how a run goes while it goes, and tells of dead letters and outages as they happen.
//!
//! Listens to the engine's facts; it counts nothing that the engine has counted.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use inflight::{Attempt, Counts, Fact, Observer, Verdict};

use crate::args::{OutputArgs, ProgressArg};
use crate::messages::Messages;
use crate::quantity;

/// Dead letters told one by one; more would bury everything else.
pub(crate) const DEAD_SHOWN_MAX: u64 = 20;

/// Between two updates of a bar: quick enough to look alive, slow enough to cost nothing.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// Between two plain lines: a log of an hour stays readable.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// How progress is shown, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Bar,
    Plain,
    None,
}

impl Shape {
    /// What the flags and the terminal make of `auto`.
    pub(crate) fn of(output: &OutputArgs) -> Shape {
        match output.progress {
            _ if output.quiet => Shape::None,
            ProgressArg::Bar => Shape::Bar,
            ProgressArg::Plain => Shape::Plain,
            ProgressArg::None => Shape::None,
            ProgressArg::Auto if stderr().is_terminal() => Shape::Bar,
            ProgressArg::Auto => Shape::Plain,
        }
    }
}

/// Watches one run.
#[derive(Debug)]
pub(crate) struct Watch {
    label: String,
    messages: Messages,
    shape: Shape,
    /// Added to the bars when the run begins; stands still when the watch is dropped with the run.
    bar: Option<ProgressBar>,
    /// As of the last fact, for what stands there in the end.
    counts: Counts,
    /// When in the run the next update is due.
    due: Duration,
    dead_shown: u64,
}

impl Watch {
    /// A watch for a run of this name; blanks at its end keep several bars aligned.
    pub(crate) fn new(label: impl Into<String>, shape: Shape, messages: &Messages) -> Watch {
        let label = label.into();
        let bar = messages.bars().map(|bars| {
            let style = ProgressStyle::with_template("{prefix} {bar:24} {msg}");
            let bar = ProgressBar::new(0).with_prefix(label.clone());
            bars.add(bar.with_style(style.expect("the template is a constant")))
        });
        Watch {
            label,
            messages: messages.clone(),
            shape,
            bar,
            counts: Counts::default(),
            due: match shape {
                Shape::Plain => PLAIN_EVERY,
                Shape::Bar | Shape::None => Duration::ZERO,
            },
            dead_shown: 0,
        }
    }

    fn update(&mut self, counts: &Counts) {
        if counts.elapsed < self.due {
            return;
        }
        match (self.shape, &self.bar) {
            (Shape::Bar, Some(bar)) => {
                self.due = counts.elapsed + BAR_EVERY;
                draw(bar, counts, status(counts));
            }
            (Shape::Plain, _) => {
                self.due = counts.elapsed + PLAIN_EVERY;
                self.messages.say(format_args!(
                    "{}: {}",
                    self.label.trim_end(),
                    status(counts)
                ));
            }
            _ => self.due = Duration::MAX,
        }
    }

    fn tell(&mut self, fact: &Fact, counts: &Counts) {
        match fact {
            Fact::Dead {
                index,
                step,
                attempts,
                fault,
                ..
            } => {
                self.dead_shown += 1;
                if self.dead_shown <= DEAD_SHOWN_MAX {
                    let tries = match attempts {
                        0 | 1 => String::new(),
                        more => format!(", after {more} attempts"),
                    };
                    self.messages.say(format_args!(
                        "dead: item {index}, {}{tries}: {fault}",
                        step.name()
                    ));
                }
            }
            Fact::OutageBegan { step, fault, .. } if counts.saved == 0 => {
                self.messages.say(format_args!(
                    "{}: the service does not answer, trying again: {fault}",
                    step.name()
                ))
            }
            Fact::OutageBegan { step, fault, .. } => self.messages.say(format_args!(
                "{}: the service is away, trying until it is back; nothing is lost: {fault}",
                step.name()
            )),
            Fact::OutageEnded { step, lasted } => self.messages.say(format_args!(
                "{}: the service is back after {}",
                step.name(),
                quantity::seconds(lasted.as_secs_f64())
            )),
            Fact::Attempt(attempt) if self.messages.is_verbose() => {
                if let Some(verdict) = attempt.verdict {
                    self.messages.detail(failure(attempt, verdict));
                }
            }
            Fact::Limit { step, at, decision } => self.messages.detail(format_args!(
                "{}: after {}: in flight {decision}",
                step.name(),
                quantity::seconds(at.as_secs_f64())
            )),
            Fact::Retry { step, index, fault } => {
                let step = step.name();
                self.messages.detail(format_args!(
                    "item {index}: {step} once more, after: {fault}"
                ));
            }
            _ => {}
        }
    }
}

impl Observer for Watch {
    fn observe(&mut self, fact: &Fact, counts: &Counts) {
        self.tell(fact, counts);
        self.update(counts);
        self.counts = *counts;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            let took = quantity::seconds(self.counts.elapsed.as_secs_f64());
            draw(
                bar,
                &self.counts,
                format!("{} done in {took}", finished(&self.counts)),
            );
            bar.abandon();
        }
    }
}

/// One attempt that failed, and what that means.
fn failure(attempt: &Attempt, verdict: Verdict) -> String {
    let meaning = match verdict {
        Verdict::Permanent => "for good",
        Verdict::Transient => "this time",
        Verdict::Overload => "as the service asks for less",
        Verdict::InDoubt => "and may have taken effect",
        Verdict::Unreached => "before anything was sent",
    };
    let records = quantity::count(attempt.records as u64, "record");
    let took = quantity::milliseconds(attempt.took.as_secs_f64() * 1e3);
    format!(
        "{} of {records} failed after {took}, {meaning}",
        attempt.step.name()
    )
}

fn draw(bar: &ProgressBar, counts: &Counts, message: String) {
    bar.set_length(counts.total.unwrap_or(counts.read));
    bar.set_position(finished(counts));
    bar.set_message(message);
}

/// Items that need nothing more.
fn finished(counts: &Counts) -> u64 {
    counts.saved + counts.dead
}

/// Where a run stands, in one line.
fn status(counts: &Counts) -> String {
    let finished = finished(counts);
    let mut status = match counts.total {
        Some(total) => format!("{finished} of {total} done"),
        None => format!("{finished} done"),
    };
    if let Some(since) = counts.outage_since {
        let away = counts.elapsed.saturating_sub(since).as_secs();
        return format!("{status}, service away for {away} s, nothing is lost");
    }
    let elapsed_s = counts.elapsed.as_secs_f64();
    if finished > 0 {
        status += &format!(", {}", quantity::rate(finished, elapsed_s));
    }
    status += &format!(", {} in flight", counts.in_flight);
    if counts.dead > 0 {
        status += &format!(", {} dead", counts.dead);
    }
    let left = counts.total.map(|total| total.saturating_sub(finished));
    if let (Some(left @ 1..), 1..) = (left, finished) {
        let left_s = elapsed_s / finished as f64 * left as f64;
        status += &format!(", {} to go", quantity::about(left_s));
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> Counts {
        Counts {
            total: Some(120),
            saved: 58,
            dead: 2,
            in_flight: 40,
            elapsed: Duration::from_secs(30),
            ..Counts::default()
        }
    }

    #[test]
    fn a_status_says_what_matters_now() {
        assert_eq!(
            status(&counts()),
            "60 of 120 done, 2.0/s, 40 in flight, 2 dead, 30 s to go"
        );
        let unknown = Counts {
            total: None,
            dead: 0,
            ..counts()
        };
        assert_eq!(status(&unknown), "58 done, 1.9/s, 40 in flight");
        // A try whose answer no longer matters may still be out.
        let done = Counts {
            saved: 118,
            in_flight: 2,
            ..counts()
        };
        assert_eq!(status(&done), "120 of 120 done, 4.0/s, 2 in flight, 2 dead");
    }

    #[test]
    fn an_outage_comes_before_figures() {
        let away = Counts {
            outage_since: Some(Duration::from_secs(18)),
            ..counts()
        };
        assert_eq!(
            status(&away),
            "60 of 120 done, service away for 12 s, nothing is lost"
        );
    }
}
