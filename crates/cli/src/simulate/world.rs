//! Plays a scenario: clients send, the model answers, and time goes from event to event.

use std::collections::HashMap;
use std::time::Duration;

use inflight::limit::{Learnt, Outcome as Told};
use inflight_lab::{Arrival, Decision, Length, Model, Outcome, Rejection, Scenario, Ticket, Work};

use super::client::{self, Client};
use super::events::{Event, Events};
use super::outcome::Simulated;
use super::requests::{Answer, Id, Request, Requests, Where};
use super::trace::Trace;

/// A job that ends is given up when nothing is saved for so long: twice the longest that a run waits for a service that asks
/// for patience,
const UNSAVED_MAX: Duration = Duration::from_secs(7200);
/// or for so many requests;
const UNSAVED_REQUESTS_MAX: u64 = 1_000_000;
/// and when it lasts so long: a trace that is longer is nobody's to look at.
const FINITE_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Where in the turns a run begins: anywhere, eight of the longest that matter.
const WALL_SPAN_S: f64 = 256.0;

/// A scenario that was played.
#[derive(Clone, Debug)]
pub struct Played {
    /// What it came to.
    pub simulated: Simulated,
    /// What happened over time.
    pub trace: Trace,
    /// What each client has learnt.
    pub learnt: Vec<Option<Learnt>>,
    /// Whether a job that should end was given up: nothing was saved any more, or it lasted too long.
    pub is_given_up: bool,
}

/// Plays a scenario in virtual time. The same seed gives the same trace.
pub fn play(scenario: &Scenario, seed: u64) -> Played {
    let learnt = match scenario.clients.remembers {
        false => vec![None; scenario.clients.count],
        true => {
            let mut first = scenario.clone();
            first.clients.remembers = false;
            play(&first, seed).learnt
        }
    };
    let mut world = World::new(scenario, seed, &learnt);
    let end = world.run();
    let learnt = world.clients.iter().map(|client| client.gate.learnt());
    let limit_final = world.clients.iter().map(|client| client.gate.found()).sum();
    Played {
        simulated: Simulated::new(scenario, seed, &world.trace, end, limit_final),
        learnt: learnt.collect(),
        is_given_up: world.is_given_up(),
        trace: world.trace,
    }
}

struct World<'a> {
    scenario: &'a Scenario,
    model: Model,
    clients: Vec<Client>,
    events: Events,
    requests: Requests,
    waiting: HashMap<Ticket, Id>,
    trace: Trace,
    /// When something was saved last, and the requests that failed since.
    saved_at: Duration,
    failed: u64,
    /// Half of the way there and back.
    half: Duration,
    now: Duration,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, seed: u64, learnt: &[Option<Learnt>]) -> World<'a> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut service = scenario.service.clone();
        service
            .set("seed", &random.u32(..).to_string())
            .expect("any number is a seed");
        let wall = random.f64() * WALL_SPAN_S;
        let clients = &scenario.clients;
        let mut events = Events::default();
        let made = learnt.iter().enumerate().map(|(number, learnt)| {
            let own = if clients.aligned {
                0.0
            } else {
                random.f64() * WALL_SPAN_S
            };
            let wall = Duration::from_secs_f64(wall + own);
            let settings = client::settings(clients, wall, *learnt, random.u64(..));
            let share = number as f64 / clients.count as f64;
            events.push(clients.start_spread.mul_f64(share), Event::Begin(number));
            Client::new(number, clients, scenario.bulk, scenario.length, settings)
        });
        let made: Vec<Client> = made.collect();
        for (number, change) in service.changes().iter().enumerate() {
            events.push(change.at, Event::Change(number));
        }
        World {
            half: service.network() / 2,
            model: Model::new(service),
            trace: Trace::new(made.len()),
            scenario,
            clients: made,
            events,
            requests: Requests::default(),
            waiting: HashMap::new(),
            saved_at: Duration::ZERO,
            failed: 0,
            now: Duration::ZERO,
        }
    }

    /// Plays to the end; says when that was.
    fn run(&mut self) -> Duration {
        let last = match self.scenario.length {
            Length::Lasting(duration) => duration,
            Length::Items(_) => FINITE_MAX,
        };
        while let Some((at, event)) = self.events.pop() {
            if at >= last {
                self.now = last;
                break;
            }
            self.now = at;
            self.happens(event);
            if self.is_finished() || self.is_given_up() {
                break;
            }
        }
        self.trace.advance(self.now);
        self.now
    }

    fn is_finished(&self) -> bool {
        let all_saved = |items| self.clients.iter().all(|client| client.saved >= items);
        matches!(self.scenario.length, Length::Items(items) if all_saved(items))
    }

    fn is_given_up(&self) -> bool {
        matches!(self.scenario.length, Length::Items(_))
            && (self.now >= FINITE_MAX
                || self.now - self.saved_at >= UNSAVED_MAX
                || self.failed >= UNSAVED_REQUESTS_MAX)
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Change(number) => self.change(number),
            Event::Arrives(id) => self.arrives(id),
            Event::Finishes(id) => self.finishes(id),
            Event::Begin(number)
            | Event::Produced(number)
            | Event::Wake(number)
            | Event::Overdue(number) => {
                if !self.is_held_up(number, event) {
                    self.client_event(number, event);
                }
            }
            Event::Answered(id) => {
                let client = self.requests.get(id).map(|request| request.client);
                if let Some(client) = client
                    && !self.is_held_up(client, event)
                {
                    self.answered(id);
                }
            }
        }
    }

    /// Whether the client's CPU is busy; then the event comes when it is free.
    fn is_held_up(&mut self, client: usize, event: Event) -> bool {
        let at = self.clients[client].serves_at(self.now);
        let held_up = at > self.now;
        if held_up {
            self.events.push(at, event);
        }
        held_up
    }

    fn client_event(&mut self, number: usize, event: Event) {
        let client = &mut self.clients[number];
        match event {
            Event::Begin(_) => self.schedule_items(number),
            Event::Produced(_) => {
                client.produced();
                self.schedule_items(number);
            }
            Event::Wake(_) => client.wake_at = None,
            _ => self.give_up_overdue(number),
        }
        self.send(number);
    }

    fn schedule_items(&mut self, number: usize) {
        if let Some(wait) = self.clients[number].next_items() {
            self.events.push(self.now + wait, Event::Produced(number));
        }
    }

    /// Sends all that may be sent now.
    fn send(&mut self, number: usize) {
        let now = self.now;
        let client = &mut self.clients[number];
        let mut sent = 0;
        while let Some(request) = client.send(now) {
            sent += 1;
            let id = self.requests.add(Request {
                client: number,
                sent: request,
                at: Where::OnItsWay,
            });
            if client.sent.is_empty() {
                let deadline = now + self.scenario.clients.timeout;
                self.events.push(deadline, Event::Overdue(number));
            }
            client.sent.push_back((now, id));
            self.events.push(now + self.half, Event::Arrives(id));
        }
        if client.ready > 0
            && let Some(at) = client.gate.opens_at(now)
            && client.wake_at.is_none_or(|wake_at| at < wake_at)
        {
            client.wake_at = Some(at);
            self.events.push(at, Event::Wake(number));
        }
        if sent > 0 {
            self.trace.in_flight_by(now, sent);
        }
    }

    fn arrives(&mut self, id: Id) {
        let now = self.now;
        let Some(request) = self.requests.get(id) else {
            return;
        };
        let more = u32::try_from(request.sent.records - 1).unwrap_or(u32::MAX);
        let longer = self.scenario.bulk.per_record * more;
        let arrival = Arrival {
            longer,
            ..Arrival::default()
        };
        match self.model.arrive(now, arrival) {
            Decision::Serve(work) => self.serves(id, work),
            Decision::Wait(ticket) => {
                request.at = Where::Waiting(ticket);
                self.waiting.insert(ticket, id);
            }
            Decision::Reject(rejection) => {
                request.at = Where::Answering(Answer::Refused(rejection));
                self.events.push(now + self.half, Event::Answered(id));
            }
        }
    }

    fn serves(&mut self, id: Id, work: Work) {
        if let Some(request) = self.requests.get(id) {
            request.at = Where::Serving(work.outcome);
        }
        self.events.push(work.end, Event::Finishes(id));
    }

    fn finishes(&mut self, id: Id) {
        let now = self.now;
        let Some(request) = self.requests.get(id) else {
            return;
        };
        let ends_at = self.model.ends_at(now);
        if ends_at > now {
            self.events.push(ends_at, Event::Finishes(id));
            return;
        }
        if let Where::Serving(outcome) = request.at {
            request.at = Where::Answering(Answer::Done(outcome));
            if outcome != Outcome::Stalled {
                self.events.push(now + self.half, Event::Answered(id));
            }
            self.place_is_free(now);
        }
    }

    fn place_is_free(&mut self, now: Duration) {
        if let Some((ticket, work)) = self.model.finish(now)
            && let Some(id) = self.waiting.remove(&ticket)
        {
            self.serves(id, work);
        }
    }

    fn change(&mut self, number: usize) {
        let changes = self.scenario.service.changes();
        let change = &changes[number];
        if !change.frozen.is_zero() {
            self.model.freeze(self.now, change.frozen);
        }
        self.half = change.config.network() / 2;
        for (ticket, work) in self.model.change(self.now, change.config.clone()) {
            if let Some(id) = self.waiting.remove(&ticket) {
                self.serves(id, work);
            }
        }
    }

    fn answered(&mut self, id: Id) {
        let Some(request) = self.requests.end(id) else {
            return;
        };
        let told = match request.at {
            Where::Answering(Answer::Done(Outcome::Answered)) => Told::Succeeded,
            Where::Answering(Answer::Refused(rejection)) => refusal(rejection),
            _ => Told::Failed,
        };
        self.ended(request, told);
        self.send(request.client);
    }

    fn ended(&mut self, request: Request, told: Told) {
        let now = self.now;
        let client = &mut self.clients[request.client];
        self.trace.in_flight_by(now, -1);
        let decision = client.ended(now, request.sent, told);
        if request.client == 0
            && let Some(decision) = decision
        {
            self.trace.decisions.push((now, decision));
        }
        let records = request.sent.records;
        match told {
            Told::Succeeded => (self.saved_at, self.failed) = (now, 0),
            _ => self.failed += 1,
        }
        if told == Told::Succeeded && now >= self.scenario.warmup {
            self.trace.saved_by[request.client] += records as u64;
        }
        let alone = self.clients.len() == 1;
        let limit = alone.then(|| self.clients[0].gate.found());
        let step = self.trace.step(now);
        match told {
            Told::Succeeded => {
                step.saved += records as u32;
                step.latency_s += records as f64 * (now - request.sent.at).as_secs_f64();
            }
            Told::Refused { .. } => step.refused += 1,
            Told::TimedOut | Told::Failed => {}
        }
        if let Some(limit) = limit {
            step.limit = limit;
        } else if step.limit == 0.0 || step.saved % 64 == 1 {
            // Adding up the limits of many clients for each answer would cost more than all the rest.
            let limits = self.clients.iter().map(|client| client.gate.found()).sum();
            self.trace.step(now).limit = limits;
        }
    }

    /// Gives up what was sent too long ago, and looks again when the next may be.
    fn give_up_overdue(&mut self, number: usize) {
        let timeout = self.scenario.clients.timeout;
        while let Some((sent_at, id)) = self.clients[number].sent.front().copied() {
            if self.requests.get(id).is_some() {
                if sent_at + timeout > self.now {
                    self.events.push(sent_at + timeout, Event::Overdue(number));
                    return;
                }
                self.abandon(id);
            }
            self.clients[number].sent.pop_front();
        }
    }

    fn abandon(&mut self, id: Id) {
        let Some(request) = self.requests.end(id) else {
            return;
        };
        match request.at {
            Where::Waiting(ticket) => {
                self.waiting.remove(&ticket);
                self.model.leave(ticket);
            }
            Where::Serving(_) => self.place_is_free(self.now),
            Where::OnItsWay | Where::Answering(_) => {}
        }
        self.ended(request, Told::TimedOut);
    }
}

/// What a client is told: as over HTTP, the wait in whole seconds, at least one.
fn refusal(rejection: Rejection) -> Told {
    let (by_quota, wait) = match rejection {
        Rejection::OverRate { retry_after } | Rejection::OverTokens { retry_after } => {
            (true, retry_after)
        }
        Rejection::QueueFull { retry_after } => (false, retry_after),
    };
    let seconds = wait.as_secs_f64().ceil().max(1.0);
    Told::Refused {
        by_quota,
        wait: Some(Duration::from_secs_f64(seconds)),
    }
}
