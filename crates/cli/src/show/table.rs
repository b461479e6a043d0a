//! The comparison as a table readable at a glance, and the closing lines of a run. Pure text; computes nothing but
//! widths.

use std::fmt::Write;

use inflight::{Basis, Dist, Ending, InFlight, Summary};

use crate::keep::recording::Comparison;
use crate::terminal::quantity::{count, milliseconds, percent, rate, seconds};

/// The columns of a row; the first and the last hold words, the others figures.
pub(crate) const HEADER: [&str; 11] = [
    "strategy",
    "time",
    "predicted",
    "× seq.",
    "of limit",
    "cores busy",
    "in flight",
    "save p50",
    "save p99",
    "I/O stall",
    "bottleneck",
];

/// The whole result of `compare`: workload above, one row for each strategy, one conclusion below.
pub(crate) fn comparison(comparison: &Comparison, styled: bool) -> String {
    let mut text = preamble(comparison);
    let rows: Vec<Vec<String>> = comparison.runs.iter().map(row).collect();
    text.push('\n');
    for line in aligned(&HEADER, &rows, styled) {
        text.push_str(&line);
        text.push('\n');
    }
    if let Some(conclusion) = conclusion(&comparison.runs) {
        let _ = write!(text, "\n{conclusion}\n");
    }
    text
}

/// What a run came to, for people.
pub(crate) fn closing(summary: &Summary) -> String {
    let saved_now = summary.saved - summary.saved_before;
    let mut text = format!(
        "saved {} of {}",
        summary.saved,
        count(summary.items, "item")
    );
    if summary.saved_before > 0 {
        let _ = write!(text, ", {saved_now} of them now,");
    }
    let _ = write!(
        text,
        " in {} ({})",
        seconds(summary.elapsed_s),
        rate(saved_now, summary.elapsed_s),
    );
    if summary.dead > 0 {
        let _ = write!(text, ", {} dead", summary.dead);
    }
    if summary.left > 0 {
        let _ = write!(text, ", {} left", summary.left);
    }
    text.push('\n');
    if summary.saved > 0 {
        let _ = writeln!(text, "{}", requests(summary));
        let _ = writeln!(text, "{}", summary.sentence);
        if let Some(sentence) = predicted(summary) {
            let _ = writeln!(text, "{sentence}");
        }
    }
    text
}

/// How long requests took, and how many were in flight.
fn requests(summary: &Summary) -> String {
    let of = |what: &str, times: Dist, flying: InFlight| {
        format!(
            "a {what} took {} (p99 {}), {} in flight on average",
            milliseconds(times.p50),
            milliseconds(times.p99),
            match flying.mean {
                mean if mean < 9.95 => format!("{mean:.1}"),
                mean => format!("{mean:.0}"),
            },
        )
    };
    let fetch = summary.fetch_ms.zip(summary.fetch_in_flight);
    let fetch = fetch.map(|(times, flying)| format!("{}; ", of("fetch", times, flying)));
    let save = match fetch {
        None => of("save", summary.save_ms, summary.in_flight),
        // Of the two the fetch is what takes its time, as a rule, and what is short says enough.
        Some(_) => format!("a save {}", milliseconds(summary.save_ms.p50)),
    };
    let fetch = fetch.unwrap_or_default();
    format!("{fetch}{save}; {:.1} cores busy", summary.cores_busy)
}

/// What the run was predicted to take; `None` if nobody predicted it, or it stopped before its end.
fn predicted(summary: &Summary) -> Option<String> {
    let (predicted_s, after_s) = (summary.predicted_s?, summary.predicted_after_s?);
    if summary.ending != Ending::Complete {
        return None;
    }
    let share = summary.elapsed_s / predicted_s.max(1e-9) - 1.0;
    let than = match share {
        share if share.abs() < 0.005 => "it took as long".to_owned(),
        share if share > 0.0 => format!("it took {:.0} % longer", 100.0 * share),
        share => format!("it took {:.0} % less", -100.0 * share),
    };
    Some(format!(
        "after {} it was predicted to take {}; {than}",
        seconds(after_s),
        seconds(predicted_s),
    ))
}

/// Where a figure comes from.
pub(crate) fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Declared => "declared",
        Basis::Measured => "measured",
        Basis::Learned => "learned",
        Basis::Assumed => "assumed",
    }
}

fn preamble(comparison: &Comparison) -> String {
    let workload = &comparison.workload;
    let mut text = format!(
        "{} × {} → {}, {}\n",
        count(workload.items, "item"),
        workload.compute,
        workload.sink,
        count(comparison.cores as u64, "core"),
    );
    let _ = write!(
        text,
        "computing alone: {} on one thread, {} on all cores",
        seconds(comparison.compute_only_s),
        seconds(comparison.compute_only_all_s),
    );
    if let Some(service) = comparison.service_ms {
        let _ = write!(
            text,
            "; the service took {} (p99 {})",
            milliseconds(service.p50),
            milliseconds(service.p99)
        );
    }
    text.push('\n');
    text
}

/// One run, as [`HEADER`] says.
pub(crate) fn row(run: &Summary) -> Vec<String> {
    vec![
        run.strategy.name().to_owned(),
        seconds(run.elapsed_s),
        run.predicted_s.map_or("–".to_owned(), seconds),
        run.speedup
            .map_or("–".to_owned(), |speedup| format!("{speedup:.1}")),
        percent(run.attainment),
        format!("{:.2}", run.cores_busy),
        format!("{:.1}", run.in_flight.mean),
        milliseconds(run.save_ms.p50),
        milliseconds(run.save_ms.p99),
        milliseconds(run.loop_stall_ms_max),
        run.bottleneck.name().to_owned(),
    ]
}

/// Words to the left, figures to the right; two spaces between columns.
pub(crate) fn aligned(header: &[&str], rows: &[Vec<String>], styled: bool) -> Vec<String> {
    let header: Vec<String> = header.iter().map(|&name| name.to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&header]);
        cells
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let is_words = |column: usize| {
        let first = rows.iter().map(|row| &row[column]);
        let mut letters = first.filter_map(|cell| cell.chars().next());
        letters.any(char::is_alphabetic)
    };
    let words: Vec<bool> = (0..header.len()).map(is_words).collect();
    let line = |row: &[String]| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            match words[column] {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let heading = match styled {
        true => format!("\x1b[1m{}\x1b[0m", line(&header)),
        false => line(&header),
    };
    std::iter::once(heading)
        .chain(rows.iter().map(|row| line(row)))
        .collect()
}

/// What to take away: the quickest strategy, and what the engine says of it.
fn conclusion(runs: &[Summary]) -> Option<String> {
    let best = runs
        .iter()
        .min_by(|a, b| a.elapsed_s.total_cmp(&b.elapsed_s))?;
    let name = best.strategy.name();
    let quicker = match best.speedup {
        Some(speedup) if speedup >= 1.05 => {
            format!("{name} is {speedup:.1} times quicker than sequential")
        }
        _ if runs.len() > 1 => format!("{name} is the quickest"),
        _ => format!("{name} took {}", seconds(best.elapsed_s)),
    };
    Some(
        match best
            .sentence
            .starts_with(|first: char| first.is_ascii_digit())
        {
            _ if best.saved == 0 => best.sentence.clone(),
            true => format!("{quicker} and reaches {}.", best.sentence),
            false => format!("{quicker}; {}.", best.sentence),
        },
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::keep::recording::Workload;
    use std::collections::BTreeMap;

    use inflight::{Bottleneck, Bulk, Strategy};

    pub(crate) fn summary(strategy: Strategy, elapsed_s: f64) -> Summary {
        let save_ms = Dist {
            mean: 102.0,
            p50: 101.2,
            p90: 103.0,
            p99: 118.9,
            max: 130.0,
        };
        Summary {
            version: 1,
            strategy,
            items: 120,
            saved: 120,
            dead: 0,
            in_doubt: 0,
            left: 0,
            skipped: 0,
            saved_before: 0,
            dead_before: 0,
            retried: 0,
            rejected: 0,
            rejected_ratio: 0.0,
            elapsed_s,
            bound_s: 1.09,
            attainment: 1.09 / elapsed_s,
            bottleneck: Bottleneck::Cpu,
            limited_s: BTreeMap::default(),
            terms: BTreeMap::default(),
            quota: None,
            predicted_s: Some(1.08),
            predicted_after_s: Some(0.5),
            speedup: Some(14.12 / elapsed_s),
            compute_s: 1.93,
            compute_elapsed_s: 1.93,
            io_overhead_s: elapsed_s - 0.97,
            outage_s: 0.0,
            retry_tail_s: 0.0,
            straggler: inflight::Straggler::default(),
            fetch_in_flight: None,
            compute_ms: Dist::default(),
            slot_wait_ms: Dist::default(),
            save_ms,
            unloaded_ms: 100.0,
            fetch_ms: None,
            in_flight: InFlight {
                mean: 12.0 / elapsed_s,
                max: 100,
                limit_final: 100,
                ceiling: 100,
            },
            learnt: None,
            learnt_fetch: None,
            bulk: Bulk::default(),
            loop_stall_ms_max: 16.8,
            cores_busy: 1.95 / elapsed_s,
            cores: 2,
            other_cores: None,
            rss_max_bytes: 0,
            ending: Ending::Complete,
            sentence: "97 % of the limit; limited by computing on 2 cores".to_owned(),
        }
    }

    #[test]
    fn a_comparison_is_read_at_a_glance() {
        let runs = [
            (Strategy::Sequential, 14.12),
            (Strategy::Batched, 2.15),
            (Strategy::Async, 2.05),
            (Strategy::Parallel, 1.12),
        ];
        let text = comparison(
            &Comparison {
                version: 1,
                cores: 2,
                workload: Workload {
                    items: 120,
                    compute: "bcrypt:8".to_owned(),
                    sink: "lab:?latency=100ms".to_owned(),
                },
                compute_only_s: 1.93,
                compute_only_all_s: 0.99,
                service_ms: Some(Dist {
                    p50: 100.2,
                    p99: 101.9,
                    ..Dist::default()
                }),
                runs: runs
                    .map(|(strategy, elapsed_s)| summary(strategy, elapsed_s))
                    .to_vec(),
            },
            false,
        );
        insta::assert_snapshot!(text, @"
        120 items × bcrypt:8 → lab:?latency=100ms, 2 cores
        computing alone: 1.93 s on one thread, 0.990 s on all cores; the service took 100 ms (p99 102 ms)

        strategy      time  predicted  × seq.  of limit  cores busy  in flight  save p50  save p99  I/O stall  bottleneck
        sequential  14.1 s     1.08 s     1.0     7.7 %        0.14        0.8    101 ms    119 ms      17 ms  cpu
        batched     2.15 s     1.08 s     6.6      51 %        0.91        5.6    101 ms    119 ms      17 ms  cpu
        async       2.05 s     1.08 s     6.9      53 %        0.95        5.9    101 ms    119 ms      17 ms  cpu
        parallel    1.12 s     1.08 s    12.6      97 %        1.74       10.7    101 ms    119 ms      17 ms  cpu

        parallel is 12.6 times quicker than sequential and reaches 97 % of the limit; limited by computing on 2 cores.
        ");
        let table = text.lines().skip(3).take(5);
        assert!(table.map(|line| line.chars().count()).max() <= Some(120));
    }

    #[test]
    fn a_run_closes_with_what_limited_it() {
        let run = Summary {
            saved: 117,
            dead: 2,
            left: 1,
            ..summary(Strategy::Parallel, 1.12)
        };
        insta::assert_snapshot!(closing(&run), @"
        saved 117 of 120 items in 1.12 s (104/s), 2 dead, 1 left
        a save took 101 ms (p99 119 ms), 11 in flight on average; 1.7 cores busy
        97 % of the limit; limited by computing on 2 cores
        after 0.500 s it was predicted to take 1.08 s; it took 4 % longer
        ");
    }

    #[test]
    fn a_job_that_fetches_says_how_long_that_takes() {
        let run = Summary {
            fetch_ms: Some(Dist {
                p50: 710.0,
                p99: 1600.0,
                ..Dist::default()
            }),
            fetch_in_flight: Some(InFlight {
                mean: 2.6,
                ..InFlight::default()
            }),
            ..summary(Strategy::Parallel, 1.12)
        };
        let text = closing(&run);
        assert_eq!(
            text.lines().nth(1),
            Some(
                "a fetch took 710 ms (p99 1.60 s), 2.6 in flight on average; a save 101 ms; 1.7 cores busy"
            )
        );
    }

    #[test]
    fn a_run_that_went_on_closes_with_what_it_did_itself() {
        let run = Summary {
            saved: 120,
            saved_before: 100,
            ..summary(Strategy::Parallel, 2.0)
        };
        let text = closing(&run);
        let first = text.lines().next();
        assert_eq!(
            first,
            Some("saved 120 of 120 items, 20 of them now, in 2.00 s (10/s)")
        );
    }
}
