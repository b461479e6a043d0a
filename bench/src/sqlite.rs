//! A million hashes into a table of SQLite: computed and saved by us, beside a finished file that is only imported.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use bench::{Machine, Outcome};

use crate::contender::{Contender, inflight_run, kept, outcome};
use crate::hashes;
use crate::number::grouped;
use crate::plan::Plan;
use crate::rounds::Rounds;
use crate::section::{Section, Verdict};

const ITEMS: u64 = 1_000_000;
const PAIRS: usize = 5;

const OURS: &str = "inflight";
const KEPT: &str = "inflight, with a journal and its account in the database";
const IMPORT: &str = "sqlite3: `.import` of the finished file";
const BY_HAND: &str = "Rust: rusqlite by hand, one transaction";

const TABLE: &str = "CREATE TABLE t(\"index\" INTEGER PRIMARY KEY, result)";

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let items = plan.items(ITEMS);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("hashes.tsv");
    hashes::write(&file, items)?;
    let mut contenders = vec![
        ours(plan, OURS, items),
        Contender::new(KEPT, || {
            filled(items, |database| {
                let address = address(database);
                let job = ["--compute", "sha256", "--save", &address];
                kept(plan, &job, items)
            })
        }),
        Contender::new(BY_HAND, || {
            filled(items, |database| {
                let mut program = plan.places.binary("peers");
                let program = program.args(["rusqlite-by-hand", &items.to_string()]);
                outcome(program.arg(database), items)
            })
        }),
    ];
    let mut missing = Vec::new();
    if Command::new("sqlite3").arg("-version").output().is_ok() {
        contenders.push(Contender::new(IMPORT, || {
            filled(items, |database| imported(database, &file, items))
        }));
    } else {
        missing.push("sqlite3".to_owned());
    }
    let rounds = Rounds::run(pairs, &contenders)?;
    let growth = rounds.growth(OURS, (pairs, items), |label, items| {
        ours(plan, label, items)
    })?;
    let per_second = |o: &Outcome| o.items as f64 / o.elapsed_s;
    let mib = |o: &Outcome| o.rss_max_bytes as f64 / f64::from(1 << 20);
    let against = || {
        let ratio = rounds.ratio(OURS, IMPORT, per_second);
        Verdict::at_least(1.0, "at least the rows a second of `.import`", ratio)
    };
    let mut verdicts: Vec<Verdict> = missing.is_empty().then(against).into_iter().collect();
    verdicts.push(Verdict::at_most(
        128.0,
        "peak of at most 128 MiB",
        rounds.spread(OURS, mib),
    ));
    Ok(Section {
        work: format!(
            "{} items, each hashed once by SHA-256 and saved as a row of a fresh table in a fresh file: `inflight run \
             0..{items} --compute sha256 --save 'sqlite:FILE?table=t'`.",
            grouped(items)
        ),
        check: "The hash of each index is computed again, and all must be the right ones.".to_owned(),
        machine,
        pairs,
        figure: "rows a second".to_owned(),
        ratio: "ours ÷ theirs".to_owned(),
        rows: rounds.rows(OURS, per_second),
        verdicts,
        growth: vec![growth],
        notes: vec![
            "`.import` hashes nothing. It and the loop by hand are one transaction, so that all of it is lost when it is cut \
             off; ours are thousands of rows each."
                .to_owned(),
        ],
        missing,
    })
}

fn ours<'a>(plan: &'a Plan, label: &'static str, items: u64) -> Contender<'a> {
    Contender::new(label, move || {
        filled(items, |database| {
            let address = address(database);
            let job = ["--compute", "sha256", "--save", &address];
            inflight_run(&mut Command::new(plan.places.inflight()), &job, items)
        })
    })
}

fn address(database: &Path) -> String {
    format!("sqlite:{}?table=t", database.display())
}

fn imported(database: &Path, file: &Path, items: u64) -> anyhow::Result<Outcome> {
    let import = format!(".import {} t", file.display());
    let mut sqlite = Command::new("sqlite3");
    sqlite.arg(database).args(["-cmd", TABLE, ".mode tabs"]);
    let start = Instant::now();
    let output = sqlite
        .arg(import)
        .stdin(Stdio::null())
        .output()
        .context("failed to start sqlite3")?;
    let elapsed_s = start.elapsed().as_secs_f64();
    if !output.status.success() {
        bail!("sqlite3: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(Outcome {
        items,
        elapsed_s,
        ..Outcome::default()
    })
}

/// Gives a fresh file to a run, and checks that its table is filled with the right hashes.
fn filled(
    items: u64,
    run: impl FnOnce(&Path) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("out.db");
    let outcome = run(&path)?;
    let database = rusqlite::Connection::open(&path)?;
    let mut select = database.prepare("SELECT \"index\", result FROM t ORDER BY \"index\"")?;
    let mut rows = select.query(())?;
    for item in 0..items {
        let row = rows
            .next()?
            .with_context(|| format!("row {item} is missing"))?;
        let (index, result): (i64, String) = (row.get(0)?, row.get(1)?);
        ensure!(
            index.cast_unsigned() == item && result == hashes::hash(item),
            "row {item} holds {index} and {result}"
        );
    }
    ensure!(rows.next()?.is_none(), "there are more rows than items");
    Ok(outcome)
}
