//! What is only done when asked for: order, by every strategy, whatever fails and however long it takes; and dead letters
//! that show their items.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use inflight::{
    Connection, Counts, Ending, Fact, Fault, InFlightLimit, Job, Options, Record, Reply, Service,
    Strategy, Summary,
};
use tokio::time::sleep;

const ITEMS: u64 = 240;

/// A service that answers when it likes, fails as it likes, and remembers what it took and what was kept of it.
#[derive(Clone)]
struct Desk {
    connections: usize,
    bulk: usize,
    answer_bytes: usize,
    latency: fn(u64, f64) -> Duration,
    fails: bool,
    random: Arc<Mutex<fastrand::Rng>>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// Items, in the order in which they were taken.
    taken: Vec<u64>,
    /// Items, in the order in which their answers were kept.
    kept: Vec<u64>,
    /// The most that was taken and not kept at any time.
    waiting_max: usize,
}

impl Desk {
    fn new(connections: usize, bulk: usize) -> Desk {
        Desk {
            connections,
            bulk,
            answer_bytes: 10,
            latency: |_, draw| Duration::from_micros((draw * 2000.0) as u64),
            fails: true,
            random: Arc::new(Mutex::new(fastrand::Rng::with_seed(7))),
            seen: Arc::default(),
        }
    }
}

impl Service<u64> for Desk {
    type Answer = Vec<u8>;
    type Connection = Desk;

    async fn connect(&self) -> Result<Desk, Fault> {
        Ok(self.clone())
    }

    fn bulk_max(&self) -> usize {
        self.bulk
    }

    fn connections_max(&self) -> usize {
        self.connections
    }

    fn keep(&self, answers: &[Record<Vec<u8>>]) -> Result<Option<u64>, Fault> {
        let mut seen = self.seen.lock().unwrap();
        seen.kept.extend(answers.iter().map(|answer| answer.index));
        Ok(None)
    }

    fn answer_bytes(answer: &Vec<u8>) -> usize {
        answer.len()
    }
}

impl Connection<u64> for Desk {
    type Answer = Vec<u8>;

    async fn send(&mut self, bulk: &[Record<u64>]) -> Result<Reply<Vec<u8>>, Fault> {
        let draws: [f64; 2] = std::array::from_fn(|_| self.random.lock().unwrap().f64());
        sleep((self.latency)(bulk[0].index, draws[0])).await;
        match draws[1] {
            0.0..0.1 if self.fails => return Err(Fault::transient("busy")),
            0.1..0.15 if self.fails => return Err(Fault::in_doubt("cut")),
            0.15..0.2 if self.fails => return Err(Fault::overload("too many")),
            _ => {}
        }
        if bulk.iter().any(|record| record.index % 50 == 49) {
            return Err(Fault::permanent("bad item"));
        }
        let mut seen = self.seen.lock().unwrap();
        seen.taken.extend(bulk.iter().map(|record| record.index));
        seen.waiting_max = seen.waiting_max.max(seen.taken.len() - seen.kept.len());
        Ok(Reply::All(vec![vec![0; self.answer_bytes]; bulk.len()]))
    }
}

fn options(strategy: Strategy) -> Options {
    Options {
        strategy,
        jobs: 4,
        in_flight: InFlightLimit::Fixed(20),
        batch: 30,
        backoff: Duration::from_millis(1),
        backoff_max: Duration::from_millis(5),
        retries: 1000,
        keep_order: true,
        ..Options::default()
    }
}

/// Computes at uneven speed; some items fail.
fn compute(n: u64) -> Result<u64, Fault> {
    if n.is_multiple_of(7) {
        thread::sleep(Duration::from_millis(1));
    }
    match n % 60 {
        59 => Err(Fault::permanent("no result")),
        _ => Ok(n),
    }
}

fn run(desk: &Desk, strategy: Strategy, fetches: bool) -> Summary {
    let options = options(strategy);
    let job = Job::new(0..ITEMS);
    if !fetches {
        let job = job.try_compute(compute).save_to(desk.clone());
        return job.run(&options).unwrap();
    }
    let random = Mutex::new(fastrand::Rng::with_seed(3));
    let fetch = async move |n: &u64| {
        let draw = random.lock().unwrap().f64();
        sleep(Duration::from_micros((draw * 3000.0) as u64)).await;
        match draw {
            0.0..0.1 => Err(Fault::transient("busy")),
            _ if n % 70 == 69 => Err(Fault::permanent("not there")),
            _ => Ok(*n),
        }
    };
    let job = job.fetch(fetch).try_compute(compute).save_to(desk.clone());
    job.run(&options).unwrap()
}

fn check(desk: impl Fn() -> Desk, look: impl Fn(&Seen, &[u64])) {
    for strategy in Strategy::ALL {
        for fetches in [false, true] {
            let desk = desk();
            let summary = run(&desk, strategy, fetches);
            let dies = |n: &u64| n % 50 == 49 || n % 60 == 59 || fetches && n % 70 == 69;
            let expected: Vec<u64> = (0..ITEMS).filter(|n| !dies(n)).collect();
            assert_eq!(summary.saved, expected.len() as u64, "{strategy:?}");
            assert_eq!(summary.saved + summary.dead, ITEMS);
            let seen = desk.seen.lock().unwrap();
            assert_eq!(seen.kept, expected, "{strategy:?}, fetched: {fetches}");
            look(&seen, &expected);
        }
    }
}

#[test]
fn answers_are_kept_in_the_order_of_the_items() {
    check(|| Desk::new(usize::MAX, 1), |_, _| {});
    check(|| Desk::new(usize::MAX, 7), |_, _| {});
}

#[test]
fn one_connection_saves_in_the_order_of_the_items() {
    check(
        || Desk::new(1, 7),
        |seen, expected| assert_eq!(seen.taken, expected),
    );
}

#[test]
fn what_waits_for_a_slow_item_is_bounded_in_bytes() {
    let desk = Desk {
        answer_bytes: 8 << 10,
        latency: |index, _| Duration::from_millis(if index == 0 { 200 } else { 1 }),
        fails: false,
        ..Desk::new(usize::MAX, 1)
    };
    let options = Options {
        queue_bytes: 64 << 10,
        ..options(Strategy::Parallel)
    };
    let job = Job::new(0..ITEMS).compute(|n: u64| n).save_to(desk.clone());
    let summary = job.run(&options).unwrap();
    assert_eq!(summary.saved + summary.dead, ITEMS);
    let seen = desk.seen.lock().unwrap();
    assert!(seen.kept.is_sorted());
    // Eight fill the window, and what was in flight then comes as well.
    assert!(seen.waiting_max <= 8 + 20, "{}", seen.waiting_max);
    assert!(seen.waiting_max >= 8, "nothing had to wait");
}

#[test]
fn a_dead_letter_shows_what_its_item_was_at_the_step_that_failed() {
    for strategy in Strategy::ALL {
        for wanted in [true, false] {
            let died = Arc::new(Mutex::new(Vec::<(u64, Option<String>)>::new()));
            let letters = Arc::clone(&died);
            let job = Job::new(0..4_u64)
                .fetch(async |n: &u64| match n {
                    1 => Err(Fault::permanent("not there")),
                    n => Ok(n * 10),
                })
                .try_compute(|n: u64| match n {
                    20 => Err(Fault::permanent("no result")),
                    n => Ok(format!("<{n}>")),
                })
                .save(async |text: &String| match text.as_str() {
                    "<30>" => Err(Fault::permanent("a constraint")),
                    _ => Ok(()),
                })
                .item_payload(|n| n.to_string().into_bytes().into())
                .input_payload(|n| n.to_string().into_bytes().into())
                .result_payload(|text| text.as_bytes().into())
                .observed_by(move |fact: &Fact, _: &Counts| {
                    if let Fact::Dead { index, payload, .. } = fact {
                        letters.lock().unwrap().push((*index, payload.clone()));
                    }
                });
            let options = Options {
                strategy,
                dead_payload: wanted,
                ..Options::default()
            };
            assert_eq!(job.run(&options).unwrap().dead, 3);
            let mut died = died.lock().unwrap().clone();
            died.sort();
            let shown = |text: &str| wanted.then(|| text.to_owned());
            let expected = [(1, shown("1")), (2, shown("20")), (3, shown("<30>"))];
            assert_eq!(died, expected, "{strategy:?}");
        }
    }
}

#[test]
fn a_computation_that_hangs_keeps_nobody_waiting_for_a_turn_that_never_comes() {
    let options = Options {
        keep_order: true,
        jobs: 2,
        compute_timeout: Duration::from_millis(200),
        ..Options::default()
    };
    // Quick enough to share its chunk with others.
    let job = Job::new(0..1_000_000_u64).compute(|n| {
        if n == 5_000 {
            thread::sleep(Duration::from_secs(600));
        }
        n
    });
    let job = job.save(async |_: &u64| Ok::<(), Fault>(()));
    let begun = Instant::now();
    let summary = job.run(&options).unwrap();
    assert!(matches!(summary.ending, Ending::Hung(_)), "{summary:?}");
    assert!(begun.elapsed() < options.drain / 2);
}
