//! A sink of your own: connections that the engine opens and keeps, and many results in one save.
//!
//! `cargo run --example own_sink -p inflight`

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use inflight::{Connection, Error, Fault, InFlightLimit, Job, Options, Record, Reply, Service};

/// What a warehouse sees; a real one would be at the other end of a wire.
enum Event {
    Connected,
    Delivered(Vec<u64>),
}

/// The sink, as configured. It moves to the thread that serves I/O and opens connections there.
struct Warehouse(Sender<Event>);

/// One connection. The engine makes one request at a time on it, so `send` has it for itself.
struct Door(Sender<Event>);

impl Service<u64> for Warehouse {
    type Answer = ();
    type Connection = Door;

    async fn connect(&self) -> Result<Door, Fault> {
        self.0.send(Event::Connected)?;
        Ok(Door(self.0.clone()))
    }

    fn bulk_max(&self) -> usize {
        100
    }
}

impl Connection<u64> for Door {
    type Answer = ();

    async fn send(&mut self, bulk: &[Record<u64>]) -> Result<Reply<()>, Fault> {
        // A request takes as long however much it carries, as it does at most services.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let parcels = bulk.iter().map(|record| record.value);
        let taken = parcels.filter(|parcel| *parcel != 169).collect();
        self.0.send(Event::Delivered(taken))?;
        // One outcome for each record, in their order: what was taken is not sent again.
        let outcomes = bulk.iter().map(|record| match record.value {
            169 => Err(Fault::permanent("no parcel 169 here")),
            _ => Ok(()),
        });
        Ok(Reply::Each(outcomes.collect()))
    }
}

fn main() -> Result<(), Error> {
    let (sender, events) = channel();
    let options = Options {
        in_flight: InFlightLimit::Fixed(4),
        ..Options::default()
    };
    let job = Job::new(0..1000).compute(|n: u64| n * n);
    let summary = job.save_to(Warehouse(sender)).run(&options)?;

    let (mut connections, mut requests, mut parcels) = (0, 0, 0);
    for event in events {
        match event {
            Event::Connected => connections += 1,
            Event::Delivered(bulk) => (requests, parcels) = (requests + 1, parcels + bulk.len()),
        }
    }
    let (saved, dead, largest) = (summary.saved, summary.dead, summary.bulk.max);
    println!("{saved} saved, {dead} dead");
    println!("{requests} requests on {connections} connections, the largest with {largest}");
    assert_eq!((saved, dead, parcels), (999, 1, 999));
    assert!(connections <= 4 && requests < 100 && largest <= 100);
    Ok(())
}
