//! A million hashes into a table of Postgres: computed and saved by us, beside a finished file that is only copied.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{bail, ensure};
use bench::{Machine, Outcome};
use inflight_testbed::{Postgres, Setup};

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
const COPY: &str = "psql: `\\copy` of the finished file";
const ASYNCPG: &str = "Python: asyncpg `copy_records_to_table`";

/// The database of a server that waits for the disk as any other does.
struct Server(Postgres);

pub(crate) fn measure(plan: &Plan) -> anyhow::Result<Section> {
    let machine = Machine::now();
    let pairs = plan.pairs(PAIRS);
    let items = plan.items(ITEMS);
    let server = Server(Postgres::start_with(Setup {
        settings: vec!["fsync = on".to_owned()],
        ..Setup::default()
    }));
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("hashes.tsv");
    hashes::write(&file, items)?;
    let mut contenders = vec![
        ours(plan, &server, OURS, items),
        Contender::new(COPY, || {
            server.filled(items, || copied(&server.0, &file, items))
        }),
        Contender::new(KEPT, || {
            server.filled(items, || {
                let address = server.address();
                let job = ["--compute", "sha256", "--save", &address];
                kept(plan, &job, items)
            })
        }),
    ];
    let mut missing = Vec::new();
    if plan.places.python("table.py").is_some() {
        contenders.push(Contender::new(ASYNCPG, || {
            server.filled(items, || {
                let mut python = plan.places.python("table.py").expect("it was there");
                outcome(
                    python.args([server.0.url("postgres"), items.to_string()]),
                    items,
                )
            })
        }));
    } else {
        missing.push("asyncpg".to_owned());
    }
    let rounds = Rounds::run(pairs, &contenders)?;
    let growth = rounds.growth(OURS, (pairs, items), |label, items| {
        ours(plan, &server, label, items)
    })?;
    let per_second = |o: &Outcome| o.items as f64 / o.elapsed_s;
    let mib = |o: &Outcome| o.rss_max_bytes as f64 / f64::from(1 << 20);
    Ok(Section {
        work: format!(
            "{} items, each hashed once by SHA-256 and saved as a row of a fresh table (bigint primary key, text), to a \
             server of Debian's package on this machine that waits for the disk: `inflight run 0..{items} --compute sha256 \
             --save 'postgres://…?table=t'`.",
            grouped(items)
        ),
        check: "The server itself computes the hash of each index, and all must be the right ones.".to_owned(),
        machine,
        pairs,
        figure: "rows a second".to_owned(),
        ratio: "ours ÷ theirs".to_owned(),
        rows: rounds.rows(OURS, per_second),
        verdicts: vec![
            Verdict::at_least(
                0.8,
                "at least 0.8 of the rows a second of `\\copy`",
                rounds.ratio(OURS, COPY, per_second),
            ),
            Verdict::at_most(128.0, "peak of at most 128 MiB", rounds.spread(OURS, mib)),
        ],
        growth: vec![growth],
        notes: vec![
            "`\\copy` hashes nothing and is one transaction, so that all of it is lost when it is cut off; ours are thousands \
             of rows each."
                .to_owned(),
        ],
        missing,
    })
}

fn ours<'a>(plan: &'a Plan, server: &'a Server, label: &'static str, items: u64) -> Contender<'a> {
    Contender::new(label, move || {
        server.filled(items, || {
            let address = server.address();
            let job = ["--compute", "sha256", "--save", &address];
            inflight_run(&mut Command::new(plan.places.inflight()), &job, items)
        })
    })
}

fn copied(server: &Postgres, file: &Path, items: u64) -> anyhow::Result<Outcome> {
    let mut psql = server.psql_command("postgres");
    psql.args(["-c", &format!("\\copy t FROM '{}'", file.display())]);
    let start = Instant::now();
    let output = psql.output()?;
    let elapsed_s = start.elapsed().as_secs_f64();
    if !output.status.success() {
        bail!("psql: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(Outcome {
        items,
        elapsed_s,
        ..Outcome::default()
    })
}

impl Server {
    fn address(&self) -> String {
        format!("{}?table=t", self.0.url("postgres"))
    }

    /// Gives an empty table to a run, and checks that it is filled with the right hashes.
    fn filled(
        &self,
        items: u64,
        run: impl FnOnce() -> anyhow::Result<Outcome>,
    ) -> anyhow::Result<Outcome> {
        let sql = |sql: &str| self.0.query("postgres", sql);
        sql("DROP TABLE IF EXISTS t, inflight_runs, inflight_progress; \
             CREATE TABLE t(\"index\" bigint PRIMARY KEY, result text)");
        // What others have left to write is not for this run to wait for.
        sql("CHECKPOINT");
        let outcome = run()?;
        let right = sql(
            "SELECT count(*) FILTER (WHERE result = encode(sha256(\"index\"::text::bytea), 'hex')) FROM t",
        );
        ensure!(
            right == items.to_string(),
            "of {items} hashes {right} are there and right"
        );
        Ok(outcome)
    }
}
