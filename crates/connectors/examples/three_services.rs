//! Fetches from three services at once for each item, then works on what they answered.
//!
//! Three fetches become one: a service whose connections hold one to each of them.
//! `cargo run --example three_services -p inflight-connectors`

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::error::Error;

use inflight::{Connection, Fault, Job, Options, Record, Reply, Service};
use inflight_connectors::{FetchConnection, FetchSettings, HttpFetch, NullSink, Payload};
use inflight_lab::{Config, Lab};

/// Where customers, orders and prices come from.
struct Three(HttpFetch, HttpFetch, HttpFetch);

/// A connection to each.
struct Threefold(FetchConnection, FetchConnection, FetchConnection);

impl Service<Payload> for Three {
    type Answer = [Payload; 3];
    type Connection = Threefold;

    async fn connect(&self) -> Result<Threefold, Fault> {
        let (one, two, three) =
            tokio::try_join!(self.0.connect(), self.1.connect(), self.2.connect())?;
        Ok(Threefold(one, two, three))
    }
}

impl Connection<Payload> for Threefold {
    type Answer = [Payload; 3];

    async fn send(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<[Payload; 3]>, Fault> {
        // The slowest says how long this takes. None is given up half-way: its connection is used again.
        let Threefold(one, two, three) = self;
        let (one, two, three) = tokio::join!(get(one, bulk), get(two, bulk), get(three, bulk));
        Ok(Reply::one([one?, two?, three?]))
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open() && self.1.is_open() && self.2.is_open()
    }
}

/// What one service has for the item; a bulk holds one, unless a service says that it takes more.
async fn get(service: &mut FetchConnection, bulk: &[Record<Payload>]) -> Result<Payload, Fault> {
    match service.send(bulk).await? {
        Reply::All(mut answers) if answers.len() == 1 => Ok(answers.remove(0)),
        _ => Err(Fault::permanent("not one answer for one item")),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let labs = [lab("20ms")?, lab("50ms")?, lab("100ms")?];
    let fetch = |lab: &Lab| {
        let address = format!("http://{}/items/{{}}", lab.address());
        HttpFetch::new(&address, &FetchSettings::default())
    };
    let three = Three(fetch(&labs[0])?, fetch(&labs[1])?, fetch(&labs[2])?);
    let summary = Job::new((0..100).map(|id| Payload::read(id.to_string())))
        .fetch_from(three)
        .compute(|answers: [Payload; 3]| answers.map(|answer| answer.bytes().clone()).concat())
        .save_to(NullSink)
        .run(&Options::default())?;

    let (saved, took_s) = (summary.saved, summary.elapsed_s);
    println!(
        "{saved} items from three services in {took_s:.2} s; one request after the other: 17 s"
    );
    assert_eq!((saved, summary.dead), (100, 0));
    assert!(labs.iter().all(|lab| lab.stats().received == 100) && took_s < 5.0);
    Ok(())
}

fn lab(latency: &str) -> Result<Lab, Box<dyn Error>> {
    let mut config = Config::default();
    config.set("latency", latency)?;
    Ok(Lab::start(config, ([127, 0, 0, 1], 0).into())?)
}
