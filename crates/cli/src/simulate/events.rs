//! What happens next: events in the order of their times, and of their making where these are equal.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::requests::Id;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// The service behaves differently.
    Change(usize),
    /// A client begins.
    Begin(usize),
    /// A client has computed items, or is given one.
    Produced(usize),
    /// A client may send again.
    Wake(usize),
    /// A client's oldest request may be overdue.
    Overdue(usize),
    /// A request reaches the service.
    Arrives(Id),
    /// The service has done a request.
    Finishes(Id),
    /// The answer reaches the client.
    Answered(Id),
}

/// The events to come. Bounded by what is in flight and a few for each client.
#[derive(Debug, Default)]
pub(super) struct Events {
    heap: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    made: u64,
}

impl Events {
    pub(super) fn push(&mut self, at: Duration, event: Event) {
        self.made += 1;
        self.heap.push(Reverse((at, self.made, event)));
    }

    pub(super) fn pop(&mut self) -> Option<(Duration, Event)> {
        self.heap.pop().map(|Reverse((at, _, event))| (at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_is_played_first() {
        let mut events = Events::default();
        events.push(Duration::from_secs(2), Event::Begin(0));
        events.push(Duration::from_secs(1), Event::Begin(2));
        events.push(Duration::from_secs(1), Event::Begin(1));
        let order: Vec<Event> = std::iter::from_fn(|| events.pop())
            .map(|(_, e)| e)
            .collect();
        assert_eq!(order, [Event::Begin(2), Event::Begin(1), Event::Begin(0)]);
    }
}
