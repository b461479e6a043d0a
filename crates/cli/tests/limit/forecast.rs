//! The formulas of the forecast held against the lab's model in virtual time, with a real limit between them.

use inflight::forecast::{Figure, Traffic, Way, Work, forecast};
use inflight::{InFlightLimit, Options, Strategy};
use inflight_cli::simulate::play;
use inflight_lab::Scenario;

/// A finite job of which every part is known; its scenario, and what `parallel` is predicted to take.
fn job(capacity: usize, latency_ms: u32, limit: &str) -> (Scenario, f64) {
    let text = format!(
        "name = 'job'\nitems = 600\n[clients]\ncores = 2\ncompute = '5ms'\nlimit = {limit}\n[service]\n\
         network = '0ms'\nlatency = '{latency_ms}ms'\ncapacity = {capacity}\n"
    );
    let scenario = Scenario::parse(&text).unwrap();
    let compute = Figure::declared(0.005);
    let work = Work {
        items: 600,
        compute,
        compute_beside: compute,
        fetch: None,
        save: Traffic {
            capacity: Some(Figure::declared(capacity as f64)),
            ..Traffic::taking(Figure::declared(f64::from(latency_ms) / 1e3))
        },
    };
    let options = Options {
        jobs: 2,
        in_flight: limit
            .parse()
            .map_or(InFlightLimit::Auto, InFlightLimit::Fixed),
        ..Options::default()
    };
    let forecast = forecast(&Way::of(&options, Strategy::Parallel), &work);
    (scenario, forecast.predicted_s)
}

#[test]
fn parallel_takes_what_its_formula_says() {
    for capacity in [1, 10, 100] {
        for latency_ms in [5, 100] {
            for limit in ["100", "'auto'"] {
                let (scenario, predicted_s) = job(capacity, latency_ms, limit);
                let elapsed_s = play(&scenario, 1).simulated.elapsed_s;
                let off = predicted_s / elapsed_s - 1.0;
                assert!(
                    off.abs() < 0.1,
                    "capacity {capacity}, {latency_ms} ms, limit {limit}: predicted {predicted_s:.2} s, played \
                     {elapsed_s:.2} s"
                );
            }
        }
    }
}
