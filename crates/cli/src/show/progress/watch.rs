//! Shows how a run goes while it goes, and tells of dead letters and outages as they happen.
//!
//! Listens to the engine's facts; it counts nothing that the engine has counted. What is said is decided in `now.rs`
//! and `line.rs`; here is the terminal.

use std::env;
use std::io::{IsTerminal, stderr};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressStyle};
use inflight::{Attempt, Counts, Fact, Observer, Verdict};

use super::line::{Line, plain};
use super::now::Known;
use crate::flags::output::{OutputArgs, ProgressArg};
use crate::terminal::messages::Messages;
use crate::terminal::quantity;

/// Dead letters told one by one; more would bury everything else.
pub(crate) const DEAD_SHOWN_MAX: u64 = 20;

/// Between two updates: quick enough to look alive, slow enough to cost nothing.
const TICK: Duration = Duration::from_millis(100);

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
            // A terminal that cannot go back to the beginning of a line cannot draw a line twice.
            ProgressArg::Bar if is_dumb() => Shape::Plain,
            ProgressArg::Bar => Shape::Bar,
            ProgressArg::Plain => Shape::Plain,
            ProgressArg::None => Shape::None,
            ProgressArg::Auto if stderr().is_terminal() && !is_dumb() => Shape::Bar,
            ProgressArg::Auto => Shape::Plain,
        }
    }
}

fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn is_styled() -> bool {
    stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Watches one run.
#[derive(Debug)]
pub(crate) struct Watch {
    label: String,
    messages: Messages,
    shape: Shape,
    /// Added to the bars when the run begins; stands still when the watch is dropped with the run.
    bar: Option<ProgressBar>,
    is_styled: bool,
    known: Known,
    /// As of the last fact, for what stands there in the end.
    counts: Counts,
    /// When in the run the next update is due, and the next plain line.
    due: Duration,
    plain_due: Duration,
    dead_shown: u64,
}

impl Watch {
    /// A watch for a run of this name; blanks at its end keep several bars aligned.
    pub(crate) fn new(
        label: impl Into<String>,
        shape: Shape,
        messages: &Messages,
        known: Known,
    ) -> Watch {
        let label = label.into();
        let bar = messages.bars().map(|bars| {
            let style = ProgressStyle::with_template("{msg}");
            let bar = ProgressBar::new(0);
            bars.add(bar.with_style(style.expect("the template is a constant")))
        });
        Watch {
            label,
            messages: messages.clone(),
            shape,
            bar,
            is_styled: is_styled(),
            known,
            counts: Counts::default(),
            due: Duration::ZERO,
            plain_due: PLAIN_EVERY,
            dead_shown: 0,
        }
    }

    fn update(&mut self, counts: &Counts) {
        if counts.elapsed < self.due {
            return;
        }
        self.due = counts.elapsed + TICK;
        match (self.shape, &self.bar) {
            (Shape::Bar, Some(bar)) => {
                let line = self.line();
                let figures = line.running(counts, &self.known);
                let limits = line.limits(counts, &self.known);
                bar.set_message(format!("{figures}\n{limits}"));
            }
            (Shape::Plain, _) if counts.elapsed >= self.plain_due => {
                self.plain_due = counts.elapsed + PLAIN_EVERY;
                self.messages.say(format_args!(
                    "{}: {}",
                    self.label.trim_end(),
                    plain(counts, &self.known)
                ));
            }
            _ => {}
        }
    }

    /// As wide as the terminal is now: people change that. The last column stays free, or it would wrap.
    fn line(&self) -> Line<'_> {
        let columns = Term::stderr()
            .size_checked()
            .map_or(80, |(_, columns)| columns);
        Line {
            label: &self.label,
            width: usize::from(columns).saturating_sub(1),
            is_styled: self.is_styled,
        }
    }

    fn tell(&mut self, fact: &Fact, counts: &Counts) {
        match fact {
            Fact::Dead {
                index,
                step,
                attempts,
                fault,
                key,
                ..
            } => {
                self.dead_shown += 1;
                if self.dead_shown <= DEAD_SHOWN_MAX {
                    let tries = match attempts {
                        0 | 1 => String::new(),
                        more => format!(", after {more} attempts"),
                    };
                    let key = key
                        .as_ref()
                        .map_or_else(String::new, |key| format!(" {key:?}"));
                    self.messages.say(format_args!(
                        "dead: item {index}{key}, {}{tries}: {fault}",
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
            Fact::NoMoreConnections {
                step,
                connections,
                fault,
                ..
            } => self.messages.say(format_args!(
                "{}: no more than {} can be had now, going on with those: {fault}",
                step.name(),
                quantity::count(*connections as u64, "connection"),
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
            Fact::Bulk { step, at, records } => self.messages.detail(format_args!(
                "{}: after {}: up to {records} records in a request",
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
        if self.shape != Shape::None {
            self.update(counts);
        }
        self.tell(fact, counts);
        self.counts = *counts;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.set_message(self.line().over(&self.counts));
            bar.abandon();
        }
    }
}

/// One attempt that failed, and what that means.
fn failure(attempt: &Attempt, verdict: Verdict) -> String {
    let meaning = match verdict {
        Verdict::Permanent => "for good",
        Verdict::Transient => "this time",
        Verdict::Overload => "as the service asks for less (429, 503 or the like)",
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
