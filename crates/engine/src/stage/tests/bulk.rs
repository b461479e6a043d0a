//! A stage whose requests carry several records: how many, and what becomes of a request of which a part failed.

use super::*;
use crate::payload::Showing;

/// How a request goes that carries these items: after how long, and how.
type Answers = fn(&[u64], Duration) -> (Duration, Result<Reply<()>, Fault>);

/// A service that takes a thousand records at once.
#[derive(Clone)]
struct Many {
    answers: Answers,
    clock: Clock,
    /// Records of each request, and how many were in flight with it.
    seen: Arc<Mutex<Vec<(usize, usize)>>>,
    flying: Arc<Mutex<usize>>,
}

impl Service<u64> for Many {
    type Answer = ();
    type Connection = Many;

    async fn connect(&self) -> Result<Many, Fault> {
        Ok(self.clone())
    }

    fn bulk_max(&self) -> usize {
        1000
    }
}

impl Connection<u64> for Many {
    type Answer = ();

    async fn send(&mut self, bulk: &[Record<u64>]) -> Result<Reply<()>, Fault> {
        let in_flight = {
            let mut flying = self.flying.lock().unwrap();
            *flying += 1;
            *flying
        };
        self.seen.lock().unwrap().push((bulk.len(), in_flight));
        let items: Vec<u64> = bulk.iter().map(|record| record.index).collect();
        let (took, outcome) = (self.answers)(&items, self.clock.now());
        sleep(took).await;
        *self.flying.lock().unwrap() -= 1;
        outcome
    }
}

/// Sends so many items; gives records and requests in flight of each request, what the stage knows, and how long it took.
fn send(items: u64, options: &Options, answers: Answers) -> (Vec<(usize, usize)>, Known, Duration) {
    send_weighed(items, |_| 0, options, answers)
}

/// The same, of items that have so many bytes.
fn send_weighed(
    items: u64,
    record: fn(&u64) -> usize,
    options: &Options,
    answers: Answers,
) -> (Vec<(usize, usize)>, Known, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let clock = Clock::start_at(Duration::ZERO);
        let (log, facts) = log::channel();
        std::thread::spawn(move || facts.iter().count());
        let service = Many {
            answers,
            clock,
            seen: Arc::default(),
            flying: Arc::default(),
        };
        let seen = Arc::clone(&service.seen);
        let context = Context {
            step: Step::Save,
            options,
            ready_max: usize::MAX,
            succeeded_before: false,
            horizon: None,
            stop: Stop::new(),
            brake: Brake::default(),
            clock,
            log,
        };
        let weights = Weights {
            record,
            answer: |_: &()| 0,
            show: Showing::NOTHING,
        };
        let stage = Stage::start(service, weights, Box::new(drop), context);
        stage.offer_all((0..items).map(|n| Record::new(n, n)).collect());
        stage.idle().await;
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        (seen, stage.known(), clock.now())
    })
}

fn options(in_flight: InFlightLimit) -> Options {
    Options {
        in_flight,
        ..Options::default()
    }
}

#[test]
fn the_size_is_found_before_the_limit() {
    // 10 ms for a request, 1 ms for a record: a tenth is its own from 90 records on.
    let (requests, known, _) = send(20_000, &options(InFlightLimit::Auto), |items, _| {
        let took = 10 * MS + MS * items.len() as u32;
        (took, Ok(Reply::done(items.len())))
    });
    let searched: Vec<_> = requests.iter().take(16).collect();
    let doubled = [1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 128, 128];
    assert_eq!(
        searched,
        doubled.map(|size| (size, 1)).iter().collect::<Vec<_>>()
    );
    assert!(requests[16..].iter().all(|(records, _)| *records <= 128));
    assert!(requests.iter().any(|(_, in_flight)| *in_flight >= 8));
    assert_eq!(known.learnt.and_then(|learnt| learnt.bulk), Some(128));
    // Whoever remembers begins there.
    let remembers = Options {
        learnt_save: known.learnt,
        ..options(InFlightLimit::Auto)
    };
    let (requests, known, _) = send(20_000, &remembers, |items, _| {
        (10 * MS, Ok(Reply::done(items.len())))
    });
    assert_eq!(requests[0].0, 128);
    assert_eq!(known.learnt.and_then(|learnt| learnt.bulk), Some(128));
}

#[test]
fn a_bad_record_does_not_end_the_search_for_the_size() {
    let (_, known, _) = send(20_000, &options(InFlightLimit::Auto), |items, _| {
        let took = 10 * MS + MS * items.len() as u32;
        let outcome = match items.contains(&9) {
            true => Err(Fault::permanent("constraint")),
            false => Ok(Reply::done(items.len())),
        };
        (took, outcome)
    });
    assert_eq!(known.learnt.and_then(|learnt| learnt.bulk), Some(128));
}

#[test]
fn the_size_is_found_where_bytes_fill_a_request_first() {
    let options = options(InFlightLimit::Auto);
    let (requests, known, _) = send_weighed(
        2000,
        |_| 100_000,
        &options,
        |items, _| (50 * MS, Ok(Reply::done(items.len()))),
    );
    // Ten make a megabyte.
    assert!(requests.iter().all(|(records, _)| *records <= 10));
    assert!(requests.iter().any(|(_, in_flight)| *in_flight >= 8));
    assert_eq!(known.learnt.and_then(|learnt| learnt.bulk), Some(16));
}

#[test]
fn a_limit_that_was_set_fills_requests_with_what_is_ready() {
    let (requests, ..) = send(3000, &options(InFlightLimit::Fixed(3)), |items, _| {
        (10 * MS, Ok(Reply::done(items.len())))
    });
    assert_eq!(requests, [(1000, 1), (1000, 2), (1000, 3)]);
    let set = Options {
        bulk: Some(7),
        ..options(InFlightLimit::Auto)
    };
    let (requests, ..) = send(14, &set, |items, _| (10 * MS, Ok(Reply::done(items.len()))));
    assert_eq!(requests, [(7, 1), (7, 2)]);
}

#[test]
fn what_is_too_large_is_halved_for_good() {
    let (requests, ..) = send(5000, &options(InFlightLimit::Fixed(1)), |items, _| {
        let outcome = match items.len() {
            0..=300 => Ok(Reply::done(items.len())),
            _ => Err(Fault::permanent("answered 413").too_large()),
        };
        (10 * MS, outcome)
    });
    let sizes: Vec<usize> = requests.iter().map(|(records, _)| *records).collect();
    let refused = sizes.iter().filter(|size| **size > 300).count();
    // The thousand, its two halves, and whatever was ready before the second lesson.
    assert!(refused <= 3, "{sizes:?}");
    assert_eq!(
        sizes.iter().filter(|size| **size <= 300).sum::<usize>(),
        5000
    );
    assert!(
        sizes[refused + 4..].iter().all(|size| *size <= 250),
        "{sizes:?}"
    );
}

#[test]
fn a_part_that_was_refused_is_sent_again_when_its_time_has_come() {
    let (requests, _, took) = send(10, &options(InFlightLimit::Fixed(1)), |items, now| {
        let outcome = |item: &u64| match *item {
            7 if now < SECOND => Err(Fault::overload("busy").retry_after(2 * SECOND)),
            _ => Ok(()),
        };
        (
            10 * MS,
            Ok(Reply::Each(items.iter().map(outcome).collect())),
        )
    });
    assert_eq!(requests, [(10, 1), (1, 1)]);
    assert!(took < 2100 * MS, "nobody looked before {took:?}");
}
