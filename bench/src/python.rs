//! The Python package beside what Python programs use today: five jobs, each done by us and by them.

use bench::{Machine, Outcome};

use crate::contender::{Contender, outcome, run_of};
use crate::lab::{Setup, saved_to_lab};
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Section, Verdict};
use std::process::Command;

const PAIRS: usize = 5;

/// One way to do one job.
struct Way {
    label: &'static str,
    /// As `bench/peers/jobs.py` calls them.
    job: &'static str,
    contender: &'static str,
    items: u64,
    /// The flags of the lab that it saves to, if it does.
    lab: Option<&'static str>,
}

const NOTHING: &str = "nothing: `inflight.map`";
const NOTHING_POOL: &str = "nothing: `ProcessPoolExecutor.map`";
const NOTHING_CHUNKS: &str = "nothing: `ProcessPoolExecutor.map`, chunks of 64";
const NOTHING_JOBLIB: &str = "nothing: joblib";
const ARRAYS: &str = "1 MiB arrays: `inflight.map`";
const ARRAYS_POOL: &str = "1 MiB arrays: `ProcessPoolExecutor.map`";
const ARRAYS_JOBLIB: &str = "1 MiB arrays: joblib";
const HASHES: &str = "bcrypt 8 → 100 ms: `inflight.run`, address";
const HASHES_SAVER: &str = "bcrypt 8 → 100 ms: `inflight.run`, own aiohttp saver";
const HASHES_COMMAND: &str = "bcrypt 8 → 100 ms: the command line, bcrypt in Rust";
const HASHES_POOL: &str = "bcrypt 8 → 100 ms: process pool and aiohttp by hand";
const HASHES_ASYNCIO: &str = "bcrypt 8 → 100 ms: asyncio, semaphore of 100";
const TINY: &str = "tiny requests: `inflight.run`, address";
const TINY_SAVER: &str = "tiny requests: `inflight.run`, own aiohttp saver";
const TINY_AIOHTTP: &str = "tiny requests: aiohttp by hand";
const FIRST: &str = "first result: `inflight.map`";
const FIRST_POOL: &str = "first result: `ProcessPoolExecutor.map`";
const FIRST_JOBLIB: &str = "first result: joblib";
const IMPORT: &str = "`import inflight`";

const SLOW: Option<&str> = Some("--latency 100ms");
const QUICK: Option<&str> = Some("");

const WAYS: [Way; 18] = [
    way(NOTHING, "nothing", "inflight", 1_000_000, None),
    way(NOTHING_POOL, "nothing", "pool", 20_000, None),
    way(NOTHING_CHUNKS, "nothing", "chunks", 1_000_000, None),
    way(NOTHING_JOBLIB, "nothing", "joblib", 500_000, None),
    way(ARRAYS, "arrays", "inflight", 1_000, None),
    way(ARRAYS_POOL, "arrays", "pool", 1_000, None),
    way(ARRAYS_JOBLIB, "arrays", "joblib", 1_000, None),
    way(HASHES, "hashes", "string", 600, SLOW),
    way(HASHES_SAVER, "hashes", "saver", 600, SLOW),
    way(HASHES_POOL, "hashes", "pool", 600, SLOW),
    way(HASHES_ASYNCIO, "hashes", "asyncio", 600, SLOW),
    way(TINY, "tiny", "string", 100_000, QUICK),
    way(TINY_SAVER, "tiny", "saver", 10_000, QUICK),
    way(TINY_AIOHTTP, "tiny", "aiohttp", 10_000, QUICK),
    way(FIRST, "first", "inflight", 1, None),
    way(FIRST_POOL, "first", "pool", 1, None),
    way(FIRST_JOBLIB, "first", "joblib", 1, None),
    way(IMPORT, "import", "inflight", 1, None),
];

const fn way(
    label: &'static str,
    job: &'static str,
    contender: &'static str,
    items: u64,
    lab: Option<&'static str>,
) -> Way {
    Way {
        label,
        job,
        contender,
        items,
        lab,
    }
}

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let has_python = plan.places.has_package();
    let ways = WAYS.iter().filter(|_| has_python);
    let mut contenders: Vec<_> = ways
        .map(|way| Contender::new(way.label, move || run(plan, way)))
        .collect();
    contenders.push(Contender::new(HASHES_COMMAND, move || command(plan)));
    let rounds = Rounds::run(pairs, &contenders)?;
    let each = |outcome: &Outcome| outcome.elapsed_s / outcome.items.max(1) as f64 * 1e6;
    Ok(Section {
        work: "Nothing, an array of 1 MiB there and back, bcrypt of cost 8 saved to a service of 100 ms, a hash saved to a service of \
               0 ms, and a single item, on all cores; and the import of the module. None of ours has a setting but the number of \
               connections of the tiny requests, 64 for all."
            .to_owned(),
        check: "Each must do all items; the service must have each result once.".to_owned(),
        machine,
        pairs,
        figure: "µs an item, from the call to its end; imports are not in it".to_owned(),
        ratio: "ours ÷ theirs, of the same job".to_owned(),
        rows: contenders
            .iter()
            .map(|contender| crate::section::Row {
                label: contender.label.to_owned(),
                figure: rounds.spread(contender.label, each),
                ratio: ours_of(contender.label).map(|ours| rounds.ratio(ours, contender.label, each)),
            })
            .collect(),
        verdicts: if has_python { verdicts(&rounds, each) } else { Vec::new() },
        growth: Vec::new(),
        notes: Vec::new(),
        missing: if has_python { Vec::new() } else { vec!["the Python package".to_owned()] },
    })
}

/// What of ours a peer is measured against.
fn ours_of(label: &str) -> Option<&'static str> {
    Some(match label {
        NOTHING_POOL | NOTHING_CHUNKS | NOTHING_JOBLIB => NOTHING,
        ARRAYS_POOL | ARRAYS_JOBLIB => ARRAYS,
        HASHES_COMMAND => HASHES,
        HASHES_POOL | HASHES_ASYNCIO => HASHES_SAVER,
        TINY_AIOHTTP => TINY_SAVER,
        FIRST_POOL | FIRST_JOBLIB => FIRST,
        _ => return None,
    })
}

fn verdicts(rounds: &Rounds, each: impl Fn(&Outcome) -> f64 + Copy) -> Vec<Verdict> {
    let ratio = |ours, theirs| rounds.ratio(ours, theirs, each);
    vec![
        Verdict::at_most(
            4.0,
            "nothing: at most 4 µs an item, nothing tuned",
            rounds.spread(NOTHING, each),
        ),
        Verdict::at_most(
            1.0,
            "arrays: not slower than joblib",
            ratio(ARRAYS, ARRAYS_JOBLIB),
        ),
        Verdict::at_most(
            1.0,
            "bcrypt, own saver: not slower than a pool by hand",
            ratio(HASHES_SAVER, HASHES_POOL),
        ),
        Verdict::at_least(
            1.9,
            "bcrypt, own saver: at least 1.9 times asyncio",
            ratio(HASHES_ASYNCIO, HASHES_SAVER),
        ),
        Verdict::at_most(
            1.03,
            "bcrypt, address: at most 1.03 of the command line",
            ratio(HASHES, HASHES_COMMAND),
        ),
        Verdict::at_least(
            10.0,
            "tiny, address: at least 10 times aiohttp",
            ratio(TINY_AIOHTTP, TINY),
        ),
        Verdict::at_least(
            0.95,
            "tiny, own saver: at least 0.95 of aiohttp",
            ratio(TINY_AIOHTTP, TINY_SAVER),
        ),
        Verdict::at_most(
            150_000.0,
            "first result: at most 150 ms",
            rounds.spread(FIRST, each),
        ),
        Verdict::at_most(
            60_000.0,
            "import: at most 60 ms",
            rounds.spread(IMPORT, each),
        ),
    ]
}

fn run(plan: &Plan, way: &Way) -> anyhow::Result<Outcome> {
    let items = match way.items {
        1 => 1,
        items => plan.items(items),
    };
    let ask = |url: &str| {
        let mut python = plan.places.python("jobs.py").expect("it was there");
        python.args([way.job, way.contender, &items.to_string(), url]);
        outcome(&mut python, items)
    };
    match way.lab {
        None => ask(""),
        Some(flags) => {
            let setup = Setup {
                flags,
                ..Setup::default()
            };
            saved_to_lab(plan, setup, items, |lab| ask(&lab.add()))
        }
    }
}

/// The command line, without Python.
fn command(plan: &Plan) -> anyhow::Result<Outcome> {
    let items = plan.items(600);
    let setup = Setup {
        flags: "--latency 100ms",
        ..Setup::default()
    };
    saved_to_lab(plan, setup, items, |lab| {
        let mut tool = Command::new(plan.places.inflight());
        let add = lab.add();
        let job = [
            "--compute",
            "bcrypt:8",
            "--save",
            &add,
            "--no-journal",
            "--no-profile",
        ];
        run_of(&mut tool, &format!("0..{items}"), &job, items)
    })
}
