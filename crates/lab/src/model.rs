//! Decides when each request starts, when it ends and how: the lab without sockets and without a clock.
//!
//! Time comes in as the [`Duration`] since the lab started, so that the same code runs behind HTTP and in virtual time.
//! A place is handed on at the moment it was due to become free, not when somebody got round to saying so: late timers
//! delay an answer, and never add up to a service that is slower than declared.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::Config;
use crate::fault::Outcome;
use crate::quota::{Bucket, Left, Quota};

/// The state of the service: who is served and who waits.
#[derive(Debug)]
pub struct Model {
    config: Config,
    random: fastrand::Rng,
    quotas: Quotas,
    serving: usize,
    /// Those who wait, the oldest first; at most `config.queue`.
    waiting: BTreeMap<Ticket, Waiting>,
    ticket_next: u64,
    /// Answers nothing until then.
    frozen_until: Duration,
}

/// What a waiting request is known by until it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// A request that waits, with what was drawn for it when it arrived.
#[derive(Debug)]
struct Waiting {
    arrived: Duration,
    latency: Duration,
    outcome: Outcome,
}

/// What a request brings along that is no matter of chance. Default: a request like any other.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Arrival {
    /// It is answered with status 500, whenever it comes.
    pub always_fails: bool,
    /// It takes so much longer because of what it carries.
    pub longer: Duration,
    /// What it costs of the quota of tokens.
    pub tokens: u64,
}

/// What happens to a request that arrives.
#[derive(Debug, PartialEq)]
pub enum Decision {
    /// It is being served; say [`Model::finish`] when it ends.
    Serve(Work),
    /// It waits for a place; some [`Model::finish`] will hand out its ticket.
    Wait(Ticket),
    /// It is refused at once.
    Reject(Rejection),
}

/// A request in service: how long it takes from now on, and how it ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// When it is due to end.
    pub end: Duration,
    /// How.
    pub outcome: Outcome,
}

/// A request that was refused, with what the client is asked to wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rejection {
    /// The quota of requests is used up; status 429.
    OverRate {
        /// When the next request fits the quota.
        retry_after: Duration,
    },
    /// The quota of tokens is used up; status 429.
    OverTokens {
        /// When this request fits the quota.
        retry_after: Duration,
    },
    /// Nobody more may wait; status 503.
    QueueFull {
        /// As configured.
        retry_after: Duration,
    },
}

/// What is left of the quotas.
#[derive(Debug)]
struct Quotas {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

impl Quotas {
    fn full(config: &Config, now: Duration) -> Self {
        Self {
            requests: bucket(config.rate, now),
            tokens: bucket(config.tokens_rate, now),
        }
    }

    /// Takes one request and its tokens, or nothing at all and says why.
    fn admit(&mut self, now: Duration, tokens: u64) -> Option<Rejection> {
        let tokens = tokens as f64;
        let wait = |bucket: &mut Option<Bucket>, amount| {
            let wait = bucket.as_mut().map(|bucket| bucket.wait(now, amount));
            wait.filter(|wait| !wait.is_zero())
        };
        if let Some(retry_after) = wait(&mut self.requests, 1.0) {
            return Some(Rejection::OverRate { retry_after });
        }
        if let Some(retry_after) = wait(&mut self.tokens, tokens) {
            return Some(Rejection::OverTokens { retry_after });
        }
        for (bucket, amount) in [(&mut self.requests, 1.0), (&mut self.tokens, tokens)] {
            if let Some(bucket) = bucket {
                bucket.take(amount);
            }
        }
        None
    }
}

fn bucket(quota: Option<Quota>, now: Duration) -> Option<Bucket> {
    quota.map(|quota| Bucket::full(quota, now))
}

impl Model {
    /// A service that behaves like this, with nobody inside.
    pub fn new(config: Config) -> Self {
        Self {
            random: fastrand::Rng::with_seed(config.seed),
            quotas: Quotas::full(&config, Duration::ZERO),
            serving: 0,
            waiting: BTreeMap::new(),
            ticket_next: 0,
            frozen_until: Duration::ZERO,
            config,
        }
    }

    /// Makes random numbers and quota begin anew; who is inside stays inside.
    pub fn reset(&mut self, now: Duration) {
        self.random = fastrand::Rng::with_seed(self.config.seed);
        self.quotas = Quotas::full(&self.config, now);
    }

    /// From now on it behaves like this; chance goes on where it was, and who is inside stays inside.
    ///
    /// Answers those who start because there is more room now.
    pub fn change(&mut self, now: Duration, config: Config) -> Vec<(Ticket, Work)> {
        if config.rate != self.config.rate {
            self.quotas.requests = bucket(config.rate, now);
        }
        if config.tokens_rate != self.config.tokens_rate {
            self.quotas.tokens = bucket(config.tokens_rate, now);
        }
        self.config = config;
        let mut started = Vec::new();
        while self.has_place()
            && let Some((ticket, request)) = self.waiting.pop_first()
        {
            started.push((ticket, self.serve(&request, now)));
        }
        started
    }

    /// Answers nothing for so long; what is due in that time ends after it.
    pub fn freeze(&mut self, now: Duration, lasting: Duration) {
        self.frozen_until = self.frozen_until.max(now + lasting);
    }

    /// When a request that is due now really ends: later, while the service answers nothing.
    pub fn ends_at(&self, now: Duration) -> Duration {
        now.max(self.frozen_until)
    }

    /// A request has arrived.
    ///
    /// The quotas are asked first, then the queue; chance is drawn for those who are let in, in order of arrival.
    pub fn arrive(&mut self, now: Duration, arrival: Arrival) -> Decision {
        if let Some(rejection) = self.quotas.admit(now, arrival.tokens) {
            return Decision::Reject(rejection);
        }
        let place_free = self.has_place();
        if !place_free
            && self
                .config
                .queue
                .is_some_and(|queue| self.waiting.len() >= queue)
        {
            let retry_after = self.config.retry_after;
            return Decision::Reject(Rejection::QueueFull { retry_after });
        }
        let request = self.draw(now, &arrival);
        if place_free {
            return Decision::Serve(self.serve(&request, now));
        }
        let ticket = Ticket(self.ticket_next);
        self.ticket_next += 1;
        self.waiting.insert(ticket, request);
        Decision::Wait(ticket)
    }

    /// What is left of the quotas of requests and of tokens, where there are such.
    pub(crate) fn quotas_left(&mut self, now: Duration) -> [Option<Left>; 2] {
        let Quotas { requests, tokens } = &mut self.quotas;
        [requests, tokens].map(|bucket| bucket.as_mut().map(|bucket| bucket.left(now)))
    }

    /// Whether an event of this share happens now; draws nothing where it never does.
    pub(crate) fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.f64() < share
    }

    /// A request in service has ended (or its client has gone): its place goes to whoever has waited longest.
    ///
    /// `end` is when it was due to end, which a caller with slow timers may say late.
    pub fn finish(&mut self, end: Duration) -> Option<(Ticket, Work)> {
        self.serving = self
            .serving
            .checked_sub(1)
            .expect("who finishes was being served");
        // A capacity that was lowered is kept to as places become free.
        if !self.has_place() {
            return None;
        }
        let (ticket, request) = self.waiting.pop_first()?;
        let start = end.max(request.arrived);
        Some((ticket, self.serve(&request, start)))
    }

    /// A waiting request's client has gone: it gives up its turn.
    pub fn leave(&mut self, ticket: Ticket) {
        let left = self.waiting.remove(&ticket);
        debug_assert!(left.is_some(), "only who waits can leave the queue");
    }

    fn has_place(&self) -> bool {
        let capacity = self.config.capacity;
        capacity.is_none_or(|capacity| self.serving < capacity)
    }

    fn draw(&mut self, now: Duration, arrival: &Arrival) -> Waiting {
        let outcome = self.config.faults.draw(&mut self.random);
        Waiting {
            arrived: now,
            latency: self.config.latency.draw(&mut self.random) + arrival.longer,
            outcome: if arrival.always_fails {
                Outcome::Failed
            } else {
                outcome
            },
        }
    }

    /// Gives a request its place. What crowding costs it is settled now, by those inside now, itself included.
    fn serve(&mut self, request: &Waiting, start: Duration) -> Work {
        self.serving += 1;
        let inside = self.serving + self.waiting.len();
        let factor = self.config.overload.factor(inside, self.config.capacity);
        // An exact latency stays exact.
        let service_time = if factor == 1.0 {
            request.latency
        } else {
            request.latency.mul_f64(factor)
        };
        Work {
            end: start + service_time,
            outcome: request.outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(settings: &[(&str, &str)]) -> Model {
        let mut config = Config::default();
        for (key, value) in settings {
            config.set(key, value).unwrap();
        }
        Model::new(config)
    }

    const FAILING: Arrival = Arrival {
        always_fails: true,
        longer: Duration::ZERO,
        tokens: 0,
    };

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Sends `count` requests at time 0 and runs until all are answered; when each ended, in milliseconds.
    fn ends_ms(model: &mut Model, count: usize) -> Vec<u128> {
        let mut served: Vec<Duration> = Vec::new();
        for _ in 0..count {
            if let Decision::Serve(work) = model.arrive(Duration::ZERO, Arrival::default()) {
                served.push(work.end);
            }
        }
        let mut ends = Vec::new();
        while !served.is_empty() {
            served.sort();
            let end = served.remove(0);
            ends.push(end.as_millis());
            served.extend(model.finish(end).map(|(_, work)| work.end));
        }
        ends
    }

    #[test]
    fn capacity_one_serves_one_after_the_other() {
        let mut model = model(&[("latency", "10ms"), ("capacity", "1")]);
        assert_eq!(ends_ms(&mut model, 4), [10, 20, 30, 40]);
    }

    #[test]
    fn unbounded_capacity_serves_all_together() {
        assert_eq!(ends_ms(&mut model(&[("latency", "10ms")]), 3), [10, 10, 10]);
    }

    #[test]
    fn a_full_queue_refuses() {
        let mut model = model(&[
            ("latency", "10ms"),
            ("capacity", "1"),
            ("queue", "1"),
            ("retry-after", "3s"),
        ]);
        assert!(matches!(
            model.arrive(ms(0), Arrival::default()),
            Decision::Serve(_)
        ));
        let Decision::Wait(ticket) = model.arrive(ms(0), Arrival::default()) else {
            panic!("one may wait")
        };
        let refused = Decision::Reject(Rejection::QueueFull {
            retry_after: ms(3000),
        });
        assert_eq!(model.arrive(ms(1), Arrival::default()), refused);
        model.leave(ticket);
        assert!(matches!(
            model.arrive(ms(2), Arrival::default()),
            Decision::Wait(_)
        ));
    }

    #[test]
    fn who_waits_starts_when_the_place_was_due_and_never_before_arriving() {
        let mut model = model(&[("latency", "10ms"), ("capacity", "1")]);
        model.arrive(ms(0), Arrival::default());
        model.arrive(ms(5), Arrival::default());
        model.arrive(ms(24), Arrival::default());
        assert_eq!(model.finish(ms(10)).unwrap().1.end, ms(20));
        assert_eq!(model.finish(ms(20)).unwrap().1.end, ms(34));
        assert_eq!(model.finish(ms(34)), None);
    }

    #[test]
    fn degrading_makes_a_crowd_slower_in_total() {
        let settings = [
            ("latency", "100ms"),
            ("capacity", "100"),
            ("overload", "degrade:0.5"),
        ];
        let last = |count| *ends_ms(&mut model(&settings), count).last().unwrap();
        assert_eq!(last(100), 100);
        // Ten times the requests would take a second in a service that keeps its pace.
        assert!(last(1000) > 2500, "{}", last(1000));
    }

    #[test]
    fn contention_counts_who_is_inside() {
        let mut model = model(&[("latency", "100ms"), ("overload", "contention:0.1,0.01")]);
        assert_eq!(ends_ms(&mut model, 3), [100, 112, 126]);
    }

    #[test]
    fn the_rate_refuses_with_a_pause() {
        let mut model = model(&[("rate", "10/s,burst 2")]);
        for _ in 0..2 {
            assert!(matches!(
                model.arrive(ms(0), Arrival::default()),
                Decision::Serve(_)
            ));
        }
        let Decision::Reject(Rejection::OverRate { retry_after }) =
            model.arrive(ms(50), Arrival::default())
        else {
            panic!("the burst is used up")
        };
        assert_eq!(retry_after.as_millis(), 50);
        assert!(matches!(
            model.arrive(ms(100), Arrival::default()),
            Decision::Serve(_)
        ));
        model.reset(ms(100));
        assert!(matches!(
            model.arrive(ms(100), Arrival::default()),
            Decision::Serve(_)
        ));
    }

    #[test]
    fn faults_repeat_with_the_seed_and_after_a_reset() {
        let settings = [
            ("fail", "50%"),
            ("latency", "lognormal:10ms,1"),
            ("seed", "7"),
        ];
        let decisions = |model: &mut Model| {
            (0..50)
                .map(|_| model.arrive(ms(0), Arrival::default()))
                .collect::<Vec<_>>()
        };
        let (mut one, mut other) = (model(&settings), model(&settings));
        let first = decisions(&mut one);
        assert_eq!(first, decisions(&mut other));
        assert_ne!(first, decisions(&mut one));
        one.reset(ms(0));
        assert_eq!(first, decisions(&mut one));
    }

    #[test]
    fn more_room_lets_those_who_wait_start_and_less_is_kept_to_as_places_become_free() {
        let mut model = model(&[("latency", "10ms"), ("capacity", "1")]);
        for _ in 0..4 {
            model.arrive(ms(0), Arrival::default());
        }
        let mut wider = model.config.clone();
        wider.set("capacity", "3").unwrap();
        assert_eq!(model.change(ms(5), wider.clone()).len(), 2);
        wider.set("capacity", "1").unwrap();
        assert_eq!(model.change(ms(6), wider), []);
        assert_eq!(model.finish(ms(10)), None);
        assert_eq!(model.finish(ms(15)), None);
        assert!(model.finish(ms(15)).is_some());
    }

    #[test]
    fn while_it_is_frozen_nothing_ends() {
        let mut model = model(&[]);
        model.freeze(ms(10), ms(20));
        assert_eq!(
            (model.ends_at(ms(15)), model.ends_at(ms(40))),
            (ms(30), ms(40))
        );
    }

    #[test]
    fn what_always_fails_fails() {
        let Decision::Serve(work) = model(&[]).arrive(ms(0), FAILING) else {
            panic!("nothing to wait for")
        };
        assert_eq!(work.outcome, Outcome::Failed);
    }

    #[test]
    fn a_request_takes_of_both_quotas_or_of_none() {
        let mut model = model(&[("rate", "60/m,burst 2"), ("tokens-rate", "600/m")]);
        let costs = |tokens| Arrival {
            tokens,
            ..Arrival::default()
        };
        assert!(matches!(
            model.arrive(ms(0), costs(550)),
            Decision::Serve(_)
        ));
        let refused = Decision::Reject(Rejection::OverTokens {
            retry_after: Duration::from_secs(5),
        });
        assert_eq!(model.arrive(ms(0), costs(100)), refused);
        // The refusal has cost no request.
        assert!(matches!(model.arrive(ms(0), costs(50)), Decision::Serve(_)));
        let rejected = model.arrive(ms(0), costs(0));
        assert!(matches!(
            rejected,
            Decision::Reject(Rejection::OverRate { .. })
        ));
    }
}
