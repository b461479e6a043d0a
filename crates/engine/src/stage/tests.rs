//! The stage in paused time: what it sends when, on which connection, and what it gives up.

mod bulk;
mod connections;
mod limit;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::sleep;

use super::pool::OPENING_MAX;
use super::*;
use crate::fault::Fault;
use crate::log;
use crate::options::{InFlightLimit, Options};
use crate::payload::Showing;
use crate::service::{Connection, Declared, Reply};
use crate::stop::Reason;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Stands for connecting that panics.
const PANICS: Duration = Duration::MAX;

/// What happens to one request: after how long, and how it ends.
type Script = fn(Request) -> (Duration, Result<(), Fault>);

/// One request as the service sees it, counted from 0 over all connections.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Request {
    number: usize,
    item: u64,
    connection: usize,
    at: Duration,
}

/// A service that follows a script and remembers what came.
#[derive(Clone)]
struct Scripted {
    script: Script,
    connect_takes: Duration,
    /// How many connections it allows at a time.
    connections: usize,
    clock: Clock,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Request>,
    opened: usize,
    closed: usize,
}

struct Wire {
    service: Scripted,
    number: usize,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.service.seen.lock().unwrap().closed += 1;
    }
}

impl Service<u64> for Scripted {
    type Answer = ();
    type Connection = Wire;

    async fn connect(&self) -> Result<Wire, Fault> {
        assert!(self.connect_takes != PANICS, "on purpose");
        sleep(self.connect_takes).await;
        let mut seen = self.seen.lock().unwrap();
        if seen.opened - seen.closed >= self.connections {
            return Err(Fault::no_more_connections("too many clients"));
        }
        seen.opened += 1;
        Ok(Wire {
            service: self.clone(),
            number: seen.opened - 1,
        })
    }

    fn declared(&self) -> Declared {
        Declared::default()
    }
}

impl Connection<u64> for Wire {
    type Answer = ();

    async fn send(&mut self, bulk: &[Record<u64>]) -> Result<Reply<()>, Fault> {
        let request = {
            let mut seen = self.service.seen.lock().unwrap();
            let request = Request {
                number: seen.requests.len(),
                item: bulk[0].index,
                connection: self.number,
                at: self.service.clock.now(),
            };
            seen.requests.push(request);
            request
        };
        let (took, outcome) = (self.service.script)(request);
        sleep(took).await;
        outcome.map(|()| Reply::done(1))
    }
}

/// What came of a scenario.
struct Outcome {
    requests: Vec<Request>,
    opened: usize,
    closed: usize,
    done: usize,
    unavailable: Option<String>,
    /// Why the stage ended the run, if it did.
    ended: Option<Reason>,
    took: Duration,
}

/// So many items, and what happens to them.
struct Scenario<'a> {
    items: u64,
    options: &'a Options,
    script: Script,
    connect_takes: Duration,
    connections: usize,
    /// How long to look on after the end.
    rest: Duration,
    /// Whether items come out of a queue, as room is made for them; else they are there from the start.
    through_queue: bool,
}

/// Sends so many items through a stage, all there from the start, and waits until it is idle.
fn check(items: u64, options: &Options, script: Script, look: impl FnOnce(Outcome)) {
    look(play(Scenario {
        items,
        options,
        script,
        connect_takes: Duration::ZERO,
        connections: usize::MAX,
        rest: Duration::ZERO,
        through_queue: false,
    }));
}

fn play(scenario: Scenario<'_>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let clock = Clock::start_at(Duration::ZERO);
        let (log, facts) = log::channel();
        // Nobody reads the facts here, and their channel is bounded.
        std::thread::spawn(move || facts.iter().count());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Stop::new();
        let service = Scripted {
            script: scenario.script,
            connect_takes: scenario.connect_takes,
            connections: scenario.connections,
            clock,
            seen: Arc::clone(&seen),
        };
        let context = Context {
            step: Step::Save,
            options: scenario.options,
            ready_max: usize::MAX,
            succeeded_before: false,
            horizon: None,
            stop: stop.clone(),
            brake: Brake::default(),
            clock,
            log,
        };
        let done = Rc::new(RefCell::new(0));
        let count = Rc::clone(&done);
        let deliver =
            Box::new(move |answers: Vec<Record<()>>| *count.borrow_mut() += answers.len());
        let weights = Weights {
            record: |_: &u64| 0,
            answer: |_: &()| 0,
            show: Showing::NOTHING,
        };
        let stage = Stage::start(service, weights, deliver, context);
        let records = (0..scenario.items).map(|n| Record::new(n, n));
        if scenario.through_queue {
            let (sender, queue) = crate::queue::queue(usize::MAX);
            records.for_each(|record| sender.push(Chunk::new(vec![record], |_| 0)));
            drop(sender);
            stage.drain(queue).await;
        } else {
            stage.offer_all(records.collect());
            stage.idle().await;
        }
        let took = clock.now();
        sleep(scenario.rest).await;
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        Outcome {
            requests: seen.requests,
            opened: seen.opened,
            closed: seen.closed,
            done: *done.borrow(),
            unavailable: stage.unavailable(),
            ended: stop.reason().cloned(),
            took,
        }
    })
}

fn one_at_a_time() -> Options {
    Options {
        in_flight: InFlightLimit::Fixed(1),
        ..Options::default()
    }
}

#[test]
fn the_whole_stage_waits_as_told() {
    fn script(request: Request) -> (Duration, Result<(), Fault>) {
        match request.number {
            0 => (MS, Err(Fault::overload("429").retry_after(3 * SECOND))),
            _ => (10 * MS, Ok(())),
        }
    }
    let options = Options {
        in_flight: InFlightLimit::Fixed(4),
        ..Options::default()
    };
    check(20, &options, script, |outcome| {
        assert_eq!(outcome.done, 20);
        // Three were on their way when the first was refused.
        let early = outcome
            .requests
            .iter()
            .filter(|r| r.at < 3 * SECOND)
            .count();
        assert_eq!(early, 4);
        assert_eq!(outcome.requests.len(), 21);
    });
}

#[test]
fn a_connection_that_timed_out_is_never_used_again() {
    fn script(request: Request) -> (Duration, Result<(), Fault>) {
        match request.number {
            0 => (1000 * SECOND, Ok(())),
            _ => (MS, Ok(())),
        }
    }
    check(3, &one_at_a_time(), script, |outcome| {
        assert_eq!(outcome.done, 3);
        let connections: Vec<_> = outcome.requests.iter().map(|r| r.connection).collect();
        assert_eq!(connections, [0, 1, 1, 1]);
        assert!(outcome.took >= 30 * SECOND && outcome.took < 31 * SECOND);
    });
}

#[test]
fn a_kept_connection_found_dead_is_replaced_and_costs_no_attempt() {
    fn script(request: Request) -> (Duration, Result<(), Fault>) {
        match request.connection {
            0 if request.number > 0 => (MS, Err(Fault::unreached("closed meanwhile"))),
            _ => (MS, Ok(())),
        }
    }
    let options = Options {
        retries: 0,
        ..one_at_a_time()
    };
    check(3, &options, script, |outcome| {
        assert_eq!((outcome.done, outcome.opened), (3, 2));
        assert!(outcome.took < SECOND, "no outage was seen in it");
    });
}

#[test]
fn few_connections_stay_busy_and_idle_ones_are_closed() {
    let script: Script = |_| (MS, Ok(()));
    let outcome = play(Scenario {
        items: 500,
        options: &Options::default(),
        script,
        connect_takes: MS,
        connections: usize::MAX,
        rest: 90 * SECOND,
        through_queue: false,
    });
    assert_eq!(outcome.done, 500);
    assert!(outcome.opened <= 100);
    assert_eq!(outcome.closed, outcome.opened);
}

#[test]
fn an_item_that_waits_holds_no_slot() {
    fn script(request: Request) -> (Duration, Result<(), Fault>) {
        match request.item {
            0 => (MS, Err(Fault::transient("500"))),
            _ => (MS, Ok(())),
        }
    }
    let options = Options {
        backoff: 2 * SECOND,
        ..one_at_a_time()
    };
    check(100, &options, script, |outcome| {
        assert_eq!(outcome.done, 99);
        let attempts: Vec<_> = outcome.requests.iter().filter(|r| r.item == 0).collect();
        assert_eq!(attempts.len(), 6);
        let last_of_others = outcome.requests.iter().rfind(|r| r.item != 0).unwrap();
        assert!(last_of_others.at < attempts[5].at);
    });
}

#[test]
fn what_is_large_is_still_sent_up_to_the_limit() {
    let options = Options {
        queue_bytes: 1,
        in_flight: InFlightLimit::Fixed(10),
        ..Options::default()
    };
    let outcome = play(Scenario {
        items: 40,
        options: &options,
        script: |_| (100 * MS, Ok(())),
        connect_takes: Duration::ZERO,
        connections: usize::MAX,
        rest: Duration::ZERO,
        through_queue: true,
    });
    assert_eq!(outcome.done, 40);
    let took = outcome.took;
    assert!(
        took < 450 * MS,
        "four rounds of ten, each of 100 ms: {took:?}"
    );
}

#[test]
fn a_pause_of_more_than_half_a_minute_ends_in_time() {
    fn script(request: Request) -> (Duration, Result<(), Fault>) {
        match request.number {
            0 => (MS, Err(Fault::overload("429").retry_after(31 * SECOND))),
            _ => (MS, Ok(())),
        }
    }
    check(3, &one_at_a_time(), script, |outcome| {
        assert_eq!(outcome.done, 3);
        assert!(outcome.took < 32 * SECOND, "{:?}", outcome.took);
    });
}

#[test]
fn waiting_for_no_time_is_no_reason_to_ask_again_at_once() {
    fn script(request: Request) -> (Duration, Result<(), Fault>) {
        match request.at < SECOND {
            true => (
                Duration::ZERO,
                Err(Fault::overload("429").retry_after(Duration::ZERO)),
            ),
            false => (MS, Ok(())),
        }
    }
    check(1, &one_at_a_time(), script, |outcome| {
        assert_eq!(outcome.done, 1);
        assert!(outcome.requests.len() < 60, "{}", outcome.requests.len());
    });
}

#[test]
fn a_rate_spaces_requests() {
    let options = Options {
        save_quota: crate::quota::Quota {
            requests: Some(10.0),
            ..crate::quota::Quota::default()
        },
        ..Options::default()
    };
    check(
        31,
        &options,
        |_| (MS, Ok(())),
        |outcome| {
            assert!(outcome.took >= 3 * SECOND && outcome.took < 3 * SECOND + 100 * MS);
        },
    );
}

#[test]
fn connecting_in_vain_ends_with_the_reason() {
    let outcome = play(Scenario {
        items: 5,
        options: &Options::default(),
        script: |_| (MS, Ok(())),
        connect_takes: 3600 * SECOND,
        connections: usize::MAX,
        rest: MS,
        through_queue: false,
    });
    assert_eq!(outcome.done, 0);
    let why = outcome.unavailable.unwrap();
    assert!(why.contains("no connection within 10s"), "{why}");
}

#[test]
fn many_connections_are_opened_a_few_at_a_time_and_used_at_once() {
    let outcome = play(Scenario {
        items: 1_000,
        options: &Options {
            in_flight: InFlightLimit::Fixed(1_000),
            ..Options::default()
        },
        script: |_| (10 * SECOND, Ok(())),
        connect_takes: 100 * MS,
        connections: usize::MAX,
        rest: MS,
        through_queue: false,
    });
    let sent_at = |at| {
        let requests = outcome.requests.iter();
        requests.filter(|request| request.at == at).count()
    };
    let sent: Vec<usize> = (1..=4).map(|tenth| sent_at(tenth * 100 * MS)).collect();
    assert_eq!(
        sent,
        [
            OPENING_MAX,
            OPENING_MAX,
            OPENING_MAX,
            1_000 - 3 * OPENING_MAX
        ]
    );
    assert_eq!((outcome.opened, outcome.done), (1_000, 1_000));
}

#[test]
fn a_panic_in_a_connection_is_one_dead_letter() {
    fn script(request: Request) -> (Duration, Result<(), Fault>) {
        assert!(request.item != 3, "on purpose");
        (MS, Ok(()))
    }
    check(10, &one_at_a_time(), script, |outcome| {
        assert_eq!((outcome.done, outcome.requests.len()), (9, 10));
        assert_eq!(outcome.opened, 2, "what panicked is not trusted again");
    });
}

#[test]
fn a_panic_in_connecting_hangs_nothing() {
    let outcome = play(Scenario {
        items: 10,
        options: &Options::default(),
        script: |_| (MS, Ok(())),
        connect_takes: PANICS,
        connections: usize::MAX,
        rest: MS,
        through_queue: false,
    });
    assert_eq!((outcome.done, outcome.requests.len()), (0, 0));
}

#[test]
fn a_disk_that_is_full_ends_the_run_at_once_and_costs_no_item_anything() {
    fn script(request: Request) -> (Duration, Result<(), Fault>) {
        match request.number {
            0..3 => (MS, Ok(())),
            _ => (MS, Err(Fault::storage("cannot write to out.jsonl"))),
        }
    }
    check(10, &one_at_a_time(), script, |outcome| {
        assert_eq!((outcome.done, outcome.requests.len()), (3, 4));
        assert_eq!(outcome.unavailable, None);
        let Some(Reason::Storage(why)) = outcome.ended else {
            panic!("{:?}", outcome.ended);
        };
        assert_eq!(why, "cannot write to out.jsonl");
    });
}

#[test]
fn a_run_that_was_taken_over_sends_nothing_more() {
    let script: Script = |_| (MS, Err(Fault::superseded("run 2 has taken over")));
    check(10, &one_at_a_time(), script, |outcome| {
        assert_eq!((outcome.done, outcome.requests.len()), (0, 1));
        assert!(
            matches!(outcome.ended, Some(Reason::Halted(why)) if why == "run 2 has taken over")
        );
    });
}
