//! What limits a run: one list and one set of words for progress, summary, forecast, table, report and JSON.

use std::fmt;

/// What limits a run, or a moment of it. Its name in JSON is that of [`Bottleneck::name`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Bottleneck {
    /// Computing: all threads that compute are busy.
    Cpu,
    /// Other programs use the cores that computing would need.
    OtherPrograms,
    /// All computations that may run at a time do run, and they wait instead of computing.
    Workers,
    /// The service that fetches come from, or the limit of fetches in flight.
    Fetch,
    /// The service that saves go to: it gives no more.
    Service,
    /// A quota, of fetches or saves, that was set or found.
    Quota,
    /// The limit of saves in flight, which the user has set.
    InFlight,
    /// The right number in flight was still being found.
    Search,
    /// Sending and receiving, on the one thread that does it.
    Io,
    /// Steps that wait for each other, because the strategy does not overlap them.
    Turns,
    /// Reading the input.
    Source,
    /// Writing the journal.
    Journal,
    /// A sink that takes one request at a time: a file, or a local database.
    Output,
    /// Keeping the order: finished items wait for one before them.
    Order,
    /// Pauses that the service asked for.
    Pause,
    /// The brake that the user has set.
    Brake,
    /// The service was away.
    Outage,
    /// Requests that failed, and the wait until they are sent again.
    Failures,
    /// One item that took much longer than the others, at the end.
    Straggler,
    /// Starting: workers, connections, the first item.
    Start,
    /// What cannot overlap: the first item's fetch and compute, and the last item's save.
    Ends,
}

impl Bottleneck {
    /// All of them. Where two are equal, the first is named: a limit that just fits the service is not to blame.
    pub const ALL: [Bottleneck; 21] = [
        Bottleneck::Cpu,
        Bottleneck::OtherPrograms,
        Bottleneck::Workers,
        Bottleneck::Fetch,
        Bottleneck::Service,
        Bottleneck::Quota,
        Bottleneck::InFlight,
        Bottleneck::Search,
        Bottleneck::Io,
        Bottleneck::Turns,
        Bottleneck::Source,
        Bottleneck::Journal,
        Bottleneck::Output,
        Bottleneck::Order,
        Bottleneck::Pause,
        Bottleneck::Brake,
        Bottleneck::Outage,
        Bottleneck::Failures,
        Bottleneck::Straggler,
        Bottleneck::Start,
        Bottleneck::Ends,
    ];

    /// One word or two: in JSON and in columns of tables.
    pub fn name(self) -> &'static str {
        match self {
            Bottleneck::Cpu => "cpu",
            Bottleneck::OtherPrograms => "other-programs",
            Bottleneck::Workers => "workers",
            Bottleneck::Fetch => "fetch",
            Bottleneck::Service => "service",
            Bottleneck::Quota => "quota",
            Bottleneck::InFlight => "in-flight",
            Bottleneck::Search => "search",
            Bottleneck::Io => "io",
            Bottleneck::Turns => "turns",
            Bottleneck::Source => "source",
            Bottleneck::Journal => "journal",
            Bottleneck::Output => "output",
            Bottleneck::Order => "order",
            Bottleneck::Pause => "pause",
            Bottleneck::Brake => "brake",
            Bottleneck::Outage => "outage",
            Bottleneck::Failures => "failures",
            Bottleneck::Straggler => "straggler",
            Bottleneck::Start => "start",
            Bottleneck::Ends => "ends",
        }
    }
}

/// What is limited by it is "limited by …".
impl fmt::Display for Bottleneck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bottleneck::Cpu => "computing",
            Bottleneck::OtherPrograms => "other programs on the same cores",
            Bottleneck::Workers => "computations that wait",
            Bottleneck::Fetch => "fetching",
            Bottleneck::Service => "the service",
            Bottleneck::Quota => "a quota",
            Bottleneck::InFlight => "the requests in flight that are allowed",
            Bottleneck::Search => "finding the right number in flight",
            Bottleneck::Io => "sending and receiving on one thread",
            Bottleneck::Turns => "waiting for answers in turn",
            Bottleneck::Source => "reading the input",
            Bottleneck::Journal => "writing the journal",
            Bottleneck::Output => "writing the output",
            Bottleneck::Order => "keeping the order",
            Bottleneck::Pause => "pauses that the service asked for",
            Bottleneck::Brake => "the brake",
            Bottleneck::Outage => "an outage of the service",
            Bottleneck::Failures => "requests that failed",
            Bottleneck::Straggler => "one slow item at the end",
            Bottleneck::Start => "starting",
            Bottleneck::Ends => "the first and the last item, which nothing overlaps",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_json_says() {
        for (place, bottleneck) in Bottleneck::ALL.into_iter().enumerate() {
            let json = serde_json::to_string(&bottleneck).unwrap();
            assert_eq!(json, format!("\"{}\"", bottleneck.name()));
            assert_eq!(bottleneck as usize, place);
        }
    }
}
