//! The same work done by inflight and by its peers, in one run.
