//! A service that allows fewer connections than the run may have.

use super::*;

fn with_connections(connections: usize, in_flight: InFlightLimit) -> Outcome {
    play(Scenario {
        items: 2_000,
        options: &Options {
            in_flight,
            ..Options::default()
        },
        script: |_| (10 * MS, Ok(())),
        connect_takes: MS,
        connections,
        rest: MS,
        through_queue: false,
    })
}

#[test]
fn the_run_goes_on_at_once_with_the_connections_it_can_have() {
    for in_flight in [InFlightLimit::Fixed(50), InFlightLimit::Auto] {
        let outcome = with_connections(3, in_flight);
        assert_eq!((outcome.done, outcome.requests.len()), (2_000, 2_000));
        assert_eq!(outcome.opened, 3);
        // 20 s would be needed with one, and nobody paused.
        assert!(outcome.took < 7 * SECOND, "{:?}", outcome.took);
    }
}

#[test]
fn without_any_connection_it_is_an_outage() {
    let outcome = with_connections(0, InFlightLimit::Fixed(50));
    let why = outcome.unavailable.expect("nothing can be sent");
    assert!(why.contains("too many clients"), "{why}");
    assert!(outcome.took < 10 * SECOND);
}
