//! The English words of the page. They hold no figure: `{0}` and its like stand for what was measured.

use crate::figure::Column;

pub(crate) struct English;

impl English {
    pub(crate) const HEAD: &'static str = "# The experiment

*[한국어](experiment.ko.md)*

Items that cost CPU time are sent to a service that takes time to answer. There are four ways to do it: `sequential` waits for
each answer; `batched` computes a batch, sends it together and waits; `async` computes and sends on one thread, in turns;
`parallel` computes on all cores and serves I/O on a thread of its own. Eight statements follow, each with the commands that
show it, the figures they gave, and a picture they drew.

Nothing here is typed by hand: `cargo xtask experiment` runs the commands and writes this page and its pictures. Measured on
{0} cores, {1}, {2} of them busy with other work before it began. The service is the built-in lab, on the same cores. *Computing
alone* is the same computing, saved nowhere, measured in the same command.
";

    pub(crate) const BUSY: &'static str = "
**Others were at work on this machine meanwhile: small differences of large times are not to be relied upon.**
";

    pub(crate) const VERDICTS: [&'static str; 2] = ["**Did not hold in this run.**", "**Holds.**"];

    /// Each statement, and what its figures say.
    pub(crate) const STATEMENTS: [[&'static str; 2]; 8] = [
        [
            "Requests that come together are answered together; one by one they add up",
            "{0} requests to a service that takes a tenth of a second for each and handles a hundred at once took {1} one by one \
             and {2} together: {3} times as long.",
        ],
        [
            "A batch still takes its service time",
            "With the smallest batch all took {0}, with the largest {1}. But half of the requests never took less than {2}, \
             whatever the batch: batching makes the job quicker and no request.",
        ],
        [
            "A service has a capacity, and there is a right number in flight",
            "To a service that handles a hundred at once and gets slower beyond that, {0} in flight were the quickest: {1}. With \
             {2} in flight the same work took {3}, and a request {5} instead of {4}. A service that lets few wait refuses \
             instead: it turned away {6} requests at the largest number.",
        ],
        [
            "A service that handles one at a time gains nothing from batches or concurrency",
            "The quickest of the four took {0}, the slowest {1}: {2} apart.",
        ],
        [
            "Async hides nearly all I/O behind the computing; batched hides less",
            "On one computing thread, computing alone took {0}; sequential {1}, batched {2}, async {3}: {4} times quicker than \
             sequential. Beyond the CPU time of its own computing, batched took {5} and async {6}. Of what sequential waits, \
             async hides {7}, batched {8}.",
        ],
        [
            "On one thread without yielding, no request is served until all computing is done",
            "Never yielding, the thread served nothing for {0}: all of its computing, {1}. It took {2} instead of {3} with a \
             yield after each item, which left the thread unserved for {4} at most. With a yield every \
             twentieth of a second, as is often advised, it took {5} ({6}): here a yield costs next to nothing, so each item may have one. As long as the thread is \
             unserved, whoever else is served by it waits.",
        ],
        [
            "On one thread an answer waits for the computation to end",
            "The service took {0} for a request. Seen from the thread that also computes, half of the requests took {1} or more; \
             from a thread that only serves I/O, {2}. The thread that computes served nothing for up to {3}.",
        ],
        [
            "What is left to the time of computing alone goes away when I/O is separated",
            "Against computing alone on as many threads, the worst slowdown over all costs was {0} for sequential, {1} for \
             batched, {2} for async and {3} for parallel. On one computing thread, where computing alone took {4}, async took \
             {5} and parallel with a single job, its I/O on another thread, {6}; computing itself cost {7} of CPU time \
             alone and {8} beside I/O: {9} times as much. Beyond the CPU time of its own computing async took {10} and \
             parallel {11}, of which the last save is 0.1 s.",
        ],
    ];

    pub(crate) fn column(column: Column) -> &'static str {
        match column {
            Column::Run => "",
            Column::Strategy => "strategy",
            Column::Time => "time",
            Column::Slowdown => "× computing alone",
            Column::SaveMedian => "save p50",
            Column::SaveHighest => "save p99",
            Column::InFlight => "in flight, mean",
            Column::Stall => "longest without I/O",
            Column::Refused => "refused",
            Column::Attainment => "of the limit of all cores",
            Column::Compute => "CPU time of computing",
            Column::Alone => "computing alone",
        }
    }
}
