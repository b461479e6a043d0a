//! The rows of the evaluation: which scenario must come to what.

use std::path::Path;

use inflight_cli::simulate::{play, sweep};
use inflight_lab::Scenario;

use crate::measure::Bar::{self, AtLeast, AtMost};
use crate::measure::{Measure, Seen};

use Measure::{
    Attainment, BegunAnew, Converged, InFlight, InFlightAt, Jain, LimitOverNeed, Peak, Recovered,
    Refused, Requests, Throughput, Worst,
};

pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lab/scenarios");

/// One scenario with its bars.
pub(crate) struct Row {
    pub(crate) number: &'static str,
    pub(crate) scenario: &'static str,
    /// Whether it must hold; else its figures are written down only.
    pub(crate) is_gate: bool,
    pub(crate) bars: &'static [Bar],
}

const fn gate(number: &'static str, scenario: &'static str, bars: &'static [Bar]) -> Row {
    Row {
        number,
        scenario,
        is_gate: true,
        bars,
    }
}

const fn figures(number: &'static str, scenario: &'static str, bars: &'static [Bar]) -> Row {
    Row {
        number,
        scenario,
        is_gate: false,
        bars,
    }
}

pub(crate) const ROWS: &[Row] = &[
    gate(
        "1",
        "hundred-slots",
        &[
            AtLeast(Throughput, 97.0),
            AtMost(InFlight, 1.25),
            AtMost(Peak, 2.6),
            AtMost(Converged, 5.0),
        ],
    ),
    gate(
        "2",
        "one-at-a-time",
        &[AtLeast(Throughput, 94.0), AtMost(Requests, 2.4)],
    ),
    gate(
        "3",
        "degrading",
        &[AtLeast(Throughput, 92.0), AtMost(InFlight, 1.25)],
    ),
    gate(
        "4",
        "contended-database",
        &[AtLeast(Throughput, 91.0), AtMost(InFlight, 1.2)],
    ),
    gate(
        "5",
        "refusing",
        &[
            AtLeast(Throughput, 95.0),
            AtMost(InFlight, 1.1),
            AtMost(Refused, 0.1),
        ],
    ),
    gate(
        "6",
        "quota",
        &[AtLeast(Throughput, 94.0), AtMost(Refused, 0.2)],
    ),
    gate(
        "7",
        "quota-of-a-quick-service",
        &[AtLeast(Throughput, 90.0), AtMost(Refused, 0.2)],
    ),
    gate(
        "8",
        "lognormal-half",
        &[AtLeast(Throughput, 96.0), AtMost(InFlight, 1.2)],
    ),
    gate(
        "8",
        "lognormal-one",
        &[AtLeast(Throughput, 94.0), AtMost(InFlight, 1.2)],
    ),
    gate(
        "9",
        "slow-tail",
        &[AtLeast(Throughput, 93.0), AtMost(InFlight, 1.2)],
    ),
    gate(
        "10",
        "ten-thousand-slots",
        &[
            AtLeast(Throughput, 97.0),
            AtMost(InFlight, 1.2),
            AtMost(Converged, 5.0),
        ],
    ),
    gate(
        "11",
        "slow-service",
        &[
            AtLeast(Throughput, 96.0),
            AtMost(InFlight, 1.3),
            AtMost(Converged, 30.0),
        ],
    ),
    gate(
        "12",
        "lone-timeouts",
        &[
            AtLeast(Throughput, 91.0),
            AtMost(InFlight, 1.3),
            AtMost(BegunAnew, 0.0),
        ],
    ),
    gate(
        "13",
        "far-away",
        &[AtLeast(Throughput, 97.0), AtMost(InFlight, 1.3)],
    ),
    gate(
        "14",
        "capacity-changes",
        &[
            AtLeast(Throughput, 88.0),
            AtMost(
                InFlightAt {
                    at_s: 88.0,
                    knee: 33.0,
                },
                1.5,
            ),
            AtMost(
                Recovered {
                    from_s: 130.0,
                    share: 0.95,
                    optimum: 2000.0,
                },
                20.0,
            ),
        ],
    ),
    gate(
        "15",
        "slower-service",
        &[
            AtLeast(Throughput, 92.0),
            AtMost(InFlight, 1.25),
            AtLeast(
                Worst {
                    from_s: 91.0,
                    until_s: 179.0,
                    optimum: 500.0,
                },
                25.0,
            ),
            AtMost(
                Recovered {
                    from_s: 90.0,
                    share: 0.9,
                    optimum: 500.0,
                },
                20.0,
            ),
        ],
    ),
    gate(
        "16",
        "stall",
        &[
            AtLeast(Throughput, 94.0),
            AtMost(
                Recovered {
                    from_s: 110.0,
                    share: 0.95,
                    optimum: 1000.0,
                },
                8.0,
            ),
        ],
    ),
    gate(
        "17",
        "slow-producer",
        &[
            AtLeast(Throughput, 99.5),
            AtMost(LimitOverNeed { need: 33.0 }, 4.0),
        ],
    ),
    gate(
        "18",
        "busy-cpu",
        &[AtLeast(Throughput, 94.0), AtMost(InFlight, 1.6)],
    ),
    gate(
        "18",
        "busy-cpu-long",
        &[AtLeast(Throughput, 94.0), AtMost(InFlight, 1.6)],
    ),
    figures(
        "19",
        "fifty-clients",
        &[
            AtLeast(Throughput, 97.0),
            AtMost(InFlight, 1.5),
            AtLeast(Jain, 0.75),
        ],
    ),
    figures(
        "19",
        "fifty-clients-degrading",
        &[
            AtLeast(Throughput, 88.0),
            AtMost(InFlight, 1.5),
            AtLeast(Jain, 0.5),
        ],
    ),
    figures(
        "20",
        "fifty-clients-refusing",
        &[
            AtLeast(Throughput, 97.0),
            AtMost(InFlight, 1.15),
            AtMost(Refused, 0.6),
            AtLeast(Jain, 0.8),
        ],
    ),
    figures(
        "20",
        "fifty-clients-quota",
        &[
            AtLeast(Throughput, 97.0),
            AtMost(Refused, 0.6),
            AtLeast(Jain, 0.8),
        ],
    ),
    figures(
        "21",
        "fifty-clients-joining",
        &[AtLeast(Throughput, 97.0), AtMost(InFlight, 2.0)],
    ),
    figures(
        "22",
        "fifty-clients-unaligned",
        &[AtLeast(Throughput, 97.0), AtMost(InFlight, 3.0)],
    ),
    figures(
        "22",
        "fifty-clients-unaligned-degrading",
        &[AtLeast(Throughput, 88.0), AtMost(InFlight, 3.0)],
    ),
    gate("23", "short-job", &[AtLeast(Attainment, 0.80)]),
    gate("23", "short-job-remembered", &[AtLeast(Attainment, 0.92)]),
    gate("24", "long-job", &[AtLeast(Attainment, 0.97)]),
    gate("25", "bulk", &[AtLeast(Throughput, 90.0)]),
];

pub(crate) fn scenario(name: &str) -> Scenario {
    Scenario::read(&Path::new(FOLDER).join(format!("{name}.toml"))).unwrap()
}

impl Row {
    /// Plays it with so many seeds; what each bar is about, in order.
    pub(crate) fn play(&self, seeds: u64) -> Vec<Seen> {
        let scenario = scenario(self.scenario);
        let played: Vec<_> = (1..=seeds).map(|seed| play(&scenario, seed)).collect();
        self.bars.iter().map(|bar| bar.seen(&played)).collect()
    }
}

/// Holds each expected optimum and knee against fixed limits that are tried, as far as one client can.
pub(crate) fn sweep_all() {
    let single = ROWS
        .iter()
        .filter(|row| !row.scenario.starts_with("fifty") && !row.scenario.ends_with("-job"));
    for row in single {
        let scenario = scenario(row.scenario);
        let is_bulk = scenario.bulk.max > 1;
        if scenario.clients.produce.is_some() || scenario.clients.remembers || is_bulk {
            continue;
        }
        for (expected, found) in scenario.expected.iter().zip(sweep(&scenario)) {
            let near = |one: f64, other: f64| (one / other - 1.0).abs() < 0.05;
            assert!(
                near(expected.optimum, found.optimum) && near(expected.knee, found.knee),
                "{}: expected {expected:?}, found {found:?}",
                row.scenario
            );
        }
    }
}
