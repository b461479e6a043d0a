//! What a job costs, as far as that is known before it is run.

use super::figure::Figure;

/// What one more record in a request is taken to cost when nobody knows: a local database takes a third of that, one with indices
/// more.
const RECORD_S: f64 = 5e-6;
/// Of requests with fewer records in the mean, nobody can say what a record costs.
const MANY: f64 = 32.0;

/// What there is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// How many items.
    pub items: u64,
    /// Seconds of one computation while no other runs.
    pub compute: Figure,
    /// The same while all threads of `Parallel` compute: memory, caches and clock rates are shared.
    pub compute_beside: Figure,
    /// The requests that get what is computed on, if there are any.
    pub fetch: Option<Traffic>,
    /// The requests that store results.
    pub save: Traffic,
}

/// What the requests of one stage cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// Seconds from sent to answered of a request with one record, at a service that is not crowded.
    pub latency: Figure,
    /// Seconds more for each further record of a request.
    pub per_record: Figure,
    /// The most records one request carries, at least 1.
    pub bulk: usize,
    /// Standard deviation of ln(latency): 0 if all take the same, 0.5 is usual over a network.
    pub spread: f64,
    /// How many requests the service handles at once, before more of them only wait; `None` is any number.
    pub capacity: Option<Figure>,
    /// Seconds for which a request holds one of these places: less than the latency, of which some is the way there and back.
    /// `None` is all of it.
    pub held: Option<Figure>,
    /// With how many in flight it was seen to keep up. Beyond that only the worst case reckons with less.
    pub proven: Option<usize>,
    /// How goodput answers to more in flight than that: 0 if they only wait, −1 if twice as many bring half as much.
    pub crowding: f64,
    /// Requests a second that the service allows.
    pub quota: Option<Figure>,
    /// Seconds of CPU that a request costs the thread that serves I/O.
    pub handling: Figure,
    /// The most connections that the service has, by its nature.
    pub connections: Option<usize>,
    /// Whether a request holds up the one thread of `Sequential`, `Batched` and `Async`, as that of a file or SQLite does.
    pub blocks: bool,
}

impl Traffic {
    /// A service that takes so long for each request, handles any number at once and asks for nothing.
    pub fn taking(latency: Figure) -> Traffic {
        Traffic {
            latency,
            per_record: Figure::NOTHING,
            bulk: 1,
            spread: 0.0,
            capacity: None,
            held: None,
            proven: None,
            crowding: 0.0,
            quota: None,
            handling: Figure::NOTHING,
            connections: None,
            blocks: false,
        }
    }

    /// What a request with one record takes, and each further one, at a service whose requests with so many took so long.
    ///
    /// Nobody knows which part of the latency is the request's own: of a few records all of it, and of many as much as `own`,
    /// seconds that such a request is thought to take, at least as much as each of them.
    pub fn parts(latency: Figure, records: f64, own: f64) -> (Figure, Figure) {
        let share = latency.value / records;
        if records < MANY {
            return (latency, Figure::assumed(RECORD_S.min(share)));
        }
        let own = own.clamp(share, latency.value);
        let each = (latency.value - own) / (records - 1.0);
        (Figure::assumed(own), Figure::assumed(each))
    }
}
