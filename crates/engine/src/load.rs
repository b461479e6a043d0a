//! What each step of a run has to do at one moment, as the thread that serves I/O sees it. Plain data.

/// What there is to do at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// The requests that fetch, in a job that fetches.
    pub fetch: Option<StageLoad>,
    /// Items that wait for one before them of the same value, where those of one value go one after the other.
    pub behind: usize,
    /// Chunks of items that wait to be computed.
    pub to_compute: usize,
    /// The requests that save.
    pub save: StageLoad,
}

/// The same of one kind of request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StageLoad {
    /// Requests in flight.
    pub in_flight: usize,
    /// How many may be.
    pub limit: usize,
    /// Those of them that wait for their first connection.
    pub connecting: usize,
    /// Records ready to be sent.
    pub ready: usize,
    /// Records that wait until they are sent again.
    pub retrying: usize,
    /// What keeps a ready record from being sent; `None` while nothing is ready, or nothing keeps it.
    pub held: Option<Held>,
}

/// What keeps a record that is ready from being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// As many as may be are in flight, and the right number is known or was set.
    Limit,
    /// As many as may be are in flight, and the right number is still being found.
    Search,
    /// The service takes one request at a time, and has it.
    Single,
    /// A quota of requests.
    Quota,
    /// A quota of units, such as tokens.
    Units,
    /// The service asked for a pause.
    Pause,
    /// The brake of the run holds.
    Brake,
    /// The journal has to follow first.
    Journal,
    /// Too much waits for an item before it, in a run that keeps the order.
    Order,
}
