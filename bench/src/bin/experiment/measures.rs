//! What is run for each of the eight statements, which figures it rests on, and whether they bear it out.
//!
//! Here are no words for people.

use anyhow::Context;

use crate::chart::{self, Series};
use crate::figure::{Column, ms, percent, seconds, times};
use crate::statement::{Statement, Table, Threads, alone_s};
use crate::tool::{Point, Ran, Run, Tool};

/// Measures one statement.
type Measure = fn(&Tool) -> anyhow::Result<Statement>;

/// All of them, in their order.
pub(crate) const MEASURES: [Measure; 8] = [
    together,
    batch_size,
    capacity,
    one_at_a_time,
    overlap,
    yielding,
    late_answers,
    separation,
];

/// 1: one by one, each request waits for the one before it; together they wait at the same time.
fn together(tool: &Tool) -> anyhow::Result<Statement> {
    let items = tool.items(100);
    let ran = tool.compare(
        "1-together",
        &format!(
            "0..{items} --compute none --save 'lab:?latency=100ms&capacity=100' --strategies sequential,batched"
        ),
    )?;
    let comparison = ran.comparison();
    let (alone, together) = (comparison.run("sequential")?, comparison.run("batched")?);
    let ratio = alone.elapsed_s / together.elapsed_s;
    let figures = vec![
        items.to_string(),
        seconds(alone.elapsed_s),
        seconds(together.elapsed_s),
        times(ratio),
    ];
    let is_held = ratio > 0.5 * items as f64;
    let columns = [
        Column::Run,
        Column::Time,
        Column::InFlight,
        Column::SaveMedian,
    ];
    let table = Table::of(comparison, Threads::All, &columns);
    Ok(Statement::new(vec![ran], vec![table], figures, is_held))
}

/// 2: whatever the batch, a request takes its time.
fn batch_size(tool: &Tool) -> anyhow::Result<Statement> {
    let items = tool.items(200);
    let ran = tool.compare(
        "2-batch-size",
        &format!(
            "0..{items} --compute none --save 'lab:?latency=100ms&capacity=100' --strategies batched --sweep batch=1,5,20,100"
        ),
    )?;
    let runs = || ran.points.iter().map(|point| &point.comparison.runs[0]);
    let quickest = runs().map(|run| run.save_ms.p50).fold(f64::MAX, f64::min);
    let (first, last) = (runs().next(), runs().next_back());
    let (first, last) = (first.context("no run")?, last.context("no run")?);
    let figures = vec![
        seconds(first.elapsed_s),
        seconds(last.elapsed_s),
        ms(quickest),
    ];
    let is_held = quickest >= 100.0 && last.elapsed_s < first.elapsed_s;
    let columns = [
        Column::Run,
        Column::Time,
        Column::InFlight,
        Column::SaveMedian,
    ];
    let table = Table::of_sweep(&ran, &columns);
    Ok(Statement::new(vec![ran], vec![table], figures, is_held))
}

/// 3: beyond its capacity a service gets slower, and refuses.
fn capacity(tool: &Tool) -> anyhow::Result<Statement> {
    let items = tool.items(2_000);
    let columns = [
        Column::Run,
        Column::Time,
        Column::InFlight,
        Column::SaveMedian,
        Column::SaveHighest,
        Column::Refused,
    ];
    let degrading = tool.compare(
        "3-slower",
        &format!(
            "0..{items} --compute none --save 'lab:?latency=100ms&capacity=100&overload=degrade:2' --strategies parallel \
             --sweep in-flight=25,50,100,200,400,1000"
        ),
    )?;
    let refusing = tool.compare(
        "3-refused",
        &format!(
            "0..{items} --compute none --save 'lab:?latency=100ms&capacity=100&queue=100' --strategies parallel \
             --sweep in-flight=100,200,1000"
        ),
    )?;
    let best = degrading
        .points
        .iter()
        .min_by(|a, b| time(a).total_cmp(&time(b)))
        .context("no run")?;
    let most = degrading.points.last().context("no run")?;
    let refused = refusing.points.last().context("no run")?;
    let figures = vec![
        best.value.clone(),
        seconds(time(best)),
        most.value.clone(),
        seconds(time(most)),
        ms(best.comparison.runs[0].save_ms.p50),
        ms(most.comparison.runs[0].save_ms.p50),
        refused.comparison.runs[0].rejected.to_string(),
    ];
    let is_held = best.value != most.value
        && most.comparison.runs[0].save_ms.p50 > 1.5 * best.comparison.runs[0].save_ms.p50
        && refused.comparison.runs[0].rejected > 0;
    let tables = vec![
        Table::of_sweep(&degrading, &columns),
        Table::of_sweep(&refusing, &columns),
    ];
    Ok(Statement::new(
        vec![degrading, refusing],
        tables,
        figures,
        is_held,
    ))
}

fn time(point: &Point) -> f64 {
    point.comparison.runs[0].elapsed_s
}

/// 4: a service that does one thing at a time takes as long whatever is done.
fn one_at_a_time(tool: &Tool) -> anyhow::Result<Statement> {
    let items = tool.items(100);
    let ran = tool.compare(
        "4-one-at-a-time",
        &format!("0..{items} --compute none --save 'lab:?latency=20ms&capacity=1'"),
    )?;
    let runs = &ran.comparison().runs;
    let least = runs
        .iter()
        .map(|run| run.elapsed_s)
        .fold(f64::MAX, f64::min);
    let most = runs.iter().map(|run| run.elapsed_s).fold(0.0, f64::max);
    let figures = vec![seconds(least), seconds(most), percent(most / least - 1.0)];
    let columns = [
        Column::Run,
        Column::Time,
        Column::InFlight,
        Column::SaveMedian,
    ];
    let table = Table::of(ran.comparison(), Threads::All, &columns);
    Ok(Statement::new(
        vec![ran],
        vec![table],
        figures,
        most / least < 1.2,
    ))
}

/// 5: what is left of the I/O when computing goes on meanwhile.
fn overlap(tool: &Tool) -> anyhow::Result<Statement> {
    let items = tool.items(600);
    let ran = tool.compare(
        "5-overlap",
        &format!("0..{items} --compute bcrypt:8 --jobs 1 --save 'lab:?latency=100ms&capacity=100'"),
    )?;
    let comparison = ran.comparison();
    let alone_s = comparison.compute_only_s;
    let run = |strategy| comparison.run(strategy);
    let (sequential, batched, asynchronous) = (run("sequential")?, run("batched")?, run("async")?);
    let hidden = |run: &Run| 1.0 - beyond(run) / beyond(sequential);
    let figures = vec![
        seconds(alone_s),
        seconds(sequential.elapsed_s),
        seconds(batched.elapsed_s),
        seconds(asynchronous.elapsed_s),
        times(sequential.elapsed_s / asynchronous.elapsed_s),
        seconds(beyond(batched)),
        seconds(beyond(asynchronous)),
        percent(hidden(asynchronous)),
        percent(hidden(batched)),
    ];
    let is_held = hidden(asynchronous) > 0.95 && beyond(asynchronous) < beyond(batched);
    let columns = [
        Column::Run,
        Column::Time,
        Column::Slowdown,
        Column::Compute,
        Column::InFlight,
        Column::SaveMedian,
        Column::Attainment,
    ];
    let table = Table::of(comparison, Threads::One, &columns);
    Ok(Statement::new(vec![ran], vec![table], figures, is_held))
}

/// 6: how often one thread must look up from computing.
fn yielding(tool: &Tool) -> anyhow::Result<Statement> {
    let items = tool.items(200);
    let ran = tool.compare(
        "6-yielding",
        &format!(
            "0..{items} --compute bcrypt:8 --save 'lab:?latency=100ms&capacity=1000' --strategies async --in-flight 1000 \
             --sweep yield-every=0,50ms,100ms,1s,never"
        ),
    )?;
    let of = |value: &str| {
        let mut points = ran.points.iter();
        points
            .find(|point| point.value == value)
            .map(|point| &point.comparison.runs[0])
            .context("a value is missing")
    };
    let (each, usual, never) = (of("0")?, of("50ms")?, of("never")?);
    let figures = vec![
        ms(never.loop_stall_ms_max),
        seconds(never.compute_s),
        seconds(never.elapsed_s),
        seconds(each.elapsed_s),
        ms(each.loop_stall_ms_max),
        seconds(usual.elapsed_s),
        ms(usual.loop_stall_ms_max),
    ];
    let is_held = never.loop_stall_ms_max > 0.8e3 * never.compute_s
        && never.elapsed_s > never.compute_s + 0.095
        && each.loop_stall_ms_max < 0.5 * never.loop_stall_ms_max;
    let columns = [
        Column::Run,
        Column::Time,
        Column::Stall,
        Column::SaveMedian,
        Column::InFlight,
    ];
    let table = Table::of_sweep(&ran, &columns);
    Ok(Statement::new(vec![ran], vec![table], figures, is_held))
}

/// 7: an answer that is there waits until the computation is over.
fn late_answers(tool: &Tool) -> anyhow::Result<Statement> {
    let job = format!(
        "0..25 --compute bcrypt:{} --save 'lab:?latency=100ms&capacity=100'",
        tool.cost(12)
    );
    let ran = tool.compare(
        "7-late-answers",
        &format!("{job} --strategies async,parallel"),
    )?;
    let timeline = tool.compare("7-one-thread", &format!("{job} --strategies async"))?;
    let comparison = ran.comparison();
    let (asynchronous, parallel) = (comparison.run("async")?, comparison.run("parallel")?);
    let service = comparison
        .service_ms
        .context("the lab says how long it took")?;
    let figures = vec![
        ms(service.p50),
        ms(asynchronous.save_ms.p50),
        ms(parallel.save_ms.p50),
        ms(asynchronous.loop_stall_ms_max),
    ];
    let is_held =
        asynchronous.save_ms.p50 > 1.2 * service.p50 && parallel.save_ms.p50 < 1.2 * service.p50;
    let columns = [
        Column::Run,
        Column::Time,
        Column::SaveMedian,
        Column::SaveHighest,
        Column::Stall,
    ];
    let table = Table::of(comparison, Threads::All, &columns);
    Ok(Statement::new(
        vec![timeline, ran],
        vec![table],
        figures,
        is_held,
    ))
}

/// 8: what is lost beside computing alone, and what separating I/O gains.
fn separation(tool: &Tool) -> anyhow::Result<Statement> {
    let items = tool.items(100);
    let all = tool.compare(
        "8-costs",
        &format!(
            "0..{items} --save 'lab:?latency=100ms&capacity=100' --sweep cost={}",
            [8, 10, 11, 12]
                .map(|cost| tool.cost(cost).to_string())
                .join(",")
        ),
    )?;
    let one = tool.compare(
        "8-one-core",
        &format!(
            "0..{items} --compute bcrypt:10 --jobs 1 --save 'lab:?latency=100ms&capacity=100' --strategies async,parallel"
        ),
    )?;
    let alone = tool.compare(
        "8-alone",
        &format!("0..{items} --compute bcrypt:10 --save null: --strategies sequential"),
    )?;
    let alone_cpu_s = alone.comparison().run("sequential")?.compute_s;
    let chart = tool.draw("8-slowdown", &chart::lines(&slowdowns(&all)))?;
    let comparison = one.comparison();
    let (asynchronous, parallel) = (comparison.run("async")?, comparison.run("parallel")?);
    let one_alone_s = comparison.compute_only_s;
    let worst = |strategy: &str| {
        let slowdowns = all.points.iter().filter_map(|point| {
            let run = point.comparison.run(strategy).ok()?;
            Some(run.elapsed_s / alone_s(&point.comparison, run, Threads::All))
        });
        slowdowns.fold(0.0, f64::max)
    };
    let figures = vec![
        times(worst("sequential")),
        times(worst("batched")),
        times(worst("async")),
        times(worst("parallel")),
        seconds(one_alone_s),
        seconds(asynchronous.elapsed_s),
        seconds(parallel.elapsed_s),
        seconds(alone_cpu_s),
        seconds(parallel.compute_s),
        times(parallel.compute_s / alone_cpu_s),
        seconds(beyond(asynchronous)),
        seconds(beyond(parallel)),
    ];
    // The last save alone takes 0.1 s.
    let is_held = beyond(parallel) < beyond(asynchronous) + 0.01 * one_alone_s
        && beyond(parallel) - 0.1 < 0.03 * parallel.compute_s;
    let columns = [
        Column::Run,
        Column::Strategy,
        Column::Alone,
        Column::Time,
        Column::Slowdown,
        Column::Attainment,
    ];
    let beside = [Column::Run, Column::Time, Column::Slowdown, Column::Compute];
    let tables = vec![
        Table::of_sweep(&all, &columns),
        Table::of(comparison, Threads::One, &beside),
    ];
    let mut statement = Statement::new(vec![all, one, alone], tables, figures, is_held);
    // Computing with nothing beside it has nothing to show.
    statement.pictures.pop();
    statement.pictures.insert(0, chart);
    Ok(statement)
}

/// What a run took beyond the CPU time of its own computing. A machine that is slower for one run than for another says nothing
/// here.
fn beyond(run: &Run) -> f64 {
    run.elapsed_s - run.compute_s
}

/// For each strategy the slowdown against computing alone, over the time that one item takes alone, in milliseconds.
fn slowdowns(ran: &Ran) -> Vec<Series> {
    let strategies = ran.comparison().runs.iter().map(|run| run.strategy.clone());
    strategies
        .map(|name| {
            let points = ran.points.iter().filter_map(|point| {
                let comparison = &point.comparison;
                let run = comparison.run(&name).ok()?;
                let item_ms = comparison.compute_only_s / run.items as f64 * 1e3;
                Some((
                    item_ms,
                    run.elapsed_s / alone_s(comparison, run, Threads::All),
                ))
            });
            Series {
                points: points.collect(),
                name: name.clone(),
            }
        })
        .collect()
}
