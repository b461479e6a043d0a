//! What a bar is about: one figure of a scenario that was played, and what it must come to.

use inflight::limit::Reason;
use inflight_cli::simulate::Played;

/// One figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Measure {
    /// Percent of the optimum.
    Throughput,
    /// Bound ÷ elapsed.
    Attainment,
    /// Mean in flight over the knee.
    InFlight,
    /// Mean in flight.
    Requests,
    /// The most in flight over the knee.
    Peak,
    /// Percent of what was saved.
    Refused,
    /// The first second after which 5 s average 90 % of the optimum.
    Converged,
    /// Seconds from a moment until 5 s average so much of the optimum from then on, in saves a second.
    Recovered {
        from_s: f64,
        share: f64,
        optimum: f64,
    },
    /// Mean in flight over the knee, in the two seconds after a moment.
    InFlightAt { at_s: f64, knee: f64 },
    /// The worst second from a moment on, in percent of the optimum from then on.
    Worst {
        from_s: f64,
        until_s: f64,
        optimum: f64,
    },
    /// The limit at the end over what is needed.
    LimitOverNeed { need: f64 },
    /// How often timeouts made the law begin anew.
    BegunAnew,
    /// Jain's index.
    Jain,
}

impl Measure {
    pub(crate) fn of(self, played: &Played) -> f64 {
        let seen = &played.simulated;
        let trace = &played.trace;
        match self {
            Measure::Throughput => seen.throughput_ratio * 100.0,
            Measure::Attainment => seen.attainment,
            Measure::InFlight => seen.in_flight_over_knee,
            Measure::Requests => seen.in_flight_over_knee * seen.knee,
            Measure::Peak => seen.peak_over_knee,
            Measure::Refused => seen.rejected_ratio * 100.0,
            Measure::Converged => number_or_never(seen.converge_s),
            Measure::Recovered {
                from_s,
                share,
                optimum,
            } => {
                let seconds = (0..1000).map(f64::from);
                let mut seconds =
                    seconds.take_while(|s| from_s + s + 5.0 <= trace.steps.len() as f64 / 10.0);
                let near = |s: &f64| trace.goodput(from_s + s, from_s + s + 5.0) >= share * optimum;
                seconds.find(near).unwrap_or(f64::INFINITY)
            }
            Measure::InFlightAt { at_s, knee } => trace.in_flight(at_s, at_s + 2.0) / knee,
            Measure::Worst {
                from_s,
                until_s,
                optimum,
            } => {
                let seconds = (from_s as u32..until_s as u32).map(f64::from);
                let shares = seconds.map(|s| 100.0 * trace.goodput(s, s + 1.0) / optimum);
                shares.fold(f64::INFINITY, f64::min)
            }
            Measure::LimitOverNeed { need } => seen.limit_final / need,
            Measure::BegunAnew => {
                let reasons = trace.decisions.iter().map(|(_, decision)| decision.reason);
                reasons.filter(|reason| *reason == Reason::TimedOut).count() as f64
            }
            Measure::Jain => seen.jain,
        }
    }

    pub(crate) fn name(self) -> String {
        match self {
            Measure::Throughput => "throughput, % of the optimum".to_owned(),
            Measure::Attainment => "attainment".to_owned(),
            Measure::InFlight => "in flight / knee".to_owned(),
            Measure::Requests => "requests in flight".to_owned(),
            Measure::Peak => "peak / knee".to_owned(),
            Measure::Refused => "refused, %".to_owned(),
            Measure::Converged => "90 % from second".to_owned(),
            Measure::Recovered { from_s, share, .. } => {
                format!("{:.0} % so many s after {from_s:.0} s", share * 100.0)
            }
            Measure::InFlightAt { at_s, .. } => format!("in flight / new knee at {at_s:.0} s"),
            Measure::Worst { .. } => "worst second, %".to_owned(),
            Measure::LimitOverNeed { .. } => "limit / need at the end".to_owned(),
            Measure::BegunAnew => "times begun anew".to_owned(),
            Measure::Jain => "Jain's index".to_owned(),
        }
    }

    /// How far the worst seed may be from the bar: five points of a percentage, a fifth of anything else.
    fn slack(self, bar: f64) -> f64 {
        match self {
            Measure::Throughput | Measure::Worst { .. } => 5.0,
            Measure::Attainment | Measure::Jain => 0.05,
            _ => 0.2 * bar,
        }
    }
}

fn number_or_never(seconds: f64) -> f64 {
    if seconds.is_nan() {
        f64::INFINITY
    } else {
        seconds
    }
}

/// What a figure must come to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    AtLeast(Measure, f64),
    AtMost(Measure, f64),
}

/// A figure over all seeds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) median: f64,
    pub(crate) worst: f64,
}

impl Bar {
    pub(crate) fn measure(self) -> Measure {
        match self {
            Bar::AtLeast(measure, _) | Bar::AtMost(measure, _) => measure,
        }
    }

    pub(crate) fn seen(self, played: &[Played]) -> Seen {
        let mut figures: Vec<f64> = played.iter().map(|one| self.measure().of(one)).collect();
        figures.sort_by(f64::total_cmp);
        let worst = match self {
            Bar::AtLeast(..) => figures[0],
            Bar::AtMost(..) => figures[figures.len() - 1],
        };
        let median = figures[figures.len() / 2];
        Seen { median, worst }
    }

    /// Whether the median meets it, and the worst seed nearly does.
    pub(crate) fn holds(self, seen: &Seen) -> bool {
        match self {
            Bar::AtLeast(measure, bar) => {
                seen.median >= bar && seen.worst >= bar - measure.slack(bar)
            }
            Bar::AtMost(measure, bar) => {
                seen.median <= bar && seen.worst <= bar + measure.slack(bar)
            }
        }
    }

    pub(crate) fn bar(self) -> String {
        match self {
            Bar::AtLeast(_, bar) => format!("≥ {bar}"),
            Bar::AtMost(_, bar) => format!("≤ {bar}"),
        }
    }

    pub(crate) fn shown(self, seen: &Seen) -> String {
        let (name, bar) = (self.measure().name(), self.bar());
        format!(
            "{name} {bar}: median {:.3}, worst {:.3}",
            seen.median, seen.worst
        )
    }
}
