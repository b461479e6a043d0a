//! Every strategy against an HTTP service that fails in every way a service can, and keeps count of what it took.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use inflight::{Ending, InFlightLimit, Job, Options, Strategy, Summary};
use inflight_connectors::{Input, Payload, Sink, SinkSettings};

use crate::server::{Asked, Server, answer};

const ITEMS: u64 = 60;
/// Requests in flight, at most.
const LIMIT: usize = 8;
/// How long an answer is waited for. A service that stalls is silent for longer.
const TIMEOUT: Duration = Duration::from_millis(150);
const SILENCE: Duration = Duration::from_millis(400);

/// What becomes of the first request for one item in ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nobody listens yet when the run begins.
    Refused,
    Status(&'static str),
    /// Cut before anything was stored.
    Cut,
    CutAfterStoring,
    /// Stored; the answer is shorter than it says, and ends there.
    ShortAnswer,
    /// Stored; the answer is no HTTP.
    Garbage,
    /// Silent for longer than anybody waits, and nothing stored.
    Stall,
    StallAfterStoring,
}

const FAULTS: [Fault; 10] = [
    Fault::Refused,
    Fault::Status("500 Internal Server Error"),
    Fault::Status("429 Too Many Requests"),
    Fault::Status("503 Service Unavailable"),
    Fault::Cut,
    Fault::CutAfterStoring,
    Fault::ShortAnswer,
    Fault::Garbage,
    Fault::Stall,
    Fault::StallAfterStoring,
];

impl Fault {
    /// Whether the sender cannot know if the item was stored.
    fn leaves_in_doubt(self) -> bool {
        !matches!(self, Fault::Refused | Fault::Status(_))
    }
}

/// What the service knows.
#[derive(Default)]
struct Known {
    /// How often each body was stored.
    stored: BTreeMap<String, u64>,
    /// The key under which each came.
    keys: BTreeMap<String, BTreeSet<String>>,
    fired: u64,
    in_flight: usize,
    in_flight_max: usize,
}

/// A service with a fault. One that knows keys stores what comes again only once.
struct Service {
    fault: Fault,
    knows_keys: bool,
    known: Mutex<Known>,
}

impl Service {
    fn answer(&self, asked: &Asked) -> Vec<u8> {
        let body = String::from_utf8(asked.body.clone()).unwrap();
        let key = asked.header("idempotency-key").unwrap().to_owned();
        let fault = {
            let mut known = self.known.lock().unwrap();
            known.in_flight += 1;
            known.in_flight_max = known.in_flight_max.max(known.in_flight);
            let keys = known.keys.entry(body.clone()).or_default();
            let is_first = keys.is_empty();
            keys.insert(key);
            let is_hit = is_first && body.parse::<u64>().unwrap() % 10 == 3;
            is_hit.then_some(self.fault).inspect(|_| known.fired += 1)
        };
        let reply = self.reply(fault, &body);
        self.known.lock().unwrap().in_flight -= 1;
        reply
    }

    fn reply(&self, fault: Option<Fault>, body: &str) -> Vec<u8> {
        let good = answer("200 OK", "", "taken");
        match fault {
            None | Some(Fault::Refused) => {}
            Some(Fault::Status(status)) => {
                return answer(status, "retry-after: 0\r\n", "").into();
            }
            Some(Fault::Cut) => return Vec::new(),
            Some(Fault::Stall) => {
                thread::sleep(SILENCE);
                return Vec::new();
            }
            Some(
                Fault::CutAfterStoring
                | Fault::ShortAnswer
                | Fault::Garbage
                | Fault::StallAfterStoring,
            ) => {}
        }
        self.store(body);
        match fault {
            Some(Fault::CutAfterStoring) => Vec::new(),
            Some(Fault::ShortAnswer) => {
                b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 50\r\n\r\nshort".into()
            }
            Some(Fault::Garbage) => b"what? connection: close\r\n\r\n".into(),
            Some(Fault::StallAfterStoring) => {
                thread::sleep(SILENCE);
                Vec::new()
            }
            _ => good.into(),
        }
    }

    fn store(&self, body: &str) {
        let mut known = self.known.lock().unwrap();
        let times = known.stored.entry(body.to_owned()).or_default();
        if !self.knows_keys || *times == 0 {
            *times += 1;
        }
    }
}

/// Saves so many items to a service with this fault, and gives what came of it at both ends.
fn run(strategy: Strategy, fault: Fault, settings: &SinkSettings) -> (Summary, Known) {
    let service = Arc::new(Service {
        fault,
        knows_keys: settings.idempotent,
        known: Mutex::default(),
    });
    let serving = Arc::clone(&service);
    let answer = move |asked: &Asked| serving.answer(asked);
    let server = match fault {
        Fault::Refused => Server::start_later(Duration::from_millis(100), answer),
        _ => Server::start(answer),
    };
    let options = Options {
        strategy,
        in_flight: InFlightLimit::Fixed(LIMIT),
        batch: 20,
        backoff: Duration::from_millis(5),
        timeout: TIMEOUT,
        ..Options::default()
    };
    let sink = Sink::parse(&server.url("/add"), settings).unwrap();
    let input = Input::parse(&format!("0..{ITEMS}"), None, None).unwrap();
    let summary = Job::new(input.open().unwrap())
        .compute(|item: Payload| item)
        .save_to(sink)
        .run(&options)
        .unwrap();
    let known = std::mem::take(&mut *service.known.lock().unwrap());
    (summary, known)
}

fn check(strategy: Strategy, fault: Fault, idempotent: bool) {
    let case = format!(
        "{} against {fault:?}, idempotent {idempotent}",
        strategy.name()
    );
    let folder = tempfile::tempdir().unwrap();
    let responses = folder.path().join("responses.jsonl");
    let settings = SinkSettings {
        idempotent,
        responses: Some(responses.clone()),
        ..SinkSettings::default()
    };
    let (summary, known) = run(strategy, fault, &settings);
    assert_eq!(summary.ending, Ending::Complete, "{case}");
    assert_eq!(
        (summary.saved, summary.dead),
        (ITEMS, 0),
        "{case}: {summary:?}"
    );
    let expected: BTreeSet<String> = (0..ITEMS).map(|item| item.to_string()).collect();
    assert!(
        known.stored.keys().eq(&expected),
        "{case}: {:?}",
        known.stored
    );
    assert_eq!(known.fired, ITEMS / 10, "{case}: the fault must happen");
    // Those that the sender has given up are still there for a while.
    let limit = match fault {
        Fault::Stall | Fault::StallAfterStoring => ITEMS as usize,
        _ if strategy == Strategy::Sequential => 1,
        _ => LIMIT,
    };
    assert!(
        known.in_flight_max <= limit,
        "{case}: {}",
        known.in_flight_max
    );
    assert!(
        known.keys.values().all(|keys| keys.len() == 1),
        "{case}: a key changed"
    );
    let twice: u64 = known.stored.values().map(|times| times - 1).sum();
    assert!(twice <= summary.in_doubt, "{case}: {twice} stored again");
    match (idempotent, fault.leaves_in_doubt()) {
        (true, _) => assert_eq!(twice, 0, "{case}"),
        (false, true) => assert!(summary.in_doubt >= known.fired, "{case}"),
        // A slow machine may time out besides, which is no matter of this case.
        (false, false) => {}
    }
    let kept = std::fs::read_to_string(responses).unwrap();
    assert_eq!(
        kept.lines().count() as u64,
        ITEMS,
        "{case}: one response an item"
    );
}

#[test]
fn whatever_a_service_does_each_item_is_saved_and_counted() {
    for fault in FAULTS {
        for strategy in Strategy::ALL {
            for idempotent in [false, true] {
                check(strategy, fault, idempotent);
            }
        }
    }
}
