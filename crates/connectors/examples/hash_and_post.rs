//! Hashes each line and posts the hash to a service that fails now and then; nothing is lost.
//!
//! `cargo run --example hash_and_post -p inflight-connectors`

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::error::Error;

use inflight::{Job, Options};
use inflight_connectors::{HttpSink, Payload, SinkSettings, Task};
use inflight_lab::{Config, Lab};

fn main() -> Result<(), Box<dyn Error>> {
    // The service: 50 ms for a request, 100 at once, every tenth fails with status 500.
    let mut config = Config::default();
    for (key, value) in [("latency", "50ms"), ("capacity", "100"), ("fail", "10%")] {
        config.set(key, value)?;
    }
    let lab = Lab::start(config, ([127, 0, 0, 1], 0).into())?;

    // The job. `Payload` keeps the key of the line it was read from, so that a repeated POST can be told.
    let lines = (1..=500).map(|number| Payload::read(format!("line {number}")));
    let task = Task::parse("sha256:100")?;
    let sink = HttpSink::new(
        &format!("http://{}/add", lab.address()),
        &SinkSettings::default(),
    )?;
    let summary = Job::new(lines)
        .try_compute(move |line| task.run(line))
        .result_bytes(Payload::heap_bytes)
        .save_to(sink)
        .run(&Options::default())?;

    let service = lab.stats();
    println!(
        "{} lines in {:.2} s, {} requests, {} of them once more; {}",
        summary.items, summary.elapsed_s, service.received, summary.retried, summary.sentence
    );
    assert_eq!((summary.saved, summary.dead, summary.left), (500, 0, 0));
    assert_eq!((service.saved, service.distinct), (500, 500));
    assert_eq!(service.received, 500 + summary.retried);
    Ok(())
}
