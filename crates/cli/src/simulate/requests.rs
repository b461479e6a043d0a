//! The requests in flight, each in a place that is used again when it has ended.

use inflight::limit::Sent;
use inflight_lab::{Outcome, Rejection, Ticket};

/// Names one request; what is left over of an old one in the same place finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    place: u32,
    use_number: u32,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) client: usize,
    pub(super) sent: Sent,
    pub(super) at: Where,
}

/// Where a request is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Where {
    OnItsWay,
    Waiting(Ticket),
    Serving(Outcome),
    Answering(Answer),
}

/// What comes back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Done(Outcome),
    Refused(Rejection),
}

/// All requests that were sent and have not ended.
#[derive(Debug, Default)]
pub(super) struct Requests {
    places: Vec<(u32, Option<Request>)>,
    free: Vec<u32>,
}

impl Requests {
    pub(super) fn add(&mut self, request: Request) -> Id {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            (self.places.len() - 1) as u32
        });
        let (use_number, held) = &mut self.places[place as usize];
        *held = Some(request);
        let use_number = *use_number;
        Id { place, use_number }
    }

    pub(super) fn get(&mut self, id: Id) -> Option<&mut Request> {
        let (use_number, held) = &mut self.places[id.place as usize];
        held.as_mut().filter(|_| *use_number == id.use_number)
    }

    pub(super) fn end(&mut self, id: Id) -> Option<Request> {
        let (use_number, held) = &mut self.places[id.place as usize];
        if *use_number != id.use_number {
            return None;
        }
        *use_number = use_number.wrapping_add(1);
        self.free.push(id.place);
        held.take()
    }
}
