//! Worker processes that end, hang, print nonsense or too much: each costs one item, and none outlives us.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use inflight::{
    Ending, Fact, Fault, Job, Observer, Options, Record, Reply, Stop, Strategy, Summary,
};
use inflight_connectors::{Crew, CrewSettings, Exec, Payload};

use crate::record;

/// What an item tells the worker to do; everything else comes back doubled.
const WORKER: &str = r#"
import json, os, sys, time

def work(job):
    item = job["item"]
    if item == "exit": sys.exit("cannot go on")
    if item == "raise": raise ValueError("a bad item")
    if item == "hang": print("hangs", file=sys.stderr, flush=True); time.sleep(600)
    if item == "garbage": print("debug: here I am", flush=True)
    if item == "stranger": return {"id": 4711, "result": "?"}
    if item == "gigabyte":
        while True: sys.stdout.write("x" * (1 << 20))
    if item == "shout forever":
        while True: print("y", file=sys.stderr, flush=True); time.sleep(0.001)
    if item == "drip":
        while True: print(" ", end="", flush=True); time.sleep(0.001)
    if item == "orphan":
        if os.fork(): os._exit(7)
        time.sleep(600)
    if item == "shout":
        for _ in range(20000): sys.stderr.write("y" * 1000 + "\n")
    if item == "refuse": return {"id": job["id"], "error": "not this one"}
    if item == "busy": return {"id": job["id"], "error": "not now", "retry": True}
    if item == "close": os.close(1); time.sleep(600)
    if item == "pid": return {"id": job["id"], "result": os.getpid()}
    if item == "number": return {"id": job["id"], "result": os.environ["INFLIGHT_WORKER"]}
    if item == "bytes": return {"id": job["id"], "base64": "/w=="}
    return {"id": job["id"], "result": item * 2}

batch = int(sys.argv[1])
print(json.dumps({"version": 1, "batch": batch} if batch else {"version": 1}), flush=True)
for line in sys.stdin:
    jobs = json.loads(line)
    answers = [work(job) for job in jobs] if batch else work(jobs)
    print(json.dumps(answers), flush=True)
"#;

/// How many items a line: none in an array, one, many.
const BATCHES: [usize; 3] = [0, 1, 64];

fn exec(script: &str, argument: &str) -> Exec {
    let script = script.replace('\'', r"'\''");
    Exec::parse(&format!("python3 -c '{script}' {argument}")).unwrap()
}

fn settings(timeout: Duration) -> CrewSettings {
    CrewSettings {
        timeout,
        ..CrewSettings::default()
    }
}

/// Results in the order of the items, dead letters as their reason.
#[derive(Debug)]
struct Came {
    summary: Summary,
    results: Vec<(u64, String)>,
    dead: Vec<(u64, String)>,
}

struct Dead(Arc<Mutex<Vec<(u64, String)>>>);

impl Observer for Dead {
    fn observe(&mut self, fact: &Fact, _: &inflight::Counts) {
        if let Fact::Dead { index, fault, .. } = fact {
            self.0.lock().unwrap().push((*index, fault.to_string()));
        }
    }
}

fn run(crew: &Crew, items: &[&str], strategy: Strategy) -> Came {
    let items: Vec<Payload> = items
        .iter()
        .map(|item| Payload::read(item.to_string()))
        .collect();
    let options = Options {
        strategy,
        jobs: 2,
        retries: 2,
        backoff: Duration::from_millis(10),
        ..Options::default()
    };
    let (results, dead) = (Arc::default(), Arc::default());
    let keep = {
        let results: Arc<Mutex<Vec<Payload>>> = Arc::clone(&results);
        async move |result: &Payload| {
            results.lock().unwrap().push(result.clone());
            Ok::<(), Fault>(())
        }
    };
    let keys: Vec<u128> = items.iter().map(|item| item.key).collect();
    let summary = Job::new(items.into_iter())
        .compute_until_stopped(crew.hire())
        .save(keep)
        .observed_by(Dead(Arc::clone(&dead)))
        .run(&options)
        .unwrap();
    let place = |result: &Payload| keys.iter().position(|key| *key == result.key).unwrap() as u64;
    let text = |result: &Payload| String::from_utf8_lossy(result.bytes()).into_owned();
    let mut results: Vec<_> = results
        .lock()
        .unwrap()
        .iter()
        .map(|r| (place(r), text(r)))
        .collect();
    results.sort();
    let mut dead = std::mem::take(&mut *dead.lock().unwrap());
    dead.sort();
    Came {
        summary,
        results,
        dead,
    }
}

/// One bad item among good ones: it alone is dead, for this reason, and within this time.
#[track_caller]
fn costs_one_item(bad: &str, reason: &str, timeout: Duration) {
    let mut items: Vec<String> = (0..200).map(|n| format!("i{n}")).collect();
    items[100] = bad.to_owned();
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    for batch in BATCHES {
        let crew = Crew::start(&exec(WORKER, &batch.to_string()), settings(timeout)).unwrap();
        let began = Instant::now();
        let came = run(&crew, &items, Strategy::Parallel);
        assert_eq!(
            (came.summary.saved, came.summary.dead),
            (199, 1),
            "batch {batch}: {came:?}"
        );
        let (index, why) = &came.dead[0];
        assert_eq!(*index, 100);
        assert!(why.contains(reason), "batch {batch}: {why}");
        assert!(
            came.results
                .iter()
                .all(|(index, text)| *text == format!("i{index}i{index}"))
        );
        assert!(
            began.elapsed() < timeout * 4 + Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
    }
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn one_that_ends_costs_one_item() {
    costs_one_item(
        "exit",
        "it ended (exit status: 1); it said: cannot go on",
        LONG,
    );
    costs_one_item("raise", "ValueError: a bad item", LONG);
}

#[test]
fn one_that_hangs_costs_one_item() {
    costs_one_item(
        "hang",
        "it gave no answer within 1s; it was killed",
        Duration::from_secs(1),
    );
}

#[test]
fn one_that_hangs_and_is_not_silent_costs_one_item() {
    let second = Duration::from_secs(1);
    costs_one_item(
        "shout forever",
        "it gave no answer within 1s; it was killed",
        second,
    );
    costs_one_item("drip", "it gave no answer within 1s; it was killed", second);
}

#[test]
fn one_that_ends_and_leaves_a_child_with_its_pipes_costs_one_item() {
    costs_one_item("orphan", "it ended (exit status: 7)", LONG);
}

#[test]
fn one_that_prints_nonsense_costs_one_item() {
    costs_one_item(
        "garbage",
        "it printed `debug: here I am` to standard output",
        LONG,
    );
    costs_one_item(
        "stranger",
        "it answered item 4711, which it was not asked for",
        LONG,
    );
}

#[test]
fn one_that_prints_without_end_costs_one_item() {
    costs_one_item("gigabyte", "a line of more than 16 MiB", LONG);
}

#[test]
fn one_that_closes_its_output_costs_one_item() {
    costs_one_item("close", "its output ended; it was killed", LONG);
}

#[test]
fn an_item_that_is_refused_is_dead_and_breaks_nothing() {
    costs_one_item("refuse", "not this one", LONG);
}

#[test]
fn what_it_shouts_on_standard_error_holds_nothing_up_and_is_shown_bounded() {
    let shown = Arc::new(Mutex::new(0));
    let counting = Arc::clone(&shown);
    let settings = CrewSettings {
        listener: Some(Arc::new(move |_, line: &str| {
            assert!(line.len() < 400);
            *counting.lock().unwrap() += 1;
        })),
        ..settings(LONG)
    };
    let crew = Crew::start(&exec(WORKER, "0"), settings).unwrap();
    let came = run(&crew, &["a", "shout", "b"], Strategy::Sequential);
    assert_eq!(came.results[1].1, "shoutshout");
    assert_eq!(*shown.lock().unwrap(), 1001);
}

#[test]
fn busy_is_asked_again_and_then_dead() {
    let crew = Crew::start(&exec(WORKER, "8"), settings(LONG)).unwrap();
    let came = run(&crew, &["a", "busy", "b"], Strategy::Parallel);
    assert_eq!(
        (came.summary.saved, came.summary.dead, came.summary.retried),
        (2, 1, 2)
    );
    assert!(came.dead[0].1.contains("not now"));
}

#[test]
fn every_strategy_asks_workers_and_their_time_is_counted() {
    const SLOW: &str = r#"
import json, sys, time
print('{"version":1}', flush=True)
for line in sys.stdin:
    job = json.loads(line)
    end = time.process_time() + 0.02
    while time.process_time() < end: pass
    print(json.dumps({"id": job["id"], "result": [job["item"]]}), flush=True)
"#;
    for strategy in Strategy::ALL {
        let crew = Crew::start(&exec(SLOW, ""), settings(LONG)).unwrap();
        let items: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let came = run(&crew, &items, strategy);
        assert_eq!(came.summary.saved, 30);
        assert_eq!(came.results[7].1, r#"["7"]"#);
        let busy = came.summary.cores_busy * came.summary.elapsed_s;
        assert!(
            busy >= 0.6,
            "{strategy:?}: 30 × 20 ms of CPU time, but {busy} s were counted"
        );
    }
}

#[test]
fn bytes_that_are_no_text_pass_in_base64() {
    let crew = Crew::start(&exec(WORKER, "0"), settings(LONG)).unwrap();
    let mut compute = crew.hire()(&Stop::new());
    let outcomes = compute(&[record(0, "bytes")]).unwrap().into_outcomes();
    assert_eq!(outcomes[0].as_ref().unwrap().bytes(), &b"\xff"[..]);
}

#[test]
fn workers_have_numbers_of_their_own_and_the_next_one_gets_a_free_one() {
    let crew = Crew::start(&exec(WORKER, "0"), settings(LONG)).unwrap();
    let hire = crew.hire();
    let ask = |compute: &mut dyn FnMut(&[Record<Payload>]) -> _, item: &str| -> String {
        let reply: Result<Reply<Payload>, Fault> = compute(&[record(0, item.to_owned())]);
        let outcome = reply.unwrap().into_outcomes().remove(0);
        outcome.map_or_else(
            |fault| fault.to_string(),
            |result| format!("{:?}", result.bytes()),
        )
    };
    let (mut first, mut second) = (hire(&Stop::new()), hire(&Stop::new()));
    assert_eq!(ask(&mut first, "number"), r#"b"0""#);
    assert_eq!(ask(&mut second, "number"), r#"b"1""#);
    assert!(ask(&mut first, "exit").contains("ended"));
    assert_eq!(
        ask(&mut first, "number"),
        r#"b"0""#,
        "it took the place of the one that ended"
    );
    drop(second);
    assert_eq!(ask(&mut hire(&Stop::new()), "number"), r#"b"1""#);
}

fn is_running(process: &str) -> bool {
    let status = fs::read_to_string(Path::new("/proc").join(process).join("status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

#[test]
fn a_crew_that_is_dropped_takes_its_workers_along_even_if_they_hang() {
    let (says, said) = std::sync::mpsc::channel();
    let settings = CrewSettings {
        listener: Some(Arc::new(move |_, line: &str| {
            says.send(line.to_owned()).unwrap()
        })),
        ..settings(LONG)
    };
    let crew = Crew::start(&exec(WORKER, "0"), settings).unwrap();
    let mut compute = crew.hire()(&Stop::new());
    let mut ask = move |item: &str| {
        let record = record(0, item.to_owned());
        compute(&[record]).unwrap().into_outcomes().remove(0)
    };
    let process = String::from_utf8(ask("pid").unwrap().bytes().to_vec()).unwrap();
    assert!(is_running(&process));
    let asking = std::thread::spawn(move || ask("hang"));
    assert_eq!(said.recv_timeout(LONG).unwrap(), "hangs");
    drop(crew);
    let fault = asking.join().unwrap().unwrap_err();
    assert!(fault.to_string().contains("SIGKILL"), "{fault}");
    assert!(!is_running(&process));
}

#[test]
fn what_is_no_worker_is_refused_before_anything_else() {
    let refused = |command: &str, part: &str| {
        let began = Instant::now();
        let why = Crew::start(&Exec::parse(command).unwrap(), settings(LONG)).unwrap_err();
        assert!(why.to_string().contains(part), "{command}: {why}");
        assert!(began.elapsed() < Duration::from_secs(10));
    };
    refused(
        "no-such-program --flag",
        "`no-such-program --flag`: failed to start the worker: No such file",
    );
    refused(
        "false",
        "no hello: its output ended; it ended (exit status: 1)",
    );
    refused("echo hello", "hello such as {\"version\":1}, not `hello`");
    refused("echo '{\"version\":9}'", "version 9");
    refused(
        "sh -c 'echo cannot load >&2; exit 3'",
        "exit status: 3); it said: cannot load",
    );
}

#[test]
fn a_worker_that_ends_between_items_is_replaced_and_costs_nothing() {
    const ONCE: &str = r#"
import json, os, sys
print('{"version":1}', flush=True)
job = json.loads(sys.stdin.readline())
print(json.dumps({"id": job["id"], "result": os.getpid()}), flush=True)
"#;
    let crew = Crew::start(&exec(ONCE, ""), settings(LONG)).unwrap();
    let mut compute = crew.hire()(&Stop::new());
    for index in 0..5 {
        let outcomes = compute(&[record(index, "x")]).unwrap().into_outcomes();
        let process = String::from_utf8(outcomes[0].as_ref().unwrap().bytes().to_vec()).unwrap();
        // A moment earlier nobody could know that it would end.
        let began = Instant::now();
        while is_running(&process) {
            assert!(began.elapsed() < LONG);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_worker_that_breaks_at_everything_ends_the_run() {
    let crew = Crew::start(&exec(WORKER, "0"), settings(LONG)).unwrap();
    let items = ["exit"; 50];
    let came = run(&crew, &items, Strategy::Parallel);
    let Ending::Unavailable(why) = &came.summary.ending else {
        panic!("{came:?}")
    };
    assert!(
        why.contains("items in a row broke") && why.contains("cannot go on"),
        "{why}"
    );
    assert_eq!((came.summary.dead, came.summary.left), (0, 50));
}

/// Runs items through a worker written in Python with these settings.
fn run_script(script: &str, argument: &str, settings: CrewSettings, items: &[&str]) -> Came {
    let crew = Crew::start(&exec(script, argument), settings).unwrap();
    run(&crew, items, Strategy::Parallel)
}

fn items(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("i{n}")).collect()
}

#[test]
fn one_that_ends_in_order_after_some_answers_costs_nothing() {
    const SOME: &str = r#"
import json, sys
print('{"version":1}', flush=True)
done = 0
for line in sys.stdin:
    job = json.loads(line)
    print(json.dumps({"id": job["id"], "result": job["item"]}), flush=True)
    done += 1
    if done == int(sys.argv[1]): sys.exit(0)
"#;
    let items = items(40);
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    for answers in ["1", "7"] {
        let came = run_script(SOME, answers, settings(LONG), &items);
        assert_eq!((came.summary.saved, came.summary.dead), (40, 0), "{came:?}");
    }
}

#[test]
fn one_that_is_killed_at_times_costs_no_item() {
    // As by a limit of memory: every process works for a while, and then ends by a signal in the middle of an item.
    const KILLED: &str = r#"
import json, os, signal, sys
print('{"version":1}', flush=True)
for done, line in enumerate(sys.stdin):
    if done == 5: os.kill(os.getpid(), signal.SIGKILL)
    job = json.loads(line)
    print(json.dumps({"id": job["id"], "result": job["item"]}), flush=True)
"#;
    let items = items(60);
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let came = run_script(KILLED, "", settings(LONG), &items);
    assert_eq!((came.summary.saved, came.summary.dead), (60, 0), "{came:?}");
}

#[test]
fn one_that_prints_beside_its_answers_costs_no_item_and_the_user_is_told() {
    const PRINTS: &str = r#"
import json, sys
print('{"version":1}', flush=True)
for line in sys.stdin:
    job = json.loads(line)
    print(json.dumps({"id": job["id"], "result": job["item"]}), flush=True)
    if job["item"] == "i3": print("did it", flush=True)
"#;
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let settings = CrewSettings {
        notice: Some(Arc::new(move |sentence: &str| {
            telling.lock().unwrap().push(sentence.to_owned());
        })),
        ..settings(LONG)
    };
    let items = items(40);
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let came = run_script(PRINTS, "", settings, &items);
    assert_eq!((came.summary.saved, came.summary.dead), (40, 0), "{came:?}");
    let told = told.lock().unwrap();
    assert_eq!(
        *told,
        [
            "a worker: it printed `did it` to standard output, where only answers may stand; print to standard error instead"
        ]
    );
}

#[test]
fn one_that_always_prints_leaves_all_items() {
    const ALWAYS: &str = r#"
import json, sys
print('{"version":1}', flush=True)
for line in sys.stdin:
    print("working", flush=True)
"#;
    let items = items(40);
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let came = run_script(ALWAYS, "", settings(LONG), &items);
    assert_eq!((came.summary.dead, came.summary.left), (0, 40));
    let Ending::Unavailable(why) = &came.summary.ending else {
        panic!("{came:?}")
    };
    assert!(
        why.contains("it printed `working` to standard output"),
        "{why}"
    );
}

#[test]
fn a_malformed_answer_costs_its_item_and_no_process() {
    const NAN: &str = r#"
import json, os, sys
print('{"version":1}', flush=True)
for line in sys.stdin:
    job = json.loads(line)
    result = float("nan") if job["item"] == "i7" else os.getpid()
    print(json.dumps({"id": job["id"], "result": result}), flush=True)
"#;
    let items = items(20);
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let came = run_script(NAN, "", settings(LONG), &items);
    assert_eq!(came.summary.saved, 19);
    let [(7, why)] = came.dead.as_slice() else {
        panic!("{came:?}")
    };
    assert!(why.contains("JSON knows neither NaN"), "{why}");
    let processes: std::collections::BTreeSet<&String> =
        came.results.iter().map(|(_, process)| process).collect();
    assert!(processes.len() <= 2, "{processes:?}");
}

#[test]
fn a_worker_is_replaced_after_as_many_items_as_it_may_do() {
    let settings = CrewSettings {
        recycle: Some(3),
        ..settings(LONG)
    };
    for batch in BATCHES {
        let crew = Crew::start(&exec(WORKER, &batch.to_string()), settings.clone()).unwrap();
        let items = ["pid"; 20];
        let came = run(&crew, &items, Strategy::Sequential);
        let mut processes = std::collections::BTreeMap::<String, usize>::new();
        for (_, process) in came.results {
            *processes.entry(process).or_default() += 1;
        }
        assert!(processes.values().all(|&done| done <= 3), "{processes:?}");
        assert_eq!(processes.len(), 7, "{processes:?}");
    }
}

#[test]
fn one_that_does_not_flush_is_asked_about_and_never_waited_for_at_the_end() {
    const HOLDS: &str = r#"
import json, sys
print('{"version":1}', flush=True)
for line in sys.stdin:
    job = json.loads(line)
    # Whether Python flushes by itself depends on its environment.
    answer = json.dumps({"id": job["id"], "result": job["item"]})
print(answer)
"#;
    let stop = Stop::new();
    let (told, telling) = std::sync::mpsc::channel();
    let stopping = stop.clone();
    let settings = CrewSettings {
        notice: Some(Arc::new(move |sentence: &str| {
            told.send(sentence.to_owned()).unwrap();
            stopping.now();
        })),
        ..settings(LONG)
    };
    let crew = Crew::start(&exec(HOLDS, ""), settings).unwrap();
    let began = Instant::now();
    let summary = Job::new((0..3).map(|n: u64| Payload::read(n.to_string())))
        .compute_until_stopped(crew.hire())
        .save(async |_: &Payload| Ok::<(), Fault>(()))
        .stopped_by(&stop)
        .run(&Options {
            jobs: 1,
            ..Options::default()
        })
        .unwrap();
    let took = began.elapsed();
    assert_eq!(
        telling
            .try_recv()
            .unwrap_or_else(|_| panic!("{took:?}, {summary:?}")),
        "no worker has answered anything for 5 s; does it flush its answers?"
    );
    assert_eq!((summary.left, summary.dead), (3, 0), "{summary:?}");
    let seconds = Duration::from_secs(5)..Duration::from_secs(12);
    assert!(seconds.contains(&took), "{took:?}");
}
