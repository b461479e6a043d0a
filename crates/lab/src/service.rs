//! A running lab on its one thread: puts the model's decisions into time, and keeps counters and store beside it.
//!
//! It knows no HTTP. Everything happens on one thread, so one cell holds it all and nothing is locked; the cell is never
//! borrowed across an await.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::bulk::{self, Mapping};
use crate::config::{Change, Config};
use crate::fault::Outcome;
use crate::model::{Arrival, Decision, Model, Rejection, Ticket, Work};
use crate::quota::Left;
use crate::quota_headers::QuotaHeaders;
use crate::stats::{Counters, Stats};
use crate::store::Store;
use crate::things::Things;
use crate::timer::Timer;
use crate::tokens::Tokens;

/// How long a stalled request holds its connection when the client does not give up: longer than any sane timeout.
const STALL_MAX: Duration = Duration::from_secs(600);

/// The lab behind its HTTP face.
#[derive(Debug)]
pub(crate) struct Service {
    started: Instant,
    pub(crate) timer: Timer,
    fail_match: Option<Vec<u8>>,
    network: Duration,
    changes: Vec<Change>,
    pub(crate) idempotent: bool,
    pub(crate) openai: bool,
    pub(crate) rest: bool,
    pub(crate) bulk: bool,
    /// Which requests are served, for people.
    pub(crate) served: String,
    pub(crate) quota_headers: QuotaHeaders,
    error_in_200: f64,
    token_life: Option<Duration>,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    model: Model,
    /// Whom to tell when a ticket's turn comes; holds exactly the tickets that wait in the model.
    waiters: HashMap<Ticket, oneshot::Sender<Work>>,
    counters: Counters,
    store: Store,
    things: Things,
    mapping: Mapping,
    tokens: Tokens,
}

impl Service {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            started: Instant::now(),
            timer: Timer::new(),
            fail_match: config.fail_match.clone().map(String::into_bytes),
            idempotent: config.idempotent,
            openai: config.openai,
            rest: config.rest,
            bulk: config.bulk,
            served: config.served(),
            quota_headers: config.quota_headers,
            error_in_200: config.error_in_200,
            token_life: config.token_life,
            network: config.network,
            changes: config.changes.clone(),
            state: RefCell::new(State {
                model: Model::new(config),
                waiters: HashMap::new(),
                counters: Counters::starting_with(0),
                store: Store::default(),
                things: Things::default(),
                mapping: Mapping::default(),
                tokens: Tokens::default(),
            }),
        }
    }

    /// Whether a body is the one that always fails.
    pub(crate) fn always_fails(&self, body: &[u8]) -> bool {
        self.fail_match.as_deref() == Some(body)
    }

    /// Whether a request with this `Authorization` header is let in: any is, where no token is asked for.
    pub(crate) fn is_authorized(&self, authorization: Option<&[u8]>) -> bool {
        let Some(life) = self.token_life else {
            return true;
        };
        let now = self.started.elapsed();
        let tokens = &mut self.state.borrow_mut().tokens;
        tokens.accept(authorization, life, now)
    }

    /// Whether this answer is one of those that are an error inside a 200.
    pub(crate) fn errs_in_200(&self) -> bool {
        self.state.borrow_mut().model.happens(self.error_in_200)
    }

    /// What is left of the quotas of requests and of tokens.
    pub(crate) fn quotas_left(&self) -> [Option<Left>; 2] {
        let now = self.started.elapsed();
        self.state.borrow_mut().model.quotas_left(now)
    }

    /// Does something with the things of the REST face.
    pub(crate) fn with_things<T>(&self, act: impl FnOnce(&mut Things) -> T) -> T {
        act(&mut self.state.borrow_mut().things)
    }

    /// Does what a request with many documents asks for; what is wrong with it as a whole.
    pub(crate) fn bulk(&self, body: &[u8]) -> Result<serde_json::Value, String> {
        let state = &mut *self.state.borrow_mut();
        let answers = bulk::answer(&mut state.things, &mut state.mapping, body)?;
        for document in answers.kept {
            state.store.save(&document, None);
        }
        Ok(answers.body)
    }

    /// Lets a request in, serves it for as long as the model says, and answers how it ends.
    ///
    /// The visit counts as in flight until it is dropped. If the client goes away first, dropping this future gives back
    /// the place or the turn, and nothing is stored.
    pub(crate) async fn visit(&self, arrival: Arrival) -> Result<(Visit<'_>, Outcome), Rejection> {
        self.travel().await;
        let arrived = self.started.elapsed();
        let decision = self.state.borrow_mut().arrive(arrived, arrival);
        let mut visit = Visit {
            service: self,
            arrived,
            stage: Stage::Serving,
        };
        let (work, now) = match decision {
            Decision::Serve(work) => (work, arrived),
            Decision::Wait(ticket) => {
                visit.stage = Stage::Waiting(ticket);
                (self.turn(ticket).await, self.started.elapsed())
            }
            Decision::Reject(rejection) => {
                visit.stage = Stage::Refused;
                return Err(rejection);
            }
        };
        visit.stage = Stage::Serving;
        let mut end = work.end;
        if end > now {
            self.sleep(end).await;
        }
        while let Some(later) = self.put_off(end) {
            end = later;
            self.sleep(end).await;
        }
        visit.served(end);
        self.travel().await;
        if work.outcome == Outcome::Stalled {
            tokio::time::sleep(STALL_MAX).await;
        }
        Ok((visit, work.outcome))
    }

    /// When a request ends that is due now, if that is later because the service answers nothing.
    fn put_off(&self, due: Duration) -> Option<Duration> {
        let ends_at = self.state.borrow().model.ends_at(due);
        (ends_at > due).then_some(ends_at)
    }

    /// Half of the way there and back.
    async fn travel(&self) {
        if !self.network.is_zero() {
            self.sleep(self.started.elapsed() + self.network / 2).await;
        }
    }

    /// Lets it change as configured, for as long as this is awaited. Never ends.
    pub(crate) async fn change(&self) {
        for change in &self.changes {
            self.sleep(change.at).await;
            self.state.borrow_mut().change(change);
        }
        std::future::pending().await
    }

    /// Waits until a place is handed to this ticket.
    async fn turn(&self, ticket: Ticket) -> Work {
        let (sender, receiver) = oneshot::channel();
        self.state.borrow_mut().waiters.insert(ticket, sender);
        receiver
            .await
            .expect("whoever waits is kept until its turn comes")
    }

    /// Sleeps until a moment of the model's time, and never less.
    async fn sleep(&self, end: Duration) {
        self.timer.until(self.started + end).await;
    }

    /// Stores a body; its number, as in [`Store::save`].
    pub(crate) fn save(&self, body: &[u8], idempotency_key: Option<&[u8]>) -> u64 {
        self.state.borrow_mut().store.save(body, idempotency_key)
    }

    /// One part of the stored bodies, as in [`Store::lines`].
    pub(crate) fn lines(&self, part: usize) -> Option<Vec<u8>> {
        self.state.borrow().store.lines(part)
    }

    /// How many stored bodies [`lines`](Self::lines) leaves out.
    pub(crate) fn left_out(&self) -> u64 {
        self.state.borrow().store.left_out()
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.state.borrow();
        state
            .counters
            .stats(state.store.saved(), state.store.distinct())
    }

    /// Forgets what was counted and stored and lets chance and quota begin anew; who is inside stays inside.
    pub(crate) fn reset(&self) {
        let mut state = self.state.borrow_mut();
        state.model.reset(self.started.elapsed());
        state.counters = Counters::starting_with(state.counters.in_flight());
        state.store = Store::default();
        state.things = Things::default();
        state.mapping = Mapping::default();
        state.tokens = Tokens::default();
    }
}

impl State {
    fn arrive(&mut self, now: Duration, arrival: Arrival) -> Decision {
        let decision = self.model.arrive(now, arrival);
        self.counters.received += 1;
        match decision {
            Decision::Reject(_) => self.counters.rejected += 1,
            _ => self.counters.enter(),
        }
        decision
    }

    fn change(&mut self, change: &Change) {
        if !change.frozen.is_zero() {
            self.model.freeze(change.at, change.frozen);
        }
        for (ticket, work) in self.model.change(change.at, change.config.clone()) {
            self.starts(ticket, work);
        }
    }

    /// Frees a place and tells whoever gets it.
    fn finish(&mut self, end: Duration) {
        if let Some((ticket, work)) = self.model.finish(end) {
            self.starts(ticket, work);
        }
    }

    fn starts(&mut self, ticket: Ticket, work: Work) {
        let waiter = self
            .waiters
            .remove(&ticket)
            .expect("every waiting ticket has its waiter");
        // A receiver that was dropped has left the queue with it, so this send cannot miss.
        let sent = waiter.send(work);
        debug_assert!(sent.is_ok(), "a waiter leaves the queue when it goes");
    }

    /// A request has gone before it was served: gives back what it held.
    fn abandon(&mut self, stage: Stage, now: Duration) {
        match stage {
            Stage::Waiting(ticket) if self.waiters.remove(&ticket).is_some() => {
                self.model.leave(ticket)
            }
            // Its turn had come, it only had not heard yet.
            Stage::Waiting(_) | Stage::Serving => self.finish(now),
            Stage::Served | Stage::Refused => {}
        }
    }
}

/// A request inside the lab. Dropping it, at the answer or because the client has gone, ends it.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    service: &'a Service,
    arrived: Duration,
    stage: Stage,
}

/// What a request holds, and so what must be given back when it goes.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Waiting(Ticket),
    Serving,
    Served,
    Refused,
}

impl Visit<'_> {
    /// The service is done; the place goes to the next as of `end`, the answer goes out now.
    fn served(&mut self, end: Duration) {
        self.stage = Stage::Served;
        let service_time = self.service.started.elapsed().saturating_sub(self.arrived);
        let mut state = self.service.state.borrow_mut();
        state.finish(end);
        state.counters.served(service_time);
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut state = self.service.state.borrow_mut();
        match self.stage {
            Stage::Refused => return,
            Stage::Served => {}
            stage => state.abandon(stage, self.service.started.elapsed()),
        }
        state.counters.leave();
    }
}
